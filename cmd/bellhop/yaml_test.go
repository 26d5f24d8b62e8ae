package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

func TestYAML(t *testing.T) {
	var out bytes.Buffer
	thing := struct {
		ID       string         `json:"id"`
		Attempts int            `json:"attempts"`
		At       string         `json:"at"`
		On       string         `json:"on"`
		Empty    []string       `json:"empty"`
		None     map[string]any `json:"none"`
		Types    []string       `json:"types"`
		Nested   []any          `json:"nested"`
		Script   string         `json:"script"`
		Evil     string         `json:"evil"`
		Null     *int           `json:"null"`
	}{
		ID: "evt_1", Attempts: 3, At: "2026-11-22T10:00:00Z", On: "yes", Empty: []string{}, None: map[string]any{},
		Types: []string{"ams.*", "a b"}, Script: "one\n\n  two\n", Evil: "\x1b[31m\u202e\U000e0001\ttab: #",
		Nested: []any{map[string]any{"a": 1.5, "b": []any{[]any{true}}}, "x"},
	}
	err := printYAML(&out, thing)
	want := `---
id: evt_1
attempts: 3
at: "2026-11-22T10:00:00Z"
"on": "yes"
empty: []
none: {}
types:
  - "ams.*"
  - a b
nested:
  - a: 1.5
    b:
      - - true
  - x
script: |
  one

    two
evil: "\u001b[31m\u202e\U000e0001\ttab: #"
"null": null
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestYAMLIsRead: a YAML library reads from the output what is in the JSON, whatever a text has in it.
func TestYAMLIsRead(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\n]*`),
		rapid.SampledFrom([]string{"", " ", "-", "?", "- a", "a: b", "a #b", "~", "null", "True", "0x1f",
			"1e3", "1_000", "2026-11-22", "12:30", "<<", "=", "|", ">", "%a", "@a", "`a`", "{}", "[]", "a\nb",
			"a\nb\n", "\na", "a\n\n", " a\nb", "a\n \nb", "a\r\nb", "a\tb", "---", "...", "--- a", "\ufeff", "\u2028",
			"\x1b[2J", "é", "🙂", "'", `"`, `\`}))
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rapid.MapOf(text, text).Draw(t, "map")
		case 1:
			return rapid.SliceOf(text).Draw(t, "list")
		case 2:
			return rapid.SliceOf(rapid.MapOf(text, rapid.SliceOf(text))).Draw(t, "nested")
		}
		return map[string]any{"text": text.Draw(t, "text"), "number": rapid.Int32().Draw(t, "number"), "nothing": nil}
	})
	rapid.Check(t, func(t *rapid.T) {
		v := value.Draw(t, "value")
		var out bytes.Buffer
		err := printYAML(&out, v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
			t.Fatalf("a control character is in %q", out.String())
		}
		var read any
		err = yaml.Unmarshal(out.Bytes(), &read)
		if err != nil {
			t.Fatalf("%v:\n%s", err, out.String())
		}
		want, _ := json.Marshal(v)
		got, err := json.Marshal(read)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s is read as %s (%v):\n%s", want, got, err, out.String())
		}
	})
}
