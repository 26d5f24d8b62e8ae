// Package strictjson reads JSON that strangers send, and returns each part of it as it was written.
//
// It is stricter than encoding/json, so that no two readers of one body can understand it differently: a name occurs
// once in an object, names are compared by case, nesting is bounded, and nothing surrounds the value. It decodes
// nothing that the caller does not ask for: numbers keep their digits, and strings their escapes.
// Every error wraps [ErrMalformed] and quotes nothing of the input.
package strictjson

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed reports input that is not JSON of the wanted form. Wrap it to say more.
var ErrMalformed error = malformed{}

type malformed struct{}

func (malformed) Error() string { return "malformed body" }

// Code returns the short code under which a request with such a body is recorded and counted.
func (malformed) Code() string { return "malformed_body" }

// MaxDepth is how deep objects and arrays of a body may be nested.
const MaxDepth = 64

// Object reads body as one JSON object and calls member for each member, with its name (without quotes and escapes)
// and its value as written. Both share the memory of body wherever possible; they must not be changed.
//
// The whole body is checked, more strictly than encoding/json does: no name may occur twice in an object, names are
// compared by case, nothing is nested deeper than [MaxDepth], and nothing may precede (such as a byte order mark) or
// follow the object. Bytes in strings that are not UTF-8 are left as they are. Any other body is [ErrMalformed].
//
// Object calls member before it has checked the rest of body: use the members only after Object has returned nil.
func Object(body []byte, member func(name, value []byte)) error {
	r, err := open(body, '{')
	if err != nil {
		return err
	}
	defer r.close()
	for r.decoder.PeekKind() == '"' {
		quoted, err := r.value()
		if err != nil {
			return err
		}
		value, err := r.value()
		if err != nil {
			return err
		}
		member(unquote(quoted), value)
	}
	return r.end()
}

// Array reads body as one JSON array and calls item for each item, with its index and its value as written.
// It checks as [Object] does.
func Array(body []byte, item func(i int, value []byte)) error {
	r, err := open(body, '[')
	if err != nil {
		return err
	}
	defer r.close()
	for i := 0; ; i++ {
		if kind := r.decoder.PeekKind(); kind == ']' || kind == jsontext.KindInvalid {
			return r.end()
		}
		value, err := r.value()
		if err != nil {
			return err
		}
		item(i, value)
	}
}

// Items reads a batch: an [Array] of at most max items. It returns each item as written. null is an empty batch.
// A body that is not an array, or has more items, is [ErrMalformed].
func Items(body []byte, max int) ([][]byte, error) {
	if string(body) == "null" {
		return nil, nil
	}
	var items [][]byte
	count := 0
	err := Array(body, func(_ int, item []byte) {
		count++
		if count <= max {
			items = append(items, item)
		}
	})
	if err != nil {
		return nil, err
	}
	if count > max {
		return nil, fmt.Errorf("%w: more than %d items", ErrMalformed, max)
	}
	return items, nil
}

// Text returns the text of value, a JSON string as [Object] passes it. Bytes that are not UTF-8 become U+FFFD.
// ok is false if value is not a string.
func Text(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return strings.ToValidUTF8(string(unquote(value)), "\uFFFD"), true
}

// Key is [Text] for identifiers. It returns a text that is not UTF-8 as it is written, quotes included, so that two
// different identifiers stay different.
func Key(value []byte) (text string, ok bool) {
	text, ok = Text(value)
	if ok && strings.ContainsRune(text, utf8.RuneError) {
		return string(value), true
	}
	return text, ok
}

// unquote returns the text of a valid JSON string. If the string has no escapes, that is the part between the quotes.
func unquote(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // its only error reports invalid UTF-8, which it has replaced
	return text
}

// A reader decodes one body. Readers are pooled, since a decoder is larger than most bodies.
type reader struct {
	body    []byte
	source  bytes.Buffer // the decoder reads its bytes in place, without copying or changing them
	decoder jsontext.Decoder
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// options must not include AllowDuplicateNames: the decoder's default refuses a name that occurs twice.
var options = jsontext.AllowInvalidUTF8(true)

// open returns a reader behind the first token of body, which must be start.
func open(body []byte, start jsontext.Kind) (*reader, error) {
	if tooDeep(body) {
		return nil, fmt.Errorf("%w: JSON nested deeper than %d", ErrMalformed, MaxDepth)
	}
	r := readers.Get().(*reader)
	r.body = body
	r.source = *bytes.NewBuffer(body)
	r.decoder.Reset(&r.source, options)
	if r.decoder.PeekKind() != start {
		r.close()
		if start == '[' {
			return nil, fmt.Errorf("%w: not a JSON array", ErrMalformed)
		}
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	r.decoder.ReadToken()
	return r, nil
}

// value reads the next name or value and returns its part of the body.
func (r *reader) value() ([]byte, error) {
	v, err := r.decoder.ReadValue()
	if err != nil {
		return nil, errSyntax
	}
	end := r.decoder.InputOffset()
	return r.body[end-int64(len(v)) : end : end], nil
}

// end reads the closing token. Only white space may follow it.
func (r *reader) end() error {
	if _, err := r.decoder.ReadToken(); err != nil {
		return errSyntax
	}
	if len(bytes.Trim(r.body[r.decoder.InputOffset():], " \t\r\n")) > 0 {
		return errSyntax
	}
	return nil
}

// close drops the reference to the body and returns r to the pool.
func (r *reader) close() {
	r.body = nil
	r.source = bytes.Buffer{}
	r.decoder.Reset(&r.source, options)
	readers.Put(r)
}

// errSyntax replaces the decoder's errors, which quote the input.
var errSyntax = fmt.Errorf("%w: not valid JSON, or a name occurs twice", ErrMalformed)

// tooDeep reports whether body is nested deeper than MaxDepth, provided that it is valid JSON.
func tooDeep(body []byte) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
			if depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = endOfString(body, i)
		}
	}
	return false
}

// endOfString returns the index of the quote that ends the string beginning at start.
func endOfString(body []byte, start int) int {
	for i := start + 1; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(body)
}
