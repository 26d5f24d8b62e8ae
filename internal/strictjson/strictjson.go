// Package strictjson reads JSON that strangers send, and returns each part of it as it was written.
//
// The whole text is checked against the grammar of RFC 8259, and nothing may follow it. Beyond that it is strict only
// about the members that the caller asks for: a member that decides something occurs once in its object, and its name
// is compared by case. Any other member may occur twice, and a value that the caller does not read may be nested as
// deep as its sender likes: neither costs the event, nor the other items of a batch.
//
// It decodes nothing that the caller does not ask for: numbers keep their digits, and strings their escapes. A UTF-8
// byte order mark before the text is skipped, as the readers of the systems that send one do. Every error wraps
// [ErrMalformed] and quotes nothing of the input.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed reports input that is not JSON of the wanted form. Wrap it to say more.
var ErrMalformed error = malformed{}

type malformed struct{}

func (malformed) Error() string { return "malformed body" }

// Code returns the short code under which a request with such a body is recorded and counted.
func (malformed) Code() string { return "malformed_body" }

// Object reads body as one JSON object and calls member for each member, in their order, with its name (without quotes
// and escapes) and its value as written. Both share the memory of body wherever possible; they must not be changed.
//
// A name that occurs twice is passed twice. To read members that decide something, use [FindAll], which refuses that.
// Only white space may follow the object. Bytes in strings that are not UTF-8 are left as they are. Any other body is
// [ErrMalformed].
//
// Object calls member before it has checked the rest of body: use the members only after Object has returned nil.
func Object(body []byte, member func(name, value []byte)) error {
	return eachMember(body, func(name, value span) { member(unquote(name.of(body)), value.of(body)) })
}

// A span is the position of a name, with its quotes, or of a value.
type span struct{ start, end int }

func (s span) of(b []byte) []byte { return b[s.start:s.end:s.end] }

// eachMember is Object with the positions of names and values.
func eachMember(body []byte, each func(name, value span)) error {
	i, err := begin(body, '{')
	if err != nil {
		return err
	}
	if i < len(body) && body[i] == '}' {
		return end(body, i+1)
	}
	for {
		name := span{i, skipString(body, i)}
		i = skipName(body, i)
		last := skipValue(body, i)
		if last < 0 {
			return errSyntaxOf(body)
		}
		each(name, span{i, last})
		i = skipBlanks(body, last)
		switch at(body, i) {
		case ',':
			i = skipBlanks(body, i+1)
		case '}':
			return end(body, i+1)
		default:
			return errSyntaxOf(body)
		}
	}
}

// Array reads body as one JSON array and calls item for each item, with its index and its value as written.
// It checks as [Object] does.
func Array(body []byte, item func(i int, value []byte)) error {
	i, err := begin(body, '[')
	if err != nil {
		return err
	}
	if i < len(body) && body[i] == ']' {
		return end(body, i+1)
	}
	for n := 0; ; n++ {
		last := skipValue(body, i)
		if last < 0 {
			return errSyntaxOf(body)
		}
		item(n, body[i:last:last])
		i = skipBlanks(body, last)
		switch at(body, i) {
		case ',':
			i = skipBlanks(body, i+1)
		case ']':
			return end(body, i+1)
		default:
			return errSyntaxOf(body)
		}
	}
}

// Items reads a batch: an [Array] of at most max items. It returns each item as written. null is an empty batch.
// A body that is not an array, or has more items, is [ErrMalformed].
func Items(body []byte, max int) ([][]byte, error) {
	if string(TrimBOM(body)) == "null" {
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

// byteOrderMark is the byte order mark U+FEFF in UTF-8.
const byteOrderMark = "\uFEFF"

// TrimBOM returns body without a UTF-8 byte order mark at its beginning.
func TrimBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte(byteOrderMark)) }

// Document returns body without a byte order mark if it is JSON in UTF-8, otherwise nil. Names may occur twice in it.
func Document(body []byte) json.RawMessage {
	if text := TrimBOM(body); utf8.Valid(text) && json.Valid(text) {
		return text
	}
	return nil
}

// IsObject reports whether body begins like a JSON object.
func IsObject(body []byte) bool {
	i, err := begin(body, '{')
	return i > 0 && err == nil
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

// Unwrap returns the JSON text in value, a JSON string that holds an object or an array, as some senders encode a
// value twice. It returns any other value as it is.
func Unwrap(value []byte) []byte {
	text, ok := Text(value)
	if inner := bytes.TrimLeft([]byte(text), " \t\r\n"); ok && len(inner) > 0 && (inner[0] == '{' || inner[0] == '[') {
		return inner
	}
	return value
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

// errSyntaxOf returns the reason why body is not JSON.
func errSyntaxOf(body []byte) error {
	if isWide(body) {
		return errEncoding
	}
	return errSyntax
}

var (
	errSyntax   = fmt.Errorf("%w: not valid JSON", ErrMalformed)
	errEncoding = fmt.Errorf("%w: the text is UTF-16 or UTF-32; JSON must be UTF-8", ErrMalformed)
	errObject   = fmt.Errorf("%w: not a JSON object", ErrMalformed)
	errArray    = fmt.Errorf("%w: not a JSON array", ErrMalformed)
)
