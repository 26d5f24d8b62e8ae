package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Subscriber is a provider whose system has to be asked to call a source: by a registration that expires, which the
// server calls a subscription. A system without an expiry, or one that makes a registration in the background, fits
// too: see [Remote].
type Subscriber interface {
	Provider
	// SubscribeInfo is constant.
	SubscribeInfo() SubscribeInfo
	// CheckRegistration checks resource, change types and settings of r, and returns the terms that the system has for
	// such a registration. source are the settings of the source that is to be called. The errors are
	// bellhop.CodeInvalid with the paths "resource", "change_types[1]", "settings.name", and "source" for what its
	// settings lack.
	CheckRegistration(r Registration, source json.RawMessage) (Terms, error)
	// OpenSubscriptions returns the calls of the system's API for one connection.
	OpenSubscriptions(env Env, api API) Subscriptions
}

// SubscribeInfo describes the registrations of a system.
type SubscribeInfo struct {
	Settings    []Setting // of a subscription
	Resource    string    // what a resource is, in Markdown, with an example
	ChangeTypes []string  // that a registration may name; nil if it names none

	MaxClientState int           // the longest client state, in bytes
	Handshake      string        // the query parameter of the request that validates our URL; "" if it has none
	AnswerWithin   time.Duration // how soon the handshake must be answered
	// Expected names the handshake in words, and Try is a command that tries it from outside, in which URL stands for
	// ours, with what it must print. Both are "" where Handshake says it.
	Expected, Try string
	// Repeats is for how long the system repeats a notification that we do not accept. If the server was away for
	// longer, notifications are lost.
	Repeats time.Duration
	// Lists reports whether the API can list registrations. A connection may still lack the permission.
	Lists bool
	// Connector is the name of the provider whose connections make the calls; "" is the provider itself.
	Connector string
	// FromSource reports that registrations have secrets of the settings of their source: each is compared by Get
	// after the settings have changed, and in each sweep.
	FromSource bool
}

// A Namer is a Subscriber whose registrations have names of ours, which are their ids. So Create may be repeated: it
// replaces the registration of that name.
type Namer interface {
	Subscriber
	// RegistrationName returns the name of r, which follows from its client state.
	RegistrationName(r Registration) string
}

// Terms are what a system grants to one kind of registration.
type Terms struct {
	Longest time.Duration // the longest lifetime; 0: it does not expire
	// Fallback is a shorter lifetime to ask for after the longest one was refused; 0 is none.
	Fallback time.Duration
	// Encrypted reports whether the system needs a certificate, for which it encrypts the content of notifications.
	Encrypted bool
	// Depends is a hash of what the system was told of the source's settings, such as a key; "" is nothing. When it
	// changes, a registration is made in place of the one before.
	Depends string
}

// A Registration is what the server asks a system for.
type Registration struct {
	Resource    string
	ChangeTypes []string        // sorted as the user gave them
	Settings    json.RawMessage // an object; may be empty
	Source      json.RawMessage // settings of the source, secrets included; empty if there is no source

	URL         string      // of the source
	ClientState string      // to be repeated with each notification
	Certificate Certificate // for Terms.Encrypted
	ExpiresAt   time.Time   // the wish; zero for a system without an expiry

	// RemoteResource and RemoteID are Resource and ID of the Remote that was made; "" before.
	RemoteResource, RemoteID string
}

// A Remote is a registration as its system shows it.
type Remote struct {
	ID          string
	Resource    string // as the system names it
	ChangeTypes []string
	URL         string
	ClientState string // "" if the system does not show it
	ExpiresAt   time.Time
	// Pending reports that the system still makes the registration: Get tells how that ends.
	Pending bool
	Waiting string // in words, what a registration that is Pending waits for; may be ""
	// Differs says in words in what the registration is not what was asked for; "" is in nothing, or it is not known.
	// Renew puts it right.
	Differs string
}

