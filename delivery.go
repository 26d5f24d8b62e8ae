package bellhop

import "time"

// A Delivery is one event owed to one destination.
type Delivery struct {
	ID            string // "dlv_…"
	EventID       string
	DestinationID string
	State         DeliveryState
	Attempts      int       // made so far
	Spared        int       // of these, how many do not count against the schedule
	Key           int64     // of its [Order]: those of one key go one after the other; 0 is none
	NextAt        time.Time // of a pending one: when the next attempt is due
	CreatedAt     time.Time // when its event came in or, of a replay, when that was asked for; of a claimed one only the latter
	UpdatedAt     time.Time // when its state last changed
	Last          *Attempt  // the latest attempt, if there was one; of a claimed delivery only its status and error

	// Event is set on a delivery that is about to be sent.
	Event *Event
}

// DeliveryState says how far a delivery is.
type DeliveryState string

// The states of a delivery. Delivered is final; dead and cancelled too, unless a person retries.
const (
	DeliveryPending   DeliveryState = "pending"   // waits for NextAt
	DeliveryLeased    DeliveryState = "leased"    // a lane has it: queued in memory or being sent
	DeliveryDelivered DeliveryState = "delivered" // taken: answered 2xx, or what else its destination counts as that
	DeliveryDead      DeliveryState = "dead"      // given up; its last attempt says why
	DeliveryCancelled DeliveryState = "cancelled" // by a person, because its destination was deleted, or because that does not want it by its own settings
)

// An Attempt is one try of a delivery: what came back and how long it took.
type Attempt struct {
	DeliveryID string
	Number     int // from 1
	StartedAt  time.Time
	Duration   time.Duration
	Status     int    // of the reply; 0 if none came
	Error      string // "" on success, else a short code: "timeout", "connection_refused", "status", "blocked_address", …
	Detail     string // the error in words; never a secret or a whole URL
	Reply      []byte // the reply's body, at most MaxReplyBytes of it
}

// MaxReplyBytes is how much of a reply's body is kept.
const MaxReplyBytes = 4 << 10

// NewDelivery is one delivery to be written with the events it belongs to.
type NewDelivery struct {
	Event         int // index among the events accepted together
	DestinationID string
	Key           int64  // of the destination's order; 0 is none
	Leased        bool   // a lane has room for it and sends it as soon as it is on disk; otherwise it is pending, due now
	DeliveryID    string // set by Accept; "" where the event was a repeat
}

// Accepted is what became of the events accepted together.
type Accepted struct {
	RequestID  string // set where the request itself was kept
	Duplicates int    // events that the source already had; their ID is that of the event first stored
}

// A Result is one attempt and what it makes of its delivery.
type Result struct {
	DeliveryID    string
	DestinationID string
	Attempt       Attempt
	State         DeliveryState // delivered, dead, cancelled, or pending with NextAt
	NextAt        time.Time
	Spared        bool // the attempt does not count against the schedule
}
