package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// The pace of a repair.
const (
	stepPause   = 5 * time.Millisecond // after each step, for the others who write
	stepsPerSec = 10                   // of a repair with a rate
	maxSpacing  = 30 * 24 * time.Hour  // between two steps; no length of time is too long for a clock
)

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
	r.wake(step) // after a cancel as well: what waited behind is due, perhaps
	return after, nil
}

func (r *Repairer) wake(step bellhop.RepairStep) {
	woken := map[string]bool{}
	for _, chosen := range step.Chosen {
		woken[chosen.DestinationID] = true
	}
	for _, owed := range step.Deliveries {
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
			"meaning", "it goes no further until another repair begins, or the next start")
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
