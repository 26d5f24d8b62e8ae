package api

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
)

func (s *server) pauseDestination(ctx context.Context, in *one) (*bodyOf[Destination], error) {
	return s.setState(ctx, in.ID, bellhop.DestinationPaused, "paused by a person")
}

func (s *server) resumeDestination(ctx context.Context, in *one) (*bodyOf[Destination], error) {
	out, err := s.setState(ctx, in.ID, bellhop.DestinationActive, "")
	if err == nil {
		s.Engine.Wake(out.Body.ID)
	}
	return out, err
}

// setState puts a destination into a state by a person's wish. In that state already, it stays as it is.
func (s *server) setState(ctx context.Context, id string, state bellhop.DestinationState, reason string) (*bodyOf[Destination], error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := s.Store.Destination(ctx, id)
	if err != nil {
		return nil, err
	}
	if d.State != state {
		d.State, d.StateReason, d.UpdatedAt = state, reason, s.Env.Now()
		if err := s.Store.UpdateDestination(ctx, d); err != nil {
			return nil, err
		}
		s.log.Info("destination."+string(state), "destination_id", d.ID, "destination", d.Name)
	}
	return &bodyOf[Destination]{s.destinationJSON(d)}, s.changed(ctx)
}
