package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
)

// A Delivery is one event owed to one destination.
type Delivery struct {
	ID            string   `json:"id" example:"dlv_01h455vb4pex5vsknk08"`
	EventID       string   `json:"event_id"`
	DestinationID string   `json:"destination_id"`
	State         string   `json:"state" enum:"pending,leased,delivered,dead,cancelled"`
	Attempts      int      `json:"attempts" doc:"How many were made so far"`
	NextAt        Time     `json:"next_at" doc:"Of a pending one: when the next attempt is due"`
	CreatedAt     Time     `json:"created_at"`
	UpdatedAt     Time     `json:"updated_at" doc:"When its state last changed"`
	Last          *Attempt `json:"last,omitempty" doc:"The latest attempt, if there was one"`
}

// A DeliveryDetail is a delivery with all its attempts.
type DeliveryDetail struct {
	Delivery
	History []Attempt `json:"history" doc:"Its attempts, oldest first"`
}

// An Attempt is one try of a delivery.
type Attempt struct {
	Number      int     `json:"number" example:"1"`
	StartedAt   Time    `json:"started_at"`
	DurationMS  float64 `json:"duration_ms"`
	Status      int     `json:"status" doc:"Of the reply; 0 if none came"`
	Error       string  `json:"error" example:"timeout" doc:"A short code; empty on success"`
	Detail      string  `json:"detail" doc:"The error in words"`
	Reply       string  `json:"reply" doc:"The beginning of the reply's body, if that is UTF-8"`
	ReplyBase64 string  `json:"reply_base64,omitempty" doc:"The same if it is not"`
}

func (s *server) deliveries() {
	handle(s, op{http.MethodGet, "/deliveries", "list-deliveries", "List deliveries", 0}, s.listDeliveries)
	handle(s, op{http.MethodGet, "/deliveries/{id}", "show-delivery", "Show a delivery and its attempts", 0}, s.showDelivery)
	handle(s, op{http.MethodPost, "/deliveries/{id}/retry", "retry-delivery", "Make a delivery due now", 0}, s.retryDelivery)
	handle(s, op{http.MethodPost, "/deliveries/{id}/cancel", "cancel-delivery", "Give up a pending delivery", 0}, s.cancelDelivery)
}

// listDeliveriesInput narrows a list of deliveries.
type listDeliveriesInput struct {
	Event       string `query:"event" doc:"Id of the event"`
	Destination string `query:"destination" doc:"Name or id of the destination"`
	State       string `query:"state" enum:"pending,leased,delivered,dead,cancelled"`
	Period
	Paging
}

func (s *server) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*listOutput[Delivery], error) {
	destination, err := s.destinationID(ctx, in.Destination)
	if err != nil {
		return nil, err
	}
	filter := bellhop.DeliveryFilter{
		EventID: in.Event, DestinationID: destination, State: bellhop.DeliveryState(in.State), Since: in.Since, Until: in.Until,
	}
	list, next, err := s.Store.Deliveries(ctx, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, deliveryJSON), nil
}

func (s *server) showDelivery(ctx context.Context, in *one) (*bodyOf[DeliveryDetail], error) {
	d, err := s.Store.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	attempts, err := s.Store.Attempts(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	out := DeliveryDetail{Delivery: deliveryJSON(d), History: make([]Attempt, len(attempts))}
	for i, a := range attempts {
		out.History[i] = attemptJSON(a)
	}
	return &bodyOf[DeliveryDetail]{out}, nil
}

func (s *server) retryDelivery(ctx context.Context, in *one) (*bodyOf[Delivery], error) {
	d, err := s.Store.RetryDelivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.Engine.Wake(d.DestinationID)
	s.log.Info("delivery.retried", "delivery_id", d.ID, "destination_id", d.DestinationID)
	return &bodyOf[Delivery]{deliveryJSON(d)}, nil
}

func (s *server) cancelDelivery(ctx context.Context, in *one) (*bodyOf[Delivery], error) {
	d, err := s.Store.CancelDelivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.Engine.Wake(d.DestinationID) // what waited behind it may be due
	s.log.Info("delivery.cancelled", "delivery_id", d.ID, "destination_id", d.DestinationID)
	return &bodyOf[Delivery]{deliveryJSON(d)}, nil
}

// deliveryJSON is d as it is shown in a list.
func deliveryJSON(d bellhop.Delivery) Delivery {
	out := Delivery{
		ID: d.ID, EventID: d.EventID, DestinationID: d.DestinationID, State: string(d.State), Attempts: d.Attempts,
		NextAt: Time(d.NextAt), CreatedAt: Time(d.CreatedAt), UpdatedAt: Time(d.UpdatedAt),
	}
	if d.State != bellhop.DeliveryPending {
		out.NextAt = Time{}
	}
	if d.Last != nil {
		last := attemptJSON(*d.Last)
		out.Last = &last
	}
	return out
}

func attemptJSON(a bellhop.Attempt) Attempt {
	out := Attempt{
		Number: a.Number, StartedAt: Time(a.StartedAt), DurationMS: float64(a.Duration.Microseconds()) / 1000,
		Status: a.Status, Error: a.Error, Detail: a.Detail,
	}
	out.Reply, out.ReplyBase64 = textOrBase64(a.Reply)
	return out
}

// textOrBase64 returns b as the one or the other: as text where it is UTF-8.
func textOrBase64(b []byte) (text, encoded string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}

// destinationID is the id that a filter by destination means. What a deleted one left is found by its id.
func (s *server) destinationID(ctx context.Context, idOrName string) (string, error) {
	if idOrName == "" {
		return "", nil
	}
	d, err := s.Store.Destination(ctx, idOrName)
	switch {
	case err == nil:
		return d.ID, nil
	case !isNotFound(err):
		return "", err
	case strings.HasPrefix(idOrName, bellhop.PrefixDestination):
		return idOrName, nil
	}
	return "", bellhop.Invalid("destination", "there is no such destination")
}
