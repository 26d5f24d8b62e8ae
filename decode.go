package bellhop

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// decode returns body as JSON, its whole numbers as int so that they can be compared without loss; nil if it is not JSON.
// Of an object it returns the wanted members, and of those what is wanted of them; the rest is only checked. It takes what
// encoding/json takes: of members of one name, the last.
func decode(body []byte, wanted members) any {
	r := bodyReaders.Get().(*bodyReader)
	defer r.free()
	r.source = *bytes.NewBuffer(body)
	r.decoder.Reset(&r.source, bodyOptions...)
	v, ok := r.value(wanted)
	if !ok || len(bytes.TrimLeft(body[r.decoder.InputOffset():], " \t\r\n")) > 0 { // something follows
		return nil
	}
	return v
}

// bodyReader is a decoder at work on one body. They are kept, since a decoder is larger than most bodies.
type bodyReader struct {
	source  bytes.Buffer // the decoder reads out of its bytes without copying or changing them
	decoder jsontext.Decoder
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
		return token.String(), true
	case jsontext.KindNumber:
		return number(token.String()), true
	case jsontext.KindTrue, jsontext.KindFalse:
		return token.Bool(), true
	}
	return nil, token.Kind() == jsontext.KindNull
}

func (r *bodyReader) object(wanted members) (any, bool) {
	if _, err := r.decoder.ReadToken(); err != nil { // too deep
		return nil, false
	}
	object := make(map[string]any)
	for r.decoder.PeekKind() == jsontext.KindString {
		quoted, err := r.decoder.ReadValue()
		if err != nil {
			return nil, false
		}
		name := quoted[1 : len(quoted)-1]
		if bytes.IndexByte(name, '\\') >= 0 || wanted == nil {
			name, _ = jsontext.AppendUnquote(nil, quoted) // its error is about UTF-8 alone, which it has replaced
		}
		of, reads := wanted[string(name)]
		if wanted != nil && !reads {
			if r.decoder.SkipValue() != nil {
				return nil, false
			}
			continue
		}
		key := string(name) // before the decoder goes on, whose bytes these are
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
	if _, err := r.decoder.ReadToken(); err != nil { // too deep
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

// number is text, a JSON number, as int if it is a whole one in its range.
func number(text string) any {
	if i, err := strconv.ParseInt(text, 10, strconv.IntSize); err == nil {
		return int(i)
	}
	f, _ := strconv.ParseFloat(text, 64)
	return f
}
