package sharepoint

import (
	"context"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// TypeChanged is the type of every event: SharePoint does not name the kind of change.
const TypeChanged = "sharepoint.changed"

// parameter is the query parameter with the token of a handshake, as SharePoint spells it; its documentation also
// has validationToken.
const parameter = "validationtoken"

type receiver struct{ microsoft.BatchReader }

var _ provider.SecretHeaders = (*receiver)(nil)

// Receive answers a handshake, or returns an event for each item with the right client state. Subscriptions of a
// tenant with the same URL share requests, so each item is checked and refused by itself.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	return r.Read(req, func(receipt *provider.Receipt, item []byte, proof microsoft.Proof) error {
		n, err := parse(item)
		if err == nil {
			err = r.checkItem(n, proof)
		}
		if err != nil {
			return err
		}
		r.Hear(receipt, n.subscription, provider.HeardNotification)
		receipt.Events = append(receipt.Events, bellhop.Event{Type: TypeChanged,
			Subject: provider.Subject(n.resource), Body: item})
		return nil
	})
}

// checkItem checks the client state first, then the required members.
func (r *receiver) checkItem(n notification, proof microsoft.Proof) error {
	if err := r.checkState(n, proof); err != nil {
		return err
	}
	if n.subscription == "" {
		return fmt.Errorf("%w: subscriptionId is missing", provider.ErrBody)
	}
	return nil
}

// checkState compares the client state of an item. An item without one is accepted if the header had the right one.
func (r *receiver) checkState(n notification, proof microsoft.Proof) error {
	switch {
	case r.Unchecked || n.state == "" && !n.oddState && r.Proves(proof, n.subscription):
		return nil
	case n.oddState:
		return fmt.Errorf("%w: clientState is not a text", provider.ErrForbidden)
	}
	return r.VerifyItem(n.subscription, n.state)
}

// A notification holds the members of an item that this package reads.
type notification struct {
	subscription string
	resource     string // the id of the list
	state        string // "" if null, empty or absent
	oddState     bool   // clientState is neither a text nor null
}

// memberState is the member of an item with the client state.
const memberState = "clientState"

// parse parses an item. Its error wraps provider.ErrBody if the item is not an object.
func parse(item []byte) (notification, error) {
	subscription, resource := strictjson.Member{Name: "subscriptionId"}, strictjson.Member{Name: "resource"}
	state := strictjson.Member{Name: memberState}
	if err := strictjson.FindAll(item, &subscription, &resource, &state); err != nil {
		return notification{}, err
	}
	n := notification{subscription: subscription.Text(), resource: resource.Text()}
	if state.Value != nil && !state.Is("null") {
		var text bool
		n.state, text = strictjson.Text(state.Value)
		n.oddState = !text
	}
	return n, nil
}

// StateHeader is the header that may have the client state, in canonical form; SharePoint spells it ClientState.
const StateHeader = microsoft.StateHeader

// VerifyHeader returns nil if the ClientState header of h is one of states, byte for byte; it compares in constant
// time. It returns signature.ErrMissing if the header is absent or empty, signature.ErrMalformed if it is
// repeated, or provider.ErrForbidden. Samples of the vendor require the header, but the reference does not mention
// it, so its absence is no proof of forgery.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/get-started-webhooks
func VerifyHeader(h http.Header, states ...string) error {
	return microsoft.VerifyHeader(h, states...)
}

// VerifyItem returns nil if state, the clientState of an item, is one of states, byte for byte; it compares in
// constant time. It returns signature.ErrMissing if the member is null, empty or absent, and provider.ErrForbidden
// if it is another text.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks
func VerifyItem(state string, states ...string) error {
	return microsoft.VerifyItem(state, states...)
}
