package client

import (
	"context"
	"encoding/json"
	"time"
)

// A MatchError is how a destination's where failed last. An event over which it fails does not match.
type MatchError struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
	Count   int64     `json:"count"` // how often it did since the start, or since it was changed
}

// A PreviewRequest asks what a destination would do with an event.
type PreviewRequest struct {
	Destination any `json:"destination"` // its name or id, or a NewDestination
	Event       any `json:"event"`       // its id, or a SampleEvent
}

// A SampleEvent is an event that is only thought of.
type SampleEvent struct {
	Type    string            `json:"type"`
	Source  string            `json:"source,omitempty"` // name or id; "" is "api"
	Subject string            `json:"subject,omitempty"`
	Time    time.Time         `json:"time,omitzero"`
	Tenant  string            `json:"tenant,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Data    json.RawMessage   `json:"data,omitempty"`
	Body    string            `json:"body,omitempty"` // text, in place of data
}

// A Preview is what a destination would do with an event.
type Preview struct {
	Matches    bool                `json:"matches"`
	Why        string              `json:"why"`               // which part of the match does not want it
	MatchError string              `json:"match_error"`       // why the where could not be evaluated
	Request    *PreviewedRequest   `json:"request,omitempty"` // nil if nothing would be sent
	Signature  map[string][]string `json:"signature"`         // those of its headers that sign it
	Error      string              `json:"error"`             // why nothing could be rendered
	Skipped    string              `json:"skipped"`           // why the destination's own filter does not want the event
}

// A PreviewedRequest is a request as it would be sent, with an ellipsis in place of each secret setting.
type PreviewedRequest struct {
	Method     string              `json:"method"`
	URL        string              `json:"url"`
	Way        string              `json:"way"` // how it would get there, in words; "" is directly, as anybody
	Headers    map[string][]string `json:"headers"`
	Body       string              `json:"body"`                  // up to 256 KiB
	BodyBase64 string              `json:"body_base64,omitempty"` // the body, if it is not UTF-8
	BodyBytes  int                 `json:"body_bytes"`            // in all
}

// A Trial is an event sent to one destination to try it.
type Trial struct {
	EventID    string `json:"event_id"`
	DeliveryID string `json:"delivery_id"`
}

// A Rotation is how a destination gets another secret.
type Rotation struct {
	Secret string `json:"secret,omitempty"` // "" has one made
	Grace  string `json:"grace,omitempty"`  // how long the old one signs beside it: "24h", which it is if not given
}

// A RotatedDestination is a destination, and the secret that was made for it.
type RotatedDestination struct {
	Destination
	Secret string `json:"secret,omitempty"`
}

// PreviewDestination says whether a destination wants an event, and what it would be sent. Nothing is sent or stored.
func (c *Client) PreviewDestination(ctx context.Context, r PreviewRequest) (Preview, error) {
	return post[Preview](ctx, c, path("destinations", "preview"), r)
}

// TestDestination sends a test event to a destination, whatever it matches.
func (c *Client) TestDestination(ctx context.Context, idOrName string) (Trial, error) {
	return post[Trial](ctx, c, path("destinations", idOrName, "test"), nil)
}

// RotateSecret has a destination of type http sign with another secret, and with the old one beside it for a while.
func (c *Client) RotateSecret(ctx context.Context, idOrName string, r Rotation) (RotatedDestination, error) {
	return post[RotatedDestination](ctx, c, path("destinations", idOrName, "rotate-secret"), r)
}
