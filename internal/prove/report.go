package prove

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/disk"
)

// A Report says what was done and what came of it.
type Report struct {
	Options     Options `json:"options"`
	Machine     string  `json:"machine"`
	Disk        Disk    `json:"disk"`
	CyclesDone  int     `json:"cycles_done"`
	Interrupted bool    `json:"interrupted"` // fewer cycles than wanted
	Kills       int     `json:"kills"`
	StartKills  int     `json:"start_kills"` // those of them while the gateway started
	Ready       Ready   `json:"ready_ms"`
	*Verdict
	Took   time.Duration `json:"took_ns"`
	Folder string        `json:"folder,omitempty"` // that was kept
}

// A Disk is where the data was, and how far its syncs can be believed.
type Disk struct {
	Path       string     `json:"path"`
	System     string     `json:"file_system,omitempty"`
	Device     string     `json:"device,omitempty"`
	WriteCache string     `json:"write_cache,omitempty"`
	SyncMS     float64    `json:"sync_ms"` // to append and sync 4 KiB, the middle of many
	Trust      disk.Trust `json:"trust"`
	Why        string     `json:"why"`
}

// Ready is how long the gateway took from its start until it was ready, in milliseconds.
type Ready struct {
	Middle float64 `json:"p50"`
	Most   float64 `json:"max"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// leastEvents is how many events a cycle has to acknowledge, so that the run shows something.
const leastEvents = 10

// Err returns an error if anything does not hold, or if too little was done to show it.
func (r *Report) Err() error {
	switch least := leastEvents * r.CyclesDone; {
	case r.Lost > 0:
		return fmt.Errorf("%s lost", count(r.Lost, "event was", "events were"))
	case len(r.Violations) > 0:
		return fmt.Errorf("%s", count(len(r.Violations), "thing does not hold", "things do not hold"))
	case r.Interrupted:
		return fmt.Errorf("interrupted after %d of %d cycles: nothing was lost so far", r.CyclesDone, r.Options.Cycles)
	case r.Acknowledged < least:
		return fmt.Errorf("only %d events were acknowledged, fewer than %d: the run shows nothing", r.Acknowledged,
			least)
	}
	return nil
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// shown is how many violations of an invariant the table has.
const shown = 10

// WriteTable writes r for a person.
func (r *Report) WriteTable(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%d of %d cycles in %s, %d kills, %d of them in a start; seed %d; %s\n", r.CyclesDone,
		r.Options.Cycles, r.Took.Round(100*time.Millisecond), r.Kills, r.StartKills, r.Options.Seed, r.Machine)
	fmt.Fprintf(b, "ready again after a kill: %.0f ms in the middle, %.0f ms at most\n\n", r.Ready.Middle,
		r.Ready.Most)
	for _, row := range []struct {
		name string
		n    int
		note string
	}{
		{"sent", r.Sent, "events"},
		{"acknowledged", r.Acknowledged, "of them answered 2xx"},
		{"stored", r.Stored, "events: also those whose answer a kill cut off"},
		{"owed", r.Owed, "deliveries: each event to both destinations"},
		{"received", r.Received, "attempts: also those that the receiver refused, and repeats"},
		{"repeats", r.Repeats, "of deliveries that had arrived, with the same id; kills explain at most " +
			fmt.Sprint(r.RepeatBound)},
		{"lost", r.Lost, "acknowledged, and not stored or not received"},
		{"out of thin air", r.Invented, "stored or received, and never sent"},
	} {
		fmt.Fprintf(b, "%-15s  %9d  %s\n", row.name, row.n, row.note)
	}
	b.WriteByte('\n')
	r.writeViolations(b)
	r.writeDisk(b)
	if r.Folder != "" {
		fmt.Fprintf(b, "the folder %s is kept: data, and server.log\n", r.Folder)
	}
	if err := r.Err(); err != nil {
		fmt.Fprintf(b, "FAILED: %v\n", err)
	} else {
		fmt.Fprintf(b, "After %d kills, every acknowledged event was stored and delivered, byte for byte.\n", r.Kills)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeViolations writes the first violations of each invariant.
func (r *Report) writeViolations(b *strings.Builder) {
	for _, i := range Invariants {
		n := r.Count(i.Name)
		if n == 0 {
			continue
		}
		fmt.Fprintf(b, "WRONG: it does not hold that %s: %s\n", i.Meaning, count(n, "case", "cases"))
		left := shown
		for _, v := range r.Violations {
			if v.Invariant == i.Name && left > 0 {
				fmt.Fprintf(b, "  %s\n", v.Text)
				left--
			}
		}
	}
}

// writeDisk writes what is known of the disk.
func (r *Report) writeDisk(b *strings.Builder) {
	d := r.Disk
	on := ""
	for _, text := range []string{d.System, d.Device, d.WriteCache} {
		if text != "" {
			on += ", " + text
		}
	}
	fmt.Fprintf(b, "The disk: %s%s. %s: %s.\n", d.Path, on, strings.ToUpper(string(d.Trust[:1]))+string(d.Trust[1:]),
		d.Why)
	b.WriteString("A kill shows what the program does. What the disk does in a power cut, only a power cut shows.\n")
}
