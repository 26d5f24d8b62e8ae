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

// Info describes a provider. It feeds the settings check, the CLI's help and the reference pages.
type Info struct {
	Name         string // lower case, one word
	Title        string // as the system calls itself
	Summary      string // one sentence: what it sends and how it proves it
	Links        []string
	Settings     []Setting // of a source
	SendSettings []Setting // of a destination; nil if the provider does not send
	Key          string    // the setting that the CLI's --key sets

	Setup     []string // steps to take at the provider so that it calls a source, in Markdown
	SendSetup []string // steps to take so that a destination of this type has something to call
	Notes     []string // what is worth knowing of its events, repeats, handshakes and limits, in Markdown
	Recipe    Recipe
	ByHand    string  // a few lines of shell that make an authentic request to a source; "" where nobody but the system can
	Tables    []Table // of the reference page

	MediaTypes   []string // of its bodies, where they are not application/json
	MaxBodyBytes int64    // of a request, where a source does not say; 0 is bellhop.DefaultMaxBodyBytes

	MaxLifetime time.Duration // of a destination that says when it expires; 0 is any
	Schedule    string        // of retries, where a destination says nothing: the name of a preset; "" is the default one
	Rate        float64       // deliveries a second, where a destination says nothing; 0 is any

	Concurrency int      // attempts at a time, where a destination says nothing; 0 is bellhop.DefaultConcurrency
	Errors      []string // of an [Action]: the codes that ActionResult.Error may have

	SecretURL     bool   // whoever knows a destination's URL may send there, so that nobody is shown more of it than its end
	Handshake     string // what that of its [Handshaker] is called among a destination's settings: "validation-token"; "" if it makes none
	HandshakeWhen string // when that one is made where a destination does not say, in Markdown: [HandshakeAlways], "where X is set"; "" is never
}

// HandshakeAlways says of a provider that the receivers of its destinations are asked first, unless one says otherwise.
const HandshakeAlways = "always"

// A Recipe is how the commands of a reference page go on, so that they work as they are printed: flags, written as for
// a shell. FILE there is a file with the value of the setting that --key sets.
type Recipe struct {
	Source      string // behind: bellhop sources create SOURCE --provider NAME
	Destination string // behind: bellhop destinations create DESTINATION --type NAME --url URL
	Send        string // behind: bellhop send NAME --to URL, where that is a source made by this recipe
	Query       string // of the two URLs: "code=SECRET"; mostly ""
}

// A Table is one of a reference page, its cells in Markdown.
type Table struct {
	Title string
	Text  string // what it shows
	Head  []string
	Rows  [][]string
}

// Kind is what the value of a setting is.
type Kind string

// The kinds.
const (
	KindText     Kind = "" // a JSON string
	KindFlag     Kind = "true or false"
	KindNumber   Kind = "number"
	KindDuration Kind = "length of time" // a JSON string such as "5m"
	KindList     Kind = "list"           // of texts
	KindObject   Kind = "object"         // of texts
)

// String returns what a person calls k.
func (k Kind) String() string {
	if k == KindText {
		return "text"
	}
	return string(k)
}

// A Setting is one key of the settings object of a source or destination.
type Setting struct {
	Name     string // as in JSON
	Title    string
	Doc      string // what it is, its unit or form, its default
	Example  string
	Kind     Kind
	Secret   bool // kept encrypted, never shown
	Required bool
}

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
