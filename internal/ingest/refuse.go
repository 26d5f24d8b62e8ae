package ingest

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A refusal is an error with a short code, under which the refused request is recorded. The errors of packages
// signature and provider are refusals, and the door's own below. An error without a code is a fault of the
// gateway.
type refusal interface {
	error
	Code() string
}

type doorError struct{ code, text string }

func (e *doorError) Error() string { return e.text }
func (e *doorError) Code() string  { return e.code }

// The door's own refusals.
var (
	errTooLarge = &doorError{"too_large", "the body is larger than the source allows"}
	errUnread   = &doorError{"unreadable", "the body did not arrive whole"}
	errSlow     = &doorError{"timeout", "the body did not arrive in time"}
	errBusy     = &doorError{"busy", "too many bytes are being received at once"}
	errCut      = &doorError{"cut",
		"the body arrived so slowly, or its sender sent so much, that it gave way to another"}
	errQuery      = &doorError{"malformed_query", "the query has more parameters than any provider sends"}
	errHandshakes = &doorError{"handshake_rate", "more handshakes from one address than a provider makes"}
	errTenantRate = &doorError{"tenant_rate",
		"the tenant of the source has as many events a second as its limit allows"}
	errTenantFull = &doorError{"tenant_full", "the tenant of the source stores as many bytes as its limit allows"}
	errLoop       = &doorError{"loop", "the event has gone through too many gateways"}
	errPanic      = &doorError{"internal", "the provider failed on the request"}
)

// statuses maps the code of a refusal to the status of the answer. Providers do not repeat a request after most
// 4xx, so a 4xx is only for requests that are certainly bad. A code that is not in the map is a fault of the
// gateway: 503.
var statuses = map[string]int{
	"signature_missing":   http.StatusUnauthorized,
	"signature_mismatch":  http.StatusUnauthorized,
	"signature_expired":   http.StatusUnauthorized,
	"signature_malformed": http.StatusUnauthorized,
	"malformed_body":      http.StatusBadRequest,
	"unreadable":          http.StatusBadRequest,
	"timeout":             http.StatusRequestTimeout, // after which providers repeat the request
	"cut":                 http.StatusRequestTimeout,
	"malformed_query":     http.StatusBadRequest,
	"forbidden":           http.StatusForbidden,
	"method":              http.StatusMethodNotAllowed,
	"content_encoding":    http.StatusUnsupportedMediaType,
	"media_type":          http.StatusUnsupportedMediaType,
	"too_large":           http.StatusRequestEntityTooLarge,
	"handshake_rate":      http.StatusTooManyRequests,
	"tenant_rate":         http.StatusTooManyRequests,
	"tenant_full":         http.StatusTooManyRequests, // so that senders keep the event until there is room
	"loop":                http.StatusLoopDetected,
}

// answers maps a status to the message of the answer's body. The body is the same for every cause of a status: the
// cause is on record for the owner of the source, and not shown to the sender.
var answers = map[int]string{
	400: "malformed request", 401: "not authentic", 403: "not allowed", 404: "no such source",
	405: "method not allowed",
	408: "request timeout", 413: "body too large", 415: "content not accepted", 429: "too many requests",
	503: "try again later",
	508: "too many hops",
}

// answer sends the answer of a refusal. err is the refusal, or nil.
func answer(w http.ResponseWriter, status int, err error) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	setInert(h)
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		h["Retry-After"] = []string{"5"}
	}
	if status == http.StatusMethodNotAllowed {
		h["Allow"] = []string{allowedMethods(err)}
	}
	if errors.Is(err, provider.ErrEncoding) {
		h["Accept-Encoding"] = []string{contentcoding.Accepted} // RFC 9110, section 15.5.16
	}
	w.WriteHeader(status)
	io.WriteString(w, `{"error":"`+answers[status]+"\"}\n")
}

// allowedMethods returns the value of the header Allow: the methods that err names, or else POST.
func allowedMethods(err error) string {
	var method *provider.MethodError
	if errors.As(err, &method) {
		return strings.Join(method.Allow, ", ")
	}
	return http.MethodPost
}

// setInert sets headers that keep a browser from running, caching or guessing the type of an answer.
func setInert(h http.Header) {
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Security-Policy"] = []string{"default-src 'none'; sandbox"}
}

// refuse answers a request that is not accepted, and records it.
func (d *Door) refuse(w http.ResponseWriter, src *source, req *provider.Request, err error) {
	status, code, detail, known := explain(err)
	d.noteRefused(src, req, status, code)
	describeRefusal(w, code)
	answer(w, status, err)
	d.metrics.refused.WithLabelValues(src.metrics.label, code).Inc()
	record := d.record(src, req)
	record.Outcome, record.Status, record.Reason, record.Detail = bellhop.RequestRefused, status, code, detail
	d.note(src, record)
	level := slog.LevelInfo
	if status == http.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	args := []any{"status", status, "reason", code, "remote_addr", req.RemoteAddr,
		"bytes", len(req.Body)}
	if known == nil {
		args = append(args, "error", err)
	}
	d.log.write(level, "request.refused", src.ID, src.Name, args...)
}

// explain returns the status, the code and the words of a refusal, and the refusal itself. It is nil for a fault of
// the gateway.
func explain(err error) (int, string, string, refusal) {
	code, detail := "unavailable", "storage or another part of the gateway cannot take it now"
	var known refusal
	if errors.As(err, &known) {
		code, detail = known.Code(), err.Error()
	}
	status, ok := statuses[code]
	if !ok {
		status = http.StatusServiceUnavailable
	}
	return status, code, detail, known
}

// noteRefused tells the subscriptions of src about a refused request that is a handshake. It does so before the
// answer, because the call of the provider's API that caused the handshake may end with it.
func (d *Door) noteRefused(src *source, req *provider.Request, status int, code string) {
	if src.isHandshake != nil && src.sample == nil && src.isHandshake(req) {
		d.opts.Subscriptions.Handshake(src.ID, req.ReceivedAt, status, code)
	}
}

// codeOf returns the code of a refused item: "refused" if its error has none.
func codeOf(err error) string {
	var known refusal
	if errors.As(err, &known) {
		return known.Code()
	}
	return "refused"
}

// maxDescribed bounds how many refused items a record's detail names.
const maxDescribed = 20

// describeRefused returns reason and detail of a batch with refused items: the code of the first of them, and their
// errors.
func describeRefused(refused []provider.ItemError) (reason, detail string) {
	var parts []string
	for _, item := range refused[:min(len(refused), maxDescribed)] {
		parts = append(parts, "item "+strconv.Itoa(item.Index)+": "+item.Err.Error())
	}
	if more := len(refused) - maxDescribed; more > 0 {
		parts = append(parts, "and "+strconv.Itoa(more)+" more")
	}
	return codeOf(refused[0].Err), strings.Join(parts, "; ")
}
