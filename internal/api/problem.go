package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
)

// A problem is the answer to every request that fails.
type problem struct {
	client.Problem
	retryAfter time.Duration // of codes that say when to try again
}

// StatusOf returns the HTTP status of a code. No other function maps codes to statuses.
func StatusOf(code bellhop.Code) int {
	switch code {
	case bellhop.CodeInvalid:
		return http.StatusUnprocessableEntity
	case bellhop.CodeMalformed:
		return http.StatusBadRequest
	case bellhop.CodeUnauthorized:
		return http.StatusUnauthorized
	case bellhop.CodeForbidden:
		return http.StatusForbidden
	case bellhop.CodeNotFound:
		return http.StatusNotFound
	case bellhop.CodeConflict:
		return http.StatusConflict
	case bellhop.CodeGone:
		return http.StatusGone
	case bellhop.CodeChanged:
		return http.StatusPreconditionFailed
	case bellhop.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case bellhop.CodeLimited:
		return http.StatusTooManyRequests
	case bellhop.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// codeOf returns the code of a status, for errors that the router and the library find.
func codeOf(status int) bellhop.Code {
	for _, code := range []bellhop.Code{bellhop.CodeInvalid, bellhop.CodeUnauthorized, bellhop.CodeForbidden,
		bellhop.CodeNotFound, bellhop.CodeConflict, bellhop.CodeGone, bellhop.CodeChanged, bellhop.CodeTooLarge,
		bellhop.CodeLimited, bellhop.CodeUnavailable} {
		if StatusOf(code) == status {
			return code
		}
	}
	if status >= 500 {
		return bellhop.CodeInternal
	}
	return bellhop.CodeMalformed
}

// problem returns the answer to err. An error without a code is logged in full and answered as "internal error".
func (s *server) problem(ctx context.Context, operation string, err error) *problem {
	var e *bellhop.Error
	switch {
	case errors.As(err, &e) && StatusOf(e.Code) < 500:
	case errors.As(err, &e) && e.Code == bellhop.CodeUnavailable:
		s.log.Warn("api.unavailable", "operation", operation, "error", whole(err))
	case ctx.Err() != nil:
		e = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "the client gave up"}
	default:
		s.log.Error("api.failed", "operation", operation, "error", whole(err))
		e = &bellhop.Error{Code: bellhop.CodeInternal}
	}
	return problemOf(StatusOf(e.Code), e)
}

// whole returns the text of err for the log, with the cause of a bellhop.Error.
func whole(err error) string {
	var e *bellhop.Error
	if errors.As(err, &e) && e.Err != nil {
		return err.Error() + ": " + e.Err.Error()
	}
	return err.Error()
}

// problemOf returns e as a problem of that status.
func problemOf(status int, e *bellhop.Error) *problem {
	p := &problem{Problem: client.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Code: e.Code, Detail: e.Error(), Errors: []client.FieldError{},
	}, retryAfter: e.RetryAfter}
	if e.Code == bellhop.CodeInternal {
		p.Detail = "internal error"
		return p
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, client.FieldError(f))
	}
	return p
}

// newProblem returns the problem of an error that the library found: huma.NewError, set in openapi.go. It
// leaves out the values, which the library would echo.
func newProblem(status int, message string, errs ...error) *problem {
	e := &bellhop.Error{Code: codeOf(status), Message: message, Fields: plainFields(errs)}
	if len(e.Fields) > 0 {
		e.Message = ""
	}
	return problemOf(status, e)
}

// plainFields converts the error details of the library to field errors, sorted by path.
func plainFields(errs []error) []bellhop.FieldError {
	var fields []bellhop.FieldError
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			fields = append(fields, plainField(d.ErrorDetail()))
		}
	}
	slices.SortFunc(fields, func(a, b bellhop.FieldError) int { return strings.Compare(a.Path, b.Path) })
	return fields
}

