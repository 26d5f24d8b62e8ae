package api

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
)

// errExpired answers whoever would pause or resume a destination whose time is over.
var errExpired = bellhop.Conflict("its time is over: set expires_at to a moment to come, or to null, and it goes on")

func (s *server) pauseDestination(ctx context.Context, in *one) (*bodyOf[Destination], error) {
	d, err := s.setState(ctx, in.ID, func(d *bellhop.Destination) error {
		if d.State == bellhop.DestinationExpired {
			return errExpired
		}
		d.State, d.StateReason = bellhop.DestinationPaused, "paused by a person"
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &bodyOf[Destination]{s.destinationJSON(d)}, nil
}

// resumeDestination makes a destination active again; one whose receiver has to agree is asked again first. One that is
// active stays so.
func (s *server) resumeDestination(ctx context.Context, in *one) (*bodyOf[Destination], error) {
	d, err := s.setState(ctx, in.ID, func(d *bellhop.Destination) error {
		if d.State == bellhop.DestinationExpired {
			return errExpired
		}
		if d.State != bellhop.DestinationActive {
			s.begin(d)
		}
		return nil
	})
	if err == nil && d.State == bellhop.DestinationUnverified {
		d, err = s.verify(ctx, d)
	}
	if err != nil {
		return nil, err
	}
	s.Engine.Wake(d.ID)
	return &bodyOf[Destination]{s.destinationJSON(d)}, nil
}

// setState puts a destination into a state by a person's wish. In that state already, it stays as it is.
func (s *server) setState(ctx context.Context, id string, set func(d *bellhop.Destination) error) (d bellhop.Destination, err error) {
	err = s.change(ctx, func() error {
		if d, err = s.Store.Destination(ctx, id); err != nil {
			return err
		}
		before := d
		if err := set(&d); err != nil {
			return err
		}
		if d.State == before.State {
			d = before
			return nil
		}
		d.UpdatedAt = s.Env.Now()
		if err := s.Store.SetDestinationState(ctx, d.ID, d.State, d.StateReason); err != nil {
			return err
		}
		s.log.Info("destination."+string(d.State), "destination_id", d.ID, "destination", d.Name)
		return nil
	})
	return d, err
}
