package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// RepairStore is what replays and repairs need of the store.
type RepairStore interface {
	Event(ctx context.Context, id string) (bellhop.Event, error)
	// ReplayEvent stores new deliveries of an event, due now, and sets their ids.
	ReplayEvent(ctx context.Context, eventID string, owed []bellhop.Owed) error
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

// Pauses of a repair.
const (
	stepPause   = 5 * time.Millisecond // after each step, for the others who write
	stepsPerSec = 10                   // of a repair with a rate
	shortRest   = time.Second          // after storage refused a step, doubled up to longRest
	longRest    = time.Minute
	maxSpacing  = 30 * 24 * time.Hour // between two steps; no length of time is too long for a clock
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

// work goes step by step until the repair or ctx ends.
func (r *Repairer) work(ctx context.Context, repair bellhop.Repair) {
	quota := quota(repair.Rate)
	if repair.LookedAt > 0 { // another process did the step before, a moment ago perhaps
		pause(ctx, spacing(repair.Rate, int64(quota), 0))
	}
	for rest := shortRest; ctx.Err() == nil; {
		began := r.engine.now()
		after, err := r.step(ctx, repair, quota)
		switch {
		case ctx.Err() != nil:
			return
		case lasting(err):
			r.fail(ctx, repair, err)
			return
		case err != nil:
			r.engine.opts.Logger.Warn("repair.delayed", "component", "delivery", "repair_id", repair.ID, "error", err, "meaning", "its step is tried again")
			pause(ctx, rest)
			rest = min(2*rest, longRest)
		case after.State == bellhop.RepairCancelled: // which Cancel logs
			return
		case after.State != bellhop.RepairRunning:
			r.logEnd(after)
			return
		default:
			made := after.Changed - repair.Changed
			repair, rest = after, shortRest
			pause(ctx, spacing(repair.Rate, made, r.engine.now().Sub(began)))
		}
	}
}

// step does one step and wakes the lanes that it gave something.
func (r *Repairer) step(ctx context.Context, repair bellhop.Repair, quota int) (bellhop.Repair, error) {
	step, _, err := r.plan(ctx, repair, quota)
	if err != nil {
		return repair, err
	}
	after, err := r.store.StepRepair(ctx, repair, step)
	if err != nil {
		return repair, err
	}
	r.metrics.changed.WithLabelValues(string(repair.Kind)).Add(float64(after.Changed - repair.Changed))
	if repair.Kind != bellhop.RepairCancel {
		r.wake(step)
	}
	return after, nil
}

func (r *Repairer) wake(step bellhop.RepairStep) {
	woken := map[string]bool{}
	for _, chosen := range step.Chosen {
		woken[chosen.DestinationID] = true
	}
	for _, owed := range step.Owed {
		woken[owed.DestinationID] = true
	}
	for id := range woken {
		r.engine.Wake(id)
	}
}

// fail ends a repair that cannot go on.
func (r *Repairer) fail(ctx context.Context, repair bellhop.Repair, cause error) {
	ended, err := r.store.EndRepair(ctx, repair.ID, bellhop.RepairFailed, cause.Error())
	if err != nil {
		r.engine.opts.Logger.Error("repair.stuck", "component", "delivery", "repair_id", repair.ID, "error", errors.Join(cause, err),
			"meaning", "it goes no further until the next start")
		return
	}
	r.logEnd(ended)
}

// lasting reports whether err stays as it is however often the step is tried: a person's error, rather than storage's.
func lasting(err error) bool {
	var known *bellhop.Error
	return errors.As(err, &known) && known.Code != bellhop.CodeUnavailable && known.Code != bellhop.CodeInternal
}

func (r *Repairer) logEnd(repair bellhop.Repair) {
	r.engine.opts.Logger.Info("repair.ended", "component", "delivery", "repair_id", repair.ID, "kind", string(repair.Kind), "state", string(repair.State),
		"reason", repair.Reason, "looked_at", repair.LookedAt, "changed", repair.Changed, "skipped", repair.Skipped,
		"duration", fmt.Sprint(repair.UpdatedAt.Sub(repair.CreatedAt)))
}

// quota is how many deliveries one step of a repair changes at most, so that it comes to some steps a second.
func quota(rate float64) int {
	if rate <= 0 {
		return maxStep
	}
	return int(min(maxStep, max(1, rate/stepsPerSec)))
}

// spacing is how long to wait after a step that made so many and took so long. A clock that was set meanwhile makes it no shorter
// than the pause between any two steps, and no longer than if the step had taken no time.
func spacing(rate float64, made int64, took time.Duration) time.Duration {
	if rate <= 0 || made <= 0 {
		return stepPause
	}
	whole := time.Duration(min(float64(made)/rate, maxSpacing.Seconds()) * float64(time.Second))
	return max(stepPause, whole-max(0, took))
}