// plainField converts an error detail of the library to a field error: without "body." in the path, with the
// path of the missing value and not of its parent, and with messages that say what to do.
func plainField(d *huma.ErrorDetail) bellhop.FieldError {
	f := bellhop.FieldError{Path: d.Location, Message: d.Message}
	for _, where := range []string{"body.", "query.", "path.", "header."} {
		if rest, ok := strings.CutPrefix(f.Path, where); ok {
			f.Path = rest
			break
		}
	}
	rest, ok := strings.CutPrefix(d.Message, "expected required property ")
	if name, ok2 := strings.CutSuffix(rest, " to be present"); ok && ok2 {
		f.Message = "required"
		if f.Path == "body" {
			f.Path = name
		} else {
			f.Path += "." + name
		}
	}
	if path, ok := strings.CutPrefix(d.Message, outOfRange); ok {
		f.Path, f.Message = cmp.Or(path, "body"), "use a number that 64 bits can hold"
	}
	switch d.Message {
	case "unexpected property":
		f.Message = "unknown here; see " + documentPath
	case validation.MsgExpectedRFC3339DateTime:
		f.Message = useTime
	case validation.MsgExpectedMatchExactlyOneSchema: // only a schedule has several schemas
		f.Message = fmt.Sprintf(`use a list of at most %d durations such as ["5s","5m"], `+
			`or default, sharepoint, eventgrid, day or none`, bellhop.MaxScheduleLength)
	default:
		f.Message = plainMessage(f.Message)
	}
	return f
}

const useTime = "use a time such as 2026-11-22T10:00:00Z"

// plainMessages are the library's messages about types, and ours in their place.
var plainMessages = map[string]string{
	"invalid integer": "use a whole number", validation.MsgExpectedInteger: "use a whole number",
	"invalid float": "use a number", validation.MsgExpectedNumber: "use a number",
	"invalid boolean": "use true or false", validation.MsgExpectedBoolean: "use true or false",
	validation.MsgExpectedString: "use a text", validation.MsgExpectedArray: "use a list",
	validation.MsgExpectedObject: "use an object",
}

// plainMessage puts a message of the library into words that say what to write. Another message stays as it is.
func plainMessage(message string) string {
	if plain, ok := plainMessages[message]; ok {
		return plain
	}
	if strings.HasPrefix(message, "invalid date/time") {
		return useTime
	}
	for _, form := range []struct{ library, ours string }{
		{validation.MsgExpectedMinimumNumber, "use a number of at least %s"},
		{validation.MsgExpectedMaximumNumber, "use a number of at most %s"},
		{validation.MsgExpectedMinLength, "use at least %s characters"},
		{validation.MsgExpectedMaxLength, "use at most %s characters"},
		{validation.MsgExpectedMinItems, "use at least %s entries"},
		{validation.MsgExpectedMaxItems, "use at most %s entries"},
	} {
		prefix, _, _ := strings.Cut(form.library, "%")
		number, ok := strings.CutPrefix(message, prefix)
		n, err := strconv.ParseFloat(number, 64)
		switch {
		case !ok || err != nil:
		case form.library == validation.MsgExpectedMinLength && n == 1:
			return "must not be empty"
		case n != math.Trunc(n):
			return fmt.Sprintf(form.ours, strconv.FormatFloat(n, 'g', 2, 64))
		default:
			return fmt.Sprintf(form.ours, strconv.FormatFloat(n, 'f', -1, 64))
		}
	}
	prefix, suffix, _ := strings.Cut(validation.MsgExpectedOneOf, "%s")
	if choices, ok := strings.CutPrefix(message, prefix); ok {
		return "use one of " + strings.TrimSuffix(choices, suffix)
	}
	return message
}

// The library calls Error, GetStatus, GetHeaders and ContentType to answer with a problem.

func (p *problem) Error() string { return p.Detail }

// GetStatus returns the status of the answer.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders returns when to try again, if that helps.
func (p *problem) GetHeaders() http.Header {
	if p.Code != bellhop.CodeUnavailable && p.Code != bellhop.CodeLimited {
		return nil
	}
	seconds := (p.retryAfter + time.Second - 1) / time.Second
	return http.Header{"Retry-After": {strconv.FormatInt(max(1, int64(seconds)), 10)}}
}

// ContentType returns the content type of problem details.
func (p *problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// writeProblem answers with p outside of the library.
func writeProblem(w http.ResponseWriter, p *problem) {
	w.Header().Set("Content-Type", problemType)
	maps.Copy(w.Header(), p.GetHeaders())
	w.WriteHeader(p.Status)
	writeJSON(w, p)
}
