package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// DecodeSettings reads raw strictly into v, a pointer to a struct with json tags. An unknown or repeated key, or a
// value of another type, is a bellhop.CodeInvalid error with the key as its path. Empty raw is {}.
func DecodeSettings(raw json.RawMessage, v any) error {
	raw = strictjson.TrimBOM(raw)
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	if strictjson.Unambiguous(raw) != nil {
		return bellhop.Invalid("", "must be a JSON object in which no name occurs twice")
	}
	known := settingNames(reflect.TypeOf(v).Elem())
	var errs []error
	_ = strictjson.Object(raw, func(name, _ []byte) { // an object, as was checked
		if !slices.Contains(known, string(name)) {
			errs = append(errs, bellhop.Invalid(string(name), "unknown setting; there are "+strings.Join(known, ", ")))
		}
	})
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return bellhop.Join("", errs...)
	}
	err := json.Unmarshal(raw, v)
	var wrong *json.UnmarshalTypeError
	var invalid *bellhop.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		if strings.HasPrefix(wrong.Value, "number ") { // the number itself follows: do not repeat it
			return bellhop.Invalid(wrong.Field, "must be "+plainType(wrong.Type)+" within its bounds")
		}
		return bellhop.Invalid(wrong.Field, fmt.Sprintf("must be %s, not a %s", plainType(wrong.Type), wrong.Value))
	case errors.As(err, &invalid):
		return invalid
	}
	return bellhop.Invalid("", "cannot be read")
}

// OneOf reads the setting at path, which names one of choices. If text is "", it returns fallback, which may be "",
// too. Its error is bellhop.CodeInvalid.
func OneOf(path, text, fallback string, choices ...string) (string, error) {
	switch {
	case text == "":
		return fallback, nil
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

// Secrets is one secret or, while it is being rotated, several: a string or a list of strings in JSON.
type Secrets []string

// MaxSecrets bounds how many secrets a source has at a time.
const MaxSecrets = 4

// UnmarshalJSON reads a string or a list of strings. Its error does not repeat the input.
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

// Check returns a [bellhop.CodeInvalid] error at path if there is no secret, an empty one, or more than MaxSecrets.
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

// Bytes returns the bytes of each secret's text, for systems that use the text itself as the key.
func (s Secrets) Bytes() [][]byte {
	keys := make([][]byte, len(s))
	for i, text := range s {
		keys[i] = []byte(text)
	}
	return keys
}

// ReadSecrets checks secrets and returns the key that read makes of each, for systems whose secrets are keys in an
// encoded form. Its errors are those of [Secrets.Check], and those of read under the path of the secret.
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

// Path returns the path of the i-th secret: path itself if there is only one.
func (s Secrets) Path(path string, i int) string {
	if len(s) == 1 {
		return path
	}
	return fmt.Sprintf("%s[%d]", path, i)
}

// Bounds of a tolerance. None of them switches the check off.
const (
	MinTolerance = time.Second
	MaxTolerance = time.Hour
)

// Tolerance reads the setting at path that bounds how far the time of a request may be before or after ours: a length
// of time such as "5m", from 1 s to 1 h. If text is "", it returns fallback. Its error is bellhop.CodeInvalid.
func Tolerance(path, text string, fallback time.Duration) (time.Duration, error) {
	if text == "" {
		return fallback, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < MinTolerance || d > MaxTolerance {
		return 0, bellhop.Invalid(path, `use a length of time from "1s" to "1h", such as "5m"`)
	}
	return d, nil
}
