package api

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// tryDestination sends one event to a destination that need not be stored, and answers with what came back.
func (s *server) tryDestination(ctx context.Context, in *struct{ Body client.TryRequest }) (*bodyOf[client.Try], error) {
	d, err := s.draftDestination(ctx, in.Body.Destination)
	if err = bellhop.Join("destination", err); err != nil {
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
