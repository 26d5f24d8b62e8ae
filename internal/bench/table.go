package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable writes r for a person: what was measured, a line per run, the medians, the ratio, and the verdict.
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

// titles are those of the figures; the two lines are read as one.
var titles = [2][]string{
	{"accepted", "delivered", "accept", "ms", "end to", "end ms", "CPU µs", "peak", "events", "drain", "drained", "most", "connec-"},
	{"/s", "/s", "p50", "p99", "p50", "p99", "/event", "MiB", "/request", "s", "/s", "at once", "tions"},
}

// rows are the table's cells.
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
		all = append(all, row(strconv.Itoa(run.Run), run.Side, cells(run.Figures), []string{thousands(int(run.Duplicates)), thousands(int(run.Lost))}))
	}
	return append(all, nil,
		row("median", r.Sides[0], cells(r.Medians[0]), nil),
		row("median", r.Sides[1], cells(r.Medians[1]), nil),
		row("ratio", "", ratios(r.Ratio), nil))
}

// shown says which figures have a column: some only where a run has them.
func (r *Report) shown() []bool {
	shown := make([]bool, len(r.Ratio.each()))
	for i := range shown {
		shown[i] = i < alwaysShown || slices.ContainsFunc(r.Runs, func(run Result) bool { return *run.each()[i] != 0 })
	}
	return shown
}

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
