//go:build stress && linux

package journey

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

const (
	storedEvents     = 2_000_000
	storedSources    = 20
	storedDeliveries = 100_000 // of the oldest events; each 1000th is dead

	listEvery    = 100 * time.Millisecond // a page is asked for ten times a second
	listWithin   = 50 * time.Millisecond  // the aim of the 99th percentile
	leastBeside  = 0.95                   // the aim of the corridor's rate beside lists
	listedLength = 5 * time.Second        // of half a round
)

// TestStressLists: over two million stored events, fewer if STRESS is less than 20, the newest page of each list that
// an index serves comes within listWithin, while the door is under load, and the corridor keeps leastBeside of its
// rate. A search that no index serves ends after bellhop.ScanTime, and says where. STRESS is four times the number of
// rounds; from three rounds on the medians are judged.
func TestStressLists(t *testing.T) {
	rounds := max(1, stress(t)/4)
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		delivered.Add(1)
	}))
	defer receiver.Close()
	g := newGateway(t)
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	for i := range storedSources {
		g.source(fmt.Sprintf("stored-%d", i), "generic", map[string]any{"scheme": "none"})
	}
	g.destination(client.NewDestination{Name: "load", URL: receiver.URL, Settings: map[string]any{"format": "raw"},
		Match: &client.Match{Sources: []string{plainSource}}})
	g.destination(client.NewDestination{Name: "stored", URL: receiver.URL,
		Match:    &client.Match{Types: []string{"none"}},
		Settings: map[string]any{"format": "raw"}})
	if status, _ := g.stop(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	began := time.Now()
	events := storedEvents / 20 * min(stress(t), 20)
	newest := g.fill(events)
	t.Logf("%d events were stored in %v", events, time.Since(began).Round(time.Second))
	g.start()

	quick, slow := g.lists(newest)
	took := map[string][]time.Duration{}
	var ratios []float64
	for n := range rounds {
		var with, without float64
		halves := []func(){
			func() { with = g.rateBeside(&delivered, func(ctx context.Context) { g.ask(ctx, quick, took) }) },
			func() { without = g.rateBeside(&delivered, func(context.Context) {}) },
		}
		if n%2 == 1 {
			slices.Reverse(halves)
		}
		for _, half := range halves {
			half()
		}
		t.Logf("round %d: %.0f/s beside ten lists a second, %.0f/s without: %.2f", n+1, with, without, with/without)
		ratios = append(ratios, with/without)
	}
	var all []time.Duration
	for name, times := range took {
		slices.Sort(times)
		t.Logf("%-28s %3d times, median %v, slowest %v", name, len(times),
			times[len(times)/2].Round(100*time.Microsecond),
			times[len(times)-1].Round(100*time.Microsecond))
		all = append(all, times...)
	}
	slices.Sort(all)
	slices.Sort(ratios)
	p99, ratio := all[len(all)*99/100], ratios[rounds/2]
	t.Logf("%d lists: median %v, 99th percentile %v; ratio %.2f (%.2f)", len(all), all[len(all)/2], p99, ratio, ratios)
	if rounds >= 3 && p99 > listWithin {
		missed(t, "the 99th percentile is %v, the aim is %v", p99, listWithin)
	}
	if rounds >= 3 && ratio < leastBeside {
		missed(t, "the ratio is %.2f, the aim is %.2f", ratio, leastBeside)
	}
	for _, l := range slow {
		began := time.Now()
		incomplete, err := l.ask(t.Context())
		length := time.Since(began)
		t.Logf("%-28s %v, incomplete: %v", l.name, length.Round(time.Millisecond), incomplete)
		if err != nil || length > bellhop.ScanTime+time.Second && rounds >= 3 {
			t.Errorf("%s: %v after %v", l.name, err, length)
		}
	}
}

const (
	filledDays = 10
	fillBatch  = 1000 // events of one moment
)

