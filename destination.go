package bellhop

import (
	"encoding/json"
	"time"
)

// A Destination is where events go: a URL, a provider's dialect at a URL, or an action, which does its work here. Its
// match says which events it wants.
type Destination struct {
	ID   string // "dst_…"
	Name string // unique among destinations
	Type string // "http", the name of a provider that sends, or that of an action
	URL  string // "" of an action

	// Settings belong to the type, secrets included; kept encrypted and shown with secrets masked.
	Settings json.RawMessage

	// Access is an [Access]: how it is reached, and who we are there. Kept and shown as Settings are; empty is none.
	Access json.RawMessage

	Match Match

	Timeout     time.Duration // of one attempt, from dialling to the last byte of the reply
	Concurrency int           // attempts under way at once
	Rate        Rate          // of attempts; zero is any
	Batch       Batch         // of events in a request; zero is one at a time
	Order       Order         // which events wait for one another; "" is none
	Retry       Retry
	Breaker     Breaker
	ExpiresAt   time.Time // from when on nothing more is owed to it; zero is never

	// Handshake says whether the receiver has to agree before it gets anything: HandshakeNone, or the kind that the
	// type makes.
	Handshake string
	Granted   Rate // what the receiver allowed when it agreed; zero is any

	State       DestinationState
	StateReason string // why it is not active, in words

	FailingSince time.Time // of the first of the failures for which it is held back; zero while it is well

	CreatedAt time.Time
	UpdatedAt time.Time
	SecretsAt time.Time // when a secret among Settings or Access was last set
}

// DestinationState says whether a destination gets its deliveries.
type DestinationState string

// The states of a destination.
const (
	DestinationActive     DestinationState = "active"
	DestinationPaused     DestinationState = "paused"     // by a person; events are kept for it
	DestinationDisabled   DestinationState = "disabled"   // by the gateway: it wants nothing more; events are kept for it
	DestinationUnverified DestinationState = "unverified" // it has not agreed yet; events are kept for it
	DestinationExpired    DestinationState = "expired"    // its time is over: nothing more is owed to it; what was is kept
)

// HandshakeNone is no handshake.
const HandshakeNone = "none"

// NeedsHandshake reports whether d's receiver has to agree before anything is delivered to it.
func (d *Destination) NeedsHandshake() bool { return d.Handshake != "" && d.Handshake != HandshakeNone }

// TypeHTTP is the destination type that is not a provider's dialect.
const TypeHTTP = "http"

// Defaults and bounds of a destination's delivery settings.
const (
	DefaultTimeout     = 5 * time.Second
	MaxTimeout         = 5 * time.Minute
	MinTimeout         = 10 * time.Millisecond
	DefaultConcurrency = 16
	MaxConcurrency     = 1024
)
