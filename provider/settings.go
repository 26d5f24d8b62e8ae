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
// value of another type, is a bellhop.CodeInvalid error with the key as its path; it names all such keys. Empty raw is
// {}. If v has a member that has secrets, they are read as [Secrets] reads them.
func DecodeSettings(raw json.RawMessage, v any) error {
	raw = strictjson.TrimBOM(raw)
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = json.RawMessage("{}")
	}
	if strictjson.Unambiguous(raw) != nil {
		return bellhop.Invalid("", "must be a JSON object in which no name occurs twice")
	}
	known := settingNames(reflect.TypeOf(v).Elem())
	mended := map[string]json.RawMessage{} // the settings without their faults; nil if that is not possible
	var errs []error
	err := strictjson.Object(raw, func(key, value []byte) {
		name := string(key)
		if !slices.Contains(known, name) {
			errs = append(errs, bellhop.Invalid(name, "unknown setting; there are "+strings.Join(known, ", ")))
			return
		}
		right, wrong := decodeMember(name, value, v)
		if wrong != nil {
			errs = append(errs, wrong)
		}
		if right == nil {
			mended = nil
		} else if mended != nil {
			mended[name] = right
		}
	})
	if err != nil {
		return bellhop.Invalid("", "must be a JSON object in which no name occurs twice")
	}
	if len(errs) == 0 {
		return nil
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	var invalid *bellhop.Error
	if !errors.As(bellhop.Join("", errs...), &invalid) || mended == nil {
		return invalid
	}
	return &faulty{invalid, func() json.RawMessage {
		text, _ := json.Marshal(mended) // of values that are JSON
		return text
	}}
}

// A faulty is the error of settings with unknown keys, and with values that have another type but a clear meaning.
type faulty struct {
	err    *bellhop.Error
	mended func() json.RawMessage // the settings without these faults; a function, so that no verb prints it
}

func (f *faulty) Error() string { return f.err.Error() }
func (f *faulty) Unwrap() error { return f.err }

// decodeMember reads one member into v. If its value has another type, the error says so, and mended is the value in
// the right type if it has a clear meaning there: a number or a flag where a text belongs. Otherwise mended is nil.
func decodeMember(name string, value []byte, v any) (mended json.RawMessage, wrong error) {
	key, _ := json.Marshal(name)
	err := json.Unmarshal(slices.Concat([]byte("{"), key, []byte(":"), value, []byte("}")), v)
	var mistype *json.UnmarshalTypeError
	var invalid *bellhop.Error
	switch {
	case err == nil:
		return value, nil
	case errors.As(err, &mistype) && strings.HasPrefix(mistype.Value, "number "):
		// the number itself follows: do not repeat it
		return nil, bellhop.Invalid(mistype.Field, "must be "+plainType(mistype.Type)+" within its bounds")
	case errors.As(err, &mistype):
		wrong = bellhop.Invalid(mistype.Field, fmt.Sprintf("must be %s, not a %s", plainType(mistype.Type),
			mistype.Value))
		if mistype.Type.Kind() == reflect.String && (mistype.Value == "number" || mistype.Value == "bool") {
			mended, _ = json.Marshal(string(value))
		}
		return mended, wrong
	case errors.As(err, &invalid):
		return nil, invalid
	}
	return nil, bellhop.Invalid(name, "cannot be read")
}

// Open is p.Open, except that it reports unknown settings, and settings of a wrong type, together with everything else
// that is wrong.
func Open(p Provider, env Env, settings json.RawMessage) (Receiver, error) {
	return openWhole(p.Open, env, settings)
}

// OpenSender is [Open] for a destination.
func OpenSender(p Sender, env Env, settings json.RawMessage) (Renderer, error) {
	return openWhole(p.OpenSender, env, settings)
}

// openWhole calls open. If the error is only about unknown settings and types, it adds the faults that open finds in
// the mended settings.
func openWhole[T any](open func(Env, json.RawMessage) (T, error), env Env, settings json.RawMessage) (T, error) {
	opened, err := open(env, settings)
	var f *faulty
	if errors.As(err, &f) {
		_, other := open(env, f.mended())
		err = bellhop.Join("", f.err, other)
	}
	return opened, err
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
	return "", bellhop.Invalid(path, NoChoice(text, choices...))
}

// NoChoice says in words that text is none of choices. It repeats text only if it is a short word, as a choice is: a
// longer one may be a secret that was put into the wrong setting.
func NoChoice(text string, choices ...string) string {
	what := "this value"
	if len(text) <= 16 && Alphanumeric(text, "-_.") {
		what = `"` + text + `"`
	}
	last := len(choices) - 1
	return what + " is not a choice; use " + strings.Join(choices[:last], ", ") + " or " + choices[last]
}

func settingNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if field := t.Field(i); field.Anonymous {
			names = append(names, settingNames(field.Type)...)
			continue
		}
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

// Secrets is one secret or, while it is being rotated, several: a string or a list of strings in JSON. Each is
// [bellhop.Pasted]: without the white space and the byte order mark around it.
type Secrets []string

// MaxSecrets bounds how many secrets a source has at a time.
const MaxSecrets = 4

// UnmarshalJSON reads a string or a list of strings. Its error does not repeat the input.
func (s *Secrets) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*s = Secrets{bellhop.Pasted(one)}
		return nil
	}
	var many []string
	if json.Unmarshal(b, &many) != nil {
		return &json.UnmarshalTypeError{Value: "value of another kind", Type: reflect.TypeFor[string]()}
	}
	for i := range many {
		many[i] = bellhop.Pasted(many[i])
	}
	*s = many
	return nil
}

// Check returns a [bellhop.CodeInvalid] error at path if there is no secret, more than MaxSecrets, or one that cannot
// be a secret: see [bellhop.SecretFault].
func (s Secrets) Check(path string) error {
	switch {
	case len(s) == 0:
		return bellhop.Invalid(path, "required: one secret, or a list of up to 4 while it is being rotated")
	case len(s) > MaxSecrets:
		return bellhop.Invalid(path, fmt.Sprintf("has %d secrets; at most %d", len(s), MaxSecrets))
	}
	var errs []error
	for i, secret := range s {
		if fault := bellhop.SecretFault(bellhop.Pasted(secret)); fault != "" {
			errs = append(errs, bellhop.Invalid(s.Path(path, i), fault))
		}
	}
	return bellhop.Join("", errs...)
}

// A Lookalike is a text that people mistake for a secret, by how it begins.
type Lookalike struct {
	Prefixes []string
	Why      string // what it is, and where the secret is
}

// CheckNot returns a [bellhop.CodeInvalid] error at path for each secret that is one of the lookalikes.
func (s Secrets) CheckNot(path string, not ...Lookalike) error {
	var errs []error
	for i, secret := range s {
		for _, l := range not {
			if slices.ContainsFunc(l.Prefixes, func(prefix string) bool { return strings.HasPrefix(secret, prefix) }) {
				errs = append(errs, bellhop.Invalid(s.Path(path, i), l.Why))
			}
		}
	}
	return bellhop.Join("", errs...)
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
