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
)

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
