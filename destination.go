package bellhop

import (
	"encoding/json"
	"math"
	"time"
)

// A Destination is where events go: a URL, a URL in a provider's dialect, or an action, which does its work in this
// process. Its match says which events it wants.
type Destination struct {
	ID   string // "dst_…"
	Name string // unique among destinations
	Type string // "http", "pull", or the name of a provider that sends or of an action
	URL  string // "" for an action and for type pull

	Tenant string // the tenant that the destination belongs to; "" is none
	// Tenants are further tenants whose events the destination may get, or AllTenants alone: see [Destination.Takes].
	Tenants []string

	// Settings are those of the type, secrets included. They are stored encrypted and shown with secrets masked.
	Settings json.RawMessage

	// Access says how the destination is reached and who we are there: see docs/ACCESS.md. It is stored and shown as
	// Settings are; empty is none.
	Access json.RawMessage

	Match Match

	Timeout     time.Duration // of one attempt, from dialling to the last byte of the reply
	Concurrency int           // attempts under way at once
	Rate        Rate          // of attempts; zero is no limit
	Batch       Batch         // events in one request; zero is one
	Order       Order         // which events wait for one another; "" is none
	Retry       Retry
	Breaker     Breaker
	ExpiresAt   time.Time // after this time no new event is owed to it; zero is never

	// Handshake is HandshakeNone, or the kind of handshake in which the receiver has to agree before the first
	// delivery.
	Handshake string
	Granted   Rate // the rate that the receiver allowed when it agreed; zero is no limit

	State       DestinationState
	StateReason string // why State is not active, in words

	FailingSince time.Time // first failure of the run that opened the breaker; zero while the breaker is closed

	CreatedAt time.Time
	UpdatedAt time.Time
	SecretsAt SecretTimes // when each secret among Settings and Access was set
}

// DestinationState says whether a destination gets its deliveries.
type DestinationState string

// The states of a destination. While it is paused, disabled or unverified, its deliveries wait. Once it has
// expired, no new event is owed to it, and its older deliveries stay stored.
const (
	DestinationActive     DestinationState = "active"
	DestinationPaused     DestinationState = "paused"     // by a person
	DestinationDisabled   DestinationState = "disabled"   // by the gateway, since the receiver wants nothing more
	DestinationUnverified DestinationState = "unverified" // the receiver has not agreed yet
	DestinationExpired    DestinationState = "expired"    // ExpiresAt has passed
)

// HandshakeNone is the Handshake of a destination whose receiver is not asked.
const HandshakeNone = "none"

// NeedsHandshake reports whether d's receiver has to agree before the first delivery.
func (d *Destination) NeedsHandshake() bool { return d.Handshake != "" && d.Handshake != HandshakeNone }

// TypeHTTP is the type of destinations that are neither a provider's dialect nor an action.
const TypeHTTP = "http"

// Defaults and bounds of a destination's delivery settings.
const (
	DefaultTimeout     = 5 * time.Second
	MaxTimeout         = 5 * time.Minute
	MinTimeout         = 10 * time.Millisecond
	DefaultConcurrency = 16
	MaxConcurrency     = 1024
)

// A Match says which events a destination wants. Every field that is set must hold. The zero Match wants every event
// except the gateway's own (see [SourceSelf]).
type Match struct {
	Sources []string // names or ids; empty is any
	Types   []string // whole types, or a prefix and "*": "ams.*"; empty is any

	// Where is an expression over the event that must be true, in the language of github.com/expr-lang/expr. It may
	// use data (the decoded JSON body, nil if the body is not JSON), type, subject, source, headers (canonical name →
	// first value) and time. If it fails, because a field is missing for example, the event does not match.
	Where string
}

// Bounds of a match.
const (
	MaxMatchEntries = 100
	MaxWhereLength  = 4096
)

// A Batch says how many events a destination takes in one request. The zero Batch is one event.
type Batch struct {
	MaxEvents int           `json:"max_events"` // in a request, 2 to MaxBatchEvents
	MaxWait   time.Duration `json:"max_wait"`   // how long the first event waits for others, at most MaxBatchWait
}

// Bounds of a batch.
const (
	MaxBatchEvents   = 1000
	MaxBatchWait     = time.Minute
	MaxBatchBytes    = 1 << 20 // of all bodies in one request; a single body may be larger
	DefaultBatchWait = time.Second
)

// IsZero reports whether b is one event per request.
func (b Batch) IsZero() bool { return b.MaxEvents == 0 }

