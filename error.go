package bellhop

import (
	"errors"
	"strings"
)

// A Code says of which kind an [Error] is. Callers branch on it; the API turns it into a status.
type Code string

// The codes, with the status that the HTTP API gives each.
const (
	CodeInvalid      Code = "invalid"      // 422: a value cannot be accepted; Fields says which
	CodeMalformed    Code = "malformed"    // 400: the request itself cannot be read
	CodeUnauthorized Code = "unauthorized" // 401: no key, or a wrong one
	CodeForbidden    Code = "forbidden"    // 403
	CodeNotFound     Code = "not_found"    // 404
	CodeConflict     Code = "conflict"     // 409: a name is taken, or a state does not allow it
	CodeTooLarge     Code = "too_large"    // 413
	CodeUnavailable  Code = "unavailable"  // 503: storage cannot take it now; try again
	CodeInternal     Code = "internal"     // 500
)

// An Error is what a person sees: what went wrong, where, and what to do.
// Message never holds a secret, a body or a whole URL.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError // for CodeInvalid: the values at fault
	Err     error        // the cause, for the log only; may be nil
}

// A FieldError names one value that cannot be accepted.
type FieldError struct {
	Path    string // as in the JSON that was sent: "settings.signing_key", "match.types[2]"
	Message string // what is wrong and what to write instead
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		} else if e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(f.Path + ": " + f.Message)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// NotFound says that there is no such noun.
func NotFound(noun, id string) *Error {
	return &Error{Code: CodeNotFound, Message: "no " + noun + " " + quoteShort(id)}
}

// Conflict says that the state of things does not allow what was asked.
func Conflict(message string) *Error { return &Error{Code: CodeConflict, Message: message} }

// Invalid says that the value at path cannot be accepted.
func Invalid(path, message string) *Error {
	return &Error{Code: CodeInvalid, Fields: []FieldError{{Path: path, Message: message}}}
}

// Join collects the field errors of errs into one Error, each path with prefix in front.
// It returns nil when no error is left, and the first error that is not CodeInvalid as it is.
func Join(prefix string, errs ...error) error {
	var all Error
	for _, err := range errs {
		if err == nil {
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeInvalid {
			return err
		}
		for _, f := range e.Fields {
			all.Fields = append(all.Fields, FieldError{Path: joinPath(prefix, f.Path), Message: f.Message})
		}
	}
	if len(all.Fields) == 0 {
		return nil
	}
	all.Code = CodeInvalid
	return &all
}

func joinPath(prefix, path string) string {
	switch {
	case prefix == "":
		return path
	case path == "":
		return prefix
	case path[0] == '[':
		return prefix + path
	}
	return prefix + "." + path
}

// quoteShort quotes s for a message, cut to what a person can read, without control characters.
func quoteShort(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	clean := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '"' || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, s)
	return `"` + clean + `"`
}
