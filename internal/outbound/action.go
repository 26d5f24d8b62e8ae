package outbound

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// openAction makes t a target that does the work of a, and refuses the fields of d that belong to destinations
// which send.
func (o *Opener) openAction(t *Target, d bellhop.Destination, a provider.Action) (_ *Target, err error) {
	var urlErr, accessErr, matchErr, batchErr, actionErr error
	if d.URL != "" {
		urlErr = bellhop.Invalid("url", "an action runs here and has no URL; leave it out")
	}
	if len(d.Access) > 0 {
		accessErr = bellhop.Invalid("access", "an action sends no request; leave it out")
	}
	if !d.Batch.IsZero() {
		batchErr = bellhop.Invalid("batch", "an action takes events one at a time; leave it out")
	}
	t.whole = true
	t.Matcher, matchErr = match.Compile(d.Match)
	t.performer, actionErr = a.OpenAction(provider.ActionEnv{Env: o.opts.Env, Files: o.opts.Files,
		Publish: o.opts.Publish, Connection: o.opts.Connection, Source: o.opts.Source, Cursors: o.opts.Cursors,
		PublicURL: strings.TrimSuffix(o.opts.PublicURL, "/")}, d)
	codes := append([]string{string(egress.ClassTimeout)}, a.Info().Errors...)
	if err := bellhop.Join("", urlErr, accessErr, bellhop.Join("match", matchErr), actionErr, o.checkHandshake(d),
		batchErr, checkDelivery(d, codes)); err != nil {
		return nil, err
	}
	return t, nil
}

// errorAction is the code of an attempt at which the action itself is at fault.
const errorAction = "action"

// perform has the action do its work for d, within the destination's timeout, until ctx ends. The progress of
// an attempt that is cut off by ctx is not stored: the next process repeats it.
func (t *Target) perform(ctx context.Context, d *bellhop.Delivery, at time.Time) Reply {
	limited, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	done := t.performSafely(limited, d, provider.AttemptInfo{DeliveryID: d.ID, Attempt: d.Attempts + 1, Time: at,
		Progress: d.Progress})
	got := Reply{Class: Failed, Body: done.Reply[:min(len(done.Reply), bellhop.MaxReplyBytes)], Error: done.Error,
		Detail: done.Detail, Final: done.Final,
		Progress: done.Progress}
	switch {
	case done.Cut && ctx.Err() != nil:
		return Reply{Class: Cancelled, Error: string(egress.ClassCanceled), Detail: "given up"}
	case done.Short:
		got.Class, got.Error = Short, string(egress.ClassLocal)
	case done.Cut:
		got.Error, got.Detail = string(egress.ClassTimeout), "not done within "+t.timeout.String()
	case len(done.Progress) > bellhop.MaxProgressBytes: // it could not be stored, and the next attempt would begin anew
		got.Progress, got.Final = nil, true
		got.Error, got.Detail = errorAction, fmt.Sprintf("%s: its progress has more than %d bytes", t.kind,
			bellhop.MaxProgressBytes)
	case done.Skip:
		got.Class, got.Error = Skipped, ErrorSkipped
	case done.Parked != "":
		got.Class, got.Error, got.Parked = Unsent, ErrorSignedOut, done.Parked
	case done.Error == "" && !done.Continue.IsZero():
		got.Class, got.Continue = Answered, done.Continue
	case done.Error == "":
		got.Class, got.Outcome = Answered, bellhop.OutcomeDelivered
	}
	return got
}

// performSafely performs. An action that panics on an event fails that attempt alone.
func (t *Target) performSafely(ctx context.Context, d *bellhop.Delivery,
	at provider.AttemptInfo) (done provider.ActionResult) {
	defer func() {
		if p := recover(); p != nil {
			t.logPanic("action.panicked", p, "delivery_id", d.ID)
			done = provider.ActionResult{Error: errorAction, Detail: t.kind + ": failed on the event", Final: true}
		}
	}()
	ev, err := t.readable(d.Event, bellhop.MaxMaxBodyBytes)
	if err != nil {
		return provider.ActionResult{Error: errorAction, Detail: t.kind + ": " + err.Error(), Final: true}
	}
	return t.performer.Perform(ctx, ev, at)
}
