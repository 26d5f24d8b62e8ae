package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
)

// This file prints tables and lists of fields. On a terminal they fit its width and times are shown as ages.
// Elsewhere every item is one line, with whole values.

// A column is one column of a table: its title, and the text or the time of its cell for an item.
type column[T any] struct {
	title string
	cell  func(item T) string
	at    func(item T) time.Time // in place of cell
	wide  bool                   // shown in lists only with --output wide
}

// text returns the cell of an item. On a terminal, a time is an age, unless the table is wide.
func (c column[T]) text(e *env, item T) string {
	switch {
	case c.at == nil:
		return clean(c.cell(item))
	case e.columns() > 0 && e.format != formatWide:
		return age(c.at(item), e.clock())
	}
	return moment(c.at(item))
}

// columns returns the width of the terminal at stdout; 0 if stdout is no terminal.
func (e *env) columns() int {
	if e.width == nil {
		return 0
	}
	return e.width()
}

// talkColumns returns the width of the terminal at stderr; defaultWidth if it does not tell it.
func (e *env) talkColumns() int {
	if e.talkWidth == nil || e.talkWidth() == 0 {
		return defaultWidth
	}
	return e.talkWidth()
}

// clock returns the present time.
func (e *env) clock() time.Time {
	if e.now == nil {
		return time.Now()
	}
	return e.now()
}

// defaultWidth is the width of a terminal that does not tell it.
const defaultWidth = 80

// terminalWidth returns the width of the terminal at f; 0 if f is no terminal.
func terminalWidth(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return defaultWidth
	}
	return width
}

// terminalHeight returns the number of lines of the terminal at f; 0 if f is no terminal or does not tell it.
func terminalHeight(f *os.File) int {
	_, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return height
}

// printTable prints items as an aligned table. It prints nothing, not even titles, if there are no items.
func printTable[T any](e *env, items []T, columns []column[T]) error {
	return printTableWithin(e, e.columns(), items, columns)
}

// printTableWithin is printTable for a given width; 0 is any. A table that is too wide even with its prose on several
// lines is printed as one list of fields for each item.
func printTableWithin[T any](e *env, width int, items []T, columns []column[T]) error {
	if len(items) == 0 {
		return nil
	}
	t := newGrid(e, items, columns)
	if !t.wrap(width) {
		return t.printRecords(e.stdout, width)
	}
	return t.print(e.stdout)
}

// printList prints items as a table of a line each: the table of a list, which may be long. On a terminal, what does
// not fit ends in an ellipsis; with --output wide nothing is left out, and the width of the terminal does not matter.
func printList[T any](e *env, items []T, columns []column[T]) error {
	if len(items) == 0 {
		return nil
	}
	width := e.columns()
	if e.format == formatWide {
		width = 0
	}
	t := newGrid(e, items, listColumns(e, columns))
	t.isList = true
	if width > 0 {
		t.most = maxListLines
	}
	if !t.wrap(width) && !t.cut(width) {
		return t.printRecords(e.stdout, width)
	}
	return t.print(e.stdout)
}

// listColumns returns the columns that a list has.
func listColumns[T any](e *env, columns []column[T]) []column[T] {
	if e.format == formatWide {
		return columns
	}
	return slices.DeleteFunc(slices.Clone(columns), func(c column[T]) bool { return c.wide })
}

const (
	gap          = 2  // blanks between two columns
	maxListLines = 3  // of a cell of a list on a terminal
	minWrap      = 16 // columns of prose of a list at least, as long as no word has to be cut
	minCut       = 8  // columns that are left of a cell at least
)

// A grid is a table that is laid out. Each cell is one text; only print puts it on several lines.
type grid struct {
	rows     [][]string // the first has the titles
	widths   []int      // of the columns
	most     int        // lines of a cell; 0 is any number
	isList   bool       // the first column, which may be indented, stays whole
	coloured bool
}

// newGrid returns a grid with all cells as wide as they are.
func newGrid[T any](e *env, items []T, columns []column[T]) *grid {
	t := &grid{rows: make([][]string, len(items)+1), widths: make([]int, len(columns)), coloured: e.coloured()}
	for n, c := range columns {
		t.rows[0] = append(t.rows[0], c.title)
		t.widths[n] = displayWidth(c.title)
		for i, item := range items {
			text := c.text(e, item)
			t.rows[i+1] = append(t.rows[i+1], text)
			t.widths[n] = max(t.widths[n], displayWidth(text))
		}
	}
	return t
}

// wrap makes the widest columns narrower, but no narrower than their longest word, until the grid fits into width; 0
// is any width. It reports whether the grid fits.
func (t *grid) wrap(width int) bool {
	least := make([]int, len(t.widths))
	for _, row := range t.rows {
		for n, text := range row {
			least[n] = max(least[n], longestWord(text))
		}
	}
	for n := range least {
		switch {
		case t.isList && n == 0:
			least[n] = t.widths[n]
		case t.isList: // so that the lines of a cell have some words, before words are cut
			least[n] = max(least[n], min(t.widths[n], minWrap))
		}
	}
	return t.shrink(width, least)
}

// cut is wrap for the columns of a list, whose words may be cut, though not those of the titles. The first column has
// what identifies an item. A column NAME is cut only if that of all others does not suffice.
func (t *grid) cut(width int) bool {
	least := make([]int, len(t.widths))
	for n, title := range t.rows[0] {
		least[n] = max(minCut, longestWord(title))
		if n == 0 || title == "NAME" {
			least[n] = t.widths[n]
		}
	}
	if t.shrink(width, least) {
		return true
	}
	for n := 1; n < len(least); n++ {
		least[n] = max(minCut, longestWord(t.rows[0][n]))
	}
	return t.shrink(width, least)
}

