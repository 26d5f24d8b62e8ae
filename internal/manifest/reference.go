package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// This file has the references: texts that name a value which is elsewhere.

// The beginnings of references. A text that begins like one and is none is written with literally before it.
const (
	fromEnv   = "env:"
	fromFile  = "file:"
	literally = "text:"
)

// KeptURL stands for the URL of a destination that is not known here: the stored one stays.
const KeptURL = "…"

// variable is the name of a variable of the environment.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isReference reports whether a text is a reference, well written or not.
func isReference(s string) bool {
	return strings.HasPrefix(s, fromEnv) || strings.HasPrefix(s, fromFile)
}

// Escape returns the text that a file has to have in place of s so that s is meant.
func Escape(s string) string {
	if isReference(s) || strings.HasPrefix(s, literally) {
		return literally + s
	}
	return s
}

// A Lookup is where the values of references are.
type Lookup struct {
	Env  func(name string) string // the value of a variable; "" is none
	File func(path string) ([]byte, error)
	// Example, if it is set, puts an example in place of a secret that is not there, for a check of all the others.
	Example bool
}

// maxFileBytes bounds a file that a reference names.
const maxFileBytes = 1 << 20

// errNone says that a reference has no value here.
var errNone = errors.New("there is none")

// Warnings returns a warning for each secret that is in the file itself.
func (f *File) Warnings() (warnings []Problem) {
	for _, v := range f.values {
		if v.owner != nil && v.node.text != "" && !isReference(v.node.text) {
			warnings = append(warnings, f.problem(v, "a secret is in the file itself, for all who can read it; put "+
				"it into the environment or into a file of its own, and write env:NAME or file:PATH here", true))
		}
	}
	return warnings
}

func (f *File) problem(v value, message string, warning bool) Problem {
	return Problem{Line: max(1, v.node.line), Column: max(1, v.node.column), Path: v.path, Message: message,
		Warning: warning}
}

// Resolve puts the values of references in their place. A secret or a URL whose reference has no value here becomes a
// mask, with a warning: the stored one stays. [File.Missing] tells which these are. Any other reference without a
// value is a fault.
func (f *File) Resolve(from Lookup) (problems []Problem) {
	for i := range f.values {
		v := &f.values[i]
		text := v.node.text
		if rest, ok := strings.CutPrefix(text, literally); ok {
			v.node.text = rest
			continue
		}
		if !isReference(text) {
			continue
		}
		found, err := look(text, from)
		switch {
		case err == nil:
			v.node.text = found
			continue
		case !errors.Is(err, errNone) || v.owner == nil && !v.hidden || v.ofNoun && !from.Example:
			problems = append(problems, f.problem(*v, err.Error(), false))
			continue
		}
		v.missing = text
		if v.ofNoun { // the text of a key, which is stored nowhere
			v.node.kind = nullKind
			problems = append(problems, f.problem(*v, err.Error(), true))
			continue
		}
		problems = append(problems, f.problem(*v, err.Error()+": the stored value stays, and is not compared", true))
		switch {
		case from.Example && v.example != "":
			v.node.text = v.example
		case from.Example && v.hidden:
			v.node.text = "https://placeholder.example"
		case from.Example:
			v.node.text = "placeholder-of-a-secret"
		case v.owner == nil:
			v.node.text = KeptURL
		default:
			v.owner.masked = true
		}
	}
	Sort(problems)
	return problems
}

// look returns the value of a reference. The error wraps errNone if it has none here.
func look(reference string, from Lookup) (string, error) {
	if name, ok := strings.CutPrefix(reference, fromEnv); ok {
		if !variable.MatchString(name) {
			return "", errors.New("write env: and the name of a variable, such as env:SIGNING_KEY, or text: before " +
				"a text that begins like that")
		}
		found := from.Env(name)
		if found == "" {
			return "", fmt.Errorf("the variable %s is not set here%w", name, quiet{errNone})
		}
		return strings.TrimRight(found, "\r\n"), nil
	}
	path := strings.TrimPrefix(reference, fromFile)
	if path == "" {
		return "", errors.New("write file: and the path of a file, such as file:secrets/signing.key")
	}
	content, err := from.File(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the file %s is not here%w", shown(path), quiet{errNone})
	case err != nil:
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return "", fmt.Errorf("the file %s cannot be read: %w", shown(path), err)
	case len(content) > maxFileBytes:
		return "", fmt.Errorf("the file %s has more than %d bytes", shown(path), maxFileBytes)
	}
	found, err := bellhop.FileText(content)
	if err != nil {
		return "", fmt.Errorf("the file %s: %w", shown(path), err)
	}
	found = strings.TrimRight(found, "\r\n")
	if found == "" {
		return "", fmt.Errorf("the file %s is empty", shown(path))
	}
	return found, nil
}

// quiet wraps an error without a text of its own.
type quiet struct{ error }

func (quiet) Error() string   { return "" }
func (q quiet) Unwrap() error { return q.error }

// Missing returns the references that Resolve found no value for, by their paths. The path of a secret in a list is
// that of the list.
func (f *File) Missing() map[string]string {
	missing := map[string]string{}
	for _, v := range f.values {
		if v.missing != "" {
			path := v.path
			for v.owner != nil && v.owner != v.node && strings.HasSuffix(path, "]") {
				path = path[:strings.LastIndexByte(path, '[')]
			}
			missing[path] = v.missing
		}
	}
	return missing
}
