package generic

import (
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A template says what is signed: text, and places where parts of the request are put.
type template struct {
	pieces []piece
	stops  string // bytes that an id must not have, or one could not tell where it ends
}

// A piece is a text or a place.
type piece struct {
	text  []byte
	place place
}

type place byte

const (
	placeText place = iota
	placeBody
	placeTimestamp
	placeID
)

var placeNames = map[string]place{"{body}": placeBody, "{timestamp}": placeTimestamp, "{id}": placeID}

const placesRule = "use text with {body} and, if their headers are set, {timestamp} and {id} in it, each once"

// newTemplate checks the template of s against the headers that s has.
func newTemplate(s settings) (template, error) {
	refuse := func(why string) (template, error) { return template{}, bellhop.Invalid("template", why) }
	text := s.Template
	switch {
	case text == "" && s.TimestampHeader == "":
		text = "{body}"
	case text == "":
		text = "{timestamp}.{body}"
	}
	t, ok := parseTemplate(text)
	switch {
	case !ok || !t.has(placeBody):
		return refuse(placesRule)
	case t.has(placeTimestamp) && s.TimestampHeader == "":
		return refuse("{timestamp} needs timestamp_header")
	case !t.has(placeTimestamp) && s.TimestampHeader != "":
		return refuse("timestamp_header is of no use unless {timestamp} is signed; put it in")
	case t.has(placeID) && s.IDHeader == "":
		return refuse("{id} needs id_header")
	case !t.separateID():
		return refuse("put text, such as a dot, between {id} and what stands beside it")
	}
	return t, nil
}

// parseTemplate splits text at its places. ok is false if one is there twice, or if a brace opens no place.
func parseTemplate(text string) (t template, ok bool) {
	for text != "" {
		if text[0] != '{' {
			end := strings.IndexByte(text, '{')
			if end < 0 {
				end = len(text)
			}
			t.pieces = append(t.pieces, piece{text: []byte(text[:end])})
			text = text[end:]
			continue
		}
		end := strings.IndexByte(text, '}') + 1
		p := placeNames[text[:end]]
		if p == placeText || t.has(p) {
			return t, false
		}
		t.pieces = append(t.pieces, piece{place: p})
		text = text[end:]
	}
	return t, true
}

func (t *template) has(p place) bool {
	for _, piece := range t.pieces {
		if piece.place == p && p != placeText {
			return true
		}
	}
	return false
}

// separateID finds the bytes at which an id ends or begins, and reports false if another place is next to it: then
// bytes could move from one to the other under the same signature. Nothing needs to part the timestamp from the
// body: a digit more or less puts it out of any tolerance.
func (t *template) separateID() bool {
	for i, p := range t.pieces {
		if p.place != placeID {
			continue
		}
		if i > 0 {
			before := t.pieces[i-1]
			if before.place != placeText {
				return false
			}
			if i > 1 {
				t.stops += string(before.text[len(before.text)-1:])
			}
		}
		if i+1 < len(t.pieces) {
			after := t.pieces[i+1]
			if after.place != placeText {
				return false
			}
			if i+2 < len(t.pieces) {
				t.stops += string(after.text[:1])
			}
		}
	}
	return true
}

// fill returns the parts of the signed text, one after the other. An id that could end elsewhere, or that is long or
// has control characters, is signature.ErrMalformed.
func (t *template) fill(timestamp, id string, body []byte) ([][]byte, error) {
	if !plainID(id) || strings.ContainsAny(id, t.stops) {
		return nil, signature.ErrMalformed
	}
	parts := make([][]byte, len(t.pieces))
	for i, p := range t.pieces {
		switch p.place {
		case placeText:
			parts[i] = p.text
		case placeBody:
			parts[i] = body
		case placeTimestamp:
			parts[i] = []byte(timestamp)
		case placeID:
			parts[i] = []byte(id)
		}
	}
	return parts, nil
}

// maxID is how long an id in a header may be, in bytes.
const maxID = 256

func plainID(id string) bool {
	for i := range len(id) {
		if id[i] < 0x20 || id[i] == 0x7f {
			return false
		}
	}
	return len(id) <= maxID
}