// shrink makes the widest columns narrower, but no narrower than least, until the grid fits into width.
func (t *grid) shrink(width int, least []int) bool {
	total := gap * (len(t.widths) - 1)
	for _, w := range t.widths {
		total += w
	}
	for width > 0 && total > width {
		widest := -1
		for n, w := range t.widths {
			if w > least[n] && (widest < 0 || w > t.widths[widest]) {
				widest = n
			}
		}
		if widest < 0 {
			return false
		}
		t.widths[widest]--
		total--
	}
	return true
}

// print prints the grid. A cell that is wider than its column is wrapped at blanks, and ends in an ellipsis where
// that is not enough.
func (t *grid) print(w io.Writer) error {
	var out strings.Builder
	for i, row := range t.rows {
		colours := make([]colour, len(row))
		for n, text := range row {
			if t.coloured && i > 0 {
				colours[n] = colourOf(t.rows[0][n], text)
			}
		}
		writeRow(&out, row, t.widths, t.most, colours)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// printRecords prints each row as a list of fields, whose names are the titles.
func (t *grid) printRecords(w io.Writer, width int) error {
	for i, row := range t.rows[1:] {
		var fields []field
		for n, text := range row {
			fields = append(fields, field{t.rows[0][n], text})
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		err := printFieldsWithin(w, width, t.coloured, fields)
		if err != nil {
			return err
		}
	}
	return nil
}

// writeRow writes one row of cells of the given widths and colours, each of at most that many lines.
func writeRow(out *strings.Builder, row []string, widths []int, most int, colours []colour) {
	cells := make([][]string, len(row))
	lines := 0
	for n, text := range row {
		cells[n] = []string{text}
		if displayWidth(text) > widths[n] {
			cells[n] = wrap(text, widths[n])
		}
		if most > 0 {
			cells[n] = cutLines(cells[n], widths[n], most)
		}
		lines = max(lines, len(cells[n]))
	}
	for line := range lines {
		blanks := 0
		for n, cell := range cells {
			text := ""
			if line < len(cell) {
				text = cell[line]
			}
			if text != "" {
				out.WriteString(strings.Repeat(" ", blanks) + paint(text, colours[n]))
				blanks = 0
			}
			blanks += max(0, widths[n]-displayWidth(text)) + gap
		}
		out.WriteString("\n")
	}
}

// wrap splits text at blanks into lines of at most width characters. A longer word has a line of its own.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case displayWidth(line)+1+displayWidth(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// cutLines returns at most that many lines, none wider than width. An ellipsis stands for what is left out.
func cutLines(lines []string, width, most int) []string {
	lines = slices.Clone(lines)
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] += " …"
	}
	for i, line := range lines {
		if displayWidth(line) > width {
			lines[i] = cutTo(strings.TrimSuffix(line, " …"), width)
		}
	}
	return lines
}

// cutTo returns the beginning of text and an ellipsis, together as wide as width.
func cutTo(text string, width int) string {
	used := 0
	for i, r := range text {
		w := runeWidth(r)
		if used+w > width-1 {
			return text[:i] + "…"
		}
		used += w
	}
	return text + "…"
}

// longestWord returns the width of the widest word of text.
func longestWord(text string) (width int) {
	for word := range strings.FieldsSeq(text) {
		width = max(width, displayWidth(word))
	}
	return width
}

// displayWidth returns how many columns of a terminal text takes.
func displayWidth(text string) (width int) {
	for _, r := range text {
		width += runeWidth(r)
	}
	return width
}

// wideRunes are the characters that take two columns: East Asian ones and pictures.
var wideRunes = &unicode.RangeTable{
	R16: []unicode.Range16{{0x1100, 0x115f, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1}},
	R32: []unicode.Range32{{0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1f9ff, 1}, {0x20000, 0x3fffd, 1}},
}

// runeWidth returns how many columns of a terminal a character takes. Marks that combine with others take none.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wideRunes, r):
		return 2
	}
	return 1
}

// A field is one line of the output for a single item, such as of 'bellhop sources show'.
type field struct{ name, value string }

// printFields prints fields as an aligned list. It leaves out fields with an empty value. On a terminal, a time has
// its age beside it.
func printFields(e *env, fields []field) error {
	if e.columns() > 0 {
		for i, f := range fields {
			t, err := time.Parse(momentForm, f.value)
			if err == nil {
				fields[i].value += " (" + age(t, e.clock()) + ")"
			}
		}
	}
	return printFieldsWithin(e.stdout, e.columns(), e.coloured(), fields)
}

// printFieldsWithin prints fields, with their values wrapped to fit into width; 0 is any.
func printFieldsWithin(w io.Writer, width int, coloured bool, fields []field) error {
	names := 0
	for _, f := range fields {
		if f.value != "" {
			names = max(names, displayWidth(f.name))
		}
	}
	var out strings.Builder
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		text := clean(f.value)
		widths := []int{names, displayWidth(text)}
		if width > 0 {
			widths[1] = max(1, width-names-gap)
		}
		colours := []colour{"", ""}
		if coloured {
			colours[1] = colourOf(f.name, text)
		}
		writeRow(&out, []string{f.name, text}, widths, 0, colours)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// momentForm is the form of a time in the output: UTC with milliseconds.
const momentForm = "2006-01-02T15:04:05.000Z"

// moment formats t in UTC with milliseconds. It returns "" for the zero time.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(momentForm)
}

// age says how long ago t was, or in how long it will be: "3m ago", "in 2h". It returns "" for the zero time.
func age(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	text := roughly(d.Abs())
	switch {
	case text == "0s":
		return "now"
	case d < 0:
		return "in " + text
	}
	return text + " ago"
}

// roughly writes d in its largest unit, rounded down.
func roughly(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.unit {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