// Check returns a [CodeInvalid] error that names each field of b that is out of bounds.
func (b Batch) Check() error {
	var errs [2]error
	if b.MaxEvents < 2 || b.MaxEvents > MaxBatchEvents {
		errs[0] = Invalid("max_events", "use a whole number from 2 to 1000; leave batch out to "+
			"send one event at a time")
	}
	if b.MaxWait < 0 || b.MaxWait > MaxBatchWait {
		errs[1] = Invalid("max_wait", `use a length of time up to "1m", such as "1s"`)
	}
	return Join("", errs[:]...)
}

// A Rate limits how often something happens. The zero Rate is no limit.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Burst     int     `json:"burst"` // how many at once after an idle time, at least 1
}

// Bounds of a rate.
const (
	MinRate  = 1.0 / (60 * 60) // one an hour
	MaxRate  = 100_000
	MaxBurst = 100_000
)

// Check returns a [CodeInvalid] error that names each field of r that is out of bounds.
func (r Rate) Check() error {
	var errs [2]error
	if r.PerSecond < MinRate || r.PerSecond > MaxRate || math.IsNaN(r.PerSecond) {
		errs[0] = Invalid("per_second", "use a number from 0.0003 (one an hour) to 100000")
	}
	if r.Burst < 1 || r.Burst > MaxBurst {
		errs[1] = Invalid("burst", "use a whole number from 1 to 100000")
	}
	return Join("", errs[:]...)
}

// IsZero reports whether r is no limit.
func (r Rate) IsZero() bool { return r.PerSecond == 0 }

// PerSecond returns the rate of n per second. Its burst is the amount of one second, at least 1. n of 0 is no limit.
func PerSecond(n float64) Rate {
	if n <= 0 {
		return Rate{}
	}
	return Rate{PerSecond: n, Burst: max(1, int(min(n, MaxBurst)))}
}

// Min returns the rate that satisfies both r and other.
func (r Rate) Min(other Rate) Rate {
	switch {
	case r.IsZero():
		return other
	case other.IsZero():
		return r
	}
	return Rate{PerSecond: min(r.PerSecond, other.PerSecond), Burst: min(r.Burst, other.Burst)}
}

// Order says which events of a destination wait for one another. Events with equal keys are delivered one at a time,
// in the order in which they were accepted; while one of them waits for a retry, those behind it wait too. Events
// with other keys are not affected.
type Order string

// The orders.
const (
	OrderNone    Order = "none"    // no event waits
	OrderSource  Order = "source"  // events of one source
	OrderSubject Order = "subject" // events of one source with one subject; "" is a subject too
)

// Check returns a [CodeInvalid] error if o is not one of the orders.
func (o Order) Check() error {
	switch o {
	case OrderNone, OrderSource, OrderSubject:
		return nil
	}
	return Invalid("order", "use none, source or subject")
}

// A Breaker says when a destination that keeps failing is held back, and when it is disabled. While it is held back
// (the breaker is open), it gets one attempt at a time, at growing intervals, until one succeeds; deliveries that
// fail meanwhile use up no entry of their schedule.
type Breaker struct {
	// Failures is how many failed attempts in a row open the breaker. 0 is never.
	Failures int `json:"failures"`
	// For is the time that these failures must span if the receiver answers. If it never answers, the breaker opens at
	// once.
	For time.Duration `json:"for"`
	// DisableAfter is the time without a success after which the destination is disabled. 0 is never.
	DisableAfter time.Duration `json:"disable_after"`
}

// DefaultBreaker is the breaker of a destination that sets none.
var DefaultBreaker = Breaker{Failures: 16, For: 10 * time.Second, DisableAfter: 5 * 24 * time.Hour}

// Bounds of a breaker.
const (
	MaxBreakerFailures = 10_000
	MaxBreakerFor      = time.Hour
	MinDisableAfter    = time.Minute
	MaxDisableAfter    = 90 * 24 * time.Hour
)

// Check returns a [CodeInvalid] error that names each field of b that is out of bounds.
func (b Breaker) Check() error {
	var errs [3]error
	if b.Failures < 0 || b.Failures > MaxBreakerFailures {
		errs[0] = Invalid("failures", "use a whole number up to 10000; 0 never holds the destination back")
	}
	if d := b.DisableAfter; d != 0 && (d < MinDisableAfter || d > MaxDisableAfter) {
		errs[1] = Invalid("disable_after", `use a length of time from "1m" to "2160h" (90 days), or "0s" for never`)
	} else if d != 0 && b.Failures == 0 {
		errs[1] = Invalid("disable_after",
			`needs failures, the number of failed attempts that open the breaker; or use "0s"`)
	}
	if b.For < 0 || b.For > MaxBreakerFor {
		errs[2] = Invalid("for", `use a length of time up to "1h"; "0s" goes by failures alone`)
	}
	return Join("", errs[:]...)
}
