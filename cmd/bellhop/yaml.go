package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file writes YAML. It is made of the JSON of a thing, so that both have the same members in the same order. The
// YAML library of the configuration only reads here: it writes control characters as they are.

// printYAML writes v as one document of YAML, after a line "---". Characters that cannot be seen are escaped.
func printYAML(w io.Writer, v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	if err != nil {
		return err
	}
	y := yamlWriter{in: json.NewDecoder(&text)}
	y.in.UseNumber()
	y.out.WriteString("---")
	err = y.value(0, afterMark)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, y.out.String())
	return err
}

// A yamlWriter turns JSON into YAML, token by token.
type yamlWriter struct {
	in  *json.Decoder
	out strings.Builder
}

// A place says after what a value stands: the "---" of a document, the "-" of an item or the ":" of a key.
type place int

const (
	afterMark place = iota
	afterDash
	afterKey
)

// value writes the next value of the input. The lines of a map or a list begin with indent blanks; the first one may
// stand on the line of the "-" before it.
func (y *yamlWriter) value(indent int, at place) error {
	token, err := y.in.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
		y.out.WriteString(" " + yamlScalar(token, indent, at) + "\n")
		return nil
	case !y.in.More():
		y.out.WriteString(map[json.Delim]string{'{': " {}\n", '[': " []\n"}[delim])
	default:
		err = y.members(delim, indent, at)
	}
	if err != nil {
		return err
	}
	_, err = y.in.Token() // the closing delimiter
	return err
}

// members writes the members of a map or the items of a list.
func (y *yamlWriter) members(delim json.Delim, indent int, at place) error {
	for first := true; y.in.More(); first = false {
		switch {
		case first && at == afterDash:
			y.out.WriteString(" ")
		case first:
			y.out.WriteString("\n" + strings.Repeat(" ", indent))
		default:
			y.out.WriteString(strings.Repeat(" ", indent))
		}
		next := afterDash
		if delim == '{' {
			key, err := y.in.Token()
			if err != nil {
				return err
			}
			y.out.WriteString(yamlText(fmt.Sprint(key)) + ":")
			next = afterKey
		} else {
			y.out.WriteString("-")
		}
		err := y.value(indent+2, next)
		if err != nil {
			return err
		}
	}
	return nil
}

// yamlScalar returns a value that is neither map nor list. A text of several lines is a literal block where it can be
// one.
func yamlScalar(token json.Token, indent int, at place) string {
	switch token := token.(type) {
	case nil:
		return "null"
	case string:
		if at != afterMark && isBlock(token) {
			return yamlBlock(token, indent)
		}
		return yamlText(token)
	}
	return fmt.Sprint(token) // a boolean, or a number as in JSON
}

// isBlock reports whether a text can be read again from a literal block: it has several lines that can be seen, at
// most one line break at the end, and no blanks where they would be lost.
func isBlock(text string) bool {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if !strings.Contains(text, "\n") || lines[0] == "" || lines[len(lines)-1] == "" {
		return false
	}
	for i, line := range lines {
		if i == 0 && line[0] == ' ' || strings.HasSuffix(line, " ") ||
			strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
			return false
		}
	}
	return true
}

// yamlBlock returns a text as a literal block.
func yamlBlock(text string, indent int) string {
	block := "|"
	if !strings.HasSuffix(text, "\n") {
		block = "|-"
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		block += "\n"
		if line != "" {
			block += strings.Repeat(" ", indent) + line
		}
	}
	return block
}

// plainYAML is what a text looks like that means the same with and without quotation marks, unless it is one of
// yamlWords. A number or a time does not begin like that.
var plainYAML = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+()-]+)*$`)

// yamlWords are words that some version of YAML reads as something other than a text.
var yamlWords = []string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

// yamlText returns a text on one line, in quotation marks unless it is plain.
func yamlText(text string) string {
	if plainYAML.MatchString(text) && !slices.Contains(yamlWords, strings.ToLower(text)) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
