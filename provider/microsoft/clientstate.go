package microsoft

import (
	"fmt"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// MaxClientStateLength is how many characters Graph, Outlook and SharePoint accept as the client state of a
// subscription: the text that they repeat with every notification.
const MaxClientStateLength = 255

// StateHeader is the header in which SharePoint and Outlook send the client state, in canonical form; they write
// ClientState.
const StateHeader = "Clientstate"

// CheckClientState is [provider.Secrets.Check] for client states. It also refuses client states that are too long,
// and client states that a header would not carry unchanged: with characters other than printable ASCII, or with a
// blank at either end.
func CheckClientState(path string, states provider.Secrets) error {
	if err := states.Check(path); err != nil {
		return err
	}
	var errs []error
	for i, state := range states {
		if !provider.Printable(state) || len(state) > MaxClientStateLength {
			errs = append(errs, bellhop.Invalid(states.Path(path, i),
				"use at most 255 printable ASCII characters, no blank at either end"))
		}
	}
	return bellhop.Join("", errs...)
}

// CheckOneClientState is [CheckClientState] for a destination, which has one client state.
func CheckOneClientState(path string, states provider.Secrets) error {
	if err := states.CheckOne(path); err != nil {
		return err
	}
	return CheckClientState(path, states)
}

// CheckSourceState checks the client states of a source. A source that is unauthenticated, or for the server's own
// subscriptions alone, must have none. The paths of its errors are the settings client_state, unauthenticated and
// subscriptions_only.
func CheckSourceState(states provider.Secrets, unauthenticated, subscriptionsOnly bool) error {
	switch {
	case unauthenticated && subscriptionsOnly:
		return bellhop.Invalid("unauthenticated", "leave it out: notifications of subscriptions have a client state")
	case unauthenticated && states != nil:
		return bellhop.Invalid("unauthenticated", "leave it out: there is a client_state to check")
	case subscriptionsOnly && states != nil:
		return bellhop.Invalid("subscriptions_only", "leave it out: there is a client_state to check")
	case unauthenticated, subscriptionsOnly:
		return nil
	}
	return CheckClientState("client_state", states)
}

// SubscriptionsOnly is the setting of a source without a client state of its own.
var SubscriptionsOnly = provider.Setting{
	Name: "subscriptions_only", Title: "Subscriptions only", Kind: provider.KindFlag, Example: "true",
	Doc: "The source has no client state of its own: it accepts the notifications of subscriptions that Bellhop " +
		"keeps, each with the client state that Bellhop chose for it. Default: false."}

// VerifyHeader reports whether the ClientState header of h is one of states, byte for byte, in constant time.
// It returns signature.ErrMissing if the header is absent or empty, signature.ErrMalformed if it occurs twice, or
// provider.ErrForbidden.
func VerifyHeader(h http.Header, states ...string) error {
	state, err := signature.Single(h, StateHeader)
	if err != nil {
		return fmt.Errorf("ClientState header: %w", err)
	}
	if !signature.EqualToken(state, states...) {
		return fmt.Errorf("%w: another ClientState header", provider.ErrForbidden)
	}
	return nil
}

// VerifyItem reports whether state, the clientState of an item, is one of states, byte for byte, in constant time.
// The caller passes "" for null, "" and a missing member: that is signature.ErrMissing. Any other state is
// provider.ErrForbidden.
func VerifyItem(state string, states ...string) error {
	if state == "" {
		return fmt.Errorf("clientState: %w", signature.ErrMissing)
	}
	if !signature.EqualToken(state, states...) {
		return fmt.Errorf("%w: another clientState", provider.ErrForbidden)
	}
	return nil
}

// FormatTime writes t as Microsoft's services do: in UTC, with seven digits after the second.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
