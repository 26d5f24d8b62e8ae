package ui

import "strings"

// This file reads the Markdown of the texts that describe providers and settings: code, emphasis and addresses within
// a line. They are part of the program, not of what strangers sent; pages show them as text all the same, and make no
// link of an address.

// A run is a part of a text in one style.
type run struct {
	Style string // "code", "strong", "em" or ""
	Text  string
}

// marks are the marks of a style, longer ones first: what stands before and after it.
var marks = []struct{ style, before, after string }{
	{"code", "`", "`"}, {"strong", "**", "**"}, {"em", "*", "*"}, {"code", "<http", ">"},
}

// prose returns the runs of a text.
func prose(text string) (runs []run) {
	plain := ""
	flush := func() {
		if plain != "" {
			runs = append(runs, run{"", plain})
			plain = ""
		}
	}
next:
	for text != "" {
		for _, m := range marks {
			rest, ok := strings.CutPrefix(text, m.before)
			end := strings.Index(rest, m.after)
			if !ok || end <= 0 || m.style != "code" && (rest[0] == ' ' || rest[end-1] == ' ') {
				continue
			}
			flush()
			inner := rest[:end]
			if m.before == "<http" {
				inner = "http" + inner
			}
			runs = append(runs, run{m.style, inner})
			text = rest[end+len(m.after):]
			continue next
		}
		plain += text[:1]
		text = text[1:]
	}
	flush()
	return runs
}

// stepsFor returns the steps of a provider with the URL of a source in place of the one that they are written with.
func stepsFor(steps []string, sourceURL string) []string {
	out := make([]string, len(steps))
	for i, step := range steps {
		out[i] = strings.ReplaceAll(step, "https://YOUR-HOST/in/SOURCE", sourceURL)
	}
	return out
}

// fullStop returns a hint with a full stop at its end. The texts of settings are also parts of longer ones elsewhere,
// so some have none.
func fullStop(hint string) string {
	if hint == "" || strings.ContainsRune(".?!:", rune(hint[len(hint)-1])) {
		return hint
	}
	return hint + "."
}
