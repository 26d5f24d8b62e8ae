package delivery

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/prometheus/client_golang/prometheus"
)

// clockStart is the time at which the clock of a bubble is when a test begins.
var clockStart = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// inBubble runs f in a synctest bubble: its clock stands still while a goroutine runs, and jumps to the next timer
// when all goroutines wait.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	// The store keeps channels in a sync.Pool. A channel of a bubble must not be used outside it; two garbage
	// collections empty the pool.
	defer runtime.GC()
	defer runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(clockStart))
		f(t)
	})
}

// A rig is an engine with a real store. It sends to receivers through pipes.
type rig struct {
	t          testing.TB
	dir        string
	network    *network
	wrapStore  func(Store) Store // wraps the store that the engine uses; nil means no wrapper
	providers  []provider.Provider
	actions    []provider.Action
	connection func(ctx context.Context, name string) (provider.Connection, error) // of actions; nil means none
	// the authorities that the engine trusts
	roots       *x509.CertPool
	maxAttempts int         // 0 means the default
	gate        *match.Gate // nil means the default
	// the proxies that destinations may use
	proxies []string
	// how far the wall clock has been set forward, in nanoseconds
	clockOffset atomic.Int64

	store   *sqlite.Store
	opener  *outbound.Opener
	engine  *Engine
	close   func(ctx context.Context) error // nil while no engine runs
	idle    bool                            // open does not call run
	run     func()                          // starts Engine.Run, once
	changes atomic.Int64                    // number of calls of Options.Changed
	log     *slog.Logger                    // of the store, the opener and the engine; nil discards
	metrics *prometheus.Registry            // the metrics of the last repairer
	source  bellhop.Source
}

