package bellhop

import (
	"strings"
	"time"
)

// A Repair is long work over many events or deliveries, chosen by a filter: a replay, a retry or a cancel of all of them. It
// goes in steps, and a crash loses none and doubles none.
type Repair struct {
	ID     string // "rpr_…"
	Kind   RepairKind
	Filter RepairFilter
	Rate   float64 // deliveries a second made due; 0 is any

	State    RepairState
	Reason   string // why it failed or was cancelled, in words
	LookedAt int64  // how many events or deliveries it has looked at, of those that the filter's fields choose
	Changed  int64  // deliveries made, made due or cancelled
	Skipped  int64  // deliveries not made or changed: by then their event was gone, or they were in another state

	PositionAt time.Time // the time of the events that it has come to
	CreatedAt  time.Time // what came after that it leaves alone
	UpdatedAt  time.Time

	Cursor int64 // of the store: the number of the event or delivery looked at last
	Bound  int64 // of the store: the last number there was when it was asked for
}

// RepairKind says what a repair does.
type RepairKind string

// The kinds of a repair.
const (
	RepairReplay RepairKind = "replay" // makes new deliveries of stored events
	RepairRetry  RepairKind = "retry"  // makes deliveries due now
	RepairCancel RepairKind = "cancel" // gives up pending deliveries
)

// RepairState says how far a repair is.
type RepairState string

// The states of a repair. All but running are final.
const (
	RepairRunning   RepairState = "running"
	RepairDone      RepairState = "done"
	RepairCancelled RepairState = "cancelled" // by a person; what it did stays done
	RepairFailed    RepairState = "failed"
)

// A RepairFilter says which events a replay takes, or which deliveries a retry or a cancel does. Zero fields do not narrow.
type RepairFilter struct {
	Since         time.Time `json:"since,omitzero"` // when the event came in
	Until         time.Time `json:"until,omitzero"`
	DestinationID string    `json:"destination_id,omitempty"` // of a replay: the only one that gets them, whether its match wants them or not

	// Of a replay. The gateway's own events it takes only if it names their source, or a type that begins with [TypeSelfPrefix].
	SourceID string `json:"source_id,omitempty"`
	Type     string `json:"type,omitempty"`  // whole, or a prefix and "*"
	Where    string `json:"where,omitempty"` // as of a [Match]

	// Of a retry or a cancel.
	EventID string        `json:"event_id,omitempty"`
	State   DeliveryState `json:"state,omitempty"`
	Error   string        `json:"error,omitempty"` // of the last attempt: "timeout", "status"
}

// Self reports whether f asks for the gateway's own events.
func (f RepairFilter) Self() bool {
	return f.SourceID == SourceSelfID || strings.HasPrefix(f.Type, TypeSelfPrefix)
}

// Narrow reports whether f says more of a delivery than its state.
func (f RepairFilter) Narrow() bool {
	return f.DestinationID != "" || f.EventID != "" || f.Error != "" || !f.Since.IsZero() || !f.Until.IsZero()
}

// Bounds of repairs.
const (
	MaxRunningRepairs = 8
	DefaultRepairRate = 200 // of a replay and of a retry
	MaxRepairRate     = MaxRate
)

// A Chosen is one event, or one delivery, that a repair's filter chose.
type Chosen struct {
	Cursor        int64  // of the store: its number
	Event         Event  // of a replay; without header and body, unless they were asked for
	DeliveryID    string // of a retry or a cancel
	DestinationID string
}

// A RepairStep is the part of a repair that is done at once: it counts as done when the repair's cursor has moved.
type RepairStep struct {
	To         int64         // where the cursor then is
	Chosen     []Chosen      // all between there and where it was; of a retry or a cancel, those to change
	Deliveries []NewDelivery // of a replay: the deliveries to make, by the events' index in Chosen and in their order; none is leased
}

// A RepairCount is what a repair would do now.
type RepairCount struct {
	Events     int64 // of a replay
	Deliveries int64
	Complete   bool // false if there was no time to count all; there are more, then
}
