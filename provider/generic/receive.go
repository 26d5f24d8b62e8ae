package generic

import (
	"context"
	"fmt"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	scheme       scheme
	reader       *reader
	methods      []string
	verifyTokens []string
	preset       preset // the zero preset has no handshake
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string {
	if t, ok := r.scheme.(*token); ok {
		return []string{t.header}
	}
	return nil
}

// Receive verifies a request and makes one event of it, or answers the handshake of a preset.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("generic: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(req *provider.Request) (provider.Receipt, error) {
	if r.preset.query.asks(req) {
		reply, err := r.preset.query.answer(req, r.verifyTokens, r.scheme)
		return provider.Receipt{Reply: reply}, err
	}
	if !slices.Contains(r.methods, req.Method) {
		return provider.Receipt{}, &provider.MethodError{Allow: r.methods}
	}
	proof, err := r.scheme.verify(req)
	if err != nil {
		return provider.Receipt{}, err
	}
	if reply, err := r.preset.body.answer(req, proof); reply != nil || err != nil {
		return provider.Receipt{Reply: reply}, err
	}
	kind, id, err := r.reader.read(req, proof)
	if err != nil {
		return provider.Receipt{}, err
	}
	return provider.Receipt{Status: r.preset.status(), Events: []bellhop.Event{{
		Type:        kind,
		ProviderID:  provider.RepeatKey(id),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}
