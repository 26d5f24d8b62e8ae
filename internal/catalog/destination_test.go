package catalog

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/provider"
)

// shelf is a store of one destination. Methods that a test does not need are nil.
type shelf struct {
	Store
	d bellhop.Destination

	meanwhile func() // runs before each update; nil is nothing
}

func (s *shelf) Destination(context.Context, string) (bellhop.Destination, error) { return s.d, nil }

func (s *shelf) Tenant(_ context.Context, name string) (bellhop.Tenant, error) {
	return bellhop.Tenant{Name: name}, nil
}

func (s *shelf) CreateDestination(_ context.Context, d bellhop.Destination) error {
	s.d = d
	return nil
}

func (s *shelf) UpdateDestination(_ context.Context, d bellhop.Destination, version ...time.Time) error {
	if s.meanwhile != nil {
		s.meanwhile()
	}
	if len(version) > 0 && !version[0].Equal(s.d.UpdatedAt) {
		return bellhop.Changed("destination")
	}
	s.d = d
	return nil
}

func (s *shelf) RestartDestination(ctx context.Context, d bellhop.Destination, version ...time.Time) error {
	return s.UpdateDestination(ctx, d, version...)
}

// opener finds the errors that it holds in every destination.
type opener struct {
	Opener
	err      error
	warnings []string
}

func (o *opener) CheckAmong(bellhop.Destination, provider.ConnectionFinder) error { return o.err }

func (o *opener) Warnings(bellhop.Destination) []string { return o.warnings }

func (*opener) DefaultHandshake(bellhop.Destination) string { return bellhop.HandshakeNone }

func newCatalog(s *shelf, o *opener) *Catalog {
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	return New(Options{Store: s, Opener: o, Env: provider.Env{Now: func() time.Time { return now }}})
}

// TestFieldOrder: the errors of a destination are in the order of its fields, wherever they were found.
func TestFieldOrder(t *testing.T) {
	found := bellhop.Join("", bellhop.Invalid("breaker.for", "b"), bellhop.Invalid("retry.schedule[1]", "r"))
	o := &opener{err: bellhop.Join("", bellhop.Invalid("match.where", "m"), bellhop.Invalid("url", "u"),
		bellhop.Invalid("access.token", "a"))}
	d := bellhop.Destination{Name: "-", Timeout: time.Hour, Rate: bellhop.Rate{PerSecond: -1, Burst: 1},
		Batch: bellhop.Batch{MaxEvents: 1}}
	_, err := newCatalog(&shelf{}, o).CheckDestination(d, found)
	want := []string{"name", "url", "access.token", "match.where", "timeout", "rate.per_second", "batch.max_events",
		"retry.schedule[1]", "breaker.for"}
	if got := errortest.InvalidPaths(t, err); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDefaults: a destination gets the defaults of the gateway in its zero fields. An empty schedule is not zero.
func TestDefaults(t *testing.T) {
	c := newCatalog(&shelf{}, &opener{})
	d, err := c.CreateDestination(t.Context(), bellhop.Destination{Name: "d", URL: "https://x.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if d.Type != bellhop.TypeHTTP || d.Timeout != bellhop.DefaultTimeout ||
		d.Concurrency != bellhop.DefaultConcurrency ||
		!d.Rate.IsZero() || d.Order != bellhop.OrderNone || len(d.Retry.Schedule) == 0 ||
		d.Handshake != bellhop.HandshakeNone ||
		d.State != bellhop.DestinationActive {
		t.Errorf("%+v", d)
	}
	d, err = c.CreateDestination(t.Context(),
		bellhop.Destination{Name: "d", Retry: bellhop.Retry{Schedule: bellhop.Schedule{}}})
	if err != nil || len(d.Retry.Schedule) != 0 {
		t.Errorf("%v %v", d.Retry.Schedule, err)
	}
}

// TestUpdateKeeps: a change cannot set the type, the id, the tenant, the state or the times.
func TestUpdateKeeps(t *testing.T) {
	s := &shelf{}
	c := newCatalog(s, &opener{})
	before, err := c.CreateDestination(t.Context(), bellhop.Destination{Name: "d", Tenant: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.UpdateDestination(t.Context(), "d", func(d bellhop.Destination) (DestinationChange, error) {
		d.Type = "slack"
		return DestinationChange{After: d}, nil
	})
	var e *bellhop.Error
	if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Path != "type" {
		t.Errorf("another type: %v", err)
	}
	after, err := c.UpdateDestination(t.Context(), "d", func(d bellhop.Destination) (DestinationChange, error) {
		return DestinationChange{After: bellhop.Destination{Name: "e", Type: bellhop.TypeHTTP}}, nil
	})
	if err != nil || after.Name != "e" || after.ID != before.ID || after.Tenant != "acme" ||
		after.State != bellhop.DestinationActive ||
		!after.CreatedAt.Equal(before.CreatedAt) || !maps.Equal(after.SecretsAt, before.SecretsAt) {
		t.Errorf("%+v %v", after, err)
	}
}
