package bellhop

import (
	"encoding/json"
	"time"
)

// A Subscription is our registration at a provider, which asks it to call a source. Most registrations expire: the
// gateway renews them, and makes a new one when one was lost.
type Subscription struct {
	ID           string // "sub_…"
	Name         string // unique among subscriptions
	Provider     string // of the source and of the connection
	Tenant       string // that of the source
	SourceID     string // that the provider calls
	ConnectionID string // in whose name the provider's API is called

	Resource    string          // what is watched, in the provider's words: "/me/events"
	ChangeTypes []string        // in lower case; nil if the provider has none
	Settings    json.RawMessage // of the provider; stored encrypted
	ExpectEvery time.Duration   // see [TypeSourceSilent]; 0 expects nothing

	State  SubscriptionState
	Reason string // why State is not active, with the remedy; of an active one: a warning, or ""

	// What is at the provider. Secrets are stored encrypted and are never shown.
	RemoteID       string    // "" if there is no registration
	RemoteResource string    // as the provider names it
	URL            string    // that was registered
	ExpiresAt      time.Time // zero if it does not expire or is not known
	Secrets        SubscriptionSecrets

	RenewAt  time.Time     // when the next call is due; zero if none is
	Lifetime time.Duration // to ask for, since a longer one was refused; 0 is the provider's longest
	Failures int           // failed calls in a row

	LostAt      time.Time // since when notifications may be lost, while they may be; zero if they are not
	LastEventAt time.Time // when the latest notification came, to some minutes
	SilentSince time.Time // LastEventAt, or the beginning, of the silence that was announced; zero if none is
	Deleting    bool      // it is deleted as soon as the provider has been told

	CreatedAt time.Time
	UpdatedAt time.Time // of what a user sets
}

// A SubscriptionState says what there is at the provider.
type SubscriptionState string

// The states.
const (
	SubscriptionPending  SubscriptionState = "pending"  // the registration is being made
	SubscriptionActive   SubscriptionState = "active"   // the provider calls the source
	SubscriptionRenewing SubscriptionState = "renewing" // active, and a renewal has begun or is tried again
	SubscriptionPaused   SubscriptionState = "paused"   // by a user: there is no registration
	SubscriptionExpired  SubscriptionState = "expired"  // it could not be renewed in time; a new one is tried
	SubscriptionRemoved  SubscriptionState = "removed"  // the provider ended it; a new one is tried
	SubscriptionFailed   SubscriptionState = "failed"   // the provider refuses it; Reason says what to do
)

// Live reports whether there is a registration that the provider honours.
func (s SubscriptionState) Live() bool { return s == SubscriptionActive || s == SubscriptionRenewing }

// SubscriptionSecrets are what a provider repeats, or encrypts for.
type SubscriptionSecrets struct {
	ClientState string    `json:"client_state,omitempty"`
	Wish        time.Time `json:"wish,omitzero"`     // the expiry that the latest creation asked for
	Depends     string    `json:"depends,omitempty"` // provider.Terms.Depends of that creation
	// registrations that are to be deleted at the provider
	Retired      []RetiredRemote   `json:"retired,omitempty"`
	Certificates []json.RawMessage `json:"certificates,omitempty"` // a provider.Certificate each, newest first
	Paused       bool              `json:"paused,omitempty"`       // LostAt is that of a pause by a user
}

// A RetiredRemote is a registration in whose place there is another one.
type RetiredRemote struct {
	ID          string          `json:"id"`
	Resource    string          `json:"resource,omitempty"`        // of the subscription, then
	Remote      string          `json:"remote_resource,omitempty"` // RemoteResource
	Settings    json.RawMessage `json:"settings,omitempty"`
	ClientState string          `json:"client_state,omitempty"`
}

// A SubscriptionCall is one call of a provider's API for a subscription. It is stored before the call is made, and
// completed afterwards: without an Outcome its effect is not known.
type SubscriptionCall struct {
	ID             int64 // grows with time; set by the store
	SubscriptionID string
	At             time.Time
	What           string // "create", "renew", "reauthorize", "get", "delete"
	Status         int    // of the answer; 0 without an answer
	Done           bool   // it had its effect
	Outcome        string // in words; "" while it is not known
	Handshake      string // in words: the handshake that came meanwhile; "" if none came
	Took           time.Duration
}

// MaxSubscriptionCalls is how many calls of a subscription are kept: the latest.
const MaxSubscriptionCalls = 100

