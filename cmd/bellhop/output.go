package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file is how commands print: without what a terminal could interpret, in one of several forms, and in colours.

// clean escapes everything in text that a terminal could interpret: control characters, and others that
// cannot be seen.
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

// escape replaces characters that cannot be seen: control characters, direction marks, separators. Bytes that
// are not UTF-8 become \x and two digits.
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

// warn prints the warnings of the server's answer to a change.
func (e *env) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(e.stderr, "%s %s\n", e.talk("warning:", yellow), clean(w))
	}
}

// printJSON writes v as one line of JSON, with invisible characters escaped.
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

// showList writes one page of a list, and on stderr how to get the next page.
func showList[T any](e *env, conn *connection, l client.List[T], nouns string, columns []column[T]) error {
	if l.Next != "" {
		defer fmt.Fprintf(e.stderr, "there are more: --cursor %s\n", clean(l.Next))
	}
	if conn.json {
		for _, item := range l.Data {
			if err := printData(e, item); err != nil {
				return err
			}
		}
		return nil
	}
	if len(l.Data) == 0 {
		fmt.Fprintf(e.stderr, "no %s\n", nouns)
	}
	return printList(e, l.Data, columns)
}

// count formats a number of things.
func count(n int64) string { return strconv.FormatInt(n, 10) }

// shorten cuts text to n characters and adds an ellipsis if it was longer.
func shorten(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i] + "…"
		}
		n--
	}
	return text
}

// settingFields returns one field for each setting, in the order of names, each name preceded by prefix.
func settingFields(prefix string, settings map[string]any) []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fields = append(fields, field{prefix + name, settingText(settings[name])})
	}
	return fields
}

