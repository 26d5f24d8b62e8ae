package app

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/ingest"
	"github.com/bellhop-gateway/bellhop/internal/subscription"
)

// subscriptions is the manager of subscriptions as the API asks for it: in the JSON forms of package client.
type subscriptions struct{ *subscription.Manager }

var (
	_ api.Subscriptions    = subscriptions{}
	_ ingest.Subscriptions = (*subscription.Manager)(nil)
)

// Sync implements [api.Subscriptions].
func (s subscriptions) Sync(ctx context.Context) (client.SubscriptionSync, error) {
	done, err := s.Manager.Sync(ctx)
	return client.SubscriptionSync{Checked: done.Checked, Found: done.Found,
		Doubted: append([]string{}, done.Doubted...),
		Strays:  done.Strays, Errors: append([]string{}, done.Errors...)}, err
}

// openSubscriptions makes the room of subscriptions. It comes before the door, which asks it about each source.
func (a *App) openSubscriptions() {
	a.keeper = subscription.New(subscription.Options{
		Store: a.store, Connections: a.links, Providers: a.opts.Providers, PublicURL: a.opts.Config.PublicURL,
		Announce: func(ctx context.Context, ev bellhop.Event) error { return a.door.Announce(ctx, ev) },
		PublishCaughtUp: func(ctx context.Context, sourceID, gapID string, events []bellhop.Event) (int, error) {
			return a.door.PublishCaughtUp(ctx, sourceID, gapID, events)
		},
		Now: time.Now, Rand: rand.Reader, Logger: a.opts.Logger, Metrics: a.registry,
	})
}

// runSubscriptions keeps the subscriptions until ctx ends.
func (a *App) runSubscriptions(ctx context.Context) {
	err := a.keeper.Run(ctx)
	if err != nil {
		a.log.Error("subscriptions.stopped", "error", err)
	}
}
