// Package sender plays systems that send webhooks to one URL and have no other part in this: GitHub, Stripe, and any
// sender of Standard Webhooks. Each signs and repeats its webhooks as the real system does. Something happens in it by
// [System.Happen].
//
// [Send] is for stand-ins of other systems that send what a provider of package provider renders. Sources:
// https://docs.github.com/en/webhooks/webhook-events-and-payloads, https://docs.stripe.com/webhooks#retries,
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package sender

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider"
)

// NoAPI is embedded by a system that has no API here: nobody calls it.
type NoAPI struct{}

// Owns returns false.
func (NoAPI) Owns(string) bool { return false }

// ServeHTTP answers 404.
func (NoAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Fail answers with the status alone.
func (NoAPI) Fail(w http.ResponseWriter, _ *http.Request, status int) {
	http.Error(w, http.StatusText(status), status)
}

// A Post is one webhook with its attempts.
type Post struct {
	System   string // its name, for the log of calls and for faults
	URL      string
	Event    *bellhop.Event
	Renderer provider.Renderer // writes and signs the event

	Timeout time.Duration   // of one attempt
	Pauses  []time.Duration // between the attempts; there is one attempt more than pauses
	// Next decides in place of Pauses what follows an attempt that was not accepted. It may be nil.
	Next func(attempt, status int, err error) (pause time.Duration, again bool)
}

// Send sends a webhook in the background. Each attempt is rendered anew, so that it is signed at its own time; its
// body is the same. The error is that of the first rendering: it wraps [provider.ErrSkip] if the settings of the
// renderer do not want the event.
func Send(host *emulator.Host, p Post) error {
	render := func(attempt int) (provider.OutboundRequest, error) {
		return p.Renderer.Render(p.Event, provider.AttemptInfo{DeliveryID: p.Event.ID, Attempt: attempt,
			Time: host.NowOf(p.System), URL: p.URL})
	}
	first, err := render(1)
	if err != nil {
		return err
	}
	host.Notify(emulator.Notification{System: p.System, URL: p.URL, Body: first.Body, Timeout: p.Timeout,
		Pauses: p.Pauses, Next: p.Next, HeaderOf: func(attempt int) http.Header {
			again, err := render(attempt)
			if err != nil { // of the clock alone, since the event has been rendered before
				return first.Header
			}
			return again.Header
		}})
	return nil
}

// Open opens the renderer of a provider's requests with the settings that a destination of its type has. The errors
// have bellhop.CodeInvalid, with paths within the settings.
func Open(host *emulator.Host, p provider.Sender, settings json.RawMessage) (provider.Renderer, error) {
	name := p.Info().Name
	env := provider.Env{Now: func() time.Time { return host.NowOf(name) }, Rand: rand.Reader,
		Logger: slog.New(slog.DiscardHandler)}
	return provider.OpenSender(p, env, settings)
}

// NewEvent returns an event of a system that happens now.
func NewEvent(id, kind string, now time.Time, body []byte) *bellhop.Event {
	return &bellhop.Event{ID: id, Type: kind, Time: now, ReceivedAt: now, ContentType: "application/json", Body: body}
}

// marshal encodes what is made of texts, numbers and JSON that came in.
func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("emulator/sender: encode a webhook: %v", err))
	}
	return body
}
