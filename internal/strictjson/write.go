package strictjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Encode returns v as JSON on one line. Unlike json.Marshal it leaves <, > and & as they are.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// JoinItems writes a batch that [Items] reads: a JSON array of encode's result for each of list, in order.
// It returns the first error of encode.
func JoinItems[T any](list []T, encode func(T) ([]byte, error)) ([]byte, error) {
	array := []byte{'['}
	for i, each := range list {
		item, err := encode(each)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			array = append(array, ',')
		}
		array = append(array, item...)
	}
	return append(array, ']'), nil
}

// MaxDepth is how deep objects and arrays of a body that we write are nested at most. It is the default limit of the
// common readers for .NET, and no other reader has a lower one.
const MaxDepth = 64

// Embed returns body as it can be placed in an object within an object, or within an array, so that every receiver can
// read the whole: one JSON value in UTF-8, not too deep (see [MaxDepth]), without byte order mark and white space
// around it. ok is false if body is nothing of that kind.
func Embed(body []byte) (value []byte, ok bool) {
	value = bytes.Trim(TrimBOM(body), " \t\r\n")
	if skipValue(value, 0) != len(value) || len(value) == 0 || !utf8.Valid(value) || deeperThan(value, MaxDepth-2) {
		return nil, false
	}
	return value, true
}

// ReplaceMember returns object with the member called name under the name newName, which is ASCII without quotes and
// controls, with this value, and with all other bytes unchanged. ok is false if object has no such member, or is not
// an object.
func ReplaceMember(object []byte, name, newName string, value []byte) (changed []byte, ok bool) {
	var oldName, oldValue span
	err := eachMember(object, func(n, v span) {
		if !ok && string(unquote(n.of(object))) == name {
			oldName, oldValue, ok = n, v, true
		}
	})
	if err != nil || !ok {
		return nil, false
	}
	return slices.Concat(object[:oldName.start], []byte(`"`+newName+`"`), object[oldName.end:oldValue.start], value,
		object[oldValue.end:]), true
}

// AddMember returns object, which must be a JSON object, with a new first member called name, which is ASCII without
// quotes and controls. All other bytes are unchanged.
func AddMember(object []byte, name string, value []byte) []byte {
	head, rest, _ := bytes.Cut(object, []byte("{"))
	separator := []byte(",")
	if bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("}")) {
		separator = nil
	}
	return slices.Concat(head, []byte(`{"`+name+`":`), value, separator, rest)
}
