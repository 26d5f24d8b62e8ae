package client

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
)

// An Error is what the gateway answered instead of what was asked for.
type Error struct {
	Status int          // of the HTTP answer
	Code   bellhop.Code // of which kind; "" if the answer is not a gateway's
	Detail string       // what went wrong, where, and what to do
	Errors []FieldError // the values that cannot be accepted
}

// A FieldError names one value that cannot be accepted.
type FieldError struct {
	Path    string `json:"path"` // as in the JSON that was sent, or the name of the parameter
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Detail }

// newError reads a problem document. Anything else was not answered by a gateway.
func newError(resp *http.Response, body []byte) *Error {
	var problem struct {
		Detail string       `json:"detail"`
		Code   bellhop.Code `json:"code"`
		Errors []FieldError `json:"errors"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Code == "" {
		return &Error{Status: resp.StatusCode, Detail: fmt.Sprintf("answered %s, and not as a gateway does", resp.Status)}
	}
	return &Error{Status: resp.StatusCode, Code: problem.Code, Detail: problem.Detail, Errors: problem.Errors}
}
