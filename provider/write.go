package provider

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
)

// What destinations are sent is written with these, where it is not an event's own bytes.

// Encode writes v as JSON, with markup as it is and no line end.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// JoinItems writes what [Items] reads: a JSON array of what item returns for each of events, in their order. The error is
// that of item.
func JoinItems(events []*bellhop.Event, item func(ev *bellhop.Event) ([]byte, error)) ([]byte, error) {
	list := []byte{'['}
	for i, ev := range events {
		value, err := item(ev)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, value...)
	}
	return append(list, ']'), nil
}

// Embeddable reports whether body is JSON that can stand within an object within another, or within an array, where the
// receiver reads as strictly as [Object].
func Embeddable(body []byte) bool {
	nested := slices.Concat([]byte("[["), body, []byte("]]"))
	return json.Valid(body) && utf8.Valid(body) && Array(nested, func(int, []byte) {}) == nil
}

// MicrosoftTime writes t as Microsoft's services do: in UTC, with seven digits behind the second.
func MicrosoftTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
