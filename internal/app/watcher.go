package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/stream"
)

// This file tells the live stream what happens. The store tells a watcher of events, attempts and requests once they
// are on disk, in their order. Changes of nouns go through a watched store, which every room is handed.

// A watcher is the observer of the store.
type watcher struct {
	hub   *stream.Hub
	known atomic.Pointer[labels] // as of the last reload
}

// labels are what notes say of nouns beside their ids.
type labels struct {
	tenants      map[string]string // of sources, by id
	destinations map[string]label  // by id
}

type label struct{ name, tenant string }

var _ store.Observer = (*watcher)(nil)

// newWatcher returns a watcher with the hub that it tells.
func (a *App) newWatcher() *watcher {
	w := &watcher{hub: stream.New(stream.Options{
		Mark:   func(ctx context.Context) (string, error) { return a.store.NewestMark(ctx) },
		Render: api.WriteNote, Now: time.Now, Metrics: a.registry,
	})}
	w.known.Store(&labels{})
	return w
}

// label notes the names and tenants of nouns.
func (w *watcher) label(sources []bellhop.Source, destinations []bellhop.Destination) {
	l := &labels{tenants: map[string]string{}, destinations: make(map[string]label, len(destinations))}
	for _, s := range sources {
		if s.Tenant != "" {
			l.tenants[s.ID] = s.Tenant
		}
	}
	for _, d := range destinations {
		l.destinations[d.ID] = label{d.Name, d.Tenant}
	}
	w.known.Store(l)
}

// Observing implements [store.Observer].
func (w *watcher) Observing() bool { return w.hub.Observing() }

// Accepted implements [store.Observer].
func (w *watcher) Accepted(ev *bellhop.Event, deliveries []bellhop.NewDelivery) {
	tenant := w.known.Load().tenants[ev.SourceID]
	if tenant == "" {
		tenant = ev.Tenant
	}
	w.hub.Publish(api.EventNote(ev, len(ev.Body), len(deliveries), tenant))
}

// Recorded implements [store.Observer].
func (w *watcher) Recorded(r *bellhop.Result) {
	to := w.known.Load().destinations[r.DestinationID]
	w.hub.Publish(api.AttemptNote(bellhop.Attempted{Result: *r, Destination: to.name, Tenant: to.tenant}))
}

// Noted implements [store.Observer].
func (w *watcher) Noted(r *bellhop.Request) {
	n, ok := api.RequestNote(r, w.known.Load().tenants[r.SourceID])
	if ok {
		w.hub.Publish(n)
	}
}

// A watched is a store that tells the stream of changes of nouns. While nobody listens it does nothing of its own.
type watched struct {
	store.Store
	hub *stream.Hub
}

// A shown is what a message says of a noun. If a change leaves it as it was, there is no message.
type shown struct {
	id, name, tenant, state, reason string
	version                         string // differs after a change that is worth a message though the rest stays
}

// A reading reads what a message says of a noun.
type reading func(ctx context.Context) (shown, error)

// readTimeout bounds one reading. The write that it is about is done.
const readTimeout = 5 * time.Second

// tell does a write, and tells the stream if it changed something. action is created, updated or deleted.
func (s watched) tell(ctx context.Context, kind stream.Kind, action string, read reading, write func() error) error {
	if !s.hub.Observing() {
		return write()
	}
	reads, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*readTimeout)
	defer cancel()
	before, _ := read(reads) // zero if there was none
	err := write()
	if err != nil {
		return err
	}
	after := before
	if action == "deleted" {
		after.state, after.reason = "", ""
	} else if after, err = read(reads); err != nil || after == before {
		return nil
	}
	noun := map[stream.Kind]string{stream.SourceChanged: "source", stream.DestinationChanged: "destination",
		stream.ConnectionChanged: "connection", stream.SubscriptionChanged: "subscription"}[kind]
	n := stream.Note{Kind: kind, At: time.Now(), Tenant: after.tenant, Outcome: action, Thing: &client.StreamChange{
		Noun: noun, ID: after.id, Name: after.name, Action: action, State: after.state, Reason: after.reason}}
	switch kind {
	case stream.SourceChanged:
		n.SourceID = after.id
	case stream.DestinationChanged:
		n.DestinationID = after.id
	}
	s.hub.Publish(n)
	return nil
}

func (s watched) sourceOf(id string) reading {
	return func(ctx context.Context) (shown, error) {
		src, err := s.Store.Source(ctx, id)
		return shown{id: src.ID, name: src.Name, tenant: src.Tenant, version: src.UpdatedAt.String()}, err
	}
}

func (s watched) destinationOf(id string) reading {
	return func(ctx context.Context) (shown, error) {
		d, err := s.Store.Destination(ctx, id)
		out := shown{id: d.ID, name: d.Name, tenant: d.Tenant, state: string(d.State), reason: d.StateReason,
			version: d.UpdatedAt.String()}
		if d.State == bellhop.DestinationActive && !d.FailingSince.IsZero() {
			out.reason = "failing since " + d.FailingSince.UTC().Format(time.RFC3339)
		}
		return out, err
	}
}

func (s watched) connectionOf(id string) reading {
	return func(ctx context.Context) (shown, error) {
		c, err := s.Store.Connection(ctx, id)
		return shown{id: c.ID, name: c.Name, tenant: c.Tenant, state: string(c.State), reason: c.Reason,
			version: c.UpdatedAt.String()}, err
	}
}

func (s watched) subscriptionOf(id string) reading {
	return func(ctx context.Context) (shown, error) {
		sub, err := s.Store.Subscription(ctx, id)
		return shown{id: sub.ID, name: sub.Name, tenant: sub.Tenant, state: string(sub.State), reason: sub.Reason,
			version: sub.ExpiresAt.String()}, err
	}
}

