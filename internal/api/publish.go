package api

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
)

// A NewEvent is what is published.
type NewEvent struct {
	Type    string          `json:"type" minLength:"1" maxLength:"255" example:"invoice.paid"`
	Subject string          `json:"subject,omitempty" maxLength:"1024" example:"invoices/17" doc:"What it is about"`
	Data    json.RawMessage `json:"data" doc:"Any JSON; delivered as it is written"`
	Time    time.Time       `json:"time,omitzero" doc:"When it happened"`
	Tenant  string          `json:"tenant,omitempty" maxLength:"255" doc:"A label that keeps one customer's events from another's"`
}

type publishInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"An event with a key that was used before is not stored again: the first is answered, if it is the same; 409 if it is another"`
	Body NewEvent
}

type publishOutput struct {
	Repeated string `header:"Idempotent-Replayed" doc:"true if the key was used before"`
	Body     Event
}

func (s *server) publish(ctx context.Context, in *publishInput) (*publishOutput, error) {
	err := bellhop.Join("", plainText("type", in.Body.Type), plainText("subject", in.Body.Subject),
		plainText("tenant", in.Body.Tenant), plainText("Idempotency-Key", in.Key))
	if err != nil {
		return nil, err
	}
	ev, duplicate, err := s.Publisher.Publish(ctx, bellhop.Event{
		Type: in.Body.Type, Subject: in.Body.Subject, ProviderID: in.Key, Tenant: in.Body.Tenant,
		Time: in.Body.Time, ContentType: "application/json", Body: in.Body.Data,
	})
	if err != nil {
		return nil, err
	}
	if !duplicate {
		return &publishOutput{Body: eventJSON(ev)}, nil
	}
	first, err := s.Store.Event(ctx, ev.ID)
	if err != nil {
		return nil, err
	}
	if !sameEvent(first, in.Body) {
		return nil, bellhop.Conflict("the Idempotency-Key was used before for another event, " + first.ID + "; a new event needs a new key")
	}
	return &publishOutput{Repeated: "true", Body: eventJSON(first)}, nil
}

// sameEvent reports whether first is what in would have become. Its time may be another: that of the second try.
func sameEvent(first bellhop.Event, in NewEvent) bool {
	return first.Type == in.Type && first.Subject == in.Subject && first.Tenant == in.Tenant && bytes.Equal(first.Body, in.Data)
}

// plainText finds control characters, which have no place in what is listed and logged.
func plainText(path, text string) error {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return bellhop.Invalid(path, "must not hold control characters")
	}
	return nil
}