// settingText formats the value of a setting for people. For a secret it says since when it is set.
func settingText(value any) string {
	switch value := value.(type) {
	case string:
		if strings.HasPrefix(value, "-----BEGIN ") {
			return fmt.Sprintf("PEM, %d bytes; --json shows it", len(value))
		}
		return value
	case map[string]any:
		if at, ok := value["set_at"].(string); ok && value["set"] == true {
			if n, ok := value["count"].(json.Number); ok {
				return n.String() + " are set, the newest at " + at
			}
			return "set at " + at
		}
		if len(value) > 0 {
			var texts []string
			for _, name := range slices.Sorted(maps.Keys(value)) {
				texts = append(texts, name+": "+settingText(value[name]))
			}
			return strings.Join(texts, ", ")
		}
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// headerFields returns one field for each header, in the order of names.
func headerFields(headers map[string][]string) []field {
	settings := make(map[string]any)
	for name, values := range headers {
		settings[name] = strings.Join(values, ", ")
	}
	return settingFields("header ", settings)
}

// isTerminal reports whether w is a terminal (or another character device).
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A format is one of the forms in which commands print what they return. "" is formatTable.
type format string

const (
	formatTable format = "table" // fits the terminal
	formatWide  format = "wide"  // a table with all columns, whatever the width of the terminal
	formatJSON  format = "json"  // a line for each item
	formatYAML  format = "yaml"  // a document for each item
)

var formats = []string{string(formatTable), string(formatWide), string(formatJSON), string(formatYAML)}

const formatHelp = "how to print: table, wide (all columns, a line for each item), json (a line for each item) or " +
	"yaml (a document for each item)"

// formatFlags adds --output, which chooses the format, and --json, which stands for --output json. *asData becomes
// true for JSON and YAML.
func formatFlags(e *env, flags *pflag.FlagSet, asData *bool) {
	flags.VarP(&formatValue{e: e, asData: asData}, "output", "o", formatHelp)
	annotate(flags.Lookup("output"), formats)
	flags.Var(&formatValue{e: e, asData: asData, isJSON: true}, "json", "the same as --output json")
	flags.Lookup("json").NoOptDefVal = "true"
}

// A formatValue is the value of --output or --json.
type formatValue struct {
	e      *env
	asData *bool
	isJSON bool // the value of --json, which is true or false
}

func (v *formatValue) Set(text string) error {
	chosen := format(text)
	if v.isJSON {
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return err
		}
		chosen = formatTable
		if yes {
			chosen = formatJSON
		}
	} else if !slices.Contains(formats, text) {
		return oneOf(text, formats)
	}
	v.e.format, *v.asData = chosen, chosen == formatJSON || chosen == formatYAML
	return nil
}

// String returns the value, from which Set makes the same value. pflag also calls it for a zero formatValue.
func (v *formatValue) String() string {
	switch {
	case v.asData == nil:
		return ""
	case v.isJSON:
		return strconv.FormatBool(v.e.format == formatJSON)
	case v.e.format == "":
		return string(formatTable)
	}
	return string(v.e.format)
}

func (v *formatValue) Type() string {
	if v.isJSON {
		return "bool"
	}
	return "format"
}

// checkFormat returns an error if c prints nothing that has a format, or if two formats were given. The flags of the
// root are hidden: they are for the commands that have their own.
func checkFormat(c *cobra.Command) error {
	output, asJSON := c.Flags().Lookup("output"), c.Flags().Lookup("json")
	for _, f := range []*pflag.Flag{output, asJSON} {
		if f != nil && f.Hidden && f.Changed {
			return wrongUsage("'%s' has no --%s", c.CommandPath(), f.Name)
		}
	}
	if isFormat(output) && output.Changed && asJSON.Changed {
		return wrongUsage("give --output or --json, not both: --json is --output json")
	}
	return nil
}

// isFormat reports whether f chooses a format, and is no flag of the same name, such as of the file to write.
func isFormat(f *pflag.Flag) bool {
	if f == nil {
		return false
	}
	_, ok := f.Value.(*formatValue)
	return ok
}

// hasOtherFormat reports whether f chooses a format and the other flag that does so was given.
func hasOtherFormat(c *cobra.Command, f *pflag.Flag) bool {
	other := map[string]string{"output": "json", "json": "output"}[f.Name]
	return isFormat(f) && other != "" && c.Flags().Changed(other)
}

// printData prints v as JSON, or as YAML if that was chosen.
func printData(e *env, v any) error {
	if e.format == formatYAML {
		return printYAML(e.stdout, v)
	}
	return printJSON(e.stdout, v)
}

// What is printed on a terminal has colours: states and errors. There are none elsewhere, with NO_COLOR
// (https://no-color.org) and where TERM is dumb.

// A colour is the parameter of the control sequence that sets it; "" is none.
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// coloursOf are the colours of the words that states, outcomes and results begin with.
var coloursOf = map[string]colour{
	"active": green, "delivered": green, "ready": green, "accepted": green, "done": green, "whole": green, "ok": green,
	"filled": green, "yes": green, "created": green, "renewed": green,
	"dead": red, "failed": red, "failing": red, "refused": red, "closed": red, "removed": red, "expired": red,
	"revoked": red, "unknown": red, "signed_out": red, "no": red,
	"pending": yellow, "sending": yellow, "renewing": yellow, "paused": yellow, "disabled": yellow,
	"unverified": yellow,
	"partial":    yellow, "cancelled": yellow, "running": yellow, "waiting": yellow, "filling": yellow, "open": yellow,
}

// colourOf returns the colour of a value below or beside its title.
func colourOf(title, value string) colour {
	switch strings.ToLower(title) {
	case "state", "outcome", "test", "matches":
		if strings.Contains(value, ", held back") {
			return yellow
		}
		word, _, _ := strings.Cut(value, ":")
		word, _, _ = strings.Cut(word, " ")
		return coloursOf[strings.TrimSuffix(word, ",")]
	case "error", "match error":
		return red
	}
	return ""
}

// paint returns text in a colour. text has no control characters: it was cleaned.
func paint(text string, c colour) string {
	if c == "" || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// mayColour reports whether the environment allows colours on a terminal.
func (e *env) mayColour() bool {
	return e.getenv != nil && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}

// coloured reports whether stdout gets colours.
func (e *env) coloured() bool { return e.columns() > 0 && e.mayColour() }

// talk returns text for stderr, coloured if that is a terminal.
func (e *env) talk(text string, c colour) string {
	if e.isTerminal(e.stderr) && e.mayColour() {
		return paint(text, c)
	}
	return text
}

// isTerminal reports whether w is a terminal. A test says so for its own stderr.
func (e *env) isTerminal(w io.Writer) bool {
	return w == e.stderr && e.talkWidth != nil && e.talkWidth() > 0 || isTerminal(w)
}
