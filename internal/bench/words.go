package bench

import "fmt"

// The words around the table.

// describe says what o has measured.
func (o Options) describe() string {
	c := find(o.Against)
	text := fmt.Sprintf("%s events of %s bytes", thousands(o.Events), thousands(o.Size))
	if !c.takes("batch") {
		text += ", " + pace(o)
	}
	text += fmt.Sprintf(", over %d connections", o.Connections)
	switch {
	case c.takes("backlog"):
		text += fmt.Sprintf(", to 1 destination, beside %s for another", thousands(o.Backlog))
	case c.takes("destinations"):
		text += fmt.Sprintf(", each to one of %s destinations", thousands(o.Destinations))
	case c.takes("fanout"):
		text += ", to " + destinations(o.Fanout)
	default:
		text += ", to 1 destination"
	}
	if c.takes("delay") {
		text += fmt.Sprintf(" that answers after %s", o.Delay)
	}
	return text
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
	var refused, unwanted, pending int64
	first, own, wholeLife := "", []float64(nil), false
	for _, run := range r.Runs {
		refused += run.Refused
		unwanted += run.Unwanted
		pending += run.Pending
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
	if pending > 0 {
		all = append(all, fmt.Sprintf("%s deliveries were still owed to destinations that hang when their run ended, none of them given up", thousands(int(pending))))
	}
	return all
}

// Verdict is r in a sentence.
func (r *Report) Verdict() string {
	if err := r.Err(); err != nil {
		return "FAILED: " + err.Error()
	}
	signed := ""
	if r.Options.Sign {
		signed = "verified, signed and "
	}
	kept := "with every event " + signed + "synced to disk before its answer"
	if r.Folder.InMemory {
		kept = "but nothing was synced to a disk: " + r.Folder.Path + " is in memory; choose another folder with --dir"
	}
	return find(r.Options.Against).verdict(r) + ", " + kept
}
