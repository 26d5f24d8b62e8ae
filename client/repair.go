package client

import (
	"context"
	"net/url"
	"time"
)

// A Repair is a replay, retry or cancel of many deliveries, chosen by a filter. It runs in steps and goes on
// after a restart.
type Repair struct {
	ID         string       `json:"id" example:"rpr_01h455vb4pex5vsknk08"`
	Kind       string       `json:"kind" enum:"replay,retry,cancel"`
	State      string       `json:"state" enum:"waiting,running,done,cancelled,failed"`
	Reason     string       `json:"reason"`
	Filter     RepairFilter `json:"filter"`
	Rate       float64      `json:"rate"`        // deliveries a second; 0 is no limit
	LookedAt   int64        `json:"looked_at"`   // events or deliveries
	Changed    int64        `json:"changed"`     // deliveries made, made due or cancelled
	Skipped    int64        `json:"skipped"`     // deliveries whose event was gone, or whose state had changed
	PositionAt Time         `json:"position_at"` // how far it is: the time of the events reached, from old to new
	CreatedAt  Time         `json:"created_at"`
	UpdatedAt  Time         `json:"updated_at"`
	StartsAt   Time         `json:"starts_at"` // of its first step; until then it waits
}

// Ended reports whether the repair changes nothing any more.
func (r Repair) Ended() bool { return r.State != "waiting" && r.State != "running" }

// A RepairFilter chooses the events or deliveries of a repair.
type RepairFilter struct {
	SourceIDs     []string `json:"source_ids,omitempty"` // any of these
	Type          string   `json:"type,omitempty"`
	Where         string   `json:"where,omitempty"`
	EventID       string   `json:"event_id,omitempty"`
	DestinationID string   `json:"destination_id,omitempty"`
	Missed        bool     `json:"missed,omitempty"`
	State         string   `json:"state,omitempty"`
	Error         string   `json:"error,omitempty"`
	Tenant        string   `json:"tenant,omitempty"` // of the key that began the repair
	Since         Time     `json:"since,omitzero"`
	Until         Time     `json:"until,omitzero"`
}

// A RepairCount says what a repair would do: the answer to a dry run.
type RepairCount struct {
	Events     int64 `json:"events"` // of a replay
	Deliveries int64 `json:"deliveries"`
	Complete   bool  `json:"complete"` // false if there was no time to count all; then there may be more
	SearchedTo Time  `json:"searched_to"`
}

