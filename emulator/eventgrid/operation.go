package eventgrid

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// This file has the long-running operations, and the handshakes that they make.

// An operation is a change of a subscription that goes on in the background. System.mu guards it.
type operation struct {
	id      string
	sub     *subscription
	status  string // "InProgress", "Succeeded" or "Failed"
	reason  string // of a failure
	deletes bool
}

const inProgress = "InProgress"

// maxOperations bounds how many operations are remembered.
const maxOperations = 5000

// newOperation returns a new operation. The caller holds s.mu.
func (s *System) newOperation(sub *subscription) *operation {
	if len(s.operations) >= maxOperations {
		maps.DeleteFunc(s.operations, func(_ string, op *operation) bool { return op.status != inProgress })
	}
	op := &operation{id: emulator.NewID(), sub: sub, status: inProgress}
	s.operations[op.id] = op
	return op
}

// operationURL returns the URL at which an operation is looked at: its status, or its result.
func (s *System) operationURL(sub *subscription, op *operation, what string) string {
	return sub.base + "/subscriptions/" + accountOf(sub.scope) + "/providers/" + namespaceProper + "/locations/" +
		s.opts.Region + "/" + what + "/" + strings.ToUpper(op.id) + "?api-version=2022-06-15"
}

// serveOperation answers the status of an operation, always with status 200, or its result.
func (s *System) serveOperation(w http.ResponseWriter, r *http.Request, t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	op := s.operations[strings.ToLower(t.name)]
	switch {
	case r.Method != http.MethodGet:
		return errMethod
	case op == nil:
		return errNothing
	}
	s.settleManual(op.sub)
	if op.status == inProgress {
		w.Header().Set("Retry-After", strconv.Itoa(s.opts.RetryAfter))
	}
	switch {
	case t.action == "operationsstatus":
		emulator.WriteJSON(w, http.StatusOK, op.shown(r.URL.Path))
	case op.status == inProgress:
		w.Header().Set("Location", emulator.BaseURL(r)+r.URL.RequestURI())
		w.WriteHeader(http.StatusAccepted)
	case op.deletes:
		w.WriteHeader(http.StatusNoContent)
	case op.status == stateFailed:
		return op.failure()
	default:
		emulator.WriteJSON(w, http.StatusOK, op.sub.shown())
	}
	return nil
}

// shown returns the status as it is shown.
func (op *operation) shown(path string) map[string]any {
	out := map[string]any{"id": path, "name": op.id, "status": op.status}
	if op.status == stateFailed {
		out["error"] = op.failure().body()
	}
	return out
}

// failure is the error of an operation that has failed.
func (op *operation) failure() *apiError {
	return &apiError{status: http.StatusBadRequest, code: "ResourceOperationFailure",
		message: "The resource operation completed with terminal provisioning state 'Failed'.",
		details: []detail{{"Url validation", op.reason}}}
}