// fill stores events, a multiple of fillBatch, and the deliveries of the test in the folder of the gateway, which is
// stopped, as if they had come during the last filledDays, until now. It returns the newest event.
func (g *gateway) fill(count int) bellhop.Event {
	g.t.Helper()
	const batch = fillBatch
	now := time.Now().AddDate(0, 0, -filledDays)
	s := openStore(g.t, g.dir, func() time.Time { return now })
	defer s.Close()
	ctx := g.t.Context()
	destination, err := s.Destination(ctx, "stored")
	if err != nil {
		g.t.Fatal(err)
	}
	body := []byte(
		`{"text":"one of the events that are stored, with a body of about a hundred bytes, as small ones have"}`)
	sum := sha256.Sum256(body)
	events, owed := make([]bellhop.Event, batch), make([]bellhop.NewDelivery, 0, batch)
	for n := 0; n < count; n += batch {
		src, err := s.Source(ctx, fmt.Sprintf("stored-%d", n/batch%storedSources))
		if err != nil {
			g.t.Fatal(err)
		}
		owed = owed[:0]
		for i := range events {
			events[i] = bellhop.Event{SourceID: src.ID, Type: fmt.Sprintf("stored.%d", i%50),
				Subject:    fmt.Sprintf("order/%d", n+i),
				ProviderID: fmt.Sprintf("id-%d", n+i), ReceivedAt: bellhop.StoredTime(now),
				ContentType: "application/json",
				Body:        body, SHA256: sum}
			if n+i < storedDeliveries {
				owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: destination.ID, Leased: true})
			}
		}
		if _, err := s.Accept(ctx, nil, events, owed); err != nil {
			g.t.Fatal(err)
		}
		for i, d := range owed {
			r := bellhop.Result{DeliveryID: d.DeliveryID, DestinationID: destination.ID,
				State:   bellhop.DeliveryDelivered,
				Attempt: bellhop.Attempt{Number: 1, StartedAt: now, Duration: time.Millisecond, Status: http.StatusOK}}
			if i == 0 {
				r.State, r.Attempt.Status, r.Attempt.Error = bellhop.DeliveryDead, http.StatusTeapot, "status"
			}
			if err := s.Record(r); err != nil {
				g.t.Fatal(err)
			}
		}
		now = now.Add(filledDays * 24 * time.Hour / time.Duration(count/batch-1))
	}
	return events[batch-1]
}

// A listed is one list of the test.
type listed struct {
	name string
	ask  func(ctx context.Context) (incomplete bool, err error)
}

// lists returns the lists that an index serves, or whose newest page has entries of the load, and those that are
// searched.
func (g *gateway) lists(newest bellhop.Event) (quick, slow []listed) {
	c := g.client()
	week := time.Now().Add(-7 * 24 * time.Hour)
	events := func(name string, f client.EventFilter) listed {
		return listed{"events " + name, func(ctx context.Context) (bool, error) {
			l, err := c.Events(ctx, f, client.Page{})
			return l.Incomplete, err
		}}
	}
	deliveries := func(name string, f client.DeliveryFilter) listed {
		return listed{"deliveries " + name, func(ctx context.Context) (bool, error) {
			l, err := c.Deliveries(ctx, f, client.Page{})
			return l.Incomplete, err
		}}
	}
	requests := listed{"requests", func(ctx context.Context) (bool, error) {
		l, err := c.Requests(ctx, client.RequestFilter{}, client.Page{})
		return l.Incomplete, err
	}}
	quick = []listed{
		events("", client.EventFilter{}),
		events("of the busy source", client.EventFilter{Source: plainSource}),
		events("with an id", client.EventFilter{ProviderID: newest.ProviderID}),
		events("of a week ago", client.EventFilter{Until: week}),
		events("of a type a week ago", client.EventFilter{Type: "stored.*", Until: week}),
		events("with a text a week ago", client.EventFilter{Contains: "a hundred bytes", Until: week}),
		deliveries("", client.DeliveryFilter{}),
		deliveries("to one", client.DeliveryFilter{Destination: "load"}),
		deliveries("that wait", client.DeliveryFilter{State: "pending"}),
		deliveries("that are dead", client.DeliveryFilter{State: "dead"}),
		deliveries("that are dead, to one", client.DeliveryFilter{State: "dead", Destination: "stored"}),
		deliveries("of an event", client.DeliveryFilter{Event: newest.ID}),
		requests,
	}
	slow = []listed{
		events("of a quiet source", client.EventFilter{Source: "stored-3"}),
		events("of a type", client.EventFilter{Type: "stored.7"}),
		events("of a type that none has", client.EventFilter{Type: "none.*"}),
		events("with a rare subject", client.EventFilter{Subject: "order/17"}),
		events("with a text that none has", client.EventFilter{Contains: "no such text"}),
		deliveries("with an error", client.DeliveryFilter{Error: "timeout"}),
		deliveries("of a type", client.DeliveryFilter{Type: "stored.7"}),
	}
	return quick, slow
}

// ask asks for one list after the other, ten in a second, until ctx ends, and notes how long each took.
func (g *gateway) ask(ctx context.Context, lists []listed, took map[string][]time.Duration) {
	next := time.NewTicker(listEvery)
	defer next.Stop()
	for n := 0; ; n++ {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
		l := lists[n%len(lists)]
		began := time.Now()
		incomplete, err := l.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		took[l.name] = append(took[l.name], time.Since(began))
		if err != nil || incomplete {
			g.t.Errorf("%s: incomplete: %v, %v", l.name, incomplete, err)
		}
	}
}

// rateBeside returns how many events a second are delivered beside something.
func (g *gateway) rateBeside(delivered *atomic.Int64, beside func(ctx context.Context)) float64 {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	var asking sync.WaitGroup
	asking.Go(func() { beside(ctx) })
	end := time.Now().Add(warmUp + listedLength)
	rate, _ := g.measure(delivered, func() bool { return time.Now().After(end) })
	cancel()
	asking.Wait()
	settle(g.t, g, patience)
	return rate
}
