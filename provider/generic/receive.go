package generic

import (
	"context"
	"fmt"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	scheme  scheme
	reader  *reader
	methods []string
}

var _ provider.Secretive = (*receiver)(nil)

// SecretHeaders implements [provider.Secretive].
func (r *receiver) SecretHeaders() []string {
	if t, ok := r.scheme.(*token); ok {
		return []string{t.header}
	}
	return nil
}

// Receive verifies a request and makes one event of it.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	ev, err := r.event(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("generic: %w", err)
	}
	return provider.Receipt{Events: []bellhop.Event{ev}}, nil
}

func (r *receiver) event(req *provider.Request) (bellhop.Event, error) {
	if !slices.Contains(r.methods, req.Method) {
		return bellhop.Event{}, provider.ErrMethod
	}
	repeat, err := r.scheme.verify(req)
	if err != nil {
		return bellhop.Event{}, err
	}
	kind, id, err := r.reader.read(req)
	if err != nil {
		return bellhop.Event{}, err
	}
	if id == "" && r.reader.bySignature {
		id = repeat
	}
	return bellhop.Event{
		Type:        kind,
		ProviderID:  provider.RepeatKey(id),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}, nil
}
