package match

import (
	"bytes"
	"errors"
	"sync"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/go-json-experiment/json/jsontext"
)

// decode decodes a JSON body; it returns nil if body is not JSON. Whole numbers become int, so that they compare
// without loss; other numbers become float64 or, where that would lose digits, number. Of an object it returns only
// the wanted members, and within each the members wanted there; it checks the syntax of the rest. It accepts what
// encoding/json accepts: the last of several members with one name counts. It skips a byte order mark. numbers
// reports whether v holds a number. Its error is errTooLarge.
func decode(body []byte, wanted members) (v any, numbers bool, err error) {
	return decodeWithin(maxDecodedBytes, body, wanted)
}

// decodeWithin is decode with room for so many bytes of decoded values.
func decodeWithin(room int, body []byte, wanted members) (v any, numbers bool, err error) {
	body = strictjson.TrimBOM(body)
	r := bodyReaders.Get().(*bodyReader)
	defer r.free()
	r.source, r.room, r.numbers = *bytes.NewBuffer(body), room, false
	r.decoder.Reset(&r.source, bodyOptions...)
	v, ok := r.value(wanted)
	switch {
	case r.room < 0:
		return nil, false, errTooLarge
	case !ok || len(bytes.TrimLeft(body[r.decoder.InputOffset():], " \t\r\n")) > 0: // other text follows the value
		return nil, false, nil
	}
	return v, r.numbers, nil
}

// maxDecodedBytes bounds the memory of one decoded body. A small object takes 40 times as much as its text.
const maxDecodedBytes = 128 << 20

var errTooLarge = errors.New("the decoded body takes more than 128 MiB of memory; name members instead of all data")

// About how many bytes of memory the decoded values take.
const (
	valueBytes  = 16  // of each value, in the list or object that holds it
	numberBytes = 24  // of a number, besides its text
	objectBytes = 48  // of an object, besides its members
	groupBytes  = 272 // of each eight members of an object
)

// A bodyReader decodes one body. Readers are pooled, because a decoder is larger than most bodies.
type bodyReader struct {
	source  bytes.Buffer // the decoder reads its bytes in place: it neither copies nor changes them
	decoder jsontext.Decoder
	room    int  // bytes that the decoded values may still take; below zero ends the reading
	numbers bool // whether a number was read
}

var (
	bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}
	bodyOptions = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}
)

func (r *bodyReader) free() {
	r.source = bytes.Buffer{}
	r.decoder.Reset(&r.source, bodyOptions...)
	bodyReaders.Put(r)
}

// value reads the next value.
func (r *bodyReader) value(wanted members) (v any, ok bool) {
	if r.room -= valueBytes; r.room < 0 {
		return nil, false
	}
	switch r.decoder.PeekKind() {
	case jsontext.KindBeginObject:
		return r.object(wanted)
	case jsontext.KindBeginArray:
		return r.array()
	}
	token, err := r.decoder.ReadToken()
	if err != nil {
		return nil, false
	}
	switch token.Kind() {
	case jsontext.KindString:
		text := token.String()
		r.room -= len(text)
		return text, true
	case jsontext.KindNumber:
		v := parseNumber(token.String())
		if n, ok := v.(number); ok {
			r.room -= numberBytes + len(n.text)
			r.numbers = true
		}
		return v, true
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), true
	}
	return nil, token.Kind() == jsontext.KindNull
}

func (r *bodyReader) object(wanted members) (any, bool) {
	if _, err := r.decoder.ReadToken(); err != nil { // nested too deeply
		return nil, false
	}
	r.room -= objectBytes
	object := make(map[string]any)
	for r.decoder.PeekKind() == jsontext.KindString {
		quoted, err := r.decoder.ReadValue()
		if err != nil {
			return nil, false
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 || wanted == nil {
			name, _ = jsontext.AppendUnquote(nil, quoted) // it replaces invalid UTF-8, which is its only error
		}
		of, reads := wanted[string(name)]
		if wanted != nil && !reads {
			if r.decoder.SkipValue() != nil {
				return nil, false
			}
			continue
		}
		if len(object)%8 == 0 {
			r.room -= groupBytes
		}
		r.room -= len(name)
		key := string(name) // a copy: name is only valid until the decoder reads on
		v, ok := r.value(of)
		if !ok {
			return nil, false
		}
		object[key] = v
	}
	_, err := r.decoder.ReadToken()
	return object, err == nil
}

func (r *bodyReader) array() (any, bool) {
	if _, err := r.decoder.ReadToken(); err != nil { // nested too deeply
		return nil, false
	}
	array := []any{}
	for {
		switch r.decoder.PeekKind() {
		case jsontext.KindEndArray, jsontext.KindInvalid:
			_, err := r.decoder.ReadToken()
			return array, err == nil
		}
		v, ok := r.value(nil)
		if !ok {
			return nil, false
		}
		array = append(array, v)
	}
}
