package bellhop

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A Header is an HTTP header block kept as bytes: "Name: value\n" a line, in canonical names.
// The door writes it once; only code that needs a value parses it.
type Header []byte

// NewHeader encodes h with its names sorted, but [SampleHeader] first: lists of events read only headers that begin
// with one of ours. It leaves out each name, in canonical form, for which drop returns true.
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
	if i, is := slices.BinarySearch(names, SampleHeader); is {
		copy(names[1:i+1], names[:i])
		names[0] = SampleHeader
	}
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

// HTTP decodes h.
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

// HopsHeader is the request header that counts the gateways an event has passed, so that a loop of gateways ends.
const HopsHeader = "Bellhop-Hops"

// CauseHeader is the header of an event that an action published: the id of the event that the action was for.
const CauseHeader = "Bellhop-Cause-Id"

// CaughtUpHeader is the header of an event that a provider told afterwards, because its notification was missed: the
// id of the gap in which that was.
const CaughtUpHeader = "Bellhop-Caught-Up"

// SampleHeader is the header of an event, or of a request on record, that the gateway made itself to try a source:
// "true". No sender can set it.
const SampleHeader = "Bellhop-Sample"

// MaxHops is the largest count at which an event is still accepted.
const MaxHops = 8

// Hops returns the count in h: 0 if the header is absent, MaxHops if it is malformed.
func Hops(h Header) int {
	return ParseHops(h.Get(HopsHeader))
}

// ParseHops parses a value of [HopsHeader]; see [Hops].
func ParseHops(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > MaxHops {
		return MaxHops
	}
	return n
}
