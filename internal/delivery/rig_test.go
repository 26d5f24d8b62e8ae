package delivery

import (
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
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/prometheus/client_golang/prometheus"
)

// began is when the clock of a bubble starts for a test.
var began = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// inBubble runs f where time stands still while anything happens, and passes at once when nothing does.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	// The store keeps channels in a pool. Those of a bubble must not be met outside: two collections empty it.
	defer runtime.GC()
	defer runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(began))
		f(t)
	})
}

// A rig is an engine between a real store and receivers at the other end of pipes.
type rig struct {
	t           testing.TB
	dir         string
	network     *network
	between     func(Store) Store // stands between engine and store; nil does not
	providers   []provider.Provider
	actions     []provider.Action
	roots       *x509.CertPool // whom receivers' certificates are trusted by
	maxAttempts int            // 0 is the default
	proxies     []string       // that destinations may go through
	jumped      atomic.Int64   // by how much the clock has been set forward, in nanoseconds

	store   *sqlite.Store
	opener  *outbound.Opener
	engine  *Engine
	close   func(ctx context.Context) error // nil while nothing runs
	idle    bool                            // open makes an engine that does not run
	run     func()                          // runs the engine
	changes atomic.Int64                    // calls of Changed
	metrics *prometheus.Registry            // of the last repairer
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

// open starts a store and an engine in the rig's folder, as a process does that starts. They end with the test.
func (r *rig) open() {
	r.t.Helper()
	keys, err := store.LoadKeyRing(r.dir, rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := sqlite.Open(sqlite.Options{Dir: r.dir, Options: store.Options{Keys: keys, Now: r.now, Rand: rand.Reader,
		Logger: log,
		Due:    func(destinationID string) { r.engine.Wake(destinationID) }}})
	if err != nil {
		r.t.Fatal(err)
	}
	var kept Store = s
	if r.between != nil {
		kept = r.between(s)
	}
	client := egress.New(egress.Config{AllowPrivate: true, Dial: r.network.dial, RootCAs: r.roots, Proxies: r.proxies})
	running, end := context.WithCancel(context.Background())
	var e *Engine
	r.opener = outbound.New(outbound.Options{Client: client, Providers: r.providers, Actions: r.actions, Logger: log,
		Env:     provider.Env{Now: r.now, Rand: rand.Reader, Logger: log},
		Publish: r.publish,
		Current: func(destinationID string) *outbound.Target { return e.Target(destinationID) }})
	e = New(Options{Store: kept, Opener: r.opener, CutOff: client.Close, Now: r.now, Logger: log,
		MaxAttempts: r.maxAttempts,
		Announce:    r.announce, Changed: func() {
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

// stop ends the engine and the store, as a process does that is asked to.
func (r *rig) stop(ctx context.Context) error {
	if r.close == nil {
		return nil
	}
	return r.close(ctx)
}

// now is the clock on the wall, which somebody may set.
func (r *rig) now() time.Time { return time.Now().Round(0).Add(time.Duration(r.jumped.Load())) }

// reload hands the engine what the store has, as the app does after each change.
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

// destination makes a destination at to, and has the engine open it.
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

// update changes a destination as the API does.
func (r *rig) update(id string, change func(*bellhop.Destination)) {
	r.t.Helper()
	time.Sleep(time.Millisecond) // or it would not be newer
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

// accept takes events as the door does.
func (r *rig) accept(events ...bellhop.Event) []bellhop.NewDelivery {
	r.t.Helper()
	for i := range events {
		ev := &events[i]
		ev.SourceID, ev.Source, ev.ReceivedAt, ev.SHA256 = r.source.ID, r.source.Name, time.Now(), sha256.Sum256(ev.Body)
		if ev.Type == "" {
			ev.Type = "job.finished"
		}
	}
	deliveries := r.engine.Match(events)
	if _, err := r.store.Accept(r.t.Context(), nil, events, deliveries); err != nil {
		r.t.Fatal(err)
	}
	r.engine.Deliver(events, deliveries)
	return deliveries
}

// announce takes an event of the gateway's own, as the door does.
func (r *rig) announce(_ context.Context, ev bellhop.Event) error {
	ev.SourceID, ev.Source, ev.ReceivedAt, ev.SHA256 = bellhop.SourceSelfID, bellhop.SourceSelf, time.Now(), sha256.Sum256(ev.Body)
	events := []bellhop.Event{ev}
	deliveries := r.engine.Match(events)
	if _, err := r.store.Accept(context.Background(), nil, events, deliveries); err != nil {
		r.engine.Unreserve(events, deliveries)
		return err
	}
	r.engine.Deliver(events, deliveries)
	return nil
}

// publish takes an event that an action published, as the door does.
func (r *rig) publish(_ context.Context, cause *bellhop.Event, ev bellhop.Event) (string, error) {
	ev.Subject = cause.ID
	events := []bellhop.Event{ev}
	r.accept(events...)
	return events[0].ID, nil
}

// acceptMany takes n events, a hundred at a time, with bodies that tell them apart.
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

// deliveries lists everything in the table, newest first.
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

// only returns the one delivery there is.
func (r *rig) only() bellhop.Delivery {
	r.t.Helper()
	list := r.deliveries()
	if len(list) != 1 {
		r.t.Fatalf("%d deliveries", len(list))
	}
	return list[0]
}

// states counts the deliveries by state.
func (r *rig) states() map[bellhop.DeliveryState]int {
	r.t.Helper()
	count := map[bellhop.DeliveryState]int{}
	for _, d := range r.deliveries() {
		count[d.State]++
	}
	return count
}

// wantStates checks the table.
func (r *rig) wantStates(want map[bellhop.DeliveryState]int) {
	r.t.Helper()
	if got := r.states(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("deliveries are %v, want %v", got, want)
	}
}

// wantIdle checks that nothing is left in memory: no promise, no byte, no worker.
func (r *rig) wantIdle() {
	r.t.Helper()
	if n := r.engine.queuedBytes.Load(); n != 0 {
		r.t.Errorf("%d bytes are still counted", n)
	}
	for id, l := range r.engine.lanes.Load().byID {
		l.mu.Lock()
		if l.reserved != 0 || l.active != 0 || l.waiting() != 0 || l.claiming || l.bytes != 0 || len(l.keys.waiting) != 0 {
			r.t.Errorf("%s: %d places promised, %d workers, %d queued, %d bytes, %d keys, claiming: %v",
				id, l.reserved, l.active, l.waiting(), l.bytes, len(l.keys.waiting), l.claiming)
		}
		l.mu.Unlock()
	}
}