// A Gap is a span of time in which a subscription may have missed notifications. Where the provider can tell
// afterwards what has changed, the gap is filled: what was missed enters as events of the source.
type Gap struct {
	ID             string // "gap_…"
	SubscriptionID string
	From, To       time.Time
	Reason         string // why notifications may have been missed

	State GapState
	// in words: what a fill waits for, and of an unknown gap what could not be asked; "" is nothing
	Outcome      string
	Since, Until time.Time // what the provider was asked for; zero while it was not
	Found        int       // changes that the provider told
	Folded       int       // of them, those whose notifications had come, or that were found before

	Announced bool // what is to be announced of this State was published
}

// A GapState says what is known of what happened in a gap.
type GapState string

// The states.
const (
	GapOpen    GapState = "open"    // it is going to be filled
	GapFilling GapState = "filling" // the provider is asked, page by page
	GapFilled  GapState = "filled"  // whatever the provider knows of it is stored
	GapUnknown GapState = "unknown" // Outcome says what cannot be known, or was not asked
)

// Waits reports whether a gap in that state is still to be filled.
func (s GapState) Waits() bool { return s == GapOpen || s == GapFilling }

// A Cursor is a position in the change log of an outside system, kept for a subscription or a destination. Those of a
// gap that is being filled have its id as their key.
type Cursor struct {
	Value   string // a delta link, a change token; stored encrypted. "" is none
	SavedAt time.Time
}

// Bounds of a cursor, in bytes.
const (
	MaxCursorKey   = 512
	MaxCursorBytes = 1 << 20
)

// MaxGaps is how many gaps of a subscription are kept: the latest.
const MaxGaps = 100

// A SubscriptionNote is what is stored together with a new version of a subscription. Nil members are nothing.
type SubscriptionNote struct {
	Call *SubscriptionCall
	Gap  *Gap
}

// A SubscriptionFilter narrows a list of subscriptions. Zero fields select all.
type SubscriptionFilter struct {
	SourceID     string
	ConnectionID string
	Provider     string
	State        SubscriptionState
	Tenant       string
}

// A RemoteSubscription is a registration that a provider shows to a connection.
type RemoteSubscription struct {
	RemoteID     string
	Resource     string
	ChangeTypes  []string
	Origin       string // scheme and host of the URL that the provider calls
	ExpiresAt    time.Time
	Owner        RemoteOwner
	Subscription string // name of ours; "" for another
}

// A RemoteOwner says whose a registration is.
type RemoteOwner string

// The owners.
const (
	RemoteOurs RemoteOwner = "ours" // it is that of a subscription
	// it has our URL and client state, but is that of no subscription: sync deletes it
	RemoteLost    RemoteOwner = "lost"
	RemoteForeign RemoteOwner = "foreign" // it is another's, and is left alone
)

// SourceNotes are what is known of a source beside its settings, for the alarm of silence.
type SourceNotes struct {
	LastEventAt time.Time // to some minutes; kept for a source with ExpectEvery alone
	SilentSince time.Time // as of a subscription
}

// The types of the gateway's own events about subscriptions and sources. The subject is the subscription's or the
// source's name.
const (
	TypeSubscriptionGap = "bellhop.subscription.gap" // it may have missed notifications: from, to, reason
	// A gap was filled, or it was tried and the gap stays unknown: found, folded, since, until, outcome.
	TypeSubscriptionGapFilled  = "bellhop.subscription.gap.filled"
	TypeSubscriptionGapUnknown = "bellhop.subscription.gap.unknown"
	TypeSubscriptionFailing    = "bellhop.subscription.failing" // it is not active any more, or about to expire
	TypeSubscriptionActive     = "bellhop.subscription.active"  // it is active again
	// TypeSourceSilent: a source or a subscription with ExpectEvery has not spoken for so long. There is one for each
	// silence.
	TypeSourceSilent = "bellhop.source.silent"
)

// Bounds of a subscription.
const (
	MaxResource    = 1024 // bytes
	MinExpectEvery = time.Minute
	MaxExpectEvery = 366 * 24 * time.Hour
)

// CheckExpectEvery returns a [CodeInvalid] error at path unless d is 0 or within its bounds.
func CheckExpectEvery(path string, d time.Duration) error {
	if d != 0 && (d < MinExpectEvery || d > MaxExpectEvery) {
		return Invalid(path, "use a length of time from 1m to 366 days, or 0 to expect nothing")
	}
	return nil
}
