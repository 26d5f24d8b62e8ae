package bellhop

import (
	"slices"
	"strings"
	"time"
)

// A Repair replays many events, or retries or cancels many deliveries, chosen by a filter. It proceeds in steps; a
// crash neither loses nor repeats one.
type Repair struct {
	ID     string // "rpr_…"
	Kind   RepairKind
	Filter RepairFilter
	Rate   float64 // deliveries made due per second; 0 is no limit

	State    RepairState
	Reason   string // why it failed or was cancelled, in words
	LookedAt int64  // events or deliveries inspected so far, of those that the fields of the filter select
	Changed  int64  // deliveries created, made due or cancelled
	Skipped  int64  // deliveries left as they were, because the event was gone or the state had changed

	PositionAt time.Time // the time of the event reached last
	CreatedAt  time.Time // events and deliveries from after this time are not affected
	StartsAt   time.Time // when it takes its first step; not before CreatedAt
	UpdatedAt  time.Time

	Cursor int64 // the store's number of the event or delivery inspected last
	Bound  int64 // the store's last number when the repair was requested
}

// A RepairKind says what a repair does.
type RepairKind string

// The kinds of a repair.
const (
	RepairReplay RepairKind = "replay" // creates new deliveries of stored events
	RepairRetry  RepairKind = "retry"  // makes deliveries due now
	RepairCancel RepairKind = "cancel" // cancels pending deliveries
)

// A RepairState is the state of a repair.
type RepairState string

// The states of a repair. All except waiting and running are final.
const (
	RepairWaiting   RepairState = "waiting" // it begins at StartsAt
	RepairRunning   RepairState = "running"
	RepairDone      RepairState = "done"
	RepairCancelled RepairState = "cancelled" // by a person; finished steps stay done
	RepairFailed    RepairState = "failed"
)

// Ended reports whether a repair in this state changes nothing any more.
func (s RepairState) Ended() bool { return s != RepairWaiting && s != RepairRunning }

// A RepairFilter selects the events of a replay, or the deliveries of a retry or a cancel. Zero fields select all.
type RepairFilter struct {
	Since time.Time `json:"since,omitzero"` // when the event came in
	Until time.Time `json:"until,omitzero"`
	// Tenant narrows the events of a replay, and the deliveries of a retry or a cancel, to those of one tenant.
	Tenant string `json:"tenant,omitempty"`
	// DestinationID, for a replay, is the only destination that gets the events, whether its match wants them or not.
	DestinationID string `json:"destination_id,omitempty"`
	// Missed narrows the events of a replay to those that its destination wants by its match and has no delivery of.
	Missed bool `json:"missed,omitempty"`

	// For a replay. It includes the gateway's own events only if the filter names their source or a type that begins
	// with [TypeSelfPrefix].
	SourceIDs []string `json:"source_ids,omitempty"` // any of these
	Type      string   `json:"type,omitempty"`       // a whole type, or a prefix and "*"
	Where     string   `json:"where,omitempty"`      // as in a [Match]

	// For a retry or a cancel.
	EventID string        `json:"event_id,omitempty"`
	State   DeliveryState `json:"state,omitempty"`
	Error   string        `json:"error,omitempty"` // of the last attempt, as [CheckError] has it
}

// Self reports whether f selects the gateway's own events.
func (f RepairFilter) Self() bool {
	return slices.Contains(f.SourceIDs, SourceSelfID) || strings.HasPrefix(f.Type, TypeSelfPrefix)
}

// Narrow reports whether f limits the deliveries by more than their state.
func (f RepairFilter) Narrow() bool {
	return f.DestinationID != "" || f.EventID != "" || f.Error != "" || !f.Since.IsZero() || !f.Until.IsZero()
}

// Bounds of repairs.
const (
	MaxRunningRepairs = 8   // with those that wait
	DefaultRepairRate = 200 // for a replay and a retry
	MaxRepairRate     = MaxRate
	MaxRepairDelay    = time.Hour // from the request of a repair to its beginning
)

// A Chosen is one event or delivery that the filter of a repair selected.
type Chosen struct {
	Cursor        int64  // the store's number of it
	Event         Event  // for a replay; header and body are set only if requested
	DeliveryID    string // for a retry or a cancel
	DestinationID string
}

// A RepairStep is the part of a repair that is written in one transaction, together with the repair's new cursor.
type RepairStep struct {
	// To is the new cursor.
	To int64
	// Chosen holds, for a replay, all selected events up to To; for a retry or a cancel, the deliveries to change.
	Chosen []Chosen
	// Deliveries, for a replay, are the deliveries to create, in the order of Chosen. Their Event is an index of
	// Chosen. None of them is leased.
	Deliveries []NewDelivery
}

// A RepairCount says how much a repair would do now.
type RepairCount struct {
	Events     int64 // for a replay
	Deliveries int64
	Complete   bool // false if counting took too long; then there may be more
	// SearchedTo, unless Complete, is how far it counted: the time of the events that it reached, from old to new.
	SearchedTo time.Time
}
