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

	// Settings are the provider's own, secrets included; kept encrypted and shown with secrets masked.
	Settings json.RawMessage

	MaxBodyBytes int64 // largest body accepted; 0 is the provider's default
	Disabled     bool  // answers as if it did not exist

	CreatedAt time.Time
	UpdatedAt time.Time
	SecretsAt time.Time // when a secret among Settings was last set
}

// SourceAPI and SourceAPIID are the name and id of the source that events published through the API belong to.
// It has no URL at the door.
const (
	SourceAPI   = "api"
	SourceAPIID = PrefixSource + SourceAPI
)

// SourceSelf and SourceSelfID are the name and id of the source of the gateway's own events: [TypeDestinationDisabled] and its
// like. A match gets them only if it names this source, or types that begin with [TypeSelfPrefix].
const (
	SourceSelf   = "bellhop"
	SourceSelfID = PrefixSource + SourceSelf
)

// DefaultMaxBodyBytes bounds a request body where the source does not say otherwise,
// and MaxMaxBodyBytes what a source may say.
const (
	DefaultMaxBodyBytes = 1 << 20
	MaxMaxBodyBytes     = 32 << 20
)

// MaxNameLength bounds the names of sources and destinations.
const MaxNameLength = 64

// CheckName says whether name can be a source's or destination's: lower-case letters, digits, "-", "_"
// and ".", at most [MaxNameLength] of them, beginning with a letter or digit, and not like an id.
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
	for _, p := range []string{PrefixSource, PrefixDestination} {
		if len(name) > len(p) && name[:len(p)] == p {
			return Invalid("name", "must not begin with "+p+", which marks ids")
		}
	}
	return nil
}
