package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// Bounds of a step, and of a count.
const (
	maxStep  = 200              // deliveries changed, or events looked at
	countFor = 10 * time.Second // a count says that it is not complete after that
)

// Replay makes new deliveries of an event: to the destination named, whether its match wants it or not, or to all that want it now.
// It returns them with their ids.
func (r *Repairer) Replay(ctx context.Context, eventID, destinationID string) ([]bellhop.NewDelivery, error) {
	ev, err := r.store.Event(ctx, eventID)
	if err != nil {
		return nil, err
	}
	var owed []bellhop.NewDelivery
	if destinationID == "" {
		owed = r.engine.owed(nil, 0, &ev)
	} else {
		named := bellhop.Repair{Kind: bellhop.RepairReplay, Filter: bellhop.RepairFilter{DestinationID: destinationID}}
		if _, err := r.store.ScopeRepair(ctx, named); err != nil { // deleted, or never there
			return nil, err
		}
		owed = []bellhop.NewDelivery{r.engine.owedTo(destinationID, 0, &ev)}
	}
	if err := r.store.ReplayEvent(ctx, eventID, owed); err != nil {
		return nil, err
	}
	owed = slices.DeleteFunc(owed, func(o bellhop.NewDelivery) bool { return o.DeliveryID == "" })
	r.metrics.changed.WithLabelValues(string(bellhop.RepairReplay)).Add(float64(len(owed)))
	r.wake(bellhop.RepairStep{Deliveries: owed})
	return owed, nil
}

// Count says what a repair would do now, and does nothing.
func (r *Repairer) Count(ctx context.Context, repair bellhop.Repair) (count bellhop.RepairCount, err error) {
	if repair, err = r.store.ScopeRepair(ctx, repair); err != nil {
		return count, err
	}
	ctx, cancel := context.WithTimeout(ctx, countFor)
	defer cancel()
	for repair.Cursor < repair.Bound {
		step, wanted, err := r.plan(ctx, repair, maxStep)
		if ctx.Err() == context.DeadlineExceeded {
			return count, nil
		}
		if err != nil {
			return count, err
		}
		repair.Cursor = step.To
		count.Events += wanted
		if count.Deliveries += int64(len(step.Deliveries)); repair.Kind != bellhop.RepairReplay {
			count.Deliveries += int64(len(step.Chosen))
		}
	}
	count.Complete = true
	return count, nil
}

// plan reads what comes next of a repair and says what to do with it: about quota deliveries, but all of an event together. wanted
// is how many of a replay's events its filter wants.
func (r *Repairer) plan(ctx context.Context, repair bellhop.Repair, quota int) (step bellhop.RepairStep, wanted int64, err error) {
	if repair.Kind != bellhop.RepairReplay {
		step.Chosen, step.To, err = r.store.Choose(ctx, repair, quota, false)
		return step, 0, err
	}
	f := repair.Filter
	filter := bellhop.Match{Where: f.Where}
	switch { // what the store has chosen anyway, said so that the gateway's own events are meant as well
	case f.SourceID == bellhop.SourceSelfID:
		filter.Sources = []string{f.SourceID}
	case f.Self():
		filter.Types = []string{f.Type}
	}
	where, err := match.Compile(filter)
	if err != nil {
		return step, 0, err
	}
	whole := f.Where != "" || f.DestinationID == "" && r.engine.looksInside()
	step, wanted, err = r.planReplay(ctx, repair, quota, where, whole)
	if err == nil && !whole && f.DestinationID == "" && r.engine.looksInside() { // since just now
		return r.planReplay(ctx, repair, quota, where, true)
	}
	return step, wanted, err
}

// planReplay is plan for a replay, its filter's where compiled, with events that are whole or not.
func (r *Repairer) planReplay(ctx context.Context, repair bellhop.Repair, quota int, where *match.Matcher, whole bool) (step bellhop.RepairStep, wanted int64, err error) {
	f := repair.Filter
	if step.Chosen, step.To, err = r.store.Choose(ctx, repair, min(maxStep, max(maxStep/10, 4*quota)), whole); err != nil {
		return step, 0, err
	}
	for i := range step.Chosen {
		ev := &step.Chosen[i].Event
		wants, before := f.Where == "", len(step.Deliveries)
		if !wants {
			wants, _ = where.Wants(ev)
		}
		switch {
		case wants && f.DestinationID != "":
			step.Deliveries = append(step.Deliveries, r.engine.owedTo(f.DestinationID, i, ev))
		case wants:
			step.Deliveries = r.engine.owed(step.Deliveries, i, ev)
		}
		if before > 0 && len(step.Deliveries) > quota {
			step.Deliveries, step.Chosen, step.To = step.Deliveries[:before], step.Chosen[:i], step.Chosen[i-1].Cursor
			break
		}
		if wants {
			wanted++
		}
		ev.Header, ev.Body = nil, nil
	}
	return step, wanted, nil
}

// owed adds what each destination that wants ev, the i-th of some events, is owed of it. Unlike Match it takes no place in a lane.
func (e *Engine) owed(owed []bellhop.NewDelivery, i int, ev *bellhop.Event) []bellhop.NewDelivery {
	for l := range e.lanes.Load().mayWant(ev) {
		if dst := l.destination.Load(); e.wants(l, dst, ev) {
			owed = append(owed, l.owed(dst, i, ev))
		}
	}
	return owed
}

// owedTo is what a destination is owed of ev, the i-th of some events, whether it wants it or not.
func (e *Engine) owedTo(destinationID string, i int, ev *bellhop.Event) bellhop.NewDelivery {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		return l.owed(l.destination.Load(), i, ev)
	}
	return bellhop.NewDelivery{Event: i, DestinationID: destinationID}
}

// looksInside reports whether the match of some destination needs an event's header or body.
func (e *Engine) looksInside() bool {
	for _, l := range e.lanes.Load().byID {
		if l.destination.Load().Match.Where != "" {
			return true
		}
	}
	return false
}
