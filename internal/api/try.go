package api

import (
	"cmp"
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// tryDestination sends one event to a destination that need not be stored, and answers with what came back.
func (s *server) tryDestination(ctx context.Context,
	in *struct{ Body client.TryRequest }) (*bodyOf[client.Try], error) {
	d, err := s.triedDestination(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	var ev bellhop.Event // a test event
	if len(in.Body.Event) > 0 {
		if ev, err = s.previewEvent(ctx, in.Body.Event); err != nil {
			return nil, bellhop.Join("event", err)
		}
	}
	t, err := s.Catalog.Try(ctx, d, ev)
	if err = bellhop.Join("destination", err); err != nil {
		return nil, err
	}
	return &bodyOf[client.Try]{tryJSON(d, t)}, nil
}

// triedDestination returns the destination of a try: the values of one, or a stored one with changes.
func (s *server) triedDestination(ctx context.Context, in client.TryRequest) (bellhop.Destination, error) {
	if len(in.Changes) == 0 {
		d, err := s.draftDestination(ctx, in.Destination)
		return d, bellhop.Join("destination", err)
	}
	name, ok, err := nameIn(in.Destination)
	if err != nil {
		return bellhop.Destination{}, bellhop.Join("destination", err)
	}
	if !ok {
		return bellhop.Destination{}, bellhop.Invalid("changes", "leave it out, or let destination be the name or id "+
			"of a stored one")
	}
	d, err := s.Catalog.DraftChange(ctx, name, func(before bellhop.Destination) (catalog.DestinationChange, error) {
		return s.changeOf(before, in.Changes)
	})
	return d, bellhop.Join("changes", err)
}

// draftDestination returns the destination that n names, or the one with the values of n, checked as a new one.
func (s *server) draftDestination(
	ctx context.Context, n client.NameOr[client.NewDestination],
) (d bellhop.Destination, err error) {
	name, ok, err := nameIn(n)
	switch {
	case err != nil:
		return d, err
	case ok:
		return s.Store.Destination(ctx, name)
	}
	in, err := readAs[client.NewDestination](s, withName(n, "try"))
	if err != nil {
		return d, err
	}
	if d, err = s.readDestination(in); err != nil {
		return d, err
	}
	return s.Catalog.DraftDestination(ctx, d)
}

// tryJSON returns t, a try of d, in its JSON form.
func tryJSON(d bellhop.Destination, t catalog.Try) client.Try {
	out := client.Try{Preview: previewJSON(t.Preview)}
	if d.NeedsHandshake() {
		out.Handshake = d.Handshake
	}
	if !t.Sent {
		return out
	}
	attempt := attemptJSON(t.Attempt)
	out.Attempt, out.State = &attempt, string(t.State)
	if t.State == bellhop.DeliveryPending {
		out.NextAt = client.Time{Time: t.NextAt}
	}
	return out
}

// matchEvents answers which of the newest stored events a destination would want.
func (s *server) matchEvents(
	ctx context.Context, in *struct{ Body client.MatchRequest },
) (*bodyOf[client.MatchedEvents], error) {
	b := in.Body
	var d bellhop.Destination
	if b.Destination != "" {
		stored, err := s.Store.Destination(ctx, b.Destination)
		if err != nil {
			return nil, err
		}
		d = bellhop.Destination{Match: stored.Match, Tenant: stored.Tenant, Tenants: stored.Tenants}
	}
	if b.Match != nil {
		d.Match = bellhop.Match{Sources: b.Match.Sources, Types: b.Match.Types, Where: b.Match.Where}
	}
	d.Tenant = cmp.Or(b.Tenant, d.Tenant)
	if b.Tenants != nil {
		d.Tenants = b.Tenants
	}
	found, err := s.Catalog.MatchEvents(ctx, d, cmp.Or(b.Limit, catalog.DefaultMatched))
	if err != nil {
		return nil, err
	}
	out := client.MatchedEvents{LookedAt: len(found.Events), Wanted: found.Wanted, Excluded: map[string]int{},
		Complete: found.Complete, SearchedTo: client.Time{Time: found.SearchedTo},
		Events: make([]client.MatchedEvent, len(found.Events))}
	for i, m := range found.Events {
		out.Events[i] = client.MatchedEvent{ID: m.Event.ID, Type: m.Event.Type, Subject: m.Event.Subject,
			Source: m.Event.Source, ReceivedAt: client.Time{Time: m.Event.ReceivedAt}, Wanted: m.Reason == "",
			Reason: string(m.Reason), Detail: m.Detail}
		if m.Reason != "" {
			out.Excluded[string(m.Reason)]++
		}
	}
	return &bodyOf[client.MatchedEvents]{out}, nil
}
