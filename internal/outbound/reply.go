package outbound

import (
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// A Reply is what came back from an attempt. It says nothing about the delivery yet: internal/delivery decides
// what it means.
type Reply struct {
	Class      Class
	Status     int    // of the HTTP reply; 0 without one
	RetryAfter string // the header of that name
	Body       []byte // the beginning of the reply's body, at most bellhop.MaxReplyBytes
	Error      string // a short code; "" if an HTTP reply came, whatever its status, or an action did not fail
	Detail     string // the error in words; never a secret or a whole URL
	Final      bool   // another attempt cannot succeed
	// if not zero, an action is neither done nor failed, and continues in an attempt at that time
	Continue time.Time
	Parked   string // id of what an action waits for: a connection that is signed out, or its own destination
	// Refused says that a program had the event and gave the attempt up, so that the destination is not to blame.
	// Delay is when it wants the next one; nil is by the schedule.
	Refused  bool
	Delay    *time.Duration
	Progress []byte          // of an action, to store with the attempt; nil keeps the stored progress
	Outcome  bellhop.Outcome // as the provider or action judges the reply; "" leaves it to Status and Error
}

// A Class says how an attempt ended. Error says why: it is recorded, and it selects the entry of retry.outcomes.
type Class int

// The classes of replies.
const (
	Answered  Class = iota // an HTTP reply came, or an action succeeded or continues
	Failed                 // no whole reply came, or an action failed
	Unsent                 // nothing was sent, so that no rate was used
	Skipped                // nothing was sent: the destination's settings exclude the event
	Cancelled              // a stop cut the attempt off: it says nothing about the destination
	Short                  // this machine was short of a resource: it says nothing about the destination
	Unmade                 // there was no attempt, because nobody was there for it: Parked says for whom to wait
)

// The codes of attempts that sent nothing.
const (
	ErrorRender   = "render"   // the event cannot be rendered for the destination
	ErrorSkipped  = "skipped"  // the destination's settings exclude the event
	ErrorToken    = "token"    // no access token could be fetched
	ErrorSettings = "settings" // the destination itself cannot be opened

	ErrorSignedOut = "signed_out" // the connection of an action is signed out
)

// Unknown ends the detail of an attempt that may have sent bytes but got no whole reply. The receiver may have
// acted on the request, so the next attempt may be a repeat to it. An attempt without a reply and without this text
// has sent nothing.
const Unknown = "; whether it was taken is unknown"

// Describe returns Status in words: "answered 404 Not Found".
func (r *Reply) Describe() string { return "answered " + egress.DescribeStatus(r.Status) }

// failed returns the Reply of an exchange that ended with err.
func failed(err error) Reply {
	var unsent *unsentError
	var failure *egress.Error
	switch {
	case errors.As(err, &unsent):
		return Reply{Class: Unsent, Error: unsent.code, Detail: unsent.detail}
	case !errors.As(err, &failure):
		return Reply{Class: Failed, Error: string(egress.ClassNetwork), Detail: err.Error()}
	}
	r := Reply{Class: Failed, Error: string(failure.Class), Detail: failure.Detail}
	switch failure.Class {
	case egress.ClassCanceled:
		r.Class = Cancelled
	case egress.ClassLocal:
		r.Class = Short
	}
	if failure.Sent {
		r.Detail += Unknown
	}
	return r
}

// An unsentError is why a request was not sent.
type unsentError struct{ code, detail string }

func (e *unsentError) Error() string { return e.code + ": " + e.detail }
