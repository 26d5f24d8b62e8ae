package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A refusal is an error that says under which short code it is recorded: those of packages signature and
// provider, and the door's own. What has no code is our own fault.
type refusal interface {
	error
	Code() string
}

type doorError struct{ code, text string }

func (e *doorError) Error() string { return e.text }
func (e *doorError) Code() string  { return e.code }

// The door's own reasons.
var (
	errTooLarge = &doorError{"too_large", "the body is larger than the source allows"}
	errUnread   = &doorError{"unreadable", "the body did not arrive whole"}
	errSlow     = &doorError{"timeout", "the body did not arrive in time"}
	errBusy     = &doorError{"busy", "too many bytes are being received at once"}
	errQuery    = &doorError{"malformed_query", "the query has more parameters than any provider sends"}
	errLoop     = &doorError{"loop", "the event has gone through too many gateways"}
	errPanic    = &doorError{"internal", "the provider failed on it"}
)

// statuses is what each reason is answered with. Providers give up on 4xx, so those are for what is proven bad;
// a reason that is not here is our fault and answered 503.
var statuses = map[string]int{
	"signature_missing":   http.StatusUnauthorized,
	"signature_mismatch":  http.StatusUnauthorized,
	"signature_expired":   http.StatusUnauthorized,
	"signature_malformed": http.StatusUnauthorized,
	"malformed_body":      http.StatusBadRequest,
	"unreadable":          http.StatusBadRequest,
	"timeout":             http.StatusRequestTimeout, // which providers repeat after
	"malformed_query":     http.StatusBadRequest,
	"forbidden":           http.StatusForbidden,
	"method":              http.StatusMethodNotAllowed,
	"content_encoding":    http.StatusUnsupportedMediaType,
	"media_type":          http.StatusUnsupportedMediaType,
	"too_large":           http.StatusRequestEntityTooLarge,
	"loop":                http.StatusLoopDetected,
}

// An answer body is one short JSON object, the same for every cause of a status: what failed is for the owner
// of the source, on record, and not for whoever sent it.
var answers = map[int]string{
	400: "malformed request", 401: "not authentic", 403: "not allowed", 404: "no such source", 405: "method not allowed",
	408: "request timeout", 413: "body too large", 415: "content not accepted", 503: "try again later", 508: "too many hops",
}

const notFound = http.StatusNotFound

// answer sends a refusal; err is why, or nil.
func answer(w http.ResponseWriter, status int, err error) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	inert(h)
	if status == http.StatusServiceUnavailable {
		h["Retry-After"] = []string{"5"}
	}
	if status == http.StatusMethodNotAllowed {
		h["Allow"] = []string{allowed(err)}
	}
	w.WriteHeader(status)
	io.WriteString(w, `{"error":"`+answers[status]+"\"}\n")
}

// allowed are the methods that a source takes: POST, unless its provider says otherwise.
func allowed(err error) string {
	var method *provider.MethodError
	if errors.As(err, &method) {
		return strings.Join(method.Allow, ", ")
	}
	return http.MethodPost
}

// inert keeps a browser from making anything of what is answered.
func inert(h http.Header) {
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Security-Policy"] = []string{"default-src 'none'; sandbox"}
}

// refuse answers a request that is not accepted, and puts it on record.
func (d *Door) refuse(w http.ResponseWriter, src *source, req *provider.Request, err error) {
	code, detail := "unavailable", "storage or another part of the gateway cannot take it now"
	var known refusal
	if errors.As(err, &known) {
		code, detail = known.Code(), err.Error()
	}
	status, ok := statuses[code]
	if !ok {
		status = http.StatusServiceUnavailable
	}
	answer(w, status, err)
	d.metrics.refused.WithLabelValues(src.Name, code).Inc()
	kept := d.request(src, req)
	kept.Outcome, kept.Status, kept.Reason, kept.Detail = bellhop.RequestRefused, status, code, detail
	d.opts.Store.Note(*kept)
	level := slog.LevelInfo
	if status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	args := []any{"component", "ingest", "source_id", src.ID, "status", status, "reason", code, "remote_addr", req.RemoteAddr, "bytes", len(req.Body)}
	if known == nil {
		args = append(args, "error", err)
	}
	d.opts.Logger.Log(context.Background(), level, "request.refused", args...)
}

// codeOf is the short code of an item's refusal.
func codeOf(err error) string {
	var known refusal
	if errors.As(err, &known) {
		return known.Code()
	}
	return "refused"
}

// describeRefused tells of a batch whose items were not all accepted.
func describeRefused(refused []provider.ItemError) (reason, detail string) {
	var b strings.Builder
	for i, r := range refused {
		if i == 0 {
			reason = codeOf(r.Err)
		}
		if i == 20 {
			b.WriteString("; and " + strconv.Itoa(len(refused)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString("item " + strconv.Itoa(r.Index) + ": " + r.Err.Error())
	}
	return reason, b.String()
}
