package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Time is a moment in an answer: UTC, RFC 3339 with milliseconds in JSON. The zero Time is null.
type Time struct{ time.Time }

// MarshalJSON writes t.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(t.UTC().Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// UnmarshalJSON reads RFC 3339 or null.
func (t *Time) UnmarshalJSON(b []byte) error { return t.Time.UnmarshalJSON(b) }

// Settings are the settings of a source or a destination. The provider or the type defines the members. Decoding
// turns a number into a json.Number, which keeps its digits.
type Settings map[string]any

// UnmarshalJSON reads an object or null.
func (s *Settings) UnmarshalJSON(b []byte) error { return decodeObject(b, (*map[string]any)(s)) }

// An Access says how a destination is reached and how the gateway signs in there: see docs/ACCESS.md. nil is
// neither.
type Access map[string]any

// UnmarshalJSON reads an object or null.
func (a *Access) UnmarshalJSON(b []byte) error { return decodeObject(b, (*map[string]any)(a)) }

func decodeObject(b []byte, object *map[string]any) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	return decoder.Decode(object)
}

// A Schedule lists the waits before each retry ("5s", "5m"), or is one text: the name of a preset ("default",
// "none") or a short form ("fixed 5m × 5").
type Schedule []string

// Waits returns the waits of the schedule, of a preset too.
func (s Schedule) Waits() ([]time.Duration, error) {
	raw, err := s.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var waits bellhop.Schedule
	err = waits.UnmarshalJSON(raw)
	return waits, err
}

// MarshalJSON writes one text that is not a duration as text, and everything else as a list.
func (s Schedule) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		if _, err := time.ParseDuration(s[0]); err != nil {
			return json.Marshal(s[0])
		}
	}
	return json.Marshal(append([]string{}, s...))
}

// UnmarshalJSON reads a text or a list of texts.
func (s *Schedule) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = Schedule{text}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// A NameOr is the name or id of a T, or a whole T. It holds the JSON of the text or of the object.
type NameOr[T any] json.RawMessage

// MarshalJSON writes n.
func (n NameOr[T]) MarshalJSON() ([]byte, error) { return json.RawMessage(n).MarshalJSON() }

// UnmarshalJSON keeps b.
func (n *NameOr[T]) UnmarshalJSON(b []byte) error { return (*json.RawMessage)(n).UnmarshalJSON(b) }

// withData returns rest, a value that is written as an object with at least one member, with the further member
// "data": raw, byte for byte. An empty raw is null.
func withData(rest any, raw json.RawMessage) ([]byte, error) {
	object, err := encode(rest)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		raw = json.RawMessage("null")
	}
	if !json.Valid(raw) {
		return nil, errors.New("the data is not JSON")
	}
	return slices.Concat([]byte(`{"data":`), raw, []byte(","), object[1:]), nil
}

// encode writes v as JSON and leaves <, > and & as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
