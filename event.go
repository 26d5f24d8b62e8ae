package bellhop

import "time"

// An Event is the smallest thing stored, matched and delivered. It never changes once it is accepted.
type Event struct {
	ID         string // "evt_…", set by the store; later events sort after earlier ones
	SourceID   string
	Source     string // the source's name
	Type       string // the provider's own word: "ams.JobStateChange", "invoice.paid"
	Subject    string // what the event is about, where the provider says; may be ""
	ProviderID string // the provider's id of the event, which the repeats of the event have too; may be ""
	Tenant     string // the tenant of its source; of a source of none, that which the publisher names; "" is none

	Time       time.Time // when it happened, as the provider says; zero if it does not. See [StoredTime]
	ReceivedAt time.Time // when the request came in. See [StoredTime]

	ContentType string
	Header      Header // of the request, without headers that carry secrets
	Body        []byte // the bytes as received; for an item of a batch, the item's own bytes
	SHA256      [32]byte

	// Fingerprint tells a repeat from another event with the same ProviderID at the same source: a repeat has the same
	// fingerprint. If it is zero, SHA256 is the fingerprint. A provider sets it if its system changes the body between
	// two tries of one event. The store does not return it.
	Fingerprint [32]byte
	// ConflictsWith is the id of the first event that the source had with this ProviderID and another fingerprint; ""
	// if there is none. Both are stored and delivered. The store sets it.
	ConflictsWith string
}

// FingerprintByID is the fingerprint of an event that its ProviderID identifies by itself: a later one is a repeat,
// whatever its body says.
var FingerprintByID = [32]byte{1}

// Identity returns the fingerprint of ev, which is SHA256 unless the provider says otherwise.
func (ev *Event) Identity() [32]byte {
	if ev.Fingerprint == ([32]byte{}) {
		return ev.SHA256
	}
	return ev.Fingerprint
}

// HappenedAt returns Time, or ReceivedAt if the provider gives no time.
func (ev *Event) HappenedAt() time.Time {
	if ev.Time.IsZero() {
		return ev.ReceivedAt
	}
	return ev.Time
}

// StoredTime returns t as the store keeps it: UTC, to the microsecond, without a monotonic clock. An event has such
// times from the moment it is accepted, so that its first delivery is made of the same values as every later one.
func StoredTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Truncate(time.Microsecond).UTC()
}

// Bounds of the fields that a provider fills. The provider refuses or hashes longer values.
const (
	MaxTypeLength       = 255
	MaxSubjectLength    = 1024
	MaxProviderIDLength = 512
)

// TypeSelfPrefix is the prefix of the types of the gateway's own events.
const TypeSelfPrefix = "bellhop."

// The types of the gateway's own events. The subject is the destination's name; docs/EVENTS.md shows the
// bodies. For each destination there is at most one TypeDeliveriesDead per minute.
const (
	TypeDestinationFailing   = "bellhop.destination.failing"   // its breaker opened
	TypeDestinationRecovered = "bellhop.destination.recovered" // its breaker closed: a delivery succeeded
	TypeDestinationDisabled  = "bellhop.destination.disabled"  // the gateway disabled it
	TypeDestinationExpiring  = "bellhop.destination.expiring"  // its ExpiresAt comes soon
	TypeDestinationExpired   = "bellhop.destination.expired"   // its ExpiresAt has passed
	TypeDeliveriesDead       = "bellhop.deliveries.dead"       // deliveries became dead
)
