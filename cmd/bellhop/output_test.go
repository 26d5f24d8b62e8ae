package main

import (
	"bytes"
	"testing"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain ünï 🙂":      "plain ünï 🙂",
		"\x1b[31mred":      `\x1b[31mred`,
		"a\nb\tc\r\x00":    `a\nb\tc\r\x00`,
		"\u009b31m":        `\u009b31m`,
		"\u202eevil":       `\u202eevil`,
		"\xff\xfe":         `\xff\xfe`,
		"\u2028\ufeff":     `\u2028\ufeff`,
		"\uFFFD":           "\uFFFD",
		"\x7f":             `\x7f`,
		`"quoted" 'too' \`: `"quoted" 'too' \`,
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	var line bytes.Buffer
	want := `"<a>\u001b\u009b\u007f\u202e\udb40\udc01"` + "\n"
	if err := printJSON(&line, "<a>\x1b\u009b\x7f\u202e\U000e0001"); err != nil || line.String() != want {
		t.Errorf("%v %s", err, line.String())
	}
}
