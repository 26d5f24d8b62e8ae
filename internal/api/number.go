package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// This file decodes the numbers of a body. To JSON Schema 1e3 and 1000.0 are whole numbers like 1000, and a number
// may have any size. To encoding/json the first two are none, and a number that the Go type cannot hold is an error
// whose words are about Go.

// maxRewritten is how many whole numbers of a body may be written with a fraction or an exponent. Each costs decoding
// the body once more.
const maxRewritten = 100

// outOfRange is how the error about a number begins that no Go value can hold; its path follows. plainField says it
// in plain words.
const outOfRange = "number out of range at "

// decode decodes b, which is valid JSON, into v.
func decode(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	for range maxRewritten {
		wrong, token := wrongNumber(err)
		if wrong == nil {
			return err
		}
		if plain, ok := v.(*any); ok {
			*plain, err = decodePlain(b)
			return err
		}
		whole, ok := wholeNumber(token, wrong.Type)
		begin := int(wrong.Offset) - len(token)
		if !ok || begin < 0 || !bytes.HasPrefix(b[begin:], []byte(token)) {
			break
		}
		b = bytes.Join([][]byte{b[:begin], b[wrong.Offset:]}, []byte(whole))
		err = json.Unmarshal(b, v)
	}
	if wrong, _ := wrongNumber(err); wrong != nil {
		return errors.New(outOfRange + memberPath(wrong.Field))
	}
	return err
}

// wrongNumber returns err and the text of a number if err is about one; nil if it is not.
func wrongNumber(err error) (wrong *json.UnmarshalTypeError, token string) {
	if !errors.As(err, &wrong) {
		return nil, ""
	}
	token, ok := strings.CutPrefix(wrong.Value, "number ")
	if !ok {
		return nil, ""
	}
	return wrong, token
}

// wholeNumber writes a number of JSON in digits alone. ok is false if it is no whole number, or too large for a t.
func wholeNumber(token string, t reflect.Type) (digits string, ok bool) {
	f, err := strconv.ParseFloat(token, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 || t.Kind() < reflect.Int || t.Kind() > reflect.Int64 {
		return "", false
	}
	digits = strconv.FormatInt(int64(f), 10)
	return digits, digits != token // the same digits do not fit either
}

// memberPath returns the JSON path in the field of an error of encoding/json, which has the names of embedded structs
// too. Those begin with a capital letter.
func memberPath(field string) string {
	var path []string
	for name := range strings.SplitSeq(field, ".") {
		if name != "" && !unicode.IsUpper(rune(name[0])) {
			path = append(path, name)
		}
	}
	return strings.Join(path, ".")
}

// decodePlain decodes b without a type. A number that is too large for a float64 is the largest one.
func decodePlain(b []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	err = decoder.Decode(&v)
	return withFloats(v), err
}

// withFloats returns v with a float64 in place of each json.Number.
func withFloats(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return max(-math.MaxFloat64, min(f, math.MaxFloat64))
	case map[string]any:
		for name, member := range v {
			v[name] = withFloats(member)
		}
	case []any:
		for i, entry := range v {
			v[i] = withFloats(entry)
		}
	}
	return v
}