// Subscriptions are the calls of one system's API for one connection. Their errors are *APIError, as those of
// [API.Do]: of APIExists with ExistingID where the system names it, of APITooLong if r.ExpiresAt was refused, of
// APIHandshake if the system did not get the answer that it expects from r.URL, and of APIGone if there is no such
// registration. They are safe for concurrent use.
type Subscriptions interface {
	// Create registers r. The handshake happens during the call.
	Create(ctx context.Context, r Registration) (Remote, error)
	// Renew asks for r.ExpiresAt, and for the certificate of r if that is set. The ExpiresAt of the answer is what the
	// system grants: it may be earlier.
	Renew(ctx context.Context, id string, r Registration) (Remote, error)
	// Reauthorize answers the system's request to authorize a registration again, which does not extend it. A system
	// without such a request renews.
	Reauthorize(ctx context.Context, id string, r Registration) error
	// Get returns one registration.
	Get(ctx context.Context, id string, r Registration) (Remote, error)
	// Delete ends a registration. One that is not there is no error.
	Delete(ctx context.Context, id string, r Registration) error
	// List returns all registrations that the connection may see and that have the scope of r: see ListScope. It is an
	// error of APIInvalid for a system that cannot.
	List(ctx context.Context, r Registration) ([]Remote, error)
	// ListScope returns which list r is in: "" if the connection has one list.
	ListScope(r Registration) string
}

// A HandshakeTeller is a Subscriber whose system validates the URL of a source by a handshake. The server notes the
// handshakes that a source refuses, so that the owner of a subscription learns why a registration failed.
type HandshakeTeller interface {
	Subscriber
	// IsHandshake reports whether req is a handshake of the system, be it right or wrong. It looks at all of req but
	// the body, which is nil for a request that is refused by its header.
	IsHandshake(req *Request) bool
}

// SubscriberOf returns the Subscriber of that name.
func SubscriberOf(providers []Provider, name string) (Subscriber, bool) {
	for _, p := range providers {
		if p.Info().Name == name {
			s, ok := p.(Subscriber)
			return s, ok
		}
	}
	return nil, false
}

// CheckChangeTypes checks the change types of a registration: at least one of known, none twice, and only those of
// allowed unless that is nil. Letter case does not matter. Its errors have the path "change_types".
func CheckChangeTypes(given, known, allowed []string) error {
	if allowed == nil {
		allowed = known
	}
	if len(given) == 0 {
		return bellhop.Invalid("change_types", "required: one or more of "+strings.Join(allowed, ", "))
	}
	var errs []error
	for i, change := range given {
		is := func(other string) bool { return strings.EqualFold(other, change) }
		path := fmt.Sprintf("change_types[%d]", i)
		switch {
		case !slices.ContainsFunc(known, is):
			errs = append(errs, bellhop.Invalid(path, "unknown; use "+strings.Join(allowed, ", ")))
		case !slices.ContainsFunc(allowed, is):
			errs = append(errs, bellhop.Invalid(path, "this resource has only "+strings.Join(allowed, ", ")))
		case slices.IndexFunc(given, is) < i:
			errs = append(errs, bellhop.Invalid(path, "is there twice"))
		}
	}
	return bellhop.Join("", errs...)
}

// Subscribed knows the subscriptions that the server keeps for one source. A Receiver asks it beside the settings of
// the source. It is safe for concurrent use and never waits.
type Subscribed interface {
	// Any reports whether there is a subscription. If there is none, the other methods say no.
	Any() bool
	// Takes reports whether a notification of the registration remoteID may have that client state: the state of that
	// registration or, if the id is not known, the state of a subscription whose registration is being made.
	Takes(remoteID, state string) bool
	// Knows reports whether state is that of some subscription of the source.
	Knows(state string) bool
	// Key returns the private key of a certificate by the id that the system repeats: an *rsa.PrivateKey; nil if there
	// is none.
	Key(certificateID string) any
}

// A Heard is what a receipt tells about one of the server's subscriptions.
type Heard struct {
	RemoteID string
	Kind     HeardKind
}

// A HeardKind is the kind of a Heard.
type HeardKind string

// The kinds.
const (
	HeardNotification HeardKind = ""            // something happened in the resource
	HeardReauthorize  HeardKind = "reauthorize" // the system wants the registration authorized again
	HeardRemoved      HeardKind = "removed"     // the system has ended the registration
	HeardMissed       HeardKind = "missed"      // notifications were lost
)
