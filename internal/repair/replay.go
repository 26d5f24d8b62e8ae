package repair

import (
	"context"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// maxCount is how long Count counts before it returns an incomplete count. A caller with a deadline gets one in half
// of the time that is left.
const maxCount = 10 * time.Second

// Replay makes new deliveries of an event: to the destination of that id, whether it wants the event or not, or
// with "" to all that want it now. It returns them with their ids.
func (r *Repairer) Replay(ctx context.Context, eventID, destinationID string) ([]bellhop.NewDelivery, error) {
	ev, err := r.opts.Store.Event(ctx, eventID)
	if err != nil {
		return nil, err
	}
	var deliveries []bellhop.NewDelivery
	if destinationID == "" {
		view, err := r.opts.Lanes.Look(ctx, &ev, nil)
		if err != nil {
			return nil, err
		}
		deliveries = r.opts.Lanes.Assign(nil, 0, view)
		view.Close()
	} else {
		named := bellhop.Repair{Kind: bellhop.RepairReplay, Filter: bellhop.RepairFilter{DestinationID: destinationID}}
		if _, err := r.opts.Store.ScopeRepair(ctx, named); err != nil { // it is deleted, or never existed
			return nil, err
		}
		if !r.opts.Lanes.Takes(destinationID, &ev) {
			return nil, bellhop.Conflict("the event belongs to tenant " + ev.Tenant + ", whose events the " +
				"destination does not get: name the tenant in its tenants first")
		}
		deliveries = []bellhop.NewDelivery{r.opts.Lanes.AssignTo(destinationID, 0, &ev)}
	}
	if err := r.opts.Store.ReplayEvent(ctx, eventID, deliveries); err != nil {
		return nil, err
	}
	deliveries = slices.DeleteFunc(deliveries, func(d bellhop.NewDelivery) bool { return d.DeliveryID == "" })
	r.metrics.changed.WithLabelValues(string(bellhop.RepairReplay)).Add(float64(len(deliveries)))
	r.wake(bellhop.RepairStep{Deliveries: deliveries})
	return deliveries, nil
}

// Count returns what a repair would do now, and does nothing. If the time is up, it returns what it has counted, and
// how far it came.
func (r *Repairer) Count(ctx context.Context, repair bellhop.Repair) (count bellhop.RepairCount, err error) {
	if repair, err = r.opts.Store.ScopeRepair(ctx, repair); err != nil {
		return count, err
	}
	within := maxCount
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, deadline.Sub(r.opts.Now())/2)
	}
	end := r.opts.Now().Add(within)
	for repair.Cursor < repair.Bound {
		began := r.opts.Now()
		step, wanted, err := r.plan(ctx, repair, countStep)
		if err != nil {
			return count, err
		}
		repair.Cursor = step.To
		count.Events += wanted
		count.Deliveries += int64(len(step.Deliveries))
		if repair.Kind != bellhop.RepairReplay {
			count.Deliveries += int64(len(step.Chosen))
		}
		now := r.opts.Now()
		if repair.Cursor < repair.Bound && !now.Add(now.Sub(began)).Before(end) { // no time for another step
			count.SearchedTo = r.opts.Store.RepairPosition(repair)
			return count, nil
		}
	}
	count.Complete = true
	return count, nil
}

// plan reads the next events or deliveries of a repair, and returns the step that repairs them. A step changes
// about quota deliveries, but never splits the deliveries of one event. wanted is how many of a replay's events
// its filter wants.
func (r *Repairer) plan(ctx context.Context, repair bellhop.Repair, quota int) (step bellhop.RepairStep,
	wanted int64, err error) {
	if repair.Kind != bellhop.RepairReplay {
		step.Chosen, step.To, err = r.opts.Store.Choose(ctx, repair, quota, false)
		return step, 0, err
	}
	f := repair.Filter
	filter := bellhop.Match{Where: f.Where}
	switch { // the store chose by these already; a match has to name the gateway's own events to want them
	case slices.Contains(f.SourceIDs, bellhop.SourceSelfID):
		filter.Sources = f.SourceIDs
	case f.Self():
		filter.Types = []string{f.Type}
	}
	where, err := match.Compile(filter)
	if err != nil {
		return step, 0, err
	}
	asksMatch := f.DestinationID == "" || f.Missed
	whole := f.Where != "" || asksMatch && r.opts.Lanes.LooksInside()
	step, wanted, err = r.planReplay(ctx, repair, quota, where, whole)
	if err == nil && !whole && asksMatch && r.opts.Lanes.LooksInside() { // since a moment ago
		return r.planReplay(ctx, repair, quota, where, true)
	}
	return step, wanted, err
}

// planReplay is plan for a replay. where is its filter, compiled, and whole says whether to load the events'
// headers and bodies.
func (r *Repairer) planReplay(ctx context.Context, repair bellhop.Repair, quota int, where *match.Matcher,
	whole bool) (step bellhop.RepairStep, wanted int64, err error) {
	f := repair.Filter
	limit := max(quota, min(maxStep, max(maxStep/10, 4*quota)))
	if step.Chosen, step.To, err = r.opts.Store.Choose(ctx, repair, limit, whole); err != nil {
		return step, 0, err
	}
	for i := range step.Chosen {
		ev := &step.Chosen[i].Event
		view, err := r.opts.Lanes.Look(ctx, ev, where)
		if err != nil {
			return step, wanted, err
		}
		wants, before := f.Where == "", len(step.Deliveries)
		if !wants {
			wants, _ = where.WantsView(view)
		}
		switch {
		case wants && f.DestinationID != "" && !r.opts.Lanes.Takes(f.DestinationID, ev):
			wants = false
		case wants && f.Missed && !r.opts.Lanes.Wants(f.DestinationID, view):
			wants = false
		case wants && f.DestinationID != "":
			step.Deliveries = append(step.Deliveries, r.opts.Lanes.AssignTo(f.DestinationID, i, ev))
		case wants:
			step.Deliveries = r.opts.Lanes.Assign(step.Deliveries, i, view)
		}
		view.Close()
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
