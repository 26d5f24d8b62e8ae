package client

import (
	"context"
	"net/url"
	"time"
)

// A Delivery is one event owed to one destination.
type Delivery struct {
	ID            string   `json:"id" example:"dlv_01h455vb4pex5vsknk08"`
	EventID       string   `json:"event_id"`
	DestinationID string   `json:"destination_id"`
	Destination   string   `json:"destination" example:"billing"` // its name, also of a deleted one
	State         string   `json:"state" enum:"pending,leased,delivered,dead,cancelled"`
	Attempts      int      `json:"attempts"`
	NextAt        Time     `json:"next_at"` // set while the delivery is pending
	CreatedAt     Time     `json:"created_at"`
	UpdatedAt     Time     `json:"updated_at"`     // the last change of State
	Last          *Attempt `json:"last,omitempty"` // the latest attempt
}

// A DeliveryDetail is a delivery with all its attempts.
type DeliveryDetail struct {
	Delivery
	History []Attempt `json:"history"` // oldest first
}

// An Attempt is one try of a delivery.
type Attempt struct {
	Number      int     `json:"number" example:"1"`
	StartedAt   Time    `json:"started_at"`
	DurationMS  float64 `json:"duration_ms"`
	Status      int     `json:"status"`                  // of the reply; 0 without a reply
	Error       string  `json:"error" example:"timeout"` // a short code; "" on success
	Detail      string  `json:"detail"`                  // the error in words
	Reply       string  `json:"reply"`                   // the beginning of the body of the reply
	ReplyBase64 string  `json:"reply_base64,omitempty"`  // the same, if it is not UTF-8
}

// A DeliveryFilter narrows a list of deliveries. Zero fields do not narrow.
type DeliveryFilter struct {
	Event       string // id
	Destination string // name or id
	State       string
	Error       string // of the latest attempt
	Source      string // of the event: name or id
	Type        string // of the event: a whole type, or a prefix and "*"
	Subject     string // of the event: a whole subject, or a prefix and "*"
	Tenant      string // of the destination
	Since       time.Time
	Until       time.Time
}

// Deliveries lists deliveries.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter, page Page) (List[Delivery], error) {
	return list[Delivery](ctx, c, path("deliveries"), page, url.Values{
		"event": {f.Event}, "destination": {f.Destination}, "state": {f.State},
		"error": {f.Error}, "source": {f.Source}, "type": {f.Type}, "subject": {f.Subject}, "tenant": {f.Tenant},
		"since": {moment(f.Since)}, "until": {moment(f.Until)},
	})
}

// Delivery returns one delivery with its attempts.
func (c *Client) Delivery(ctx context.Context, id string) (DeliveryDetail, error) {
	return get[DeliveryDetail](ctx, c, path("deliveries", id))
}

// RetryDelivery makes a pending, dead or cancelled delivery due now.
func (c *Client) RetryDelivery(ctx context.Context, id string) (Delivery, error) {
	return post[Delivery](ctx, c, path("deliveries", id, "retry"), nil)
}

// CancelDelivery cancels a pending delivery.
func (c *Client) CancelDelivery(ctx context.Context, id string) (Delivery, error) {
	return post[Delivery](ctx, c, path("deliveries", id, "cancel"), nil)
}
