package outbound

import (
	"cmp"
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
func (o *Opener) openAction(t *Target, d bellhop.Destination, a provider.Action,
	connection provider.ConnectionFinder) (_ *Target, err error) {
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
	t.performer, actionErr = a.OpenAction(provider.ActionEnv{Env: o.opts.Env, Files: filesOf(d.Tenant, o.opts.Files),
		Publish: o.opts.Publish, Connection: within(d.Tenant, connection),
		Source: within(d.Tenant, o.opts.Source), Cursors: o.opts.Cursors,
		PublicURL: strings.TrimSuffix(o.opts.PublicURL, "/")}, d)
	t.selector, _ = t.performer.(provider.Selector)
	codes := append([]string{string(egress.ClassTimeout)}, a.Info().Errors...)
	if err := bellhop.Join("", urlErr, accessErr, bellhop.Join("match", matchErr), actionErr, o.checkHandshake(d),
		batchErr, checkDelivery(d, codes)); err != nil {
		return nil, err
	}
	return t, nil
}

// within returns find for the action of a destination of a tenant, which finds the nouns of that tenant alone: a name
// in its settings may have become that of another's. A destination of no tenant was made by an administrator of all.
func within[T any](tenant string, find func(context.Context, string) (T, error)) func(context.Context, string) (T,
	error) {
	if find == nil || tenant == "" {
		return find
	}
	return func(ctx context.Context, idOrName string) (T, error) {
		return find(bellhop.WithTenant(ctx, tenant), idOrName)
	}
}

// tenantFiles are the files of a destination of a tenant: their names begin with that of the tenant, so that those of
// two tenants never meet.
type tenantFiles struct {
	provider.Files
	tenant string
}

// Begin implements [provider.Files].
func (f tenantFiles) Begin(ctx context.Context, file bellhop.File) (bellhop.File, error) {
	file.Name = f.tenant + "/" + file.Name
	return f.Files.Begin(ctx, file)
}

// filesOf returns files for the action of a destination of a tenant.
func filesOf(tenant string, files provider.Files) provider.Files {
	if tenant == "" || files == nil {
		return files
	}
	return tenantFiles{files, tenant}
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
	case len(done.Progress) > bellhop.MaxProgressBytes:
		// it could not be stored, and the next attempt would begin anew
		got.Progress, got.Final = nil, true
		got.Error, got.Detail = errorAction, fmt.Sprintf("%s: its progress has more than %d bytes", t.kind,
			bellhop.MaxProgressBytes)
	case done.Skip:
		got.Class, got.Error = Skipped, ErrorSkipped
	case done.Parked != "" && done.Unmade:
		got.Class, got.Parked = Unmade, done.Parked
	case done.Parked != "":
		got.Class, got.Error, got.Parked = Unsent, cmp.Or(done.Error, ErrorSignedOut), done.Parked
	case done.Status != 0:
		got.Class, got.Status, got.RetryAfter = Answered, done.Status, done.RetryAfter
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
