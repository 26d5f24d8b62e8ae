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

// TypeChanged is the type of each event: SharePoint names none, and does not tell what kind of change there was.
const TypeChanged = "sharepoint.changed"

// parameter holds the token of a handshake. SharePoint writes it so; its documentation also has validationToken.
const parameter = "validationtoken"

type receiver struct{ microsoft.BatchReader }

var _ provider.SecretHeaders = (*receiver)(nil)

// Receive answers a handshake, or makes an event of each item with the right client state. Subscriptions of a tenant
// that share a URL share requests too, so an item is refused by itself.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	return r.Read(req, func(receipt *provider.Receipt, item []byte, proven bool) error {
		n, err := parse(item)
		if err == nil {
			err = r.checkItem(n, proven)
		}
		if err != nil {
			return err
		}
		receipt.Events = append(receipt.Events, bellhop.Event{Type: TypeChanged, Subject: provider.Subject(n.resource), Body: item})
		return nil
	})
}

// checkItem looks first for the proof, then for what an item needs.
func (r *receiver) checkItem(n notification, proven bool) error {
	if err := r.checkState(n, proven); err != nil {
		return err
	}
	if n.subscription == "" {
		return fmt.Errorf("%w: no subscriptionId", provider.ErrBody)
	}
	return nil
}

// checkState compares the client state of an item. One that has none is taken if the header had it.
func (r *receiver) checkState(n notification, proven bool) error {
	switch {
	case len(r.States) == 0 || n.state == "" && !n.oddState && proven:
		return nil
	case n.oddState:
		return fmt.Errorf("%w: clientState is not a text", provider.ErrForbidden)
	}
	return VerifyItem(n.state, r.States...)
}

// A notification is what this package reads of an item.
type notification struct {
	subscription string
	resource     string // the list's id
	state        string // "" for null, "" and no member at all
	oddState     bool   // clientState is there, and neither a text nor null
}

// memberState is an item's member with the client state.
const memberState = "clientState"

// parse reads an item. Its error wraps provider.ErrBody: not an object.
func parse(item []byte) (notification, error) {
	var n notification
	err := strictjson.Object(item, func(name, value []byte) {
		switch string(name) {
		case "subscriptionId":
			n.subscription, _ = strictjson.Text(value)
		case "resource":
			n.resource, _ = strictjson.Text(value)
		case memberState:
			var text bool
			n.state, text = strictjson.Text(value)
			n.oddState = !text && string(value) != "null"
		}
	})
	return n, err
}

// StateHeader is the header that may hold the client state, in canonical form; SharePoint writes ClientState.
const StateHeader = microsoft.StateHeader

// VerifyHeader reports whether the ClientState header of h is one of states, byte for byte, in constant time.
// It returns signature.ErrMissing if it is absent or empty, signature.ErrMalformed if it is there twice, or
// provider.ErrForbidden. Vendor samples ask for the header; the reference leaves it out, so its absence proves nothing.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/get-started-webhooks
func VerifyHeader(h http.Header, states ...string) error {
	return microsoft.VerifyHeader(h, states...)
}

// VerifyItem reports whether state, the clientState of an item, is one of states, byte for byte, in constant time.
// null, "" and no member at all are the same: signature.ErrMissing. Otherwise it returns provider.ErrForbidden.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks
func VerifyItem(state string, states ...string) error {
	return microsoft.VerifyItem(state, states...)
}
