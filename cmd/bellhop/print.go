package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/client"
)

// clean returns text with everything escaped that a terminal could take for more than text.
func clean(text string) string {
	return escape(text, func(r rune) string { return strings.Trim(strconv.Quote(string(r)), `"`) })
}

// cleanLines is clean for text of several lines.
func cleanLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = clean(strings.TrimSuffix(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// escape replaces what cannot be seen: control characters, directions, separators, bytes that are not UTF-8.
func escape(text string, with func(r rune) string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(with(r))
		}
	}
	return b.String()
}

// printJSON writes v as one line.
func printJSON(w io.Writer, v any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escape(strings.TrimSuffix(line.String(), "\n"), jsonEscape)+"\n")
	return err
}

func jsonEscape(r rune) string {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// A column is one of a table: its title, and what it says of an item.
type column[T any] struct {
	title string
	cell  func(item T) string
}

// printTable writes items as an aligned table. There is no table of nothing.
func printTable[T any](w io.Writer, items []T, columns []column[T]) error {
	if len(items) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.title
	}
	fmt.Fprintln(table, strings.Join(row, "\t"))
	for _, item := range items {
		for i, c := range columns {
			row[i] = clean(c.cell(item))
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return table.Flush()
}

// A field is one line of a noun shown by itself.
type field struct{ name, value string }

// printFields writes fields as an aligned list, those without a value left out.
func printFields(w io.Writer, fields []field) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(table, "%s\t%s\n", f.name, clean(f.value))
		}
	}
	return table.Flush()
}

// showList writes one page of a list, and on stderr how to see more.
func showList[T any](e *env, conn *connection, l client.List[T], nouns string, columns []column[T]) error {
	if l.Next != "" {
		defer fmt.Fprintf(e.stderr, "there are more: --cursor %s\n", clean(l.Next))
	}
	if conn.json {
		for _, item := range l.Data {
			if err := printJSON(e.stdout, item); err != nil {
				return err
			}
		}
		return nil
	}
	if len(l.Data) == 0 {
		fmt.Fprintf(e.stderr, "no %s\n", nouns)
	}
	return printTable(e.stdout, l.Data, columns)
}

// moment is t for people and machines; "" is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
