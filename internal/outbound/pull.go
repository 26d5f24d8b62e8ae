package outbound

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file opens destinations of type pull, which send nothing: a program fetches each delivery in the form in which
// it would be sent to a destination of type http.

// openPull makes t a target of type pull, and refuses the fields of d that belong to destinations which send. Its
// settings are those of type http, but no format requires a secret: the program has a key of the API.
func (o *Opener) openPull(t *Target, d bellhop.Destination) (*Target, error) {
	var urlErr, accessErr, batchErr error
	if d.URL != "" {
		urlErr = bellhop.Invalid("url", "a program pulls the deliveries of a destination of type pull, which has no "+
			"URL; leave it out")
	}
	if len(d.Access) > 0 {
		accessErr = bellhop.Invalid("access", "a destination of type pull sends no request; leave it out")
	}
	if !d.Batch.IsZero() {
		batchErr = bellhop.Invalid("batch", "each pull says how many deliveries it takes; leave it out")
	}
	var leaseErr, matchErr error
	if d.Timeout < bellhop.MinLease {
		leaseErr = bellhop.Invalid("timeout",
			`of type pull is how long a lease lasts: use a length of time of at least "1s"`)
	}
	t.pulled = true
	t.Matcher, matchErr = match.Compile(d.Match)
	settingsErr := o.openHTTP(t, d.Settings, false)
	t.renderBatch = nil
	err := bellhop.Join("", urlErr, accessErr, bellhop.Join("match", matchErr), bellhop.Join("settings", settingsErr),
		o.checkHandshake(d), leaseErr, batchErr,
		checkDelivery(d, []string{string(egress.ClassTimeout), bellhop.ErrorNacked}))
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Pulled reports whether programs pull the deliveries: then Send is not to be called.
func (t *Target) Pulled() bool { return t.pulled }

// A Form is an event as it is handed to a program that pulled it.
type Form struct {
	Header http.Header
	Body   []byte
}

// Form renders the form of the next attempt for d, at the time at. If there is none, ok is false and the Reply says
// why: the attempt has ended with it.
func (t *Target) Form(ctx context.Context, d *bellhop.Delivery, at time.Time) (f Form, why Reply, ok bool) {
	m, err := t.renderInTurn(ctx, []*bellhop.Delivery{d},
		provider.AttemptInfo{DeliveryID: d.ID, Attempt: d.Attempts + 1,
			Time: at, ExpiresAt: t.expiresAt})
	if err != nil {
		return f, unrendered(ctx, err), false
	}
	return Form{readHeader(appendTrace(ctx, m.header, []*bellhop.Delivery{d})), m.body}, why, true
}

// unrendered returns the Reply of an attempt whose event could not be rendered because of err.
func unrendered(ctx context.Context, err error) Reply {
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return Reply{Class: Cancelled, Error: string(egress.ClassCanceled), Detail: "given up"}
	case errors.Is(err, provider.ErrSkip):
		return Reply{Class: Skipped, Error: ErrorSkipped, Detail: err.Error()}
	}
	return Reply{Class: Unsent, Error: ErrorRender, Detail: err.Error(), Final: true}
}