// A Range bounds a choice by the time at which the events were received. A zero time is no bound.
type Range struct {
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// A Pace says how a repair runs.
type Pace struct {
	// Rate is in deliveries a second. nil is the gateway's default, 0 is no limit.
	Rate   *float64 `json:"rate,omitempty" minimum:"0" maximum:"100000"`
	All    bool     `json:"all,omitempty"` // required if nothing narrows the choice
	DryRun bool     `json:"dry_run,omitempty"`
	// StartIn is how long the repair waits before it begins, at most 1h; "" is not at all. A repair that is cancelled
	// before it begins has changed nothing.
	StartIn string `json:"start_in,omitempty" example:"10s"`
}

// A NewReplay chooses events to replay. Zero fields do not narrow.
type NewReplay struct {
	Source string `json:"source,omitempty"`                               // name or id, also of a deleted source
	Type   string `json:"type,omitempty" maxLength:"255" example:"ams.*"` // a whole type, or a prefix and "*"
	Where  string `json:"where,omitempty"`                                // an expression
	// name or id; "" is every one that matches
	Destination string `json:"destination,omitempty"`
	// Missed chooses only events that Destination wants by its match and has no delivery of.
	Missed bool `json:"missed,omitempty"`
	Range
	Pace
}

// A Choice chooses deliveries. Zero fields do not narrow.
type Choice struct {
	Destination string `json:"destination,omitempty"` // name or id
	Event       string `json:"event,omitempty"`       // id
	Error       string `json:"error,omitempty" maxLength:"64" example:"timeout"`
	Range
	Pace
}

// A NewRetry chooses the deliveries to make due.
type NewRetry struct {
	State string `json:"state,omitempty" enum:"dead,cancelled,pending"` // "" is "dead"
	Choice
}

// A NewCancel chooses the deliveries to cancel.
type NewCancel struct {
	State string `json:"state,omitempty" enum:"pending"` // "" is "pending"
	Choice
}

// A ReplayTo says where the new deliveries of an event go.
type ReplayTo struct {
	Destination string `json:"destination,omitempty"` // name or id; "" is each that wants the event now
}

// A Replayed is the result of a replay of one event.
type Replayed struct {
	Deliveries []NewDelivery `json:"deliveries"`
}

// A NewDelivery is a delivery that a replay made.
type NewDelivery struct {
	ID            string `json:"id" example:"dlv_01h455vb4pex5vsknk08"`
	DestinationID string `json:"destination_id"`
	Destination   string `json:"destination" example:"billing"` // its name
}

// ReplayEvent makes new deliveries of an event: to the destination of that name or id, or with "" to each
// destination that wants the event now.
func (c *Client) ReplayEvent(ctx context.Context, eventID, destination string) ([]NewDelivery, error) {
	made, err := post[Replayed](ctx, c, path("events", eventID, "replay"), ReplayTo{destination})
	return made.Deliveries, err
}

// ReplayEvents begins a repair that makes new deliveries of many events.
func (c *Client) ReplayEvents(ctx context.Context, r NewReplay) (Repair, error) {
	r.DryRun = false
	return post[Repair](ctx, c, path("events", "replay"), r)
}

// CountReplay counts what ReplayEvents would do.
func (c *Client) CountReplay(ctx context.Context, r NewReplay) (RepairCount, error) {
	r.DryRun = true
	return post[RepairCount](ctx, c, path("events", "replay"), r)
}

// RetryDeliveries begins a repair that makes many deliveries due.
func (c *Client) RetryDeliveries(ctx context.Context, r NewRetry) (Repair, error) {
	r.DryRun = false
	return post[Repair](ctx, c, path("deliveries", "retry"), r)
}

// CountRetry counts what RetryDeliveries would do.
func (c *Client) CountRetry(ctx context.Context, r NewRetry) (RepairCount, error) {
	r.DryRun = true
	return post[RepairCount](ctx, c, path("deliveries", "retry"), r)
}

// CancelDeliveries begins a repair that cancels many pending deliveries.
func (c *Client) CancelDeliveries(ctx context.Context, choice Choice) (Repair, error) {
	choice.DryRun = false
	return post[Repair](ctx, c, path("deliveries", "cancel"), NewCancel{Choice: choice})
}

// CountCancel counts what CancelDeliveries would do.
func (c *Client) CountCancel(ctx context.Context, choice Choice) (RepairCount, error) {
	choice.DryRun = true
	return post[RepairCount](ctx, c, path("deliveries", "cancel"), NewCancel{Choice: choice})
}

// A RepairQuery narrows a list of repairs. Zero fields do not narrow.
type RepairQuery struct {
	Kind  string // replay, retry or cancel
	State string // waiting, running, done, cancelled or failed

	Tenant string
	Since  time.Time
	Until  time.Time
}

// Repairs lists repairs.
func (c *Client) Repairs(ctx context.Context, q RepairQuery, page Page) (List[Repair], error) {
	return list[Repair](ctx, c, path("repairs"), page, url.Values{"kind": {q.Kind}, "state": {q.State},
		"tenant": {q.Tenant}, "since": {moment(q.Since)}, "until": {moment(q.Until)}})
}

// Repair returns one repair and its progress.
func (c *Client) Repair(ctx context.Context, id string) (Repair, error) {
	return get[Repair](ctx, c, path("repairs", id))
}

// CancelRepair ends a running or waiting repair. Its changes so far stay.
func (c *Client) CancelRepair(ctx context.Context, id string) (Repair, error) {
	return post[Repair](ctx, c, path("repairs", id, "cancel"), nil)
}
