package outlook

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type receiver struct {
	states []string // none checks nothing
	gaps   bool
	memory *memory // nil looks for gaps within a request only
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string { return []string{StateHeader} }

// Receive answers a handshake, or checks the client state and makes an event of each notification. In front of one
// whose number says that others before it are missing, there is an event that says so.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("outlook: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.ErrMethod
	}
	reply, handshake, err := provider.Echo(req, parameter)
	stateErr := r.checkState(req.Header)
	if handshake && errors.Is(stateErr, signature.ErrMissing) {
		stateErr = nil // a handshake needs none
	}
	switch {
	case stateErr != nil:
		return provider.Receipt{}, stateErr
	case handshake:
		return provider.Receipt{Reply: reply}, err
	}
	items, err := readItems(req.Body)
	if err != nil {
		return provider.Receipt{}, err
	}
	return r.events(items, provider.ContentType(req.Header)), nil
}

// parameter holds the token of a handshake. Outlook writes it so; others look for it in lower case.
const parameter = "validationToken"

func (r *receiver) checkState(h http.Header) error {
	if len(r.states) == 0 {
		return nil
	}
	return Verify(h, r.states...)
}

// events makes the receipt of a batch. An item that cannot be read is refused by itself.
func (r *receiver) events(items [][]byte, contentType string) provider.Receipt {
	receipt := provider.Receipt{Status: http.StatusOK}
	watch := batch{memory: r.memory}
	for i, item := range items {
		n, err := parse(item)
		if err != nil {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: fmt.Errorf("outlook: %w", err)})
			continue
		}
		if r.gaps {
			if missing, ok := watch.missing(n); ok {
				receipt.Events = append(receipt.Events, missing.event(n.subscription))
			}
		}
		receipt.Events = append(receipt.Events, bellhop.Event{
			Type:        n.eventType,
			Subject:     n.subject(),
			ProviderID:  n.repeatKey(),
			ContentType: contentType,
			Body:        item,
		})
	}
	return receipt
}
