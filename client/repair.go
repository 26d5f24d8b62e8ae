package client

import (
	"context"
	"time"
)

// A Repair is a replay, retry or cancel of many, chosen by a filter. It goes in steps, also across restarts of the gateway.
type Repair struct {
	ID         string       `json:"id"`
	Kind       string       `json:"kind"`  // "replay", "retry" or "cancel"
	State      string       `json:"state"` // "running", "done", "cancelled" or "failed"
	Reason     string       `json:"reason"`
	Filter     RepairFilter `json:"filter"`
	Rate       float64      `json:"rate"`      // deliveries a second; 0 is any
	LookedAt   int64        `json:"looked_at"` // events or deliveries
	Changed    int64        `json:"changed"`   // deliveries made, made due or cancelled
	Skipped    int64        `json:"skipped"`   // deliveries whose event was gone, or whose state was another by then
	PositionAt time.Time    `json:"position_at,omitzero"`
	CreatedAt  time.Time    `json:"created_at"`
	UpdatedAt  time.Time    `json:"updated_at"`
}

// A RepairFilter is what a repair was asked to choose.
type RepairFilter struct {
	SourceID      string    `json:"source_id,omitempty"`
	Type          string    `json:"type,omitempty"`
	Where         string    `json:"where,omitempty"`
	EventID       string    `json:"event_id,omitempty"`
	DestinationID string    `json:"destination_id,omitempty"`
	State         string    `json:"state,omitempty"`
	Error         string    `json:"error,omitempty"`
	Since         time.Time `json:"since,omitzero"`
	Until         time.Time `json:"until,omitzero"`
}

// A RepairCount is what a repair would do.
type RepairCount struct {
	Events     int64 `json:"events"` // of a replay
	Deliveries int64 `json:"deliveries"`
	Complete   bool  `json:"complete"` // false if there was no time to count all
}

// A Range bounds a choice by when the events came in. Zero times do not.
type Range struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// A Pace says how a repair goes.
type Pace struct {
	Rate   *float64 `json:"rate,omitempty"` // deliveries a second; nil is the gateway's default, 0 is any
	All    bool     `json:"all,omitempty"`  // must be true where nothing narrows the choice
	DryRun bool     `json:"dry_run,omitempty"`
}

// A NewReplay chooses events to replay. Zero fields do not narrow.
type NewReplay struct {
	Source      string `json:"source,omitempty"`      // name or id
	Type        string `json:"type,omitempty"`        // whole, or a prefix and "*"
	Where       string `json:"where,omitempty"`       // an expression
	Destination string `json:"destination,omitempty"` // name or id of the only one
	Range
	Pace
}

// A Choice chooses deliveries. Zero fields do not narrow.
type Choice struct {
	Destination string `json:"destination,omitempty"` // name or id
	Event       string `json:"event,omitempty"`       // id
	Error       string `json:"error,omitempty"`       // of the last attempt
	Range
	Pace
}

// A NewRetry chooses deliveries to make due.
type NewRetry struct {
	State string `json:"state,omitempty"` // "dead", which is the default, "cancelled" or "pending"
	Choice
}

// A NewDelivery is a delivery that a replay has just made.
type NewDelivery struct {
	ID            string `json:"id"`
	DestinationID string `json:"destination_id"`
}

// ReplayEvent makes new deliveries of an event: to one destination, by name or id, or with "" to all that want it now.
func (c *Client) ReplayEvent(ctx context.Context, eventID, destination string) ([]NewDelivery, error) {
	var body struct {
		Destination string `json:"destination,omitempty"`
	}
	body.Destination = destination
	made, err := post[struct {
		Deliveries []NewDelivery `json:"deliveries"`
	}](ctx, c, path("events", eventID, "replay"), body)
	return made.Deliveries, err
}

// ReplayEvents begins a repair that makes new deliveries of many events.
func (c *Client) ReplayEvents(ctx context.Context, r NewReplay) (Repair, error) {
	r.DryRun = false
	return post[Repair](ctx, c, path("events", "replay"), r)
}

// CountReplay says what ReplayEvents would do.
func (c *Client) CountReplay(ctx context.Context, r NewReplay) (RepairCount, error) {
	r.DryRun = true
	return post[RepairCount](ctx, c, path("events", "replay"), r)
}

// RetryDeliveries begins a repair that makes many deliveries due.
func (c *Client) RetryDeliveries(ctx context.Context, r NewRetry) (Repair, error) {
	r.DryRun = false
	return post[Repair](ctx, c, path("deliveries", "retry"), r)
}

// CountRetry says what RetryDeliveries would do.
func (c *Client) CountRetry(ctx context.Context, r NewRetry) (RepairCount, error) {
	r.DryRun = true
	return post[RepairCount](ctx, c, path("deliveries", "retry"), r)
}

// CancelDeliveries begins a repair that gives up many pending deliveries.
func (c *Client) CancelDeliveries(ctx context.Context, choice Choice) (Repair, error) {
	choice.DryRun = false
	return post[Repair](ctx, c, path("deliveries", "cancel"), choice)
}

// CountCancel says what CancelDeliveries would do.
func (c *Client) CountCancel(ctx context.Context, choice Choice) (RepairCount, error) {
	choice.DryRun = true
	return post[RepairCount](ctx, c, path("deliveries", "cancel"), choice)
}

// Repairs lists repairs.
func (c *Client) Repairs(ctx context.Context, page Page) (List[Repair], error) {
	return list[Repair](ctx, c, path("repairs"), page, nil)
}

// Repair returns one repair, with how far it is.
func (c *Client) Repair(ctx context.Context, id string) (Repair, error) {
	return get[Repair](ctx, c, path("repairs", id))
}

// CancelRepair ends a running repair. What it did stays done.
func (c *Client) CancelRepair(ctx context.Context, id string) (Repair, error) {
	return post[Repair](ctx, c, path("repairs", id, "cancel"), nil)
}
