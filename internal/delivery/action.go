package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// openAction makes dst ready to do the work of a, and refuses what belongs to destinations that send.
func (e *Engine) openAction(dst *destination, a provider.Action) (_ *destination, err error) {
	var urlErr, accessErr, matchErr, batchErr, actionErr error
	if dst.URL != "" {
		urlErr = bellhop.Invalid("url", "an action has no URL, for it works here; leave it out")
	}
	if len(dst.Access) > 0 {
		accessErr = bellhop.Invalid("access", "an action reaches nobody; leave it out")
	}
	if !dst.Batch.IsZero() {
		batchErr = bellhop.Invalid("batch", "an action takes events one at a time; leave it out")
	}
	dst.matcher, matchErr = match.Compile(dst.Match)
	dst.performer, actionErr = a.OpenAction(provider.ActionEnv{Env: e.opts.Env}, dst.Destination)
	if err := bellhop.Join("", urlErr, accessErr, bellhop.Join("match", matchErr), actionErr, e.checkHandshake(dst.Destination), batchErr,
		dst.deliveryError(append([]string{string(egress.ClassTimeout)}, a.Info().Errors...))); err != nil {
		return nil, err
	}
	return dst, nil
}

// perform has an action do its work for d, within the destination's timeout. A stop that loses patience ends it.
func (e *Engine) perform(dst *destination, d *bellhop.Delivery, now time.Time) answer {
	ctx, cancel := context.WithTimeout(e.ctx, dst.Timeout)
	defer cancel()
	done := e.performSafely(ctx, dst, d, provider.AttemptInfo{DeliveryID: d.ID, Attempt: d.Attempts + 1, Time: now})
	got := answer{reply: done.Reply[:min(len(done.Reply), bellhop.MaxReplyBytes)], err: done.Error, detail: done.Detail,
		final: done.Final}
	switch {
	case done.Cut && e.ctx.Err() != nil:
		return answer{err: string(egress.ClassCanceled), detail: "given up"}
	case done.Cut:
		got.err, got.detail = string(egress.ClassTimeout), "not done within "+dst.Timeout.String()
	case done.Error == "":
		got.verdict = bellhop.OutcomeDelivered
	}
	return got
}

// performSafely performs; an action that panics on an event fails that attempt alone.
func (e *Engine) performSafely(ctx context.Context, dst *destination, d *bellhop.Delivery, at provider.AttemptInfo) (done provider.ActionResult) {
	defer func() {
		if p := recover(); p != nil {
			e.opts.Logger.Error("action.panicked", "component", "delivery", "destination_id", dst.ID, "type", dst.Type, "delivery_id", d.ID, "panic", fmt.Sprint(p))
			done = provider.ActionResult{Error: "action", Detail: dst.Type + ": failed on the event", Final: true}
		}
	}()
	return dst.performer.Perform(ctx, d.Event, at)
}
