package stripe

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	secrets   [][]byte
	tolerance time.Duration
	livemode  *bool // the only one taken; nil is either
	now       func() time.Time
}

// Receive verifies the signature, then reads the event.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	e, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("stripe: %w", err)
	}
	return provider.Receipt{Events: []bellhop.Event{{
		Type:        e.eventType,
		Subject:     e.subject,
		ProviderID:  provider.RepeatKey(e.id),
		Time:        e.created,
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) read(req *provider.Request) (event, error) {
	if req.Method != http.MethodPost {
		return event{}, provider.ErrMethod
	}
	if err := Verify(req.Header, req.Body, r.now(), r.tolerance, r.secrets...); err != nil {
		return event{}, err
	}
	e, err := parse(req.Body)
	if err != nil {
		return e, err
	}
	if r.livemode != nil && e.livemode != *r.livemode {
		return e, fmt.Errorf("%w: livemode is not that of settings.livemode", provider.ErrForbidden)
	}
	return e, nil
}
