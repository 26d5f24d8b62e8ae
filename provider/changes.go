package provider

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A CatchUpper is a Subscriber whose system can tell afterwards what has changed, so that gaps in its notifications
// can be filled.
type CatchUpper interface {
	Subscriber
	// OpenChanges returns the calls that find what has changed in the resource of r, for one connection. Its error is
	// an *APIError of APIInvalid whose message says why the system cannot be asked about such a resource.
	OpenChanges(env Env, api API, r Registration) (Changes, error)
}

// Changes finds what notifications of one resource have missed. Its methods make a bounded number of calls each. Their
// errors are *APIError, as those of [API.Do].
type Changes interface {
	// Next leaves out what has changed outside of the span, where the system tells when. Its error is of APIInvalid if
	// the system cannot begin at a time.
	ChangeLog
	// Begin returns a cursor at which Next finds what changes from now on; "" where Next needs none. before is the
	// cursor of an earlier Begin, or "": a system that cannot jump to now is walked from there.
	Begin(ctx context.Context, before string) (cursor string, err error)
	// Key returns the key of the change that a notification told, as a Change has it. It is "" for an event that tells
	// of no change in this resource.
	Key(ev *bellhop.Event) string
}

// A Span is a span of time, both ends included. The zero Until is no end.
type Span struct{ Since, Until time.Time }

// Has reports whether at is in the span. The zero time, which is not known, is.
func (s Span) Has(at time.Time) bool {
	return at.IsZero() || !at.Before(s.Since) && (s.Until.IsZero() || !at.After(s.Until))
}

// A ChangePage is a part of what has changed.
type ChangePage struct {
	Changes []Change
	Cursor  string // after this page; it is saved only once the changes are stored
	Last    bool   // there are no more changes: Cursor is the position of now
	// Wait is how long the system asks to wait before the next call; 0 is not at all.
	Wait time.Duration
	// Lost says in words that the cursor of the call was of no use, because it was too old or is not known any more.
	// Cursor is a new start then, from which not everything can be found. "" says that it was good.
	Lost string
	// Unseen says in words what such a walk cannot find: "what was deleted". "" is nothing.
	Unseen string
}

// A Change is something that was changed, as often as Count says.
type Change struct {
	// Event has Type, Subject, Time, ContentType and Body. That of Changes looks like the event of the notification
	// that was missed.
	Event bellhop.Event
	// Key identifies the change. For Changes, the notification that did arrive has the same key. The change has it
	// again if it is found again. Changes of one Key within a walk are one event.
	Key   string
	Count int // how many changes it stands for; 0 is 1
}
