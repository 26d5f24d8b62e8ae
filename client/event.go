package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// A NewEvent is what is published.
type NewEvent struct {
	Type    string          `json:"type"`
	Subject string          `json:"subject,omitempty"`
	Data    json.RawMessage `json:"data"` // delivered as it is written
	Time    time.Time       `json:"time,omitzero"`
	Tenant  string          `json:"tenant,omitempty"`
}

// An Event is what a source's provider told, or what was published. Headers and Data are only there where one event
// was asked for.
type Event struct {
	ID          string              `json:"id"`
	Type        string              `json:"type"`
	Subject     string              `json:"subject"`
	Source      string              `json:"source"`
	SourceID    string              `json:"source_id"`
	ProviderID  string              `json:"provider_id"`
	Tenant      string              `json:"tenant"`
	Time        time.Time           `json:"time,omitzero"`
	ReceivedAt  time.Time           `json:"received_at"`
	ContentType string              `json:"content_type"`
	BodyBytes   int                 `json:"body_bytes"`
	BodySHA256  string              `json:"body_sha256"`
	Headers     map[string][]string `json:"headers,omitempty"`
	Data        json.RawMessage     `json:"data,omitempty"` // the body, if it is JSON of at most 256 KiB
}

// An EventFilter narrows a list of events. Zero fields do not narrow.
type EventFilter struct {
	Source string // name or id
	Type   string // whole, or a prefix and "*"
	Since  time.Time
	Until  time.Time
}

// Events lists events.
func (c *Client) Events(ctx context.Context, f EventFilter, page Page) (List[Event], error) {
	return list[Event](ctx, c, path("events"), page, url.Values{
		"source": {f.Source}, "type": {f.Type}, "since": {moment(f.Since)}, "until": {moment(f.Until)},
	})
}

// Event returns one event, with headers and data.
func (c *Client) Event(ctx context.Context, id string) (Event, error) {
	return get[Event](ctx, c, path("events", id))
}

// EventBody returns an event's bytes as they were received, and their content type.
func (c *Client) EventBody(ctx context.Context, id string) (body []byte, contentType string, err error) {
	reply, err := c.send(ctx, http.MethodGet, path("events", id, "body"), make(http.Header), nil)
	return reply.body, reply.header.Get("Content-Type"), err
}

// Publish publishes an event. With an idempotency key that was used before, nothing is published: the event is the
// first that had the key, and repeated is true.
func (c *Client) Publish(ctx context.Context, ev NewEvent, idempotencyKey string) (published Event, repeated bool, err error) {
	body, err := json.Marshal(ev)
	if err != nil {
		return published, false, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if idempotencyKey != "" {
		header.Set("Idempotency-Key", idempotencyKey)
	}
	reply, err := c.send(ctx, http.MethodPost, path("events"), header, body)
	if err != nil {
		return published, false, err
	}
	err = json.Unmarshal(reply.body, &published)
	return published, reply.header.Get("Idempotent-Replayed") == "true", err
}
