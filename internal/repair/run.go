package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Bounds of a repair's steps.
const (
	maxStep     = 200                  // deliveries changed, or events inspected
	countStep   = 1000                 // of them, while they are only counted
	minPause    = 5 * time.Millisecond // after each step, so that other writers get their turn
	maxPause    = 30 * 24 * time.Hour  // after each step, so that no pause overflows
	stepsPerSec = 10                   // of a repair with a rate
)

// run does step after step until the repair or ctx ends. A repair that waits begins first.
func (r *Repairer) run(ctx context.Context, repair bellhop.Repair) {
	repair, runs := r.started(ctx, repair)
	if !runs {
		return
	}
	quota := quota(repair.Rate)
	if repair.LookedAt > 0 { // the process before may have done a step a moment ago
		wait(ctx, pause(repair.Rate, int64(quota), 0))
	}
	for backoff := minBackoff; ctx.Err() == nil; {
		began := r.opts.Now()
		after, err := r.step(ctx, repair, quota)
		switch {
		case ctx.Err() != nil:
			return
		case permanent(err):
			r.fail(ctx, repair, err)
			return
		case err != nil:
			r.opts.Logger.Warn("repair.delayed", "component", "delivery", "repair_id", repair.ID, "error", err,
				"meaning", "its step is tried again")
			wait(ctx, backoff)
			backoff = min(2*backoff, maxBackoff)
		case after.State == bellhop.RepairCancelled: // Cancel logs it
			return
		case after.State != bellhop.RepairRunning:
			r.logEnd(after)
			return
		default:
			made := after.Changed - repair.Changed
			repair, backoff = after, minBackoff
			wait(ctx, pause(repair.Rate, made, r.opts.Now().Sub(began)))
		}
	}
}

// started waits until a repair begins, if it waits. It reports whether the repair runs then.
func (r *Repairer) started(ctx context.Context, repair bellhop.Repair) (after bellhop.Repair, runs bool) {
	if repair.State != bellhop.RepairWaiting {
		return repair, true
	}
	// No clock that was set back makes it wait for longer than it ever may.
	wait(ctx, min(repair.StartsAt.Sub(r.opts.Now()), bellhop.MaxRepairDelay))
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		after, err := r.opts.Store.StartRepair(ctx, repair.ID)
		switch {
		case ctx.Err() != nil:
			return repair, false
		case permanent(err):
			r.fail(ctx, repair, err)
			return repair, false
		case err == nil:
			return after, after.State == bellhop.RepairRunning
		}
		r.opts.Logger.Warn("repair.delayed", "component", "delivery", "repair_id", repair.ID, "error", err,
			"meaning", "its beginning is tried again")
		wait(ctx, backoff)
	}
	return repair, false
}

// step does one step and wakes the lanes of its deliveries.
func (r *Repairer) step(ctx context.Context, repair bellhop.Repair, quota int) (bellhop.Repair, error) {
	step, _, err := r.plan(ctx, repair, quota)
	if err != nil {
		return repair, err
	}
	after, err := r.opts.Store.StepRepair(ctx, repair, step)
	if err != nil {
		return repair, err
	}
	r.metrics.changed.WithLabelValues(string(repair.Kind)).Add(float64(after.Changed - repair.Changed))
	r.wake(step) // after a cancel too: deliveries that waited behind a cancelled one may be due
	return after, nil
}

// wake wakes the lanes of a step's deliveries, each once.
func (r *Repairer) wake(step bellhop.RepairStep) {
	woken := map[string]bool{}
	for _, chosen := range step.Chosen {
		woken[chosen.DestinationID] = true
	}
	for _, d := range step.Deliveries {
		woken[d.DestinationID] = true
	}
	for id := range woken {
		r.opts.Lanes.Wake(id)
	}
}

// fail ends a repair that cannot continue.
func (r *Repairer) fail(ctx context.Context, repair bellhop.Repair, cause error) {
	ended, err := r.opts.Store.EndRepair(ctx, repair.ID, bellhop.RepairFailed, cause.Error())
	if err != nil {
		r.opts.Logger.Error("repair.stuck", "component", "delivery", "repair_id", repair.ID, "error",
			errors.Join(cause, err),
			"meaning", "it goes no further until another repair begins, or the next start")
		return
	}
	r.logEnd(ended)
}

// permanent reports whether repeating the step cannot help: the error is in the repair, not in the store.
func permanent(err error) bool {
	var known *bellhop.Error
	return errors.As(err, &known) && known.Code != bellhop.CodeUnavailable && known.Code != bellhop.CodeInternal
}

func (r *Repairer) logEnd(repair bellhop.Repair) {
	r.opts.Logger.Info("repair.ended", "component", "delivery", "repair_id", repair.ID, "kind", string(repair.Kind),
		"state", string(repair.State),
		"reason", repair.Reason, "looked_at", repair.LookedAt, "changed", repair.Changed, "skipped", repair.Skipped,
		"duration", fmt.Sprint(repair.UpdatedAt.Sub(repair.CreatedAt)))
}

// quota returns how many deliveries one step of a repair of that rate changes at most, so that there are some
// steps a second.
func quota(rate float64) int {
	if rate <= 0 {
		return maxStep
	}
	return int(min(maxStep, max(1, rate/stepsPerSec)))
}

// pause returns how long to wait after a step that changed so many deliveries and took so long. If the clock
// was set meanwhile, the pause is at least minPause, and at most that after a step which took no time.
func pause(rate float64, made int64, took time.Duration) time.Duration {
	if rate <= 0 || made <= 0 {
		return minPause
	}
	whole := time.Duration(min(float64(made)/rate, maxPause.Seconds()) * float64(time.Second))
	return max(minPause, whole-max(0, took))
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
