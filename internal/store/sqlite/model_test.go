package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

// TestModel shows that histories of a hundred random calls leave the store as they leave a model of a few
// lines. The runs share one store, each with a source and destinations of its own. -rapid.checks sets how many
// runs there are; TestStressModel has more.
func TestModel(t *testing.T) { compareWithModel(t, "20") }

// compareWithModel is not for parallel tests: it sets flags.
func compareWithModel(t *testing.T, runs string) {
	for name, want := range map[string]string{"rapid.checks": runs, "rapid.steps": "100"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			f.Value.Set(want)
			t.Cleanup(func() { f.Value.Set(f.DefValue) })
		}
	}
	var passed atomic.Int64 // nanoseconds; the store reads the clock while it writes
	now := func() time.Time { return epoch.AddDate(2, 0, 0).Add(time.Duration(passed.Load())) }
	dir := t.TempDir()
	weak := func(o *Options) { o.sync, o.Now = "off", now }
	s := reopen(t, dir, weak)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := newModel(t, r, s, run)
		r.Repeat(map[string]func(*rapid.T){
			"accept": func(r *rapid.T) { m.accept(r, now()) }, "accept more": func(r *rapid.T) { m.accept(r, now()) },
			"record": func(r *rapid.T) { m.record(r, now()) }, "record more": func(r *rapid.T) { m.record(r, now()) },
			"claim":   func(r *rapid.T) { m.claim(r, now()) },
			"release": func(r *rapid.T) { m.release(r, now()) },
			"retry": func(r *rapid.T) {
				m.change(r, now(), m.s.RetryDelivery, bellhop.DeliveryPending, "pending", "dead", "cancelled")
			},
			"cancel": func(r *rapid.T) {
				m.change(r, now(), m.s.CancelDelivery, bellhop.DeliveryCancelled, "pending")
			},
			"next": m.nextDue,
			"list": m.list,
			"wait": func(r *rapid.T) {
				passed.Add(rapid.Int64Range(-1e6, 1e7).Draw(r, "µs") * int64(time.Microsecond))
			},
			"restart": func(r *rapid.T) {
				if rapid.IntRange(0, 15).Draw(r, "rarely") > 0 {
					r.Skip()
				}
				if err := s.Close(); err != nil {
					r.Fatal(err)
				}
				s = reopen(t, dir, weak)
				m.restart(s, now())
				m.compare(r)
			},
		})
		m.compare(r)
	})
}

// A model has the expected content of a store, for one source and two destinations.
type model struct {
	s            *Store
	t            testing.TB
	source       string
	destinations []string
	known        map[string]string // id of the event by provider id and length of the body
	order        []string          // ids of deliveries, oldest first
	deliveries   map[string]*modelDelivery
}

type modelDelivery struct {
	bellhop.Delivery
	attempts []bellhop.Attempt
	body     []byte
}

func newModel(t testing.TB, r *rapid.T, s *Store, run int) *model {
	m := &model{s: s, t: t, source: fmt.Sprintf("src_%d", run), known: map[string]string{},
		deliveries: map[string]*modelDelivery{}}
	err := s.CreateSource(t.Context(), bellhop.Source{ID: m.source, Name: m.source, Provider: "ams", CreatedAt: epoch,
		UpdatedAt: epoch})
	for i := 0; i < 2 && err == nil; i++ {
		id := fmt.Sprintf("dst_%d_%d", run, i)
		m.destinations = append(m.destinations, id)
		err = s.CreateDestination(t.Context(), bellhop.Destination{ID: id, Name: id, Type: "http", Timeout: 1,
			Concurrency: 1,
			State:       bellhop.DestinationActive, CreatedAt: epoch, UpdatedAt: epoch})
	}
	if err != nil {
		r.Fatal(err)
	}
	return m
}

// some draws one of the deliveries.
func (m *model) some(r *rapid.T) *modelDelivery {
	if len(m.order) == 0 {
		r.Skip()
	}
	return m.deliveries[rapid.SampledFrom(m.order).Draw(r, "delivery")]
}