// The methods of [store.Store] that change a noun follow, each with what it tells.

func (s watched) CreateSource(ctx context.Context, src bellhop.Source) error {
	return s.tell(ctx, stream.SourceChanged, "created", s.sourceOf(src.ID),
		func() error { return s.Store.CreateSource(ctx, src) })
}

func (s watched) UpdateSource(ctx context.Context, src bellhop.Source, version ...time.Time) (followed []string,
	err error) {
	err = s.tell(ctx, stream.SourceChanged, "updated", s.sourceOf(src.ID), func() (err error) {
		followed, err = s.Store.UpdateSource(ctx, src, version...)
		return err
	})
	return followed, err
}

func (s watched) DeleteSource(ctx context.Context, id string, version ...time.Time) error {
	return s.tell(ctx, stream.SourceChanged, "deleted", s.sourceOf(id),
		func() error { return s.Store.DeleteSource(ctx, id, version...) })
}

func (s watched) updateDestination(ctx context.Context, id string, write func() error) error {
	return s.tell(ctx, stream.DestinationChanged, "updated", s.destinationOf(id), write)
}

func (s watched) CreateDestination(ctx context.Context, d bellhop.Destination) error {
	return s.tell(ctx, stream.DestinationChanged, "created", s.destinationOf(d.ID),
		func() error { return s.Store.CreateDestination(ctx, d) })
}

func (s watched) UpdateDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error {
	return s.updateDestination(ctx, d.ID, func() error { return s.Store.UpdateDestination(ctx, d, version...) })
}

func (s watched) RestartDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error {
	return s.updateDestination(ctx, d.ID, func() error { return s.Store.RestartDestination(ctx, d, version...) })
}

func (s watched) SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState,
	reason string) error {
	return s.updateDestination(ctx, id, func() error { return s.Store.SetDestinationState(ctx, id, state, reason) })
}

func (s watched) EndDestination(ctx context.Context, id string, updatedAt time.Time, state bellhop.DestinationState,
	reason string) (ended bool, err error) {
	err = s.updateDestination(ctx, id, func() (err error) {
		ended, err = s.Store.EndDestination(ctx, id, updatedAt, state, reason)
		return err
	})
	return ended, err
}

func (s watched) SetFailing(ctx context.Context, id string, since time.Time) error {
	return s.updateDestination(ctx, id, func() error { return s.Store.SetFailing(ctx, id, since) })
}

func (s watched) ExplainUnverified(ctx context.Context, id, reason string, refused bool) error {
	return s.updateDestination(ctx, id, func() error { return s.Store.ExplainUnverified(ctx, id, reason, refused) })
}

// AgreeHandshake learns only from the store which destination the token is of, so what was before is not compared.
func (s watched) AgreeHandshake(ctx context.Context, token [32]byte, granted *bellhop.Rate) (id string, err error) {
	id, err = s.Store.AgreeHandshake(ctx, token, granted)
	if err != nil {
		return id, err
	}
	first := true
	s.tell(ctx, stream.DestinationChanged, "updated", func(ctx context.Context) (shown, error) {
		if first {
			first = false
			return shown{}, nil
		}
		return s.destinationOf(id)(ctx)
	}, func() error { return nil })
	return id, nil
}

func (s watched) DeleteDestination(ctx context.Context, id string, version ...time.Time) error {
	return s.tell(ctx, stream.DestinationChanged, "deleted", s.destinationOf(id),
		func() error { return s.Store.DeleteDestination(ctx, id, version...) })
}

func (s watched) CreateConnection(ctx context.Context, c bellhop.Connection) error {
	return s.tell(ctx, stream.ConnectionChanged, "created", s.connectionOf(c.ID),
		func() error { return s.Store.CreateConnection(ctx, c) })
}

func (s watched) UpdateConnection(ctx context.Context, c bellhop.Connection, version ...time.Time) (followed []string,
	err error) {
	err = s.tell(ctx, stream.ConnectionChanged, "updated", s.connectionOf(c.ID), func() (err error) {
		followed, err = s.Store.UpdateConnection(ctx, c, version...)
		return err
	})
	return followed, err
}

func (s watched) SettleConnection(ctx context.Context, o bellhop.ConnectionOutcome) (current bool, err error) {
	err = s.tell(ctx, stream.ConnectionChanged, "updated", s.connectionOf(o.ID), func() (err error) {
		current, err = s.Store.SettleConnection(ctx, o)
		return err
	})
	return current, err
}

func (s watched) DeleteConnection(ctx context.Context, id string, version ...time.Time) error {
	return s.tell(ctx, stream.ConnectionChanged, "deleted", s.connectionOf(id),
		func() error { return s.Store.DeleteConnection(ctx, id, version...) })
}

func (s watched) CreateSubscription(ctx context.Context, sub bellhop.Subscription) error {
	return s.tell(ctx, stream.SubscriptionChanged, "created", s.subscriptionOf(sub.ID),
		func() error { return s.Store.CreateSubscription(ctx, sub) })
}

func (s watched) SaveSubscription(ctx context.Context, sub bellhop.Subscription, note bellhop.SubscriptionNote) error {
	return s.tell(ctx, stream.SubscriptionChanged, "updated", s.subscriptionOf(sub.ID),
		func() error { return s.Store.SaveSubscription(ctx, sub, note) })
}

func (s watched) DeleteSubscription(ctx context.Context, id string) error {
	return s.tell(ctx, stream.SubscriptionChanged, "deleted", s.subscriptionOf(id),
		func() error { return s.Store.DeleteSubscription(ctx, id) })
}
