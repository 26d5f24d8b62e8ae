package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/danielgtaylor/huma/v2"
)

// A MatchError is how a destination's where failed last. An event over which it fails does not match.
type MatchError struct {
	At      Time   `json:"at"`
	Message string `json:"message"`
	Count   int64  `json:"count"`
}

// Schema describes e, which is null where the where did not fail.
func (MatchError) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, Nullable: true, AdditionalProperties: false,
		Properties: map[string]*huma.Schema{
			"at":      Time{}.Schema(r),
			"message": {Type: huma.TypeString},
			"count":   {Type: huma.TypeInteger, Description: "How often it did since the start, or since it was changed"},
		},
	}
}

// matchErrorOf shows e; none is null.
func matchErrorOf(e bellhop.MatchError) *MatchError {
	if e.Count == 0 {
		return nil
	}
	return &MatchError{Time(e.At), e.Message, e.Count}
}

// A Trial is an event sent to one destination to try it.
type Trial struct {
	EventID    string `json:"event_id"`
	DeliveryID string `json:"delivery_id" doc:"GET /deliveries/{id} says what came of it"`
}

// trials are the ways to try a destination out: on paper, and for real.
func (s *server) trials() {
	handle(s, op{http.MethodPost, "/destinations/preview", "preview-destination", "See what a destination would be sent, without sending it", 0}, s.preview)
	handle(s, op{http.MethodPost, "/destinations/{id}/test", "test-destination", "Send a test event to a destination, whatever it matches", http.StatusAccepted}, s.testDestination)
}

func (s *server) testDestination(ctx context.Context, in *one) (*bodyOf[Trial], error) {
	d, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	switch d.State {
	case bellhop.DestinationActive:
	case bellhop.DestinationExpired:
		return nil, bellhop.Conflict("the destination has expired; give it a later expires_at first")
	default:
		return nil, bellhop.Conflict("the destination is " + string(d.State) + " (" + d.StateReason + "); resume it first")
	}
	ev, deliveryID, err := s.Publisher.PublishTo(ctx, s.testEvent(d), d.ID)
	if err != nil {
		return nil, err
	}
	s.log.Info("destination.tested", "destination_id", d.ID, "destination", d.Name, "event_id", ev.ID, "delivery_id", deliveryID)
	return &bodyOf[Trial]{Trial{ev.ID, deliveryID}}, nil
}

// testEvent is what d is tried with: the test message of its type's system, if that has one.
func (s *server) testEvent(d bellhop.Destination) bellhop.Event {
	now := s.Env.Now()
	ev := bellhop.Event{Type: "bellhop.test", Subject: d.Name, Time: now, ContentType: "application/json"}
	if p, ok := s.provider(d.Type); ok {
		if test := provider.EmulationOf(p).TestBody; test != nil {
			ev.Body = test(now)
			return ev
		}
	}
	ev.Body, _ = json.Marshal(map[string]any{"message": "a test event, sent by Bellhop", "destination": d.Name, "sent_at": Time(now)})
	return ev
}
