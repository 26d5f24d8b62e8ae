package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// This file prints tables and lists of fields. On a terminal they fit its width and times are shown as ages.
// Elsewhere every item is one line, with whole values.

// A column is one column of a table: its title, and the text or the time of its cell for an item.
type column[T any] struct {
	title string
	cell  func(item T) string
	at    func(item T) time.Time // in place of cell
}

// text returns the cell of an item. On a terminal, a time is an age.
func (c column[T]) text(e *env, item T) string {
	switch {
	case c.at == nil:
		return clean(c.cell(item))
	case e.columns() > 0:
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
	rows := make([][]string, len(items)+1)
	for _, c := range columns {
		rows[0] = append(rows[0], c.title)
		for i, item := range items {
			rows[i+1] = append(rows[i+1], c.text(e, item))
		}
	}
	widths, fits := fit(rows, width)
	if !fits {
		return printRecords(e.stdout, rows, width)
	}
	for _, row := range rows {
		err := printRow(e.stdout, row, widths)
		if err != nil {
			return err
		}
	}
	return nil
}

// gap is the number of blanks between two columns.
const gap = 2

// fit returns the widths of the columns of rows, and whether they fit into width; 0 is any width. The widest columns
// are made narrower, but no narrower than their longest word.
func fit(rows [][]string, width int) (widths []int, fits bool) {
	widths = make([]int, len(rows[0]))
	least := make([]int, len(rows[0]))
	total := -gap
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
			for word := range strings.FieldsSeq(row[i]) {
				least[i] = max(least[i], utf8.RuneCountInString(word))
			}
		}
		total += gap + widths[i]
	}
	for width > 0 && total > width {
		widest := -1
		for i := range widths {
			if widths[i] > least[i] && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return widths, false
		}
		widths[widest]--
		total--
	}
	return widths, true
}

// printRow prints one row. A cell that is wider than its column is wrapped at blanks.
func printRow(w io.Writer, row []string, widths []int) error {
	cells := make([][]string, len(row))
	lines := 0
	for i, text := range row {
		cells[i] = []string{text}
		if utf8.RuneCountInString(text) > widths[i] {
			cells[i] = wrap(text, widths[i])
		}
		lines = max(lines, len(cells[i]))
	}
	for n := range lines {
		var line strings.Builder
		for i, cell := range cells {
			text := ""
			if n < len(cell) {
				text = cell[n]
			}
			line.WriteString(text + strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text))+gap))
		}
		_, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
		if err != nil {
			return err
		}
	}
	return nil
}

// printRecords prints each row but the first, which has the titles, as a list of fields.
func printRecords(w io.Writer, rows [][]string, width int) error {
	for i, row := range rows[1:] {
		var fields []field
		for j, text := range row {
			fields = append(fields, field{rows[0][j], text})
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		err := printFieldsWithin(w, width, fields)
		if err != nil {
			return err
		}
	}
	return nil
}

// wrap splits text at blanks into lines of at most width characters. A longer word has a line of its own.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
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
	return printFieldsWithin(e.stdout, e.columns(), fields)
}

// printFieldsWithin prints fields, with their values wrapped to fit into width; 0 is any.
func printFieldsWithin(w io.Writer, width int, fields []field) error {
	names := 0
	for _, f := range fields {
		if f.value != "" {
			names = max(names, utf8.RuneCountInString(f.name))
		}
	}
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		text := clean(f.value)
		widths := []int{names, utf8.RuneCountInString(text)}
		if width > 0 {
			widths[1] = max(1, width-names-gap)
		}
		err := printRow(w, []string{f.name, text}, widths)
		if err != nil {
			return err
		}
	}
	return nil
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
