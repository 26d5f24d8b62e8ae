package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// DecodeSettings reads raw strictly into v, a pointer to a struct with json tags: an unknown or repeated key,
// or a value of another type, is a bellhop.CodeInvalid error with the key as its path. Empty raw is {}.
func DecodeSettings(raw json.RawMessage, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	known := settingNames(reflect.TypeOf(v).Elem())
	var errs []error
	err := strictjson.Object(raw, func(name, _ []byte) {
		if !slices.Contains(known, string(name)) {
			errs = append(errs, bellhop.Invalid(string(name), "unknown setting; there are "+strings.Join(known, ", ")))
		}
	})
	if err != nil {
		return bellhop.Invalid("", "must be a JSON object in which no name occurs twice")
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return bellhop.Join("", errs...)
	}
	err = json.Unmarshal(raw, v)
	var wrong *json.UnmarshalTypeError
	var invalid *bellhop.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		if strings.HasPrefix(wrong.Value, "number ") { // which follows
			return bellhop.Invalid(wrong.Field, "must be "+plainType(wrong.Type)+" within its bounds")
		}
		return bellhop.Invalid(wrong.Field, fmt.Sprintf("must be %s, not a %s", plainType(wrong.Type), wrong.Value))
	case errors.As(err, &invalid):
		return invalid
	}
	return bellhop.Invalid("", "cannot be read")
}

// OneOf reads the setting at path, one of choices by name; "" is standard, which may be "" too. Its error is
// bellhop.CodeInvalid.
func OneOf(path, text, standard string, choices ...string) (string, error) {
	switch {
	case text == "":
		return standard, nil
	case slices.Contains(choices, text):
		return text, nil
	}
	last := len(choices) - 1
	return "", bellhop.Invalid(path, "use "+strings.Join(choices[:last], ", ")+" or "+choices[last])
}

func settingNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

func plainType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return `a list, such as ["a","b"]`
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a text"
}

// Secrets is one secret or, where it is being rotated, several: a string or a list of strings in JSON.
type Secrets []string

// MaxSecrets bounds how many secrets of a source are tried.
const MaxSecrets = 4

// UnmarshalJSON reads a string or a list of strings. It does not echo what it reads.
func (s *Secrets) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = Secrets{one}
		return nil
	}
	var many []string
	if json.Unmarshal(b, &many) != nil {
		return &json.UnmarshalTypeError{Value: "value of another kind", Type: reflect.TypeFor[string]()}
	}
	*s = many
	return nil
}

// Check reports as a [bellhop.CodeInvalid] error at path that there is no secret, one too many, or an empty one.
func (s Secrets) Check(path string) error {
	switch {
	case len(s) == 0:
		return bellhop.Invalid(path, "required: one secret, or a list of up to 4 while it is being rotated")
	case len(s) > MaxSecrets:
		return bellhop.Invalid(path, fmt.Sprintf("has %d secrets; at most %d", len(s), MaxSecrets))
	}
	for i, secret := range s {
		if strings.TrimSpace(secret) == "" {
			return bellhop.Invalid(s.Path(path, i), "must not be empty")
		}
	}
	return nil
}

// CheckOne is [Secrets.Check] for destinations that sign with one secret.
func (s Secrets) CheckOne(path string) error {
	switch {
	case len(s) == 0:
		return bellhop.Invalid(path, "required")
	case len(s) > 1:
		return bellhop.Invalid(path, "a destination has one; only a source takes a list")
	}
	return s.Check(path)
}

// Bytes returns the bytes of each secret's text, for systems to which they are the key.
func (s Secrets) Bytes() [][]byte {
	keys := make([][]byte, len(s))
	for i, text := range s {
		keys[i] = []byte(text)
	}
	return keys
}

// ReadSecrets checks secrets and returns what read makes of each, for systems to which their text stands for a key of
// another kind. Errors are those of [Secrets.Check], and those of read under the path of the secret.
func ReadSecrets[K any](path string, secrets Secrets, read func(text string) (K, error)) ([]K, error) {
	if err := secrets.Check(path); err != nil {
		return nil, err
	}
	var keys []K
	var errs []error
	for i, text := range secrets {
		key, err := read(text)
		if err != nil {
			err = bellhop.Invalid(secrets.Path(path, i), err.Error())
		}
		keys, errs = append(keys, key), append(errs, err)
	}
	return keys, bellhop.Join("", errs...)
}

// Path is the path of the i-th secret: path itself where there is only one.
func (s Secrets) Path(path string, i int) string {
	if len(s) == 1 {
		return path
	}
	return fmt.Sprintf("%s[%d]", path, i)
}
