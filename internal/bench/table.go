package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable writes r for a person: what was measured, a line per run, the medians, the ratio, and the verdict.
func (r *Report) WriteTable(w io.Writer) error {
	o := r.Options
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s events of %s bytes, %s, over %d connections, to %s; %s\n",
		thousands(o.Events), thousands(o.Size), pace(o), o.Connections, destinations(o.Fanout), r.Machine)
	fmt.Fprintf(b, "%s\n\n", r.Folder)
	b.WriteString(align(r.rows()))
	b.WriteByte('\n')
	for _, note := range r.notes() {
		fmt.Fprintln(b, note)
	}
	fmt.Fprintln(b, r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// rows are the table's cells. The two lines of titles are read as one.
func (r *Report) rows() [][]string {
	all := [][]string{
		{"", "", "accepted", "delivered", "accept", "ms", "end to", "end ms", "CPU µs", "peak", "dupli-", ""},
		{"run", "gateway", "/s", "/s", "p50", "p99", "p50", "p99", "/event", "MiB", "cates", "lost"},
	}
	for _, run := range r.Runs {
		row := append([]string{strconv.Itoa(run.Run), run.Gateway}, cells(run.Figures)...)
		all = append(all, append(row, thousands(int(run.Duplicates)), thousands(int(run.Lost))))
	}
	return append(all, nil,
		append([]string{"median", relayName}, cells(r.Relay)...),
		append([]string{"median", bellhopName}, cells(r.Bellhop)...),
		append([]string{"ratio", ""}, ratios(r.Ratio)...))
}

// align writes rows in columns, words to the left and numbers to the right.
func align(rows [][]string) string {
	const words = 2 // columns
	var widths [12]int
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			if i < words {
				line += fmt.Sprintf("%-*s  ", widths[i], cell)
			} else {
				line += fmt.Sprintf("%*s  ", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// cells writes rates and sizes whole, and latencies with a digit after the point, or two where they are small.
func cells(f Figures) []string {
	var all []string
	for _, v := range f.each() {
		switch {
		case *v == 0:
			all = append(all, "–")
		case *v < 10:
			all = append(all, strconv.FormatFloat(*v, 'f', 2, 64))
		case *v < 100:
			all = append(all, strconv.FormatFloat(*v, 'f', 1, 64))
		default:
			all = append(all, thousands(int(*v+.5)))
		}
	}
	return all
}

func ratios(f Figures) []string {
	var all []string
	for _, v := range f.each() {
		if *v == 0 {
			all = append(all, "–")
		} else {
			all = append(all, strconv.FormatFloat(*v, 'f', 2, 64))
		}
	}
	return all
}

func pace(o Options) string {
	if o.Rate == 0 {
		return "as fast as answered"
	}
	return thousands(o.Rate) + " a second"
}

func destinations(n int) string {
	if n == 1 {
		return "1 destination"
	}
	return fmt.Sprintf("%d destinations each", n)
}

// String says where data was kept and what a sync costs there.
func (f Folder) String() string {
	system := ""
	if f.System != "" {
		system = " (" + f.System + ")"
	}
	return fmt.Sprintf("data in %s%s, where writing and syncing 4 KiB takes %.2f ms", f.Path, system, f.SyncMS)
}

// notes are what a reader must know to trust the figures.
func (r *Report) notes() (all []string) {
	var refused, unwanted int64
	first, own, wholeLife := "", []float64(nil), false
	for _, run := range r.Runs {
		refused += run.Refused
		unwanted += run.Unwanted
		if first == "" {
			first = run.FirstRefusal
		}
		own = append(own, run.OwnCPU)
		wholeLife = wholeLife || run.WholeLifeCPU
	}
	if v := median(own); v > 0 {
		all = append(all, fmt.Sprintf("beside each gateway, producer and receiver used %.0f µs of CPU per event", v))
	}
	if wholeLife {
		all = append(all, "CPU includes the start of the process, and peak memory is unknown: this system has no /proc")
	}
	if refused > 0 {
		all = append(all, fmt.Sprintf("%s events were not accepted; the first: %s", thousands(int(refused)), first))
	}
	if unwanted > 0 {
		all = append(all, fmt.Sprintf("%s deliveries were of events that were never sent", thousands(int(unwanted))))
	}
	return all
}

// Verdict is r in a sentence.
func (r *Report) Verdict() string {
	if err := r.Err(); err != nil {
		return "LOST: " + err.Error()
	}
	signed := ""
	if r.Options.Sign {
		signed = "verified, signed and "
	}
	kept := "with every event " + signed + "synced to disk before its answer"
	if r.Folder.InMemory {
		kept = "but nothing was synced to a disk: " + r.Folder.Path + " is in memory; choose another folder with --dir"
	}
	if r.Options.Rate == 0 {
		return fmt.Sprintf("Bellhop delivered %.2f of what an in-memory relay does, %s", r.Ratio.DeliveredPerSecond, kept)
	}
	return fmt.Sprintf("An in-memory relay delivered half within %.1f ms and 99 %% within %.1f ms, Bellhop within %.1f and %.1f ms, %s",
		r.Relay.EndToEndP50, r.Relay.EndToEndP99, r.Bellhop.EndToEndP50, r.Bellhop.EndToEndP99, kept)
}
