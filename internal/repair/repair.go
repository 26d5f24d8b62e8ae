// Package repair makes many deliveries again, or changes many, by a filter: a replay makes new deliveries of
// stored events, a retry makes dead or cancelled deliveries due, a cancel gives pending ones up.
//
// A repair goes step by step, at its rate. Each step is one transaction that also moves the repair's cursor, so
// a crash repeats no step. The package makes rows in the deliveries table and wakes the lanes of
// internal/delivery; it takes no places in them.
package repair

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is what replays and repairs need of the store.
type Store interface {
	Event(ctx context.Context, id string) (bellhop.Event, error)
	// ReplayEvent stores new deliveries of an event, due now, and sets their ids.
	ReplayEvent(ctx context.Context, eventID string, deliveries []bellhop.NewDelivery) error
	// CreateRepair stores a repair that begins. ScopeRepair only sets where it would begin and end.
	CreateRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	ScopeRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	RunningRepairs(ctx context.Context) ([]bellhop.Repair, error) // and those that wait
	// StartRepair makes a waiting repair run. It returns one in another state as it is.
	StartRepair(ctx context.Context, id string) (bellhop.Repair, error)
	EndRepair(ctx context.Context, id string, state bellhop.RepairState, reason string) (bellhop.Repair, error)
	// Choose returns the next events or deliveries that a repair's filter chooses after its cursor, and the cursor
	// after all of them. whole loads the events' headers and bodies.
	Choose(ctx context.Context, r bellhop.Repair, limit int, whole bool) (chosen []bellhop.Chosen, at int64, err error)
	// RepairPosition returns the time of the events that the cursor of a repair has reached.
	RepairPosition(r bellhop.Repair) time.Time
	// StepRepair does a step and moves the cursor, in one transaction.
	StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (bellhop.Repair, error)
}

// Lanes is what replays and repairs need of the delivery engine.
type Lanes interface {
	// Look opens a view of ev for filter, which may be nil, and for Assign. A large body waits for its turn; the error
	// is that of ctx. The caller closes the view.
	Look(ctx context.Context, ev *bellhop.Event, filter *match.Matcher) (*match.View, error)
	// Assign appends a delivery for each destination that wants the view's event, which is the i-th of some events.
	Assign(deliveries []bellhop.NewDelivery, i int, view *match.View) []bellhop.NewDelivery
	// AssignTo returns a delivery of ev to one destination, whatever it wants.
	AssignTo(destinationID string, i int, ev *bellhop.Event) bellhop.NewDelivery
	// Takes reports whether a destination may get ev at all: it does not get that of a tenant which it does not name.
	Takes(destinationID string, ev *bellhop.Event) bool
	// Wants reports whether a destination wants the view's event by its match.
	Wants(destinationID string, view *match.View) bool
	// LooksInside reports whether Assign reads headers or bodies.
	LooksInside() bool
	// Wake makes a destination's lane claim deliveries that have become due.
	Wake(destinationID string)
}

// Options say what a Repairer may use.
type Options struct {
	Store   Store
	Lanes   Lanes
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil registers no metrics
}

// The first pause after the store failed, and the bound up to which it doubles.
const (
	minBackoff = time.Second
	maxBackoff = time.Minute
)

// A Repairer does replays and repairs. Each repair has a goroutine. What it has done is in the store, so the
// next process continues where this one ended.
type Repairer struct {
	opts    Options
	metrics *metrics
	begun   chan struct{} // a repair was created; holds one

	mu      sync.Mutex
	running map[string]context.CancelFunc // the repairs that have a goroutine, by id; mu guards it
}

// New returns a Repairer. Its repairs advance while Run does.
func New(opts Options) *Repairer {
	return &Repairer{opts: opts, metrics: newMetrics(opts.Metrics), begun: make(chan struct{}, 1),
		running: map[string]context.CancelFunc{}}
}

// Begin stores a repair and starts it, or lets it wait until its StartsAt. Its error is [bellhop.CodeConflict] if
// too many are running, or if its destination is deleted.
func (r *Repairer) Begin(ctx context.Context, repair bellhop.Repair) (bellhop.Repair, error) {
	repair, err := r.opts.Store.CreateRepair(ctx, repair)
	if err != nil {
		return repair, err
	}
	select {
	case r.begun <- struct{}{}:
	default:
	}
	return repair, nil
}

// Cancel ends a running repair after its present step, and a waiting one before its first step. The steps that it has
// done stay done.
func (r *Repairer) Cancel(ctx context.Context, id string) (bellhop.Repair, error) {
	repair, err := r.opts.Store.EndRepair(ctx, id, bellhop.RepairCancelled, "cancelled by a person")
	if err != nil {
		return repair, err
	}
	r.mu.Lock()
	if cancel := r.running[id]; cancel != nil {
		cancel()
	}
	r.mu.Unlock()
	r.logEnd(repair)
	return repair, nil
}

// Run continues the repairs that the last process left, and starts each new one at once, until ctx ends. It
// returns when all their goroutines have ended.
func (r *Repairer) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for backoff := minBackoff; ; {
		err := r.startAll(ctx, &all)
		var again <-chan time.Time
		if err != nil {
			again = time.After(backoff)
			backoff = min(2*backoff, maxBackoff)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.begun:
		case <-again:
		}
	}
}

// startAll starts the goroutine of each running repair that has none. It holds mu while it reads the store, so
// that no goroutine ends between the two.
func (r *Repairer) startAll(ctx context.Context, all *sync.WaitGroup) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, err := r.opts.Store.RunningRepairs(ctx)
	for _, repair := range list {
		if r.running[repair.ID] == nil {
			r.start(ctx, all, repair)
		}
	}
	return err
}

// start starts the goroutine of a repair. The caller holds mu.
func (r *Repairer) start(ctx context.Context, all *sync.WaitGroup, repair bellhop.Repair) {
	ctx, cancel := context.WithCancel(ctx)
	r.running[repair.ID] = cancel
	r.metrics.running.Inc()
	all.Go(func() {
		r.run(ctx, repair)
		cancel()
		r.metrics.running.Dec()
		r.mu.Lock()
		delete(r.running, repair.ID)
		r.mu.Unlock()
	})
}

type metrics struct {
	running prometheus.Gauge
	changed *prometheus.CounterVec
}

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_repairs_running",
			Help: "Repairs that have not ended, with those that wait for their beginning."}),
		changed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_repair_deliveries_total",
			Help: "Deliveries that replays made, retries made due and cancels gave up."}, []string{"kind"}),
	}
	if to != nil {
		to.MustRegister(m.running, m.changed)
	}
	return m
}
