package provider

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep objects and arrays of a body may be nested.
const MaxDepth = 64

// Object reads body as one JSON object and hands each member to member: its name without quotes and escapes, and
// its value as written. Both are parts of body wherever they can be; nobody may change them.
//
// The whole body is checked, and more strictly than encoding/json does: no name may occur twice in an object,
// names are told apart by case, nothing is nested deeper than [MaxDepth], nothing may stand in front (a byte order
// mark) or behind. Bytes in strings that are not UTF-8 are left as they are. Anything else is [ErrBody].
//
// Members are handed over while the rest is still to be checked: use them after Object has returned nil.
func Object(body []byte, member func(name, value []byte)) error {
	r, err := openJSON(body, '{')
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

// Array reads body as one JSON array and hands each item to item, by index and as written. It checks as [Object] does.
func Array(body []byte, item func(i int, value []byte)) error {
	r, err := openJSON(body, '[')
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

// Text returns the text of value, a JSON string as [Object] hands it over, as valid UTF-8: what is not becomes
// U+FFFD. ok is false for anything but a string.
func Text(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return strings.ToValidUTF8(string(unquote(value)), "\uFFFD"), true
}

// Key is [Text] for what tells one thing from another. A text that is not UTF-8 is returned as it is written, so that
// two such do not become one.
func Key(value []byte) (text string, ok bool) {
	text, ok = Text(value)
	if ok && strings.ContainsRune(text, utf8.RuneError) {
		return string(value), true
	}
	return text, ok
}

// unquote returns the text of a valid JSON string; without escapes in it, that is the part between the quotes.
func unquote(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, _ := jsontext.AppendUnquote(nil, quoted) // its error is about UTF-8 alone, which it has replaced
	return text
}

// jsonReader is a decoder at work on one body. Readers are kept, since a decoder is larger than most bodies.
type jsonReader struct {
	body    []byte
	source  bytes.Buffer // the decoder reads out of its bytes without copying or changing them
	decoder jsontext.Decoder
}

var jsonReaders = sync.Pool{New: func() any { return new(jsonReader) }}

// The defaults of the decoder refuse names that occur twice, and so they stay.
var jsonOptions = jsontext.AllowInvalidUTF8(true)

// openJSON starts on body, of which the first token must be start.
func openJSON(body []byte, start jsontext.Kind) (*jsonReader, error) {
	if tooDeep(body) {
		return nil, fmt.Errorf("%w: JSON nested deeper than %d", ErrBody, MaxDepth)
	}
	r := jsonReaders.Get().(*jsonReader)
	r.body = body
	r.source = *bytes.NewBuffer(body)
	r.decoder.Reset(&r.source, jsonOptions)
	if r.decoder.PeekKind() != start {
		r.close()
		if start == '[' {
			return nil, fmt.Errorf("%w: not a JSON array", ErrBody)
		}
		return nil, fmt.Errorf("%w: not a JSON object", ErrBody)
	}
	r.decoder.ReadToken()
	return r, nil
}

// value reads the next name or value and returns its part of the body.
func (r *jsonReader) value() ([]byte, error) {
	v, err := r.decoder.ReadValue()
	if err != nil {
		return nil, errNotJSON
	}
	end := r.decoder.InputOffset()
	return r.body[end-int64(len(v)) : end : end], nil
}

// end reads the closing token, behind which only white space may stand.
func (r *jsonReader) end() error {
	if _, err := r.decoder.ReadToken(); err != nil {
		return errNotJSON
	}
	if len(bytes.Trim(r.body[r.decoder.InputOffset():], " \t\r\n")) > 0 {
		return errNotJSON
	}
	return nil
}

// close lets go of the body.
func (r *jsonReader) close() {
	r.body = nil
	r.source = bytes.Buffer{}
	r.decoder.Reset(&r.source, jsonOptions)
	jsonReaders.Put(r)
}

// errNotJSON says no more, since the decoder's own errors quote what they read.
var errNotJSON = fmt.Errorf("%w: not valid JSON, or a name occurs twice", ErrBody)

// tooDeep reports whether body is nested deeper than MaxDepth, provided that it is valid JSON.
func tooDeep(body []byte) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth++; depth > MaxDepth {
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
