package api

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) deliveries() {
	handle(s, op{http.MethodGet, "/deliveries", "list-deliveries", "List deliveries", 0}, s.listDeliveries)
	handle(s, op{http.MethodGet, "/deliveries/{id}", "show-delivery",
		"Show a delivery and its attempts", 0}, s.showDelivery)
	handle(s, op{http.MethodPost, "/deliveries/{id}/retry", "retry-delivery",
		"Make a delivery due now", 0}, s.retryDelivery)
	handle(s, op{http.MethodPost, "/deliveries/{id}/cancel", "cancel-delivery",
		"Cancel a pending delivery", 0}, s.cancelDelivery)
}

// listDeliveriesInput narrows a list of deliveries.
type listDeliveriesInput struct {
	Event       string `query:"event" doc:"Id of the event"`
	Destination string `query:"destination" doc:"Name or id of the destination; the name of a deleted one too, while no other has it"`
	State       string `query:"state" enum:"pending,leased,delivered,dead,cancelled" doc:"Only those in this state"`
	Error       string `query:"error" maxLength:"64" example:"5xx" doc:"How the latest attempt failed: the code of an error such as timeout, a status such as 429, a class such as 5xx, or any"`
	Source      string `query:"source" doc:"Name or id of the event's source. Without such a source: of the deleted ones"`
	Type        string `query:"type" maxLength:"256" doc:"Type of the event: the whole type, or a prefix and *"`
	Subject     string `query:"subject" maxLength:"1025" doc:"Subject of the event: the whole subject, or a prefix and *"`
	Owned
	Period
	Paging
}

func (s *server) listDeliveries(ctx context.Context, in *listDeliveriesInput) (*listOutput[client.Delivery], error) {
	if err := s.Catalog.CheckError(in.Error); err != nil {
		return nil, err
	}
	destinations, err := s.Catalog.DestinationIDs(ctx, in.Destination)
	if err != nil {
		return nil, err
	}
	sources, err := s.Catalog.SourceIDs(ctx, in.Source)
	if err != nil {
		return nil, err
	}
	list, next, err := s.Store.Deliveries(ctx, bellhop.DeliveryFilter{
		EventID: in.Event, DestinationIDs: destinations, State: bellhop.DeliveryState(in.State), Error: in.Error,
		SourceIDs: sources, Type: in.Type, Subject: in.Subject, Tenant: in.Tenant, Since: in.Since, Until: in.Until,
	}, in.page())
	if err != nil {
		return nil, err
	}
	names, err := s.destinationNames(ctx, list...)
	if err != nil {
		return nil, err
	}
	page := listOf(list, next, func(d bellhop.Delivery) client.Delivery { return deliveryJSON(d, names) })
	return searched(s, "deliveries", in.Limit, page), nil
}

// destinationNames returns the names of the destinations of deliveries, by id.
func (s *server) destinationNames(ctx context.Context, list ...bellhop.Delivery) (map[string]string, error) {
	ids := map[string]bool{}
	for _, d := range list {
		ids[d.DestinationID] = true
	}
	return s.Store.DestinationNames(ctx, slices.Collect(maps.Keys(ids)))
}

// oneDelivery returns the answer that shows d. err is that of the call which returned d.
func (s *server) oneDelivery(ctx context.Context, d bellhop.Delivery, err error) (*bodyOf[client.Delivery], error) {
	if err != nil {
		return nil, err
	}
	names, err := s.destinationNames(ctx, d)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.Delivery]{deliveryJSON(d, names)}, nil
}

func (s *server) showDelivery(ctx context.Context, in *one) (*tagged[client.DeliveryDetail], error) {
	d, err := s.Store.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	attempts, err := s.Store.Attempts(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	names, err := s.destinationNames(ctx, d)
	if err != nil {
		return nil, err
	}
	out := client.DeliveryDetail{Delivery: deliveryJSON(d, names), History: make([]client.Attempt, len(attempts))}
	for i, a := range attempts {
		out.History[i] = attemptJSON(a)
	}
	return taggedBy(d.UpdatedAt, out), nil
}

func (s *server) retryDelivery(ctx context.Context, in *one) (*bodyOf[client.Delivery], error) {
	d, err := s.Catalog.RetryDelivery(ctx, in.ID)
	return s.oneDelivery(ctx, d, err)
}

func (s *server) cancelDelivery(ctx context.Context, in *one) (*bodyOf[client.Delivery], error) {
	d, err := s.Catalog.CancelDelivery(ctx, in.ID)
	return s.oneDelivery(ctx, d, err)
}

// deliveryJSON returns d in its JSON form, without its earlier attempts. names has the name of its destination.
func deliveryJSON(d bellhop.Delivery, names map[string]string) client.Delivery {
	out := client.Delivery{
		ID: d.ID, EventID: d.EventID, DestinationID: d.DestinationID, Destination: names[d.DestinationID],
		State: string(d.State), Attempts: d.Attempts,
		CreatedAt: client.Time{Time: d.CreatedAt}, UpdatedAt: client.Time{Time: d.UpdatedAt},
	}
	if d.State == bellhop.DeliveryPending {
		out.NextAt = client.Time{Time: d.NextAt}
	}
	if d.Last != nil {
		last := attemptJSON(*d.Last)
		out.Last = &last
	}
	return out
}

func attemptJSON(a bellhop.Attempt) client.Attempt {
	out := client.Attempt{
		Number: a.Number, StartedAt: client.Time{Time: a.StartedAt},
		DurationMS: milliseconds(a.Duration),
		Status:     a.Status, Error: a.Error, Detail: a.Detail,
	}
	out.Reply, out.ReplyBase64 = textOrBase64(a.Reply)
	return out
}

// textOrBase64 returns b as text if it is UTF-8, and in Base64 if it is not.
func textOrBase64(b []byte) (text, encoded string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return "", base64.StdEncoding.EncodeToString(b)
}

// milliseconds returns d in milliseconds, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
