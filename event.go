package bellhop

import "time"

// An Event is the smallest thing stored, matched and delivered. It never changes after it was accepted.
type Event struct {
	ID         string // "evt_…", set by the store; later events sort after earlier ones
	SourceID   string
	Source     string // the source's name
	Type       string // the provider's own word: "ams.JobStateChange", "invoice.paid"
	Subject    string // what the event is about, where the provider says; may be ""
	ProviderID string // the provider's id of it, by which repeats are folded within the source; may be ""
	Tenant     string // an optional label of the publisher's

	Time       time.Time // when it happened, as the provider says; zero if it does not
	ReceivedAt time.Time // when the request came in

	ContentType string
	Header      Header // of the request, without what carries secrets
	Body        []byte // the bytes as received; of a batch, this item's own bytes
	SHA256      [32]byte
}

// HappenedAt returns when ev happened or, where its provider does not say, when it came in.
func (ev *Event) HappenedAt() time.Time {
	if ev.Time.IsZero() {
		return ev.ReceivedAt
	}
	return ev.Time
}

// Bounds on what a provider may put into an event; longer values are refused or hashed by the provider.
const (
	MaxTypeLength       = 255
	MaxSubjectLength    = 1024
	MaxProviderIDLength = 512
)
