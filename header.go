package bellhop

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// A Header is an HTTP header block kept as bytes: "Name: value\n" a line, in canonical names.
// It is written once at the door and parsed only by what must look inside.
type Header []byte

// NewHeader writes h, names in order, leaving out those that drop reports true for (given in canonical form).
func NewHeader(h http.Header, drop func(name string) bool) Header {
	names := make([]string, 0, len(h))
	size := 0
	for name, values := range h {
		if drop != nil && drop(name) {
			continue
		}
		names = append(names, name)
		for _, v := range values {
			size += len(name) + len(v) + 3
		}
	}
	slices.Sort(names)
	b := make([]byte, 0, size)
	for _, name := range names {
		for _, v := range h[name] {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
			b = append(b, '\n')
		}
	}
	return b
}

// HTTP parses h.
func (h Header) HTTP() http.Header {
	out := make(http.Header)
	for line := range bytes.Lines(h) {
		name, value, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), ": ")
		if ok {
			out[name] = append(out[name], value)
		}
	}
	return out
}

// Get returns the first value of name, which must be in canonical form.
func (h Header) Get(name string) string {
	for line := range bytes.Lines(h) {
		if len(line) > len(name)+2 && string(line[:len(name)]) == name && line[len(name)] == ':' {
			return string(bytes.TrimSuffix(line[len(name)+2:], []byte("\n")))
		}
	}
	return ""
}
