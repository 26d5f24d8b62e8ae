package bellhop

import "time"

// A Delivery is one event owed to one destination.
type Delivery struct {
	ID            string // "dlv_…"
	EventID       string
	DestinationID string
	State         DeliveryState
	Attempts      int       // made so far
	Spared        int       // how many of Attempts do not count against the schedule
	Key           int64     // of its destination's [Order]; 0 is none
	NextAt        time.Time // while pending: when the next attempt is due
	CreatedAt     time.Time // when its event came in, or when its replay was requested; Claim sets it only for replays
	UpdatedAt     time.Time // when its state last changed
	Last          *Attempt  // the latest attempt, nil before the first; Claim sets only its status and error

	// Event is set on deliveries that are about to be sent.
	Event *Event

	// Progress is the progress that an action stored with an earlier [Result]; nil if there is none. Only Claim sets
	// it.
	Progress []byte
}

// A DeliveryState is the state of a delivery.
type DeliveryState string

// The states of a delivery. Delivered, dead and cancelled are final, but a person can retry a dead or cancelled
// delivery. A delivery is delivered if the receiver answered 2xx, or gave another answer that the destination
// counts as success. It is cancelled by a person, by the deletion of its destination, or because the
// destination's settings exclude its event.
const (
	DeliveryPending   DeliveryState = "pending"   // waits for NextAt
	DeliveryLeased    DeliveryState = "leased"    // a lane has it: queued in memory or being sent
	DeliveryDelivered DeliveryState = "delivered" // the receiver took it
	DeliveryDead      DeliveryState = "dead"      // given up; its last attempt shows the reason
	DeliveryCancelled DeliveryState = "cancelled" // will not be sent
)

// An Attempt is one try of a delivery: what came back and how long it took.
type Attempt struct {
	DeliveryID string
	Number     int // from 1
	StartedAt  time.Time
	Duration   time.Duration
	Status     int    // of the reply; 0 without a reply
	Error      string // "" on success, otherwise a short code: "timeout", "connection_refused", "status", …
	Detail     string // the error in words; never a secret or a whole URL
	Reply      []byte // the beginning of the reply's body, at most MaxReplyBytes
}

// MaxReplyBytes bounds how much of a reply's body is kept.
const MaxReplyBytes = 4 << 10

// A NewDelivery is a delivery to be stored together with its event.
type NewDelivery struct {
	Event         int // index among the events accepted together
	DestinationID string
	Key           int64  // of the destination's [Order]; 0 is none
	Leased        bool   // stored as leased, because a lane reserved a place for it; otherwise as pending and due now
	DeliveryID    string // set by the store; "" if the event is a repeat
}

// Accepted is the result of accepting events together.
type Accepted struct {
	RequestID  string // set if the request itself is kept
	Duplicates int    // repeats of events that the source already had; their ID is that of the stored event
	Conflicts  int    // stored events whose ConflictsWith is set
}

// A Result is one attempt and the new state of its delivery.
type Result struct {
	DeliveryID    string
	DestinationID string
	Attempt       Attempt
	State         DeliveryState // delivered, dead, cancelled, or pending with NextAt
	NextAt        time.Time
	Spared        bool // the attempt does not count against the schedule

	// Event is of those who watch results. The store does not keep it with the delivery.
	Event EventLabel

	// Progress of an action is stored with its delivery, for the next attempt: at most MaxProgressBytes. Nil keeps the
	// stored progress; an empty slice that is not nil clears it.
	Progress []byte
}

// MaxProgressBytes bounds the progress of an action that is stored between two attempts of a delivery.
const MaxProgressBytes = 64 << 10
