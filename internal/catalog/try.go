package catalog

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// MaxTryTimeout bounds the attempt of a try, whatever the timeout of the destination: somebody waits for the answer.
const MaxTryTimeout = 25 * time.Second

// DraftDestination checks and completes a destination as CreateDestination does, and stores nothing.
func (c *Catalog) DraftDestination(ctx context.Context, d bellhop.Destination) (bellhop.Destination, error) {
	tenant, tenantErr := c.owner(ctx, d.Tenant)
	d.Tenant = tenant
	return c.newDestination(d, nil, tenantErr, c.checkTenants(ctx, d.Tenants, nil))
}

// DraftChange completes and checks the successor that change makes of a stored destination as UpdateDestination does,
// and stores nothing. It refuses, as that does, to send stored secrets to another address unless the change says so.
func (c *Catalog) DraftChange(ctx context.Context, idOrName string,
	change func(before bellhop.Destination) (DestinationChange, error)) (bellhop.Destination, error) {
	before, err := c.opts.Store.Destination(ctx, idOrName)
	if err != nil {
		return before, err
	}
	to, err := change(before)
	if err != nil {
		return before, err
	}
	after, _, _, err := c.succeedDestination(before, to, nil, c.checkTenants(ctx, to.After.Tenants, before.Tenants))
	return after, err
}

// A Try is one attempt that was made to try a destination out.
type Try struct {
	Preview             // of the request; its secrets are masked
	bellhop.Result      // zero if nothing was sent
	Sent           bool // whether the attempt was made
}

// Try sends ev to d once, whatever the match of d says, and returns what came back. d need not be stored. Nothing is
// stored, and no limit of d counts. Nothing is sent if ev cannot be rendered, or if the type's own filter skips it.
// The secrets of d are masked, also where the receiver repeats them. The zero event is a test event.
func (c *Catalog) Try(ctx context.Context, d bellhop.Destination, ev bellhop.Event) (t Try, err error) {
	_, isAction := c.action(d.Type)
	if isAction || d.Type == bellhop.TypePull {
		return t, bellhop.Invalid("type", "only http and the types that send can be tried: nothing is sent to "+
			"pull, and an action does its work here and may store what it makes; create the destination and test it")
	}
	if ev.ID == "" {
		ev, err = c.SampleEvent(ctx, c.testEvent(d), "")
		if err != nil {
			return t, err
		}
	}
	if t.Preview, err = c.Preview(d, ev); err != nil {
		return t, err
	}
	if !d.Takes(c.opts.Engine.OwnerOf(&ev)) {
		return t, bellhop.Conflict("the event belongs to another tenant than the destination, whose tenants do not " +
			"name it, so nothing was sent")
	}
	if t.Method == "" {
		return t, nil
	}
	d.Timeout = min(d.Timeout, MaxTryTimeout)
	if t.Result, err = c.opts.Engine.Try(ctx, d, ev); err != nil {
		return t, err
	}
	t.Sent = true
	texts := c.secretTexts(d)
	if writes(d.Type) { // a receiver may repeat the headers that it got
		texts = append(texts, secrets{all: true}.texts(members(d.Settings)["headers"])...)
	}
	mask := textMask(texts)
	t.Attempt.Reply, t.Attempt.Detail = []byte(mask(string(t.Attempt.Reply))), mask(t.Attempt.Detail)
	c.log.Info("destination.tried", "destination", d.Name, "type", d.Type, "status", t.Attempt.Status, "error",
		t.Attempt.Error)
	return t, nil
}
