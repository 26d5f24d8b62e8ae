package microsoft

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
)

// This file reads the answers of the APIs of Graph, Outlook, SharePoint and Azure: JSON, and errors in three forms of
// OData.

// Decode reads the JSON object of a successful answer into v. Anything else is an *provider.APIError: the failure that
// the answer tells, or APIForeign if the answer does not come from the API, as the page of a proxy or of a sign-in.
func Decode(a provider.Answer, now time.Time, v any) error {
	if err := Check(a, now); err != nil {
		return err
	}
	body := bytes.TrimSpace(bytes.TrimPrefix(a.Body, []byte("\ufeff")))
	if len(body) == 0 || body[0] != '{' || json.Unmarshal(body, v) != nil {
		return foreign(a, "the answer is not the JSON object that the API sends; it may come "+
			"from a proxy or be cut off")
	}
	return nil
}

// Check returns nil for an answer of status 2xx, and else the failure that it tells.
func Check(a provider.Answer, now time.Time) error {
	if a.Status >= 200 && a.Status <= 299 {
		return nil
	}
	if a.Status >= 300 && a.Status <= 399 {
		return foreign(a, "the answer is a redirect, which is not followed; is api_url of the connection right?")
	}
	e := &provider.APIError{Status: a.Status, RetryAfter: provider.RetryAfter(a.Header, now), Kind: kindOf(a.Status)}
	fault, ok := readFault(a.Body)
	e.Code, e.Message = Plain(fault.code), Plain(fault.message)
	switch {
	case e.Kind == provider.APITemporary:
		e.MaybeDone = a.Status >= 500 && a.Status != http.StatusServiceUnavailable
		return e
	case a.Status == http.StatusUnauthorized:
		e.Remedy = "the system refuses the credentials of the connection: sign in again"
		return e
	case !ok && !ownHeaders(a.Header): // a proxy's page says nothing about the object of the call
		return foreign(a, "the answer has not the form of the API's errors; it may come from a proxy")
	}
	return e
}

// kindOf returns the kind of a failure with that status, if nothing else is known.
func kindOf(status int) provider.APIErrorKind {
	switch status {
	case http.StatusUnauthorized:
		return provider.APISignedOut
	case http.StatusForbidden:
		return provider.APIForbidden
	case http.StatusNotFound, http.StatusGone:
		return provider.APIGone
	case http.StatusConflict:
		return provider.APIExists
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests:
		return provider.APITemporary
	}
	if status >= 500 {
		return provider.APITemporary
	}
	return provider.APIInvalid
}

func foreign(a provider.Answer, message string) *provider.APIError {
	return &provider.APIError{Kind: provider.APIForeign, Status: a.Status, Message: message,
		MaybeDone: a.Status >= 200 && a.Status <= 299}
}

// ownHeaders reports whether the answer has a header that Microsoft's services set on each of theirs: some of their
// errors have no body.
func ownHeaders(h http.Header) bool {
	return h.Get("Request-Id") != "" || h.Get("Sprequestguid") != "" || h.Get("X-Ms-Diagnostics") != "" ||
		h.Get("X-Ms-Request-Id") != ""
}

// A fault is the error of an answer: the most specific code, and the message.
type fault struct{ code, message string }

// odataError is the object of an error. The message is a text or an object with a text.
type odataError struct {
	Code    string          `json:"code"`
	Message json.RawMessage `json:"message"`
	Inner   *odataError     `json:"innerError"` // innererror too: names are read in any letter case
}

// maxInner bounds the depth of inner errors.
const maxInner = 8

// readFault reads the error of an answer's body; ok is false if it has none of the known forms.
func readFault(body []byte) (f fault, ok bool) {
	var whole struct {
		Error       json.RawMessage `json:"error"`
		ODataError  *odataError     `json:"odata.error"`
		Description string          `json:"error_description"`
	}
	if json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &whole) != nil {
		return f, false
	}
	e := whole.ODataError
	if e == nil {
		json.Unmarshal(whole.Error, &e) // a text, as in the errors of OAuth, leaves it nil
	}
	if e == nil {
		json.Unmarshal(whole.Error, &f.code)
		f.message = whole.Description
		return f, whole.Description != "" || f.code != ""
	}
	f = fault{e.Code, messageOf(e.Message)}
	for inner, depth := e.Inner, 0; inner != nil && depth < maxInner; inner, depth = inner.Inner, depth+1 {
		f.code = cmp.Or(inner.Code, f.code)
	}
	return f, f.code != "" || f.message != ""
}

