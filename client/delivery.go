package client

import (
	"context"
	"net/url"
	"time"
)

// A Delivery is one event owed to one destination. History is only there where one delivery was asked for.
type Delivery struct {
	ID            string    `json:"id"`
	EventID       string    `json:"event_id"`
	DestinationID string    `json:"destination_id"`
	State         string    `json:"state"` // "pending", "leased", "delivered", "dead" or "cancelled"
	Attempts      int       `json:"attempts"`
	NextAt        time.Time `json:"next_at,omitzero"` // of a pending one
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	Last          *Attempt  `json:"last,omitempty"`
	History       []Attempt `json:"history,omitempty"` // oldest first
}

// An Attempt is one try of a delivery.
type Attempt struct {
	Number      int       `json:"number"`
	StartedAt   time.Time `json:"started_at"`
	DurationMS  float64   `json:"duration_ms"`
	Status      int       `json:"status"` // of the reply; 0 if none came
	Error       string    `json:"error"`  // a short code; "" on success
	Detail      string    `json:"detail"`
	Reply       string    `json:"reply"`
	ReplyBase64 string    `json:"reply_base64,omitempty"` // the reply, if it is not UTF-8
}

// A DeliveryFilter narrows a list of deliveries. Zero fields do not narrow.
type DeliveryFilter struct {
	Event       string // id
	Destination string // name or id
	State       string
	Since       time.Time
	Until       time.Time
}

// Deliveries lists deliveries.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter, page Page) (List[Delivery], error) {
	return list[Delivery](ctx, c, path("deliveries"), page, url.Values{
		"event": {f.Event}, "destination": {f.Destination}, "state": {f.State}, "since": {moment(f.Since)}, "until": {moment(f.Until)},
	})
}

// Delivery returns one delivery, with its attempts.
func (c *Client) Delivery(ctx context.Context, id string) (Delivery, error) {
	return get[Delivery](ctx, c, path("deliveries", id))
}

// RetryDelivery makes a pending, dead or cancelled delivery due now.
func (c *Client) RetryDelivery(ctx context.Context, id string) (Delivery, error) {
	return post[Delivery](ctx, c, path("deliveries", id, "retry"), nil)
}

// CancelDelivery gives up a pending delivery.
func (c *Client) CancelDelivery(ctx context.Context, id string) (Delivery, error) {
	return post[Delivery](ctx, c, path("deliveries", id, "cancel"), nil)
}
