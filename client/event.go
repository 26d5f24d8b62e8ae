package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// A NewEvent is an event to publish.
type NewEvent struct {
	Type    string          `json:"type" minLength:"1" maxLength:"255" example:"invoice.paid"`
	Subject string          `json:"subject,omitempty" maxLength:"1024" example:"invoices/17"`
	Data    json.RawMessage `json:"data"` // delivered byte for byte
	Time    time.Time       `json:"time,omitzero"`
	Tenant  string          `json:"tenant,omitempty" maxLength:"255"`
}

// An Event is an event that a source received, or that was published.
type Event struct {
	ID          string `json:"id" example:"evt_01h455vb4pex5vsknk08"`
	Type        string `json:"type" example:"ams.JobStateChange"`
	Subject     string `json:"subject"`
	Source      string `json:"source"`
	SourceID    string `json:"source_id"`
	ProviderID  string `json:"provider_id"`
	Tenant      string `json:"tenant"`
	Time        Time   `json:"time"`
	ReceivedAt  Time   `json:"received_at"`
	ContentType string `json:"content_type"`
	BodyBytes   int    `json:"body_bytes"`
	BodySHA256  string `json:"body_sha256"`

	// ConflictsWith is the id of the first event of the source that has the same provider_id and another body; "" if
	// there is none.
	ConflictsWith string `json:"conflicts_with"`

	// CausedBy is the id of the event for which an action made this one; "" if no action did.
	CausedBy string `json:"caused_by"`

	// Sample says that the gateway made the event itself, to try its source.
	Sample bool `json:"sample,omitempty"`

	// DeliveryCounts are the deliveries by state, up to MaxCounted of them, in a list that was asked to count.
	DeliveryCounts map[string]int `json:"delivery_counts,omitempty"`
}

// MaxCounted is how many deliveries of an event a list counts.
const MaxCounted = 100

// An EventDetail is an event with its headers and its body.
type EventDetail struct {
	Event
	Headers map[string][]string `json:"headers"`        // of the request that carried the event
	Data    json.RawMessage     `json:"data,omitempty"` // the body, if it is JSON of at most 256 KiB

	// CaughtUp is the id of the gap in which the notification was missed; "" if the event came as a notification.
	CaughtUp string `json:"caught_up"`
}

// A ChainEvent is one of a chain.
type ChainEvent struct {
	Event
	Depth      int        `json:"depth"` // 0 is the first of the chain
	Deliveries []Delivery `json:"deliveries"`
}

// An EventChain is what caused an event, the event, and all that it has caused, an event before those that it caused.
type EventChain struct {
	Data     []ChainEvent `json:"data"`
	Complete bool         `json:"complete"` // false if events of it were deleted, or there are too many
}

// An EventFilter narrows a list of events, and says what it shows. Zero fields do not narrow.
type EventFilter struct {
	Source string // name or id
	Type   string // a whole type, or a prefix and "*"

	Subject    string // a whole subject, or a prefix and "*"
	ProviderID string // the provider's id of the event, or the idempotency key
	Tenant     string
	Contains   string // these bytes occur in the body; slow
	// CausedBy is the id of the event for which actions published them.
	CausedBy string
	Since    time.Time
	Until    time.Time
	// Count has the deliveries of each event counted by state.
	Count bool
}

// Events lists events.
func (c *Client) Events(ctx context.Context, f EventFilter, page Page) (List[Event], error) {
	query := url.Values{
		"source": {f.Source}, "type": {f.Type}, "subject": {f.Subject}, "provider_id": {f.ProviderID},
		"tenant": {f.Tenant}, "contains": {f.Contains}, "caused_by": {f.CausedBy}, "since": {moment(f.Since)},
		"until": {moment(f.Until)},
	}
	if f.Count {
		query.Set("count_deliveries", "true")
	}
	return list[Event](ctx, c, path("events"), page, query)
}

// Event returns one event with its headers and its body.
func (c *Client) Event(ctx context.Context, id string) (EventDetail, error) {
	return get[EventDetail](ctx, c, path("events", id))
}

// EventChain returns an event with its causes and what it has caused.
func (c *Client) EventChain(ctx context.Context, id string) (EventChain, error) {
	return get[EventChain](ctx, c, path("events", id, "chain"))
}

// EventBody returns an event's body as it was received, in the Content-Encoding that is among the event's headers, and
// its content type.
func (c *Client) EventBody(ctx context.Context, id string) (body []byte, contentType string, err error) {
	reply, err := c.send(ctx, http.MethodGet, path("events", id, "body"), http.Header{"Accept-Encoding": {"*"}}, nil)
	return reply.body, reply.header.Get("Content-Type"), err
}

// bytes returns e as JSON with the bytes of Data as they are: json.Marshal would write them anew.
func (e NewEvent) bytes() ([]byte, error) {
	return withData(struct {
		NewEvent
		Data *struct{} `json:"data,omitempty"` // hides that of NewEvent
	}{NewEvent: e}, e.Data)
}

// Publish publishes an event. If the idempotency key was used before, nothing is published: the result is the
// event that first had the key, and repeated is true. A key of "" is none.
func (c *Client) Publish(ctx context.Context, ev NewEvent, idempotencyKey string) (_ Event, repeated bool, err error) {
	var published Event
	body, err := ev.bytes()
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
