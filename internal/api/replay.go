package api

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// A ReplayTo says where new deliveries of an event go.
type ReplayTo struct {
	Destination string `json:"destination,omitempty" doc:"Name or id of the only one, whether its match wants the event or not; otherwise all that want it now"`
}

// A Replayed is what became of a replay of one event.
type Replayed struct {
	Deliveries []NewDelivery `json:"deliveries" doc:"None if no destination wants the event now"`
}

// A NewDelivery is a delivery that was just made.
type NewDelivery struct {
	ID            string `json:"id" example:"dlv_01h455vb4pex5vsknk08"`
	DestinationID string `json:"destination_id"`
}

// A NewReplay chooses the events to replay. All that is given must hold.
type NewReplay struct {
	Source      string `json:"source,omitempty" doc:"Name or id of the source"`
	Type        string `json:"type,omitempty" maxLength:"255" example:"ams.*" doc:"The whole type, or a prefix and *; the gateway's own events are taken only if it begins with bellhop., or with source bellhop"`
	Where       string `json:"where,omitempty" doc:"An expression over the event that must be true, as of a match"`
	Destination string `json:"destination,omitempty" doc:"Name or id of the only one that gets them, whether its match wants them or not; otherwise all that want them"`
	Range
	Pace
}

// A Choice chooses deliveries. All that is given must hold.
type Choice struct {
	Destination string `json:"destination,omitempty" doc:"Name or id of the destination"`
	Event       string `json:"event,omitempty" doc:"Id of the event"`
	Error       string `json:"error,omitempty" maxLength:"64" example:"timeout" doc:"The error of the last attempt"`
	Range
	Pace
}

// A NewRetry chooses the deliveries to make due.
type NewRetry struct {
	State string `json:"state,omitempty" enum:"dead,cancelled,pending" doc:"Dead if not given"`
	Choice
}

// A NewCancel chooses the deliveries to give up.
type NewCancel struct {
	State string `json:"state,omitempty" enum:"pending" doc:"No others can be cancelled"`
	Choice
}

type replayEventInput struct {
	ID   string `path:"id" doc:"Id of the event"`
	Body *ReplayTo
}

func (s *server) replayEvent(ctx context.Context, in *replayEventInput) (*bodyOf[Replayed], error) {
	destination := ""
	if in.Body != nil {
		var err error
		if destination, err = s.replayedTo(ctx, in.Body.Destination); err != nil {
			return nil, err
		}
	}
	owed, err := s.Repairer.Replay(ctx, in.ID, destination)
	if err != nil {
		return nil, err
	}
	out := Replayed{Deliveries: make([]NewDelivery, len(owed))}
	for i, o := range owed {
		out.Deliveries[i] = NewDelivery{o.DeliveryID, o.DestinationID}
	}
	s.log.Info("event.replayed", "event_id", in.ID, "destination_id", destination, "deliveries", len(owed))
	return &bodyOf[Replayed]{out}, nil
}

// replayedTo is the id of the destination that is to get something again; "" is none in particular. One that is paused or
// unverified gets it later, one that is disabled may never.
func (s *server) replayedTo(ctx context.Context, idOrName string) (string, error) {
	id, err := s.destinationID(ctx, idOrName)
	if err != nil || id == "" {
		return "", err
	}
	d, err := s.Store.Destination(ctx, id)
	if isNotFound(err) { // deleted, or never there: the store knows
		return id, nil
	}
	if err != nil {
		return "", err
	}
	switch {
	case d.State == bellhop.DestinationExpired || !d.ExpiresAt.IsZero() && !s.Env.Now().Before(d.ExpiresAt):
		return "", bellhop.Conflict("destination " + d.Name + " is expired: give it a later expires_at first, or name another")
	case d.State == bellhop.DestinationDisabled:
		return "", bellhop.Conflict("destination " + d.Name + " is disabled (" + d.StateReason + "): resume it first, or name another")
	}
	return id, nil
}

func (s *server) replayEvents(ctx context.Context, in *struct{ Body NewReplay }) (*begunOutput, error) {
	b := in.Body
	source, sourceErr := s.sourceID(ctx, b.Source)
	destination, destinationErr := s.replayedTo(ctx, b.Destination)
	_, whereErr := match.Compile(bellhop.Match{Where: b.Where})
	var typeErr error
	if _, err := match.Compile(bellhop.Match{Types: []string{b.Type}}); b.Type != "" && err != nil {
		typeErr = bellhop.Invalid("type", `must be an event type, which may end in "*": "ams.*"`)
	}
	if err := bellhop.Join("", sourceErr, destinationErr, typeErr, whereErr, b.Range.check(), b.Pace.check()); err != nil {
		return nil, err
	}
	f := bellhop.RepairFilter{SourceID: source, Type: b.Type, Where: b.Where, DestinationID: destination, Since: b.Since, Until: b.Until}
	if f == (bellhop.RepairFilter{DestinationID: destination}) && !b.All && !b.DryRun {
		return nil, bellhop.Invalid("all", "give source, type, where, since or until, or all: true for every event there is")
	}
	return s.beginRepair(ctx, bellhop.RepairReplay, f, b.Pace)
}

func (s *server) retryDeliveries(ctx context.Context, in *struct{ Body NewRetry }) (*begunOutput, error) {
	state := bellhop.DeliveryState(in.Body.State)
	if state == "" {
		state = bellhop.DeliveryDead
	}
	return s.repairDeliveries(ctx, bellhop.RepairRetry, state, in.Body.Choice)
}

func (s *server) cancelDeliveries(ctx context.Context, in *struct{ Body NewCancel }) (*begunOutput, error) {
	return s.repairDeliveries(ctx, bellhop.RepairCancel, bellhop.DeliveryPending, in.Body.Choice)
}

// repairDeliveries begins a retry or a cancel of those that were chosen.
func (s *server) repairDeliveries(ctx context.Context, kind bellhop.RepairKind, state bellhop.DeliveryState, c Choice) (*begunOutput, error) {
	destination, err := s.destinationID(ctx, c.Destination)
	if err := bellhop.Join("", err, c.Range.check(), c.Pace.check(), plainText("error", c.Error)); err != nil {
		return nil, err
	}
	if c.Event != "" {
		if _, err := s.Store.Event(ctx, c.Event); isNotFound(err) {
			return nil, bellhop.Invalid("event", "there is no such event")
		} else if err != nil {
			return nil, err
		}
	}
	f := bellhop.RepairFilter{DestinationID: destination, EventID: c.Event, State: state, Error: c.Error, Since: c.Since, Until: c.Until}
	if !f.Narrow() && !c.All {
		return nil, bellhop.Invalid("all", "give destination, event, error, since or until, or all: true for every one that is "+string(state))
	}
	return s.beginRepair(ctx, kind, f, c.Pace)
}
