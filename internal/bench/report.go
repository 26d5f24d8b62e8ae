package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Report holds the results of all runs.
type Report struct {
	Options Options   `json:"options"`
	Machine string    `json:"machine"`
	Folder  Folder    `json:"folder"`
	Sides   [2]string `json:"sides"`
	Runs    []Result  `json:"runs"` // the sides in turn

	Medians [2]Figures `json:"medians"` // of the sides
	// second side to first: for each figure the median of the ratios of neighbouring runs
	Ratio Figures `json:"ratio"`
}

// summarize computes the medians and ratios.
func (r *Report) summarize() {
	for i := range r.Ratio.each() {
		var first, second, ratio []float64
		for j := 0; j+1 < len(r.Runs); j += 2 {
			a, b := *r.Runs[j].each()[i], *r.Runs[j+1].each()[i]
			first, second = append(first, a), append(second, b)
			if a > 0 {
				ratio = append(ratio, b/a)
			}
		}
		*r.Medians[0].each()[i], *r.Medians[1].each()[i], *r.Ratio.each()[i] = median(first), median(second),
			median(ratio)
	}
}

// median returns the median; 0 for an empty list.
func median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// Err returns an error if an accepted event was lost. Where Bellhop is compared with itself, no fault occurs that
// would explain a repeated delivery, so a repeat is an error too.
func (r *Report) Err() error {
	if n, runs := r.count(func(one Result) int64 { return one.Lost }); n > 0 {
		return fmt.Errorf("%s deliveries of accepted events never arrived, in %d of %d runs", thousands(int(n)), runs,
			len(r.Runs))
	}
	if n, runs := r.count(func(one Result) int64 { return one.Duplicates + one.Unwanted }); n > 0 &&
		r.Options.Against != relayComparison.name {
		return fmt.Errorf("%s deliveries arrived twice or where nobody wanted them, in %d of %d runs",
			thousands(int(n)), runs, len(r.Runs))
	}
	return nil
}

// count returns the sum of a number over all runs, and in how many runs it is not 0.
func (r *Report) count(of func(Result) int64) (total int64, runs int) {
	for _, run := range r.Runs {
		if n := of(run); n > 0 {
			total += n
			runs++
		}
	}
	return total, runs
}

// WriteTable writes r for a person: the parameters, a line for each run, the medians, the ratio, and the verdict.
func (r *Report) WriteTable(w io.Writer) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s; %s\n", r.Options.describe(), r.Machine)
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

// titles are the column headings of the figures, in two lines.
var titles = [2][]string{
	{"accepted", "delivered", "accept", "ms", "end to", "end ms", "CPU µs", "peak", "events", "drain",
		"drained", "most", "connec-"},
	{"/s", "/s", "p50", "p99", "p50", "p99", "/event", "MiB", "/request", "s", "/s", "at once", "tions"},
}

// rows returns the cells of the table.
func (r *Report) rows() [][]string {
	shown := r.shown()
	row := func(name, side string, figures, rest []string) []string {
		return append(append([]string{name, side}, pick(figures, shown)...), rest...)
	}
	all := [][]string{
		row("", "", titles[0], []string{"dupli-", ""}),
		row("run", find(r.Options.Against).heading, titles[1], []string{"cates", "lost"}),
	}
	for _, run := range r.Runs {
		all = append(all, row(strconv.Itoa(run.Run), run.Side, cells(run.Figures),
			[]string{thousands(int(run.Duplicates)), thousands(int(run.Lost))}))
	}
	return append(all, nil,
		row("median", r.Sides[0], cells(r.Medians[0]), nil),
		row("median", r.Sides[1], cells(r.Medians[1]), nil),
		row("ratio", "", ratios(r.Ratio), nil))
}

// shown returns which figures have a column. Some have one only if a run has them.
func (r *Report) shown() []bool {
	shown := make([]bool, len(r.Ratio.each()))
	for i := range shown {
		shown[i] = i < alwaysShown || slices.ContainsFunc(r.Runs, func(run Result) bool { return *run.each()[i] != 0 })
	}
	return shown
}

// pick returns the elements that are shown.
func pick(all []string, shown []bool) (some []string) {
	for i, text := range all {
		if shown[i] {
			some = append(some, text)
		}
	}
	return some
}

// align writes rows in columns, words to the left and numbers to the right.
func align(rows [][]string) string {
	const words = 2 // columns
	widths := make([]int, len(rows[0]))
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

// cells formats figures with at least three significant digits.
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

// ratios formats ratios with two decimals.
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

// describe returns a line about the parameters.
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

// pace describes the rate.
func pace(o Options) string {
	if o.Rate == 0 {
		return "as fast as answered"
	}
	return thousands(o.Rate) + " a second"
}

// destinations describes a number of destinations that get every event.
func destinations(n int) string {
	if n == 1 {
		return "1 destination"
	}
	return fmt.Sprintf("%d destinations each", n)
}

// notes returns what a reader must know to trust the figures.
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
		all = append(all, "CPU includes the start of the process, and peak memory is unknown: "+
			"this system has no /proc")
	}
	if refused > 0 {
		all = append(all, fmt.Sprintf("%s events were not accepted; the first: %s", thousands(int(refused)), first))
	}
	if unwanted > 0 {
		all = append(all, fmt.Sprintf("%s deliveries were of events that were never sent", thousands(int(unwanted))))
	}
	if pending > 0 {
		all = append(all, fmt.Sprintf("%s deliveries were still owed to destinations that hang when their run ended, "+
			"none of them given up", thousands(int(pending))))
	}
	return all
}

// Verdict returns the result in one sentence.
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
