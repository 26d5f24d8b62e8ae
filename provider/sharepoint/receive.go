package sharepoint

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TypeChanged is the type of each event: SharePoint names none, and does not tell what kind of change there was.
const TypeChanged = "sharepoint.changed"

// parameter holds the token of a handshake. SharePoint writes it so; its documentation also has validationToken.
const parameter = "validationtoken"

type receiver struct {
	states []string // none checks nothing
	strict bool     // a handshake needs the header too
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string { return []string{StateHeader} }

// Receive answers a handshake, or makes an event of each item with the right client state.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("sharepoint: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.ErrMethod
	}
	inHeader, err := r.checkHeader(req.Header)
	if err != nil {
		return provider.Receipt{}, err
	}
	reply, handshake, err := provider.Echo(req, parameter)
	switch {
	case handshake && r.strict && !inHeader:
		return provider.Receipt{}, fmt.Errorf("handshake without a ClientState header: %w", signature.ErrMissing)
	case handshake:
		return provider.Receipt{Reply: reply}, err
	}
	items, err := readItems(req.Body)
	if err != nil {
		return provider.Receipt{}, err
	}
	return r.events(items, inHeader, provider.ContentType(req.Header)), nil
}

// checkHeader reports whether the header has the client state. That it has none is no error; that it has another is.
func (r *receiver) checkHeader(h http.Header) (there bool, err error) {
	if len(r.states) == 0 {
		return false, nil
	}
	err = VerifyHeader(h, r.states...)
	if errors.Is(err, signature.ErrMissing) {
		return false, nil
	}
	return err == nil, err
}

// events makes the receipt of a batch. Subscriptions of a tenant that share a URL share requests too, so an item is
// refused by itself.
func (r *receiver) events(items [][]byte, inHeader bool, contentType string) provider.Receipt {
	receipt := provider.Receipt{Status: http.StatusOK}
	for i, item := range items {
		n, err := parse(item)
		if err == nil {
			err = r.checkItem(n, inHeader)
		}
		if err != nil {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: fmt.Errorf("sharepoint: %w", err)})
			continue
		}
		receipt.Events = append(receipt.Events, bellhop.Event{
			Type:        TypeChanged,
			Subject:     provider.Subject(n.resource),
			ContentType: contentType,
			Body:        item,
		})
	}
	return receipt
}

// checkItem looks first for the proof, then for what an item needs.
func (r *receiver) checkItem(n notification, inHeader bool) error {
	if err := r.checkState(n, inHeader); err != nil {
		return err
	}
	if n.subscription == "" {
		return fmt.Errorf("%w: no subscriptionId", provider.ErrBody)
	}
	return nil
}

// checkState compares the client state of an item. One that has none is taken if the header had it.
func (r *receiver) checkState(n notification, inHeader bool) error {
	switch {
	case len(r.states) == 0 || n.state == "" && !n.oddState && inHeader:
		return nil
	case n.oddState:
		return fmt.Errorf("%w: clientState is not a text", provider.ErrForbidden)
	}
	return VerifyItem(n.state, r.states...)
}
