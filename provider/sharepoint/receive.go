package sharepoint

import (
	"context"
	"fmt"

	"github.com/bellhop-gateway/bellhop"
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
