package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A Problem is how every error is answered: the problem details of RFC 9457, with our code and the values at fault.
type Problem struct {
	Type   string       `json:"type" example:"about:blank" doc:"Always about:blank; code says more"`
	Title  string       `json:"title" example:"Unprocessable Entity"`
	Status int          `json:"status" example:"422"`
	Detail string       `json:"detail" example:"name: required" doc:"What went wrong, where, and what to do"`
	Code   bellhop.Code `json:"code" example:"invalid" doc:"Of which kind: invalid, malformed, unauthorized, not_found, conflict, too_large, unavailable, internal"`
	Errors []FieldError `json:"errors" doc:"The values that cannot be accepted"`
}

// A FieldError names one value that cannot be accepted.
type FieldError struct {
	Path    string `json:"path" example:"settings.signing_key" doc:"As in the JSON that was sent, or the name of the parameter"`
	Message string `json:"message" example:"required" doc:"What is wrong and what to write instead"`
}

// statusOf is the one place where a code becomes a status.
func statusOf(code bellhop.Code) int {
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
	case bellhop.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case bellhop.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// codeOf is the way back, for what the router and the library find wrong by themselves.
func codeOf(status int) bellhop.Code {
	for _, code := range []bellhop.Code{bellhop.CodeInvalid, bellhop.CodeUnauthorized, bellhop.CodeForbidden, bellhop.CodeNotFound,
		bellhop.CodeConflict, bellhop.CodeTooLarge, bellhop.CodeUnavailable} {
		if statusOf(code) == status {
			return code
		}
	}
	if status >= 500 {
		return bellhop.CodeInternal
	}
	return bellhop.CodeMalformed
}

// problem answers err. What has no code is "internal error" outside and whole in the log.
func (s *server) problem(ctx context.Context, operation string, err error) *Problem {
	var e *bellhop.Error
	switch {
	case errors.As(err, &e) && statusOf(e.Code) < 500:
	case errors.As(err, &e) && e.Code == bellhop.CodeUnavailable:
		s.log.Warn("api.unavailable", "operation", operation, "error", whole(err))
	case ctx.Err() != nil:
		e = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "the request was given up"}
	default:
		s.log.Error("api.failed", "operation", operation, "error", whole(err))
		e = &bellhop.Error{Code: bellhop.CodeInternal}
	}
	return problemOf(statusOf(e.Code), e)
}

// whole is err for the log, the cause of a bellhop.Error included.
func whole(err error) string {
	var e *bellhop.Error
	if errors.As(err, &e) && e.Err != nil {
		return err.Error() + ": " + e.Err.Error()
	}
	return err.Error()
}

func problemOf(status int, e *bellhop.Error) *Problem {
	p := &Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Code: e.Code, Detail: e.Error(), Errors: []FieldError{},
	}
	if e.Code == bellhop.CodeInternal {
		p.Detail = "internal error"
		return p
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, FieldError(f))
	}
	return p
}

// newProblem is what the library calls for errors that it finds itself: huma.NewError, set in openapi.go.
// It leaves out the values that the library would echo.
func newProblem(status int, message string, errs ...error) *Problem {
	e := &bellhop.Error{Code: codeOf(status), Message: message, Fields: plainFields(errs)}
	if len(e.Fields) > 0 {
		e.Message = ""
	}
	return problemOf(status, e)
}

// plainFields keeps of what the library found where it is and what is wrong there.
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

// plainField says in our words what the library found: a path without "body." in front, and a required value
// by its own path instead of its parent's.
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
	switch d.Message {
	case "unexpected property":
		f.Message = "not known here; see " + documentPath
	case "unknown query parameter":
		f.Message = "no such parameter; see " + documentPath
	}
	return f
}

// Error, GetStatus, GetHeaders and ContentType are what the library asks of an error that it answers with.

func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the status to answer with.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders says when to come again, where that helps.
func (p *Problem) GetHeaders() http.Header {
	if p.Code == bellhop.CodeUnavailable {
		return http.Header{"Retry-After": {"1"}}
	}
	return nil
}

// ContentType returns the content type of problem details.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// writeProblem answers with p where the library is not asked.
func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	writeJSON(w, p)
}

func isNotFound(err error) bool {
	var e *bellhop.Error
	return errors.As(err, &e) && e.Code == bellhop.CodeNotFound
}
