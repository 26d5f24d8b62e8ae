package journey

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// A canary is a text that must not come out, in any of the forms that it may have got on its way.
type canary struct {
	name  string
	forms [][]byte
}

// hatch returns a canary's text, which nothing else contains, and which is long enough for a key.
func (c *cage) hatch(name string) string {
	text := fmt.Sprintf("canary%02d%sXq7w", len(c.birds), strings.ReplaceAll(name, " ", ""))
	for len(text) < 33 {
		text += "z"
	}
	c.watch(name, text)
	return text
}

// A cage holds the canaries of a run.
type cage struct{ birds []canary }

// watch makes a canary of a text.
func (c *cage) watch(name, text string) {
	bird := canary{name: name}
	add := func(form string) { bird.forms = append(bird.forms, []byte(form)) }
	add(text)
	add(url.QueryEscape(text))
	add(hex.EncodeToString([]byte(text)))
	add(strings.ToUpper(hex.EncodeToString([]byte(text))))
	for shift := range 3 { // Base64 of a longer text that contains it, wherever it begins
		encoded := base64.StdEncoding.EncodeToString([]byte("aaa"[:shift] + text))
		add(strings.TrimRight(encoded, "=")[4 : len(strings.TrimRight(encoded, "="))-2])
	}
	c.birds = append(c.birds, bird)
}

// escaped returns the names of the canaries that are in text.
func (c *cage) escaped(text []byte) (names []string) {
	for _, bird := range c.birds {
		for _, form := range bird.forms {
			if at := bytes.Index(text, form); at >= 0 {
				around := text[max(0, at-80):min(len(text), at+len(form)+20)]
				names = append(names, fmt.Sprintf("%s: …%q…", bird.name, around))
				break
			}
		}
	}
	return names
}