// begin starts the handshake of a subscription. The caller holds s.mu.
func (s *System) begin(sub *subscription) *operation {
	op := s.newOperation(sub)
	if sub.Properties.Destination.Type != webhook { // nothing is played behind it
		s.succeed(sub, op)
		return op
	}
	if old := sub.validation; old != nil {
		old.op.status, old.op.reason = stateFailed, "The operation was superseded."
	}
	v := newValidation(op)
	sub.validation = v
	shake := s.postValidation
	if sub.Properties.Schema == cloudSchema {
		shake = s.askConsent
	}
	to, base, name, topic := sub.Properties.Destination.Properties, sub.base, sub.Name, sub.Properties.Topic
	bearer := s.bearer(to)
	s.host.Go(func(ctx context.Context) {
		got := handshake{}
		for try := 1; ; try++ {
			got = shake(ctx, to, name, topic, v, base, bearer)
			if got.outcome != "" || try == handshakeTries || !s.host.Pause(ctx, handshakePause) {
				break
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if sub.validation != v { // done by hand meanwhile, or superseded
			return
		}
		switch got.outcome {
		case stateSucceeded:
			s.succeed(sub, op)
		case stateManual:
			sub.Properties.State, v.deadline, v.answer = stateManual, s.now().Add(manualTime), got.answer
		default:
			s.fail(sub, op, got.why)
		}
	})
	return op
}

// The bounds of a handshake.
const (
	handshakeTimeout = 30 * time.Second
	handshakePause   = 5 * time.Second
	handshakeTries   = 3
	manualTime       = 10 * time.Minute
)

// A handshake is the outcome of one try.
type handshake struct {
	outcome string // stateSucceeded, stateManual, or "": it may be tried again
	why     string // it failed
	answer  string // of the endpoint, without the code
}

// succeed makes the wished properties those of deliveries. The caller holds s.mu.
func (s *System) succeed(sub *subscription, op *operation) {
	op.status, sub.validation, sub.Properties.State = stateSucceeded, nil, stateSucceeded
	live := sub.Properties
	sub.live = &live
	s.sendWaiting(sub)
}

// fail ends a change. The subscription stays, and gets no deliveries. The caller holds s.mu.
func (s *System) fail(sub *subscription, op *operation, why string) {
	op.status, sub.validation, sub.Properties.State, sub.live = stateFailed, nil, stateFailed, nil
	sub.waiting = nil
	op.reason = "Webhook validation handshake failed for " + sub.Properties.Destination.Properties.BaseURL + ". " +
		why +
		" For troublehooting, visit https://aka.ms/esvalidation. Activity id:" + emulator.NewID() + ", timestamp: " +
		textTime(s.now()) + "."
}

// settleManual fails a subscription whose manual validation is overdue. The caller holds s.mu.
func (s *System) settleManual(sub *subscription) {
	v := sub.validation
	if v != nil && !v.deadline.IsZero() && !s.now().Before(v.deadline) {
		s.fail(sub, v.op, "Http POST request retuned 2XX response with response body "+v.answer+". When a validation "+
			"request is accepted without validation code in the response body, Http GET is expected on the "+
			"validation url included in the validation event(within 10 minutes).")
	}
}

// validationURL is where a validation is completed by hand.
func (v *validation) url(base, name string, at time.Time) string {
	return base + "/eventsubscriptions/" + strings.ToLower(name) + "/validate?" + url.Values{"id": {v.code},
		"t": {formatTime(at)}, "apiVersion": {"2022-06-15"}, "token": {v.token}}.Encode()
}

// postValidation makes the handshake of Event Grid's own schema: the endpoint repeats a code.
func (s *System) postValidation(ctx context.Context, to destinated, name, topic string, v *validation, base string,
	bearer string) handshake {
	body := marshal([]map[string]any{{"id": emulator.NewID(), "topic": topic, "subject": "",
		"data":      map[string]string{"validationCode": v.code, "validationUrl": v.url(base, name, s.now())},
		"eventType": eventgrid.ValidationType, "eventTime": formatTime(s.now()), "metadataVersion": "1",
		"dataVersion": "2"}})
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"},
		eventgrid.EventTypeHeader:        {"SubscriptionValidation"},
		eventgrid.SubscriptionNameHeader: {strings.ToUpper(name)},
		eventgrid.DeliveryCountHeader:    {"0"}, eventgrid.DataVersionHeader: {"2"},
		eventgrid.MetadataVersionHeader: {"1"}}
	addStatic(header, to, bearer)
	got, err := s.host.Send(ctx, s.Name(), http.MethodPost, to.URL, header, body, handshakeTimeout)
	var answer struct {
		Response string `json:"validationResponse"`
	}
	switch {
	case err != nil || got.Status != http.StatusOK:
		return handshake{why: "Http POST request failed with response code " + statusName(got.Status, err) + "."}
	case json.Unmarshal(got.Body, &answer) != nil || answer.Response == "":
		return handshake{outcome: stateManual, answer: string(got.Body[:min(len(got.Body), 200)])}
	case answer.Response != v.code:
		return handshake{why: "The validation code in the response does not match."}
	}
	return handshake{outcome: stateSucceeded}
}

// askConsent makes the handshake of the CloudEvents schema: the endpoint allows the service by a header.
func (s *System) askConsent(ctx context.Context, to destinated, name, _ string, v *validation, base string,
	bearer string) handshake {
	header := http.Header{"Webhook-Request-Origin": {origin}, "Webhook-Request-Rate": {"120"},
		"Webhook-Request-Callback": {v.url(base, name, s.now())}}
	addStatic(header, to, bearer)
	got, err := s.host.Send(ctx, s.Name(), http.MethodOptions, to.URL, header, nil, handshakeTimeout)
	allowed := got.Header.Get("Webhook-Allowed-Origin")
	switch {
	case err == nil && (allowed == "*" || equalFold(allowed, origin)):
		return handshake{outcome: stateSucceeded}
	case err == nil && got.Status >= 200 && got.Status <= 299:
		return handshake{outcome: stateManual, answer: string(got.Body[:min(len(got.Body), 200)])}
	}
	return handshake{why: "Http OPTIONS request failed with response code " + statusName(got.Status, err) + "."}
}

// origin is the sender that the handshake of the CloudEvents schema names.
const origin = "eventgrid.azure.net"

// statusName names a status as the service does: "NotFound", or "Unknown" if there was no answer.
func statusName(status int, err error) string {
	name := strings.ReplaceAll(http.StatusText(status), " ", "")
	switch {
	case err != nil || status == 0:
		return "Unknown"
	case name == "":
		return strconv.Itoa(status)
	}
	return name
}

// validateByHand completes a validation by its URL.
func (s *System) validateByHand(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.all() {
		s.settleManual(sub)
		v := sub.validation
		if v == nil || v.code != query.Get("id") || v.token != query.Get("token") {
			continue
		}
		s.succeed(sub, v.op)
		emulator.WriteJSON(w, http.StatusOK, "Webhook successfully validated as a subscription endpoint.")
		return nil
	}
	return &apiError{status: http.StatusNotFound, code: "NotFound",
		message: "The validation URL is not known or its time is over."}
}

// isTimeout reports whether err is a receiver that did not answer in time.
func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
