package api

import (
	"context"
	"errors"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// maxChain bounds the events of a chain, and maxChainDeliveries the deliveries that are shown of each.
const (
	maxChain           = 250
	maxChainDeliveries = 50
)

// showChain answers with an event, its causes and all that it has caused. An event comes before those that it caused.
func (s *server) showChain(ctx context.Context, in *one) (*bodyOf[client.EventChain], error) {
	first, err := s.Store.Event(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := client.EventChain{Data: []client.ChainEvent{}, Complete: true}
	for range bellhop.MaxHops {
		id := first.Header.Get(bellhop.CauseHeader)
		if id == "" {
			break
		}
		cause, err := s.Store.Event(ctx, id)
		var gone *bellhop.Error
		if errors.As(err, &gone) && gone.Code == bellhop.CodeNotFound {
			out.Complete = false // it was deleted before this one
			break
		} else if err != nil {
			return nil, err
		}
		first = cause
	}
	err = s.followChain(ctx, &out, first, 0)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.EventChain]{out}, nil
}

// followChain adds ev and what it has caused to out.
func (s *server) followChain(ctx context.Context, out *client.EventChain, ev bellhop.Event, depth int) error {
	deliveries, next, err := s.Store.Deliveries(ctx, bellhop.DeliveryFilter{EventID: ev.ID},
		bellhop.Page{Limit: maxChainDeliveries})
	if err != nil {
		return err
	}
	names, err := s.destinationNames(ctx, deliveries...)
	if err != nil {
		return err
	}
	shown := client.ChainEvent{Event: eventJSON(ev), Depth: depth, Deliveries: []client.Delivery{}}
	for _, d := range slices.Backward(deliveries) {
		shown.Deliveries = append(shown.Deliveries, deliveryJSON(d, names))
	}
	out.Complete = out.Complete && next == ""
	out.Data = append(out.Data, shown)
	caused, next, err := s.Store.Events(ctx, bellhop.EventFilter{CausedBy: ev.ID}, bellhop.Page{Limit: maxChain})
	if err != nil {
		return err
	}
	out.Complete = out.Complete && next == ""
	for _, child := range slices.Backward(caused) { // oldest first
		if len(out.Data) >= maxChain || depth >= bellhop.MaxHops {
			out.Complete = false
			return nil
		}
		err := s.followChain(ctx, out, child, depth+1)
		if err != nil {
			return err
		}
	}
	return nil
}
