package bellhop

import (
	"encoding/json"
	"time"
)

// A Source is one inbound URL of one provider, with its secrets.
type Source struct {
	ID       string // "src_…"
	Name     string // unique among sources; the last part of its URL
	Provider string // name of the provider that reads its requests
	Tenant   string // the tenant that the source belongs to; "" is none

	// Settings are those of the provider, secrets included. They are stored encrypted and shown with secrets masked.
	Settings json.RawMessage

	MaxBodyBytes int64 // largest accepted body; 0 is the provider's default
	Disabled     bool  // the door answers as if the source did not exist

	Reply *SourceReply // the answer to accepted requests; nil is an empty one with the status of the provider

	ExpectEvery time.Duration // how long it may be silent: see [TypeSourceSilent]; 0 is for ever

	Retention SourceRetention // how long and how much of its events is kept; zero is as the server says

	CreatedAt time.Time
	UpdatedAt time.Time
	SecretsAt SecretTimes // when each secret among Settings was set
}

// A SourceRetention bounds the events of a source that are kept. The oldest ones go first, and none whose delivery is
// pending.
type SourceRetention struct {
	Age      time.Duration // in place of what the server says; 0 is that
	MaxBytes int64         // of bodies and headers; 0 is no bound
}

// MinRetentionAge is the shortest age of a [SourceRetention].
const MinRetentionAge = time.Minute

// Check returns a [CodeInvalid] error for values that cannot be accepted.
func (r SourceRetention) Check() error {
	switch {
	case r.Age != 0 && r.Age < MinRetentionAge:
		return Invalid("age", "use at least 1m")
	case r.MaxBytes < 0:
		return Invalid("max_bytes", "use a number of at least 0; 0 is no bound")
	}
	return nil
}

// A SourceReply is the answer of a source's own to a request whose events are stored, for senders that want one: a
// slash command, a call that asks what to say. It never changes what is stored.
type SourceReply struct {
	Status int `json:"status,omitempty"` // 200 to 299; 0 is 200
	// "" is text/plain, or application/json if Template gives no text
	ContentType string `json:"content_type,omitempty"`
	Body        string `json:"body,omitempty"`     // sent as it is; at most [MaxSourceReplyBytes]
	Template    string `json:"template,omitempty"` // an expression over the first event, in place of Body
}

// MaxSourceReplyBytes bounds the body of a [SourceReply].
const MaxSourceReplyBytes = 64 << 10

// SourceAPI and SourceAPIID are the name and id of the source of events that are published through the API. It has
// no URL at the door.
const (
	SourceAPI   = "api"
	SourceAPIID = PrefixSource + SourceAPI
)

// SourceSelf and SourceSelfID are the name and id of the source of the gateway's own events, such as
// [TypeDestinationDisabled]. A match wants them only if it names this source or a type that begins with
// [TypeSelfPrefix].
const (
	SourceSelf   = "bellhop"
	SourceSelfID = PrefixSource + SourceSelf
)

// DefaultMaxBodyBytes bounds a request body unless the source or its provider sets another bound; MaxMaxBodyBytes is
// the largest bound that a source may set.
const (
	DefaultMaxBodyBytes = 1 << 20
	MaxMaxBodyBytes     = 32 << 20
)

// MaxNameLength bounds the names of sources, destinations and connections.
const MaxNameLength = 64

// CheckName returns a [CodeInvalid] error unless name can be the name of a source, a destination or a connection: 1 to
// [MaxNameLength] lower-case letters, digits, "-", "_" and ".". It begins with a letter or digit, and not with the
// prefix of an id.
func CheckName(name string) error {
	const rule = "use 1 to 64 lower-case letters, digits, -, _ or ., beginning with a letter or digit"
	if name == "" || len(name) > MaxNameLength {
		return Invalid("name", rule)
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_' && c != '.') {
			return Invalid("name", rule)
		}
	}
	for _, p := range []string{PrefixSource, PrefixDestination, PrefixConnection, PrefixSubscription, PrefixKey,
		PrefixTenant} {
		if len(name) > len(p) && name[:len(p)] == p {
			return Invalid("name", "must not begin with "+p+", which marks ids")
		}
	}
	return nil
}

// SecretTimes says when each secret of a source or destination was set, by its path: "settings.secret",
// "settings.headers.X-Key", "access.token". A secret without an entry was set at an unknown time.
type SecretTimes map[string]time.Time
