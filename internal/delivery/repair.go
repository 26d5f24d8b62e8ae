package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// RepairStore is what replays and repairs need of the store.
type RepairStore interface {
	Event(ctx context.Context, id string) (bellhop.Event, error)
	// ReplayEvent stores new deliveries of an event, due now, and sets their ids.
	ReplayEvent(ctx context.Context, eventID string, owed []bellhop.NewDelivery) error
	// CreateRepair stores a repair that begins; ScopeRepair only says where it would begin and end.
	CreateRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	ScopeRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	RunningRepairs(ctx context.Context) ([]bellhop.Repair, error)
	EndRepair(ctx context.Context, id string, state bellhop.RepairState, reason string) (bellhop.Repair, error)
	// Choose returns some of what a repair's filter chooses after its cursor, and where the cursor is after all of them.
	Choose(ctx context.Context, r bellhop.Repair, limit int, whole bool) (chosen []bellhop.Chosen, at int64, err error)
	// StepRepair does a step and moves the cursor, in one transaction.
	StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (bellhop.Repair, error)
}

// Rests after storage refused to say what runs, or to take a step: the first, and what it is doubled up to.
const (
	shortRest = time.Second
	longRest  = time.Minute
)

// A Repairer does replays and repairs. Each repair goes step by step in a goroutine of its own; what it has done is in the
// store, so that the next process goes on where this one ended.
type Repairer struct {
	engine  *Engine
	store   RepairStore
	metrics *repairMetrics
	begun   chan struct{} // a repair was asked for; holds one

	mu      sync.Mutex
	running map[string]context.CancelFunc // by id: those with a goroutine
}

// NewRepairer returns a repairer that makes deliveries for e's destinations. Its repairs go on while Run does.
func NewRepairer(e *Engine, s RepairStore) *Repairer {
	return &Repairer{engine: e, store: s, metrics: newRepairMetrics(e.opts.Metrics), begun: make(chan struct{}, 1), running: map[string]context.CancelFunc{}}
}

// Begin stores a repair and starts it. It is a conflict if too many run already, or if its destination is deleted.
func (r *Repairer) Begin(ctx context.Context, repair bellhop.Repair) (bellhop.Repair, error) {
	repair, err := r.store.CreateRepair(ctx, repair)
	if err != nil {
		return repair, err
	}
	select {
	case r.begun <- struct{}{}:
	default:
	}
	return repair, nil
}

// Cancel ends a running repair between two of its steps. What it did stays done.
func (r *Repairer) Cancel(ctx context.Context, id string) (bellhop.Repair, error) {
	repair, err := r.store.EndRepair(ctx, id, bellhop.RepairCancelled, "cancelled by a person")
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

// Run does the repairs that the last process left, and each new one at once, until ctx ends. It returns when all goroutines have.
func (r *Repairer) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for rest := shortRest; ; {
		err := r.startAll(ctx, &all)
		var again <-chan time.Time
		if err != nil {
			again = time.After(rest)
			rest = min(2*rest, longRest)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.begun:
		case <-again:
		}
	}
}

// startAll gives each running repair its goroutine, unless it has one. It holds mu while it reads, so that none ends between.
func (r *Repairer) startAll(ctx context.Context, all *sync.WaitGroup) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, err := r.store.RunningRepairs(ctx)
	for _, repair := range list {
		if r.running[repair.ID] == nil {
			r.start(ctx, all, repair)
		}
	}
	return err
}

// start gives a repair its goroutine. The caller holds mu.
func (r *Repairer) start(ctx context.Context, all *sync.WaitGroup, repair bellhop.Repair) {
	ctx, cancel := context.WithCancel(ctx)
	r.running[repair.ID] = cancel
	r.metrics.running.Inc()
	all.Go(func() {
		r.work(ctx, repair)
		cancel()
		r.metrics.running.Dec()
		r.mu.Lock()
		delete(r.running, repair.ID)
		r.mu.Unlock()
	})
}
