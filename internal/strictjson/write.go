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

// Embeddable reports whether body can be placed as it is in an object within an object, or within an array, so that a
// receiver that reads as strictly as [Object] accepts the whole.
func Embeddable(body []byte) bool {
	nested := slices.Concat([]byte("[["), body, []byte("]]"))
	return json.Valid(body) && utf8.Valid(body) && Array(nested, func(int, []byte) {}) == nil
}
