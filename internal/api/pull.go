package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// This file hands the deliveries of destinations of type pull to programs, and takes what came of them.

// A Puller leases the deliveries of destinations of type pull. The error of all but Pull and PutBack is
// bellhop.ErrNoLease if the token names no lease that lasts.
type Puller interface {
	// Pull leases deliveries that are due, or become due within want.Wait. It returns none if there are none.
	Pull(ctx context.Context, destinationID string, want bellhop.Pull) ([]bellhop.Lease, error)
	// PutBack ends leases whose program did not get them.
	PutBack(destinationID string, leases []bellhop.Lease)
	// Ack ends a lease as delivered, and returns once that is on disk.
	Ack(ctx context.Context, destinationID, deliveryID, token string) error
	// Nack ends a lease as failed, and returns once that is on disk.
	Nack(ctx context.Context, destinationID, deliveryID, token string, n bellhop.Nack) error
	// Extend makes a lease end after a time from now, 0 being the timeout of the destination, and returns when.
	Extend(destinationID, deliveryID, token string, by time.Duration) (endsAt time.Time, err error)
}

func (s *server) pulls() {
	o := op{http.MethodPost, "/destinations/{id}/pull", "pull-destination", "Lease a destination's deliveries",
		0}.huma()
	pulled := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.Pulled](), true, "Pulled")
	o.Responses = map[string]*huma.Response{"200": {Description: "The deliveries, which may be none",
		Content: map[string]*huma.MediaType{"application/json": {Schema: pulled}}}}
	register(s, o, s.pullDestination)
	handle(s, op{http.MethodPost, "/deliveries/{id}/ack", "ack-delivery",
		"End the lease of a delivery: it is delivered", http.StatusNoContent}, s.ackDelivery)
	handle(s, op{http.MethodPost, "/deliveries/{id}/nack", "nack-delivery",
		"End the lease of a delivery: the attempt failed", http.StatusNoContent}, s.nackDelivery)
	handle(s, op{http.MethodPost, "/deliveries/{id}/extend", "extend-delivery",
		"Prolong the lease of a delivery", 0}, s.extendDelivery)
}

type pullInput struct {
	ID   string `path:"id" doc:"Its id or name" example:"jobs"`
	Body *client.NewPull
}

// pullDestination answers with deliveries. If the client is gone before it has them, their leases end.
func (s *server) pullDestination(ctx context.Context, in *pullInput) (*huma.StreamResponse, error) {
	d, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if d.Type != bellhop.TypePull {
		return nil, bellhop.Conflict("the destination is of type " + d.Type + ": only one of type pull has " +
			"deliveries that a program pulls")
	}
	want := bellhop.Pull{Max: bellhop.DefaultPullMax}
	if in.Body != nil {
		if in.Body.Max != 0 {
			want.Max = in.Body.Max
		}
		want.Wait, err = parseDuration("wait", in.Body.Wait, 0)
	}
	err = bellhop.Join("", err, want.Check())
	if err != nil {
		return nil, err
	}
	leases, err := s.Puller.Pull(ctx, d.ID, want)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "application/json")
		err := writeJSON(w, pulledJSON(leases))
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		if r.Context().Err() != nil || err != nil && !errors.Is(err, http.ErrNotSupported) {
			s.Puller.PutBack(d.ID, leases)
		}
	}}, nil
}

// pulledJSON returns leases in their JSON form.
func pulledJSON(leases []bellhop.Lease) client.Pulled {
	out := client.Pulled{Data: make([]client.Lease, len(leases))}
	for i, l := range leases {
		ev := &l.Event
		out.Data[i] = client.Lease{Token: l.Token, EndsAt: client.Time{Time: l.EndsAt}, DeliveryID: l.DeliveryID,
			Attempt: l.Attempt, EventID: ev.ID, Type: ev.Type, Subject: ev.Subject, Source: ev.Source,
			Tenant: ev.Tenant,
			Time:   client.Time{Time: ev.HappenedAt()}, ReceivedAt: client.Time{Time: ev.ReceivedAt},
			ContentType: ev.ContentType, Headers: l.Header}
		out.Data[i].Body, out.Data[i].BodyBase64 = textOrBase64(l.Body)
	}
	return out
}

type leaseInput[T any] struct {
	ID   string `path:"id" doc:"Its id"`
	Body T
}

func (s *server) ackDelivery(ctx context.Context, in *leaseInput[client.Ack]) (*none, error) {
	return nil, s.withLease(ctx, in.ID, in.Body.Token, func(d *bellhop.Delivery) error {
		return s.Puller.Ack(ctx, d.DestinationID, d.ID, in.Body.Token)
	})
}

func (s *server) nackDelivery(ctx context.Context, in *leaseInput[client.Nack]) (*none, error) {
	n := bellhop.Nack{Detail: in.Body.Detail}
	delay, err := parseDuration("delay", in.Body.Delay, 0)
	if in.Body.Delay != "" {
		n.Delay = &delay
	}
	err = bellhop.Join("", err, n.Check())
	if err != nil {
		return nil, err
	}
	return nil, s.withLease(ctx, in.ID, in.Body.Token, func(d *bellhop.Delivery) error {
		return s.Puller.Nack(ctx, d.DestinationID, d.ID, in.Body.Token, n)
	})
}

func (s *server) extendDelivery(ctx context.Context,
	in *leaseInput[client.Extension]) (*bodyOf[client.Extended], error) {
	by, err := parseDuration("for", in.Body.For, 0)
	if err == nil && (by < 0 || by > bellhop.MaxLease || by == 0 && in.Body.For != "") {
		err = bellhop.Invalid("for",
			`use a length of time up to "12h"; leave it out for the timeout of the destination`)
	}
	if err != nil {
		return nil, err
	}
	var endsAt time.Time
	err = s.withLease(ctx, in.ID, in.Body.Token, func(d *bellhop.Delivery) (err error) {
		endsAt, err = s.Puller.Extend(d.DestinationID, d.ID, in.Body.Token, by)
		return err
	})
	return &bodyOf[client.Extended]{client.Extended{EndsAt: client.Time{Time: endsAt}}}, err
}

// withLease calls f for a delivery. If no lease of it lasts that token names, the error says what became of the lease.
func (s *server) withLease(ctx context.Context, id, token string, f func(d *bellhop.Delivery) error) error {
	d, err := s.Store.Delivery(ctx, id)
	if err != nil {
		return err
	}
	err = f(&d)
	if !errors.Is(err, bellhop.ErrNoLease) {
		return err
	}
	d, err = s.Store.Delivery(ctx, id) // as it is after what ended the lease
	if err != nil {
		return err
	}
	attempts, err := s.Store.Attempts(ctx, d.ID)
	if err != nil {
		return err
	}
	return bellhop.LeaseOver(token, &d, attempts)
}