func (m *model) accept(r *rapid.T, now time.Time) {
	var events []bellhop.Event
	var owed []bellhop.NewDelivery
	for i := range rapid.IntRange(1, 3).Draw(r, "events") {
		body := make([]byte, 100*rapid.IntRange(0, 2).Draw(r, "length"))
		events = append(events, bellhop.Event{SourceID: m.source, Type: "x",
			ProviderID: rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(r, "provider id"),
			ReceivedAt: now, Body: body, SHA256: sha256.Sum256(body)})
		for range rapid.IntRange(0, 3).Draw(r, "owed") {
			owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: rapid.SampledFrom(m.destinations).Draw(r,
				"destination"), Leased: rapid.Bool().Draw(r, "leased")})
		}
	}
	got, err := m.s.Accept(m.t.Context(), nil, events, owed)
	if err != nil {
		r.Fatal(err)
	}
	folded := map[int]bool{}
	for i, ev := range events {
		key := fmt.Sprint(ev.ProviderID, len(ev.Body))
		if first, there := m.known[key]; there {
			folded[i] = true
			if ev.ID != first {
				r.Fatalf("the repeat of %s has id %s", first, ev.ID)
			}
		} else if ev.ProviderID != "" {
			m.known[key] = ev.ID
		}
	}
	if got.Duplicates != len(folded) {
		r.Fatalf("%d duplicates, want %d", got.Duplicates, len(folded))
	}
	for _, o := range owed {
		if (o.DeliveryID == "") != folded[o.Event] {
			r.Fatalf("event %d, a repeat: %t, has delivery %q", o.Event, folded[o.Event], o.DeliveryID)
		}
		if o.DeliveryID == "" {
			continue
		}
		ev := &events[o.Event]
		d := bellhop.Delivery{ID: o.DeliveryID, EventID: ev.ID, DestinationID: o.DestinationID,
			State: bellhop.DeliveryPending, NextAt: now, CreatedAt: now, UpdatedAt: now}
		if o.Leased {
			d.State, d.NextAt = bellhop.DeliveryLeased, time.Time{}
		}
		m.order = append(m.order, d.ID)
		m.deliveries[d.ID] = &modelDelivery{Delivery: d, body: ev.Body}
	}
}

func (m *model) record(r *rapid.T, now time.Time) {
	d := m.some(r)
	number := d.Attempts + 1 + rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(r, "off by")
	res := bellhop.Result{DeliveryID: d.ID, DestinationID: d.DestinationID,
		State: rapid.SampledFrom([]bellhop.DeliveryState{bellhop.DeliveryDelivered, bellhop.DeliveryDead,
			bellhop.DeliveryPending}).Draw(r, "state"),
		Attempt: bellhop.Attempt{DeliveryID: d.ID, Number: number, StartedAt: now, Duration: time.Millisecond,
			Status: 200 + len(m.order), Error: "e", Detail: "d"}}
	if res.State == bellhop.DeliveryPending {
		res.NextAt = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(r, "wait")) * time.Second)
	}
	if err := m.s.Record(res); err != nil {
		r.Fatal(err)
	}
	if d.State == bellhop.DeliveryLeased && number == d.Attempts+1 {
		d.State, d.Attempts, d.NextAt, d.UpdatedAt, d.Last = res.State, number, res.NextAt, now.Add(time.Millisecond),
			&res.Attempt
		d.attempts = append(d.attempts, res.Attempt)
	}
}

func (m *model) claim(r *rapid.T, now time.Time) {
	destination := rapid.SampledFrom(m.destinations).Draw(r, "destination")
	limit, maxBytes := rapid.IntRange(0, 5).Draw(r, "limit"), rapid.IntRange(0, 1000).Draw(r, "bytes")
	got, err := m.s.Claim(m.t.Context(), destination, limit, int64(maxBytes))
	if err != nil {
		r.Fatal(err)
	}
	var want, ids []string
	size := 0
	for _, d := range m.due(destination) {
		size += len(d.body)
		if d.NextAt.After(now) || len(want) == limit || size > maxBytes && len(want) > 0 {
			break
		}
		want = append(want, d.ID)
		d.State, d.NextAt = bellhop.DeliveryLeased, time.Time{}
	}
	for _, d := range got {
		ids = append(ids, d.ID)
		if of := m.deliveries[d.ID]; of == nil || d.Attempts != of.Attempts || d.Event == nil ||
			d.Event.ID != of.EventID || len(d.Event.Body) != len(of.body) {
			r.Fatalf("claimed %+v, want %+v", d, of)
		}
	}
	if !slices.Equal(ids, want) {
		r.Fatalf("claimed %q, want %q", ids, want)
	}
}

