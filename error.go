package bellhop

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// A Code is the kind of an [Error]. Callers branch on it; the API maps it to a status.
type Code string

// The codes, each with its status in the HTTP API. docs/ERRORS.md says what to do about each.
const (
	CodeInvalid      Code = "invalid"      // 422: a value cannot be accepted; Fields names it
	CodeMalformed    Code = "malformed"    // 400: the request itself cannot be read
	CodeUnauthorized Code = "unauthorized" // 401: the key is missing, wrong, expired or revoked
	CodeForbidden    Code = "forbidden"    // 403: the key, or a limit of its tenant, does not allow the request
	CodeNotFound     Code = "not_found"    // 404
	CodeConflict     Code = "conflict"     // 409: a name is taken, or the state does not allow the request
	CodeGone         Code = "gone"         // 410: the lease of a delivery has ended
	CodeChanged      Code = "changed"      // 412: the noun is not as the request expects it any more
	CodeTooLarge     Code = "too_large"    // 413
	CodeLimited      Code = "limited"      // 429: too many wrong keys or events; try again later
	CodeUnavailable  Code = "unavailable"  // 503: storage cannot accept it now; try again
	CodeInternal     Code = "internal"     // 500
)

// An Error is shown to a person: what went wrong, where, and what to do.
// Message never holds a secret, a body or a whole URL.
type Error struct {
	Code    Code
	Message string
	Fields  []FieldError // for CodeInvalid: the values that cannot be accepted
	Err     error        // the cause, for the log only; may be nil

	RetryAfter time.Duration // for CodeLimited and CodeUnavailable: when to try again; 0 is a second
}

// A FieldError names one value that cannot be accepted.
type FieldError struct {
	Path    string // as in the JSON that was sent: "settings.signing_key", "match.types[2]"
	Message string // what is wrong, and what to write instead
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

// Count writes a number of things for a message: "1 event", "2 events".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// NotFound returns an error that no noun has that id or name.
func NotFound(noun, id string) *Error {
	return &Error{Code: CodeNotFound, Message: "no " + noun + " " + quoteShort(id)}
}

// Conflict returns an error that the present state does not allow the request.
func Conflict(message string) *Error { return &Error{Code: CodeConflict, Message: message} }

// Gone returns an error that the request is about something that has ended.
func Gone(message string) *Error { return &Error{Code: CodeGone, Message: message} }

// Changed returns an error that a noun has changed since the version that a change to it was made for.
func Changed(noun string) *Error {
	return &Error{Code: CodeChanged, Message: "the " + noun + " has changed meanwhile, and nothing of this was " +
		"done: read it again, and decide again"}
}

// Invalid returns an error that the value at path cannot be accepted.
func Invalid(path, message string) *Error {
	return &Error{Code: CodeInvalid, Fields: []FieldError{{Path: path, Message: message}}}
}

// Join collects the field errors of errs into one Error and puts prefix in front of each path. It returns nil if
// errs holds no error. If one of errs is not CodeInvalid, it returns that error unchanged.
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

// quoteShort quotes s for a message: at most 64 bytes of it, with "?" in place of control characters and quotes.
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