func newRig(t testing.TB, change ...func(*rig)) *rig {
	r := &rig{t: t, dir: t.TempDir(), network: newNetwork(t), providers: []provider.Provider{ams.Provider{}}}
	for _, f := range change {
		f(r)
	}
	r.open()
	t.Cleanup(func() {
		if err := r.stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	r.source = bellhop.Source{ID: "src_rig", Name: "rig", Provider: "generic", Settings: []byte(`{}`),
		CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if err := r.store.CreateSource(t.Context(), r.source); err != nil {
		t.Fatal(err)
	}
	return r
}

// shrink divides the bounds of the bytes in memory. It comes before the first destination.
func (r *rig) shrink(part int) {
	n := int64(part)
	b := defaultBytes
	r.engine.bytes = byteBounds{queued: b.queued / n, lane: b.lane / n, claim: b.claim / n, minClaim: b.minClaim / n}
}

// open opens a store and an engine in the rig's folder, as the start of a process does. The end of the test stops
// them.
func (r *rig) open() {
	r.t.Helper()
	keys, err := store.LoadKeyRing(r.dir, rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	log := cmp.Or(r.log, slog.New(slog.DiscardHandler))
	s, err := sqlite.Open(sqlite.Options{Dir: r.dir, Options: store.Options{Keys: keys, Now: r.now, Rand: rand.Reader,
		Logger: log,
		Due:    func(destinationID string) { r.engine.Wake(destinationID) }}})
	if err != nil {
		r.t.Fatal(err)
	}
	var kept Store = s
	if r.wrapStore != nil {
		kept = r.wrapStore(s)
	}
	client := egress.New(egress.Config{AllowPrivate: true, Dial: r.network.dial, RootCAs: r.roots, Proxies: r.proxies})
	running, end := context.WithCancel(context.Background())
	var e *Engine
	r.opener = outbound.New(outbound.Options{Client: client, Providers: r.providers, Actions: r.actions, Logger: log,
		Gate:    r.gate,
		Env:     provider.Env{Now: r.now, Rand: rand.Reader, Logger: log},
		Publish: r.publish, Connection: r.connection,
		Current: func(destinationID string) *outbound.Target { return e.Target(destinationID) }})
	e = New(Options{Store: kept, Opener: r.opener, Gate: r.gate, CutOff: client.Close, Now: r.now, Logger: log,
		MaxAttempts: r.maxAttempts, OrderKey: keys.OrderKey(),
		Announce: r.announce, Changed: func() {
			r.changes.Add(1)
			go r.reload()
		}})
	ended := make(chan struct{})
	r.run = sync.OnceFunc(func() {
		go func() {
			defer close(ended)
			e.Run(running)
		}()
	})
	if !r.idle {
		r.run()
	}
	r.store, r.engine = s, e
	r.close = func(ctx context.Context) error {
		r.close = nil
		end()
		r.run()
		<-ended
		err := e.Stop(ctx)
		client.Close()
		return errors.Join(err, s.Close())
	}
	r.reload()
}

// stop stops the engine and closes the store, as a graceful stop of a process does.
func (r *rig) stop(ctx context.Context) error {
	if r.close == nil {
		return nil
	}
	return r.close(ctx)
}

// now returns the time of the wall clock, which a test may set by clockOffset.
func (r *rig) now() time.Time { return time.Now().Round(0).Add(time.Duration(r.clockOffset.Load())) }

// reload gives the engine the destinations of the store, as the app does after each change.
func (r *rig) reload() {
	r.t.Helper()
	list, _, err := r.store.Destinations(context.Background(), bellhop.DestinationFilter{},
		bellhop.Page{Limit: bellhop.MaxPage})
	if err == nil {
		err = r.engine.SetDestinations(context.Background(), list)
	}
	if err != nil {
		r.t.Error(err)
	}
}

// destination creates a destination that sends to the receiver to, and reloads.
func (r *rig) destination(to *receiver, change ...func(*bellhop.Destination)) bellhop.Destination {
	r.t.Helper()
	now := time.Now()
	d := bellhop.Destination{ID: "dst_" + to.name, Name: to.name, Type: bellhop.TypeHTTP, URL: to.url(),
		Settings: []byte(`{"format":"raw"}`),
		Timeout:  5 * time.Second, Concurrency: 16, Retry: bellhop.Retry{Schedule: bellhop.ScheduleDefault},
		Breaker:   bellhop.DefaultBreaker,
		State:     bellhop.DestinationActive,
		CreatedAt: now, UpdatedAt: now}
	for _, f := range change {
		f(&d)
	}
	if err := r.store.CreateDestination(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
	r.reload()
	return d
}

// update changes a destination as the API does, and reloads.
func (r *rig) update(id string, change func(*bellhop.Destination)) {
	r.t.Helper()
	time.Sleep(time.Millisecond) // UpdatedAt must be later than before
	d, err := r.store.Destination(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	change(&d)
	d.UpdatedAt = time.Now()
	if err := r.store.RestartDestination(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
	r.reload()
}

// match is Engine.Match for events that the engine is never too busy for.
func (r *rig) match(events []bellhop.Event) []bellhop.NewDelivery {
	r.t.Helper()
	deliveries, err := r.engine.Match(r.t.Context(), events)
	if err != nil {
		r.t.Fatal(err)
	}
	return deliveries
}

// accept stores and delivers events as the ingest handler does.
func (r *rig) accept(events ...bellhop.Event) []bellhop.NewDelivery {
	r.t.Helper()
	for i := range events {
		ev := &events[i]
		ev.SourceID, ev.Source, ev.ReceivedAt, ev.SHA256 = r.source.ID, r.source.Name, time.Now(),
			sha256.Sum256(ev.Body)
		if ev.Type == "" {
			ev.Type = "job.finished"
		}
	}
	deliveries := r.match(events)
	if _, err := r.store.Accept(r.t.Context(), nil, events, deliveries); err != nil {
		r.t.Fatal(err)
	}
	r.engine.Deliver(events, deliveries)
	return deliveries
}

// announce stores and delivers an event of the gateway itself, as the ingest handler does.
func (r *rig) announce(_ context.Context, ev bellhop.Event) error {
	ev.SourceID, ev.Source = bellhop.SourceSelfID, bellhop.SourceSelf
	ev.ReceivedAt, ev.SHA256 = time.Now(), sha256.Sum256(ev.Body)
	events := []bellhop.Event{ev}
	deliveries := r.match(events)
	if _, err := r.store.Accept(context.Background(), nil, events, deliveries); err != nil {
		r.engine.Unreserve(events, deliveries)
		return err
	}
	r.engine.Deliver(events, deliveries)
	return nil
}

// publish stores and delivers an event that an action published, as the ingest handler does.
func (r *rig) publish(_ context.Context, cause *bellhop.Event, ev bellhop.Event) (string, error) {
	ev.Subject = cause.ID
	events := []bellhop.Event{ev}
	r.accept(events...)
	return events[0].ID, nil
}

// acceptMany accepts n events with different bodies, at most a hundred at a time.
func (r *rig) acceptMany(n int) {
	r.t.Helper()
	var events []bellhop.Event
	for i := range n {
		events = append(events, bellhop.Event{ContentType: "text/plain", Body: fmt.Appendf(nil, "event %d", i)})
		if len(events) == 100 || i == n-1 {
			r.accept(events...)
			events = nil
		}
	}
}

// deliveries returns all deliveries of the store, newest first.
func (r *rig) deliveries() (all []bellhop.Delivery) {
	r.t.Helper()
	page := bellhop.Page{Limit: bellhop.MaxPage}
	for {
		list, next, err := r.store.Deliveries(context.Background(), bellhop.DeliveryFilter{}, page)
		if err != nil {
			r.t.Fatal(err)
		}
		if all = append(all, list...); next == "" {
			return all
		}
		page.Cursor = next
	}
}

// only returns the delivery of a store that has exactly one.
func (r *rig) only() bellhop.Delivery {
	r.t.Helper()
	list := r.deliveries()
	if len(list) != 1 {
		r.t.Fatalf("%d deliveries, want 1", len(list))
	}
	return list[0]
}

// states returns the number of deliveries in each state.
func (r *rig) states() map[bellhop.DeliveryState]int {
	r.t.Helper()
	count := map[bellhop.DeliveryState]int{}
	for _, d := range r.deliveries() {
		count[d.State]++
	}
	return count
}

// wantStates checks the number of deliveries in each state.
func (r *rig) wantStates(want map[bellhop.DeliveryState]int) {
	r.t.Helper()
	if got := r.states(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("deliveries are %v, want %v", got, want)
	}
}

// wantIdle checks that no lane holds a reserved place, a delivery, a byte, a worker or a claim.
func (r *rig) wantIdle() {
	r.t.Helper()
	if n := r.engine.queuedBytes.Load(); n != 0 {
		r.t.Errorf("%d bytes are still counted", n)
	}
	for id, l := range r.engine.lanes.Load().byID {
		l.mu.Lock()
		if l.reserved != 0 || l.active != 0 || l.waiting() != 0 || l.claiming || l.bytes != 0 ||
			len(l.keys.waiting) != 0 {
			r.t.Errorf("%s: %d places reserved, %d workers, %d queued, %d bytes, %d keys, claiming: %v",
				id, l.reserved, l.active, l.waiting(), l.bytes, len(l.keys.waiting), l.claiming)
		}
		l.mu.Unlock()
	}
}