// due returns the pending deliveries of a destination in the order in which they are due.
func (m *model) due(destination string) (due []*modelDelivery) {
	for _, id := range m.order {
		if d := m.deliveries[id]; d.DestinationID == destination && d.State == bellhop.DeliveryPending {
			due = append(due, d)
		}
	}
	slices.SortFunc(due, func(a, b *modelDelivery) int {
		return cmp.Or(a.NextAt.Compare(b.NextAt),
			cmp.Compare(a.ID, b.ID))
	})
	return due
}

func (m *model) nextDue(r *rapid.T) {
	destination := rapid.SampledFrom(m.destinations).Draw(r, "destination")
	m.settle(r)
	at, ok, err := m.s.NextDue(m.t.Context(), destination)
	if due := m.due(destination); err != nil || ok != (len(due) > 0) || ok && !at.Equal(due[0].NextAt) {
		r.Fatalf("next due at %v, %t, %v; want that of %d", at, ok, err, len(due))
	}
}

// change retries or cancels a delivery, which is allowed only in some states.
func (m *model) change(r *rapid.T, now time.Time, do func(context.Context, string) (bellhop.Delivery, error),
	to bellhop.DeliveryState, from ...bellhop.DeliveryState) {
	d := m.some(r)
	got, err := do(m.t.Context(), d.ID)
	if !slices.Contains(from, d.State) {
		if bellhopCode(err) != bellhop.CodeConflict {
			r.Fatalf("from %s to %s: %v", d.State, to, err)
		}
		return
	}
	d.State, d.UpdatedAt, d.NextAt = to, now, time.Time{}
	if to == bellhop.DeliveryPending {
		d.NextAt, d.Spared = now, d.Attempts
	}
	if err != nil || !reflect.DeepEqual(got, d.Delivery) {
		r.Fatalf("%+v, want %+v; %v", got, d.Delivery, err)
	}
}

// list compares a list of deliveries with the model.
func (m *model) list(r *rapid.T) {
	f := bellhop.DeliveryFilter{DestinationIDs: []string{rapid.SampledFrom(m.destinations).Draw(r, "destination")},
		State: rapid.SampledFrom([]bellhop.DeliveryState{"", "pending", "leased", "delivered", "dead", "cancelled"}).
			Draw(r,
				"state")}
	limit := rapid.IntRange(1, 20).Draw(r, "limit")
	m.settle(r)
	var got, want []string
	for page := (bellhop.Page{Limit: limit}); ; {
		list, next, err := m.s.Deliveries(m.t.Context(), f, page)
		if err != nil {
			r.Fatal(err)
		}
		for _, d := range list {
			got = append(got, d.ID)
		}
		page.Cursor = next
		if next == "" {
			break
		}
	}
	for _, id := range slices.Backward(m.order) {
		if d := m.deliveries[id]; d.DestinationID == f.DestinationIDs[0] && (f.State == "" || d.State == f.State) {
			want = append(want, id)
		}
	}
	if !slices.Equal(got, want) {
		r.Fatalf("%+v lists %q, want %q", f, got, want)
	}
}

func (m *model) release(r *rapid.T, now time.Time) {
	d := m.some(r)
	if err := m.s.Release(m.t.Context(), []string{d.ID}); err != nil {
		r.Fatal(err)
	}
	if d.State == bellhop.DeliveryLeased {
		d.State, d.NextAt = bellhop.DeliveryPending, now
	}
}

func (m *model) restart(s *Store, now time.Time) {
	m.s = s
	for _, d := range m.deliveries {
		if d.State == bellhop.DeliveryLeased {
			d.State, d.NextAt = bellhop.DeliveryPending, now
		}
	}
}

// settle waits until all results that were recorded are written.
func (m *model) settle(r *rapid.T) {
	if err := m.s.do(func(*conn) error { return nil }); err != nil {
		r.Fatal(err)
	}
}

// compare compares every delivery of the store with the model.
func (m *model) compare(r *rapid.T) {
	m.settle(r)
	for _, want := range m.deliveries {
		got, err := m.s.Delivery(m.t.Context(), want.ID)
		if err != nil || !reflect.DeepEqual(got, want.Delivery) {
			r.Fatalf("stored %+v, want %+v; %v", got, want.Delivery, err)
		}
		attempts, err := m.s.Attempts(m.t.Context(), want.ID)
		if err != nil || !reflect.DeepEqual(attempts, want.attempts) {
			r.Fatalf("attempts %+v, want %+v; %v", attempts, want.attempts, err)
		}
	}
}