func messageOf(raw json.RawMessage) (text string) {
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var form struct {
		Value string `json:"value"`
	}
	json.Unmarshal(raw, &form)
	return form.Value
}

// urls are the URLs in a message. What follows the host may be a secret.
var urls = regexp.MustCompile(`(https?://[^\s/'"<>?#]+)[/?#][^\x00-\x20'"<>]*`)

// Plain returns text of a system for messages of ours: without control characters and what follows the hosts of URLs,
// and bounded.
func Plain(text string) string {
	text = urls.ReplaceAllString(strings.ToValidUTF8(text, "?"), "$1/…")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
	if len(text) > provider.MaxAPIText {
		text = strings.ToValidUTF8(text[:provider.MaxAPIText-len("…")], "") + "…"
	}
	return text
}

// Pause returns how long the system asks to wait after an answer that was no failure: until its limit begins anew, if
// nothing is left of it.
func Pause(a provider.Answer) time.Duration {
	if strings.TrimSpace(a.Header.Get("Ratelimit-Remaining")) != "0" {
		return 0
	}
	return provider.RetryAfter(http.Header{"Ratelimit-Reset": a.Header["Ratelimit-Reset"]}, time.Time{})
}

// ParseTime reads a time as Microsoft's services write it. It returns the zero time for anything else.
func ParseTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05.999999999", text) // without a zone it is UTC
	}
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// GoneIsDone returns the error of a call that deletes: nil if there was nothing to delete.
func GoneIsDone(err error) error {
	var e *provider.APIError
	if errors.As(err, &e) && e.Kind == provider.APIGone {
		return nil
	}
	return err
}

// NothingThere returns the error of a call that creates something in a resource: of APIInvalid, with remedy, if there
// is no such resource.
func NothingThere(err error, remedy string) error {
	var e *provider.APIError
	if errors.As(err, &e) && e.Kind == provider.APIGone {
		e.Kind, e.Remedy = provider.APIInvalid, remedy
	}
	return err
}

// maxPages bounds the pages of one list.
const maxPages = 1000

// ListAll reads a list in pages, from path on. call reads one page and returns the link to the next one, "" at the
// end. An API refuses a link to another origin.
func ListAll(path string, call func(path string) (next string, err error)) error {
	for range maxPages {
		next, err := call(path)
		if err != nil || next == "" {
			return err
		}
		if _, err := url.Parse(next); err != nil || next == path {
			break
		}
		path = next
	}
	return &provider.APIError{Kind: provider.APIForeign, Message: "the list does not end"}
}

// Ask makes a call, with in as its body unless that is nil, and reads the JSON object of a successful answer into out.
// Its errors are those of [provider.API.Do] and [Decode].
func Ask(ctx context.Context, api provider.API, now func() time.Time, call provider.Call, in,
	out any) (provider.Answer, error) {
	if in != nil {
		call = WithJSON(call, in)
	}
	answer, err := api.Do(ctx, call)
	if err == nil {
		err = Decode(answer, now(), out)
	}
	return answer, err
}

// Lacks returns the error of an answer without a member that every answer to such a call has.
func Lacks(a provider.Answer, method, member string) error {
	return &provider.APIError{Kind: provider.APIForeign, Status: a.Status, MaybeDone: method != http.MethodGet,
		Message: "the answer has no member " + member}
}

// WithJSON returns call with in, which encoding/json can always write, as its body.
func WithJSON(call provider.Call, in any) provider.Call {
	call.Body, _ = json.Marshal(in)
	call.Header = call.Header.Clone()
	if call.Header == nil {
		call.Header = http.Header{}
	}
	call.Header.Set("Content-Type", "application/json")
	return call
}
