package storetest

import (
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// begin creates a repair.
func (w *world) begin(kind bellhop.RepairKind, f bellhop.RepairFilter) bellhop.Repair {
	w.Helper()
	r, err := w.CreateRepair(w.ctx, bellhop.Repair{ID: w.newID(bellhop.PrefixRepair), Kind: kind, Filter: f, Rate: 0.5,
		CreatedAt: w.clock.now()})
	w.must(err)
	return r
}

// step takes the next step of r, with at most limit items. A replay is for the destination of w.
func (w *world) step(r bellhop.Repair, limit int) (after bellhop.Repair, step bellhop.RepairStep) {
	w.Helper()
	var err error
	step.Chosen, step.To, err = w.Choose(w.ctx, r, limit, false)
	w.must(err)
	for i := range step.Chosen {
		if r.Kind == bellhop.RepairReplay {
			step.Deliveries = append(step.Deliveries, bellhop.NewDelivery{Event: i, DestinationID: w.destination})
		}
	}
	after, err = w.StepRepair(w.ctx, r, step)
	w.must(err)
	return after, step
}

// finish takes all steps of r.
func (w *world) finish(r bellhop.Repair) bellhop.Repair {
	w.Helper()
	for steps := 0; r.State == bellhop.RepairRunning; steps++ {
		if steps > 1000 {
			w.Fatalf("the repair does not end: %+v", r)
		}
		r, _ = w.step(r, 3)
	}
	return r
}

func (w *world) deliveriesOf(eventID string) []bellhop.Delivery {
	w.Helper()
	list, _, err := w.Deliveries(w.ctx, bellhop.DeliveryFilter{EventID: eventID}, bellhop.Page{Limit: bellhop.MaxPage})
	w.must(err)
	return list
}

// replayEvent shows that a replay of one event adds new deliveries to those that it has.
func replayEvent(w *world) {
	first := w.delivery(w.in(delivered))
	w.clock.pass(time.Hour)
	other := w.newDestination("other")
	owed := []bellhop.NewDelivery{{DestinationID: w.destination}, {DestinationID: other, Key: 7},
		{DestinationID: w.destination}}
	w.must(w.ReplayEvent(w.ctx, first.EventID, owed))
	list := w.deliveriesOf(first.EventID)
	w.equal("deliveries", len(list), 4)
	for i, o := range owed {
		now := w.clock.now()
		w.equal("a new delivery", list[2-i], bellhop.Delivery{ID: o.DeliveryID, EventID: first.EventID,
			DestinationID: o.DestinationID, State: pending,
			Key: o.Key, NextAt: now, CreatedAt: now, UpdatedAt: now})
	}
	w.equal("the first", list[3], first)
	w.equal("claimed", w.claim(), []string{owed[0].DeliveryID, owed[2].DeliveryID})
	w.record(w.result(owed[0].DeliveryID, 1, delivered))

	w.must(w.DeleteDestination(w.ctx, other))
	gone := []bellhop.NewDelivery{{DestinationID: other}}
	w.must(w.ReplayEvent(w.ctx, first.EventID, gone))
	w.equal("of a deleted destination", gone[0].DeliveryID, "")
	bare := []bellhop.Event{w.event("", nil)}
	w.accept(bare, nil)
	w.must(w.ReplayEvent(w.ctx, bare[0].ID, owed[:1]))
	w.equal("deliveries of an event that had none", len(w.deliveriesOf(bare[0].ID)), 1)
	for _, id := range []string{"", "evt_nonsense", first.ID} {
		w.refused("replay of "+id, w.ReplayEvent(w.ctx, id, owed), bellhop.CodeNotFound)
	}
}

// repairSteps shows that a repair takes everything that existed when it was created, step by step, and that a
// step that is written twice counts once.
func repairSteps(w *world) {
	var events []string
	for range 7 {
		events = append(events, w.delivery(w.in(delivered)).EventID)
		w.clock.pass(time.Second)
	}
	r := w.begin(bellhop.RepairReplay, bellhop.RepairFilter{})
	late := w.delivery(w.in(delivered)).EventID
	w.equal("reading it", second(w.Repair(w.ctx, r.ID)), nil)
	w.equal("its position", r.PositionAt, time.Time{})
	before := r
	r, step := w.step(r, 3)
	w.equal("after one step", []int64{r.LookedAt, r.Changed, r.Skipped}, []int64{3, 3, 0})
	w.equal("its position", r.PositionAt.Truncate(time.Second),
		w.clock.now().Add(-5*time.Second).Truncate(time.Second))
	again, err := w.StepRepair(w.ctx, before, step)
	w.must(err)
	w.equal("the same step again", again, r)
	r = w.finish(r)
	w.equal("at the end", []any{r.State, r.LookedAt, r.Changed, r.Skipped},
		[]any{bellhop.RepairDone, int64(7), int64(7), int64(0)})
	for _, id := range events {
		w.equal("deliveries", len(w.deliveriesOf(id)), 2)
	}
	w.equal("deliveries of a later event", len(w.deliveriesOf(late)), 1)
	again, step = w.step(r, 3)
	w.equal("once it has ended", []any{again, len(step.Chosen)}, []any{r, 0})
}

// repairEnds shows how a repair ends early, and how many run at a time.
func repairEnds(w *world) {
	w.in(dead)
	r := w.begin(bellhop.RepairRetry, bellhop.RepairFilter{State: dead})
	ended, err := w.EndRepair(w.ctx, r.ID, bellhop.RepairCancelled, "enough")
	w.must(err)
	w.equal("as it ended", []any{ended.State, ended.Reason}, []any{bellhop.RepairCancelled, "enough"})
	after, step := w.step(r, 3)
	w.equal("a step after that", []any{after, len(step.Chosen)}, []any{ended, 1})
	w.equal("due deliveries", w.claim(), []string(nil))
	w.refused("end it again", second(w.EndRepair(w.ctx, r.ID, bellhop.RepairDone, "")), bellhop.CodeConflict)
	w.refused("end an unknown one", second(w.EndRepair(w.ctx, "rpr_none", bellhop.RepairDone, "")),
		bellhop.CodeNotFound)
	w.refused("read an unknown one", second(w.Repair(w.ctx, "rpr_none")), bellhop.CodeNotFound)

	var ids []string
	for range bellhop.MaxRunningRepairs {
		ids = append(ids, w.begin(bellhop.RepairRetry, bellhop.RepairFilter{State: dead}).ID)
	}
	one := bellhop.Repair{ID: "rpr_more", Kind: bellhop.RepairRetry, CreatedAt: w.clock.now()}
	w.refused("one too many", second(w.CreateRepair(w.ctx, one)), bellhop.CodeConflict)
	running, err := w.RunningRepairs(w.ctx)
	w.must(err)
	for i, r := range running {
		w.equal("running", r.ID, ids[i])
	}
	w.must(second(w.EndRepair(w.ctx, ids[3], bellhop.RepairFailed, "so")))
	w.must(second(w.CreateRepair(w.ctx, one)))
	list, next, err := w.Repairs(w.ctx, bellhop.RepairQuery{}, bellhop.Page{Limit: 2})
	w.must(err)
	w.equal("the first page", []any{len(list), list[0].ID, next != ""}, []any{2, "rpr_more", true})
}

// repairWaits shows that a repair which begins later does nothing before it is started, keeps the bounds of its
// request, counts among those that run, and can be ended before.
func repairWaits(w *world) {
	event := w.delivery(w.in(delivered)).EventID
	later := func(id string) bellhop.Repair {
		r, err := w.CreateRepair(w.ctx, bellhop.Repair{ID: id, Kind: bellhop.RepairReplay, CreatedAt: w.clock.now(),
			StartsAt: w.clock.now().Add(10 * time.Second)})
		w.must(err)
		return r
	}
	r := later("rpr_later")
	w.equal("as it waits", []any{r.State, r.StartsAt},
		[]any{bellhop.RepairWaiting, w.clock.now().Add(10 * time.Second)})
	late := w.delivery(w.in(delivered)).EventID
	after, step := w.step(r, 3)
	w.equal("a step before it begins", []any{after, len(step.Chosen)}, []any{r, 1})
	running, err := w.RunningRepairs(w.ctx)
	w.must(err)
	w.equal("among those that have not ended", running, []bellhop.Repair{r})
	w.clock.pass(10 * time.Second)
	began, err := w.StartRepair(w.ctx, r.ID)
	w.must(err)
	w.equal("as it begins", []any{began.State, began.UpdatedAt, began.StartsAt},
		[]any{bellhop.RepairRunning, w.clock.now(), w.clock.now()})
	again, err := w.StartRepair(w.ctx, r.ID)
	w.must(err)
	w.equal("started again", again, began)
	w.equal("at the end", w.finish(began).Changed, int64(1))
	w.equal("deliveries", []int{len(w.deliveriesOf(event)), len(w.deliveriesOf(late))}, []int{2, 1})

	undone := later("rpr_undone")
	ended, err := w.EndRepair(w.ctx, undone.ID, bellhop.RepairCancelled, "")
	w.must(err)
	after, err = w.StartRepair(w.ctx, undone.ID)
	w.must(err)
	w.equal("started once it has ended", []any{after, after.State}, []any{ended, bellhop.RepairCancelled})
	w.refused("start an unknown one", second(w.StartRepair(w.ctx, "rpr_none")), bellhop.CodeNotFound)
	for i := range bellhop.MaxRunningRepairs {
		later(fmt.Sprint("rpr_", i))
	}
	w.refused("one too many", second(w.CreateRepair(w.ctx, bellhop.Repair{ID: "rpr_more",
		Kind: bellhop.RepairReplay, CreatedAt: w.clock.now()})), bellhop.CodeConflict)
}

// repairChooses shows which events a replay selects, and which deliveries a retry or a cancel does.
func repairChooses(w *world) {
	other, to := w.newSource("other"), w.newDestination("to")
	began := w.clock.now()
	accept := func(source, kind, destination string) (bellhop.Event, string) {
		ev := w.event("", []byte("{}"))
		ev.SourceID, ev.Type = source, kind
		events, owed := []bellhop.Event{ev}, []bellhop.NewDelivery{{DestinationID: destination, Leased: true}}
		w.accept(events, owed)
		w.clock.pass(time.Minute)
		return events[0], owed[0].DeliveryID
	}
	ev, d0 := accept(w.source, "ams.Job", w.destination)
	_, d1 := accept(w.source, "ams.Jobs", to)
	_, d2 := accept(other, "ams.Job", w.destination)
	_, d3 := accept(bellhop.SourceSelfID, "bellhop.destination.disabled", w.destination)
	w.record(w.result(d0, 1, dead))
	timeout := w.result(d1, 1, dead)
	timeout.Attempt.Error = "timeout"
	w.record(timeout)
	w.record(w.result(d2, 1, dead))
	w.must(w.Release(w.ctx, []string{d3}))

	for _, c := range []struct {
		kind bellhop.RepairKind
		f    bellhop.RepairFilter
		want int64
	}{
		{"replay", bellhop.RepairFilter{}, 3},
		{"replay", bellhop.RepairFilter{SourceIDs: []string{w.source}}, 2},
		{"replay", bellhop.RepairFilter{SourceIDs: []string{other}}, 1},
		{"replay", bellhop.RepairFilter{Type: "ams.Job"}, 2},
		{"replay", bellhop.RepairFilter{Type: "ams.*"}, 3},
		{"replay", bellhop.RepairFilter{Type: "ams"}, 0},
		{"replay", bellhop.RepairFilter{Type: "*"}, 3},
		{"replay", bellhop.RepairFilter{Type: "bellhop.*"}, 1},
		{"replay", bellhop.RepairFilter{SourceIDs: []string{bellhop.SourceSelfID}}, 1},
		{"replay", bellhop.RepairFilter{Since: began.Add(30 * time.Second)}, 2},
		{"replay", bellhop.RepairFilter{Until: began.Add(30 * time.Second)}, 1},
		{"replay", bellhop.RepairFilter{Since: began.Add(30 * time.Second), Until: began.Add(90 * time.Second)}, 1},
		{"replay", bellhop.RepairFilter{Since: began.Add(time.Hour)}, 0},
		{"replay", bellhop.RepairFilter{Until: began.Add(-time.Hour)}, 0},
		{"replay", bellhop.RepairFilter{DestinationID: w.destination, Missed: true}, 1},
		{"replay", bellhop.RepairFilter{DestinationID: to, Missed: true}, 2},
		{"replay", bellhop.RepairFilter{DestinationID: to, Missed: true, SourceIDs: []string{w.source}}, 1},
		{"retry", bellhop.RepairFilter{State: dead}, 3},
		{"retry", bellhop.RepairFilter{State: dead, DestinationID: w.destination}, 2},
		{"retry", bellhop.RepairFilter{State: dead, DestinationID: w.destination, Since: began.Add(time.Second)}, 1},
		{"retry", bellhop.RepairFilter{State: dead, EventID: ev.ID}, 1},
		{"retry", bellhop.RepairFilter{State: dead, Error: "timeout"}, 1},
		{"retry", bellhop.RepairFilter{State: dead, Error: "any"}, 3},
		{"retry", bellhop.RepairFilter{State: dead, Error: "5xx", DestinationID: w.destination}, 2},
		{"retry", bellhop.RepairFilter{State: dead, Error: "4xx"}, 0},
		{"retry", bellhop.RepairFilter{State: dead, Error: "timeout", DestinationID: w.destination}, 0},
		{"retry", bellhop.RepairFilter{State: cancelled}, 0},
		{"retry", bellhop.RepairFilter{State: pending}, 1},
		{"cancel", bellhop.RepairFilter{State: pending, DestinationID: w.destination}, 1},
		{"cancel", bellhop.RepairFilter{State: pending, DestinationID: to}, 0},
		{"cancel", bellhop.RepairFilter{State: pending, Until: began.Add(time.Second)}, 0},
	} {
		r, err := w.ScopeRepair(w.ctx, bellhop.Repair{Kind: c.kind, Filter: c.f, CreatedAt: w.clock.now()})
		w.must(err)
		var got int64
		for r.Cursor < r.Bound {
			chosen, at, err := w.Choose(w.ctx, r, 2, false)
			w.must(err)
			got, r.Cursor = got+int64(len(chosen)), at
		}
		w.equal(fmt.Sprintf("%s of %+v", c.kind, c.f), got, c.want)
	}
	w.refused("an unknown event",
		second(w.ScopeRepair(w.ctx, bellhop.Repair{Filter: bellhop.RepairFilter{EventID: "evt_x"}})),
		bellhop.CodeNotFound)
	w.refused("an unknown destination",
		second(w.ScopeRepair(w.ctx, bellhop.Repair{Filter: bellhop.RepairFilter{DestinationID: "dst_x"}})),
		bellhop.CodeInvalid)

	whole, _, err := w.Choose(w.ctx, w.begin(bellhop.RepairReplay, bellhop.RepairFilter{}), 1, true)
	w.must(err)
	w.equal("a whole event", string(whole[0].Event.Body)+string(whole[0].Event.Header), "{}"+string(ev.Header))
}

// repairDeliveries shows that retries and cancels change deliveries that are in the given state when the step
// is written, and no others.
func repairDeliveries(w *world) {
	all := map[bellhop.DeliveryState]string{}
	for _, state := range []bellhop.DeliveryState{pending, leased, delivered, dead, cancelled} {
		all[state] = w.in(state)
	}
	w.clock.pass(time.Minute)
	r := w.finish(w.begin(bellhop.RepairRetry, bellhop.RepairFilter{State: dead}))
	w.equal("retried", []int64{r.LookedAt, r.Changed, r.Skipped}, []int64{1, 1, 0})
	got := w.delivery(all[dead])
	w.equal("the delivery that was dead", []any{got.State, got.NextAt, got.Attempts, got.Spared},
		[]any{pending, w.clock.now(), 1, 1})
	r = w.finish(w.begin(bellhop.RepairRetry, bellhop.RepairFilter{State: cancelled}))
	w.equal("retried", []int64{r.Changed, r.Skipped}, []int64{1, 0})

	r = w.begin(bellhop.RepairCancel, bellhop.RepairFilter{State: pending})
	w.clock.pass(time.Second)
	// newer than the repair
	w.must(w.ReplayEvent(w.ctx, w.delivery(all[delivered]).EventID,
		[]bellhop.NewDelivery{{DestinationID: w.destination}}))
	var step bellhop.RepairStep
	var err error
	step.Chosen, step.To, err = w.Choose(w.ctx, r, 100, false)
	w.must(err)
	w.equal("chosen", len(step.Chosen), 3)
	_, err = w.CancelDelivery(w.ctx, all[dead]) // between Choose and StepRepair
	w.must(err)
	r, err = w.StepRepair(w.ctx, r, step)
	w.must(err)
	w.equal("cancelled", []any{r.State, r.LookedAt, r.Changed, r.Skipped},
		[]any{bellhop.RepairDone, int64(3), int64(2), int64(1)})
	for state, want := range map[bellhop.DeliveryState]bellhop.DeliveryState{pending: cancelled, leased: leased,
		delivered: delivered, dead: cancelled, cancelled: cancelled} {
		w.equal("the delivery that was "+string(state), w.state(all[state]), want)
	}
}

// repairLosesGround shows that a replay skips events that are deleted meanwhile, and that a repair fails whose
// destination is deleted.
func repairLosesGround(w *world) {
	event := w.delivery(w.in(delivered)).EventID
	r := w.begin(bellhop.RepairReplay, bellhop.RepairFilter{})
	var step bellhop.RepairStep
	var err error
	step.Chosen, step.To, err = w.Choose(w.ctx, r, 100, false)
	w.must(err)
	step.Deliveries = []bellhop.NewDelivery{{DestinationID: w.destination}}
	w.clock.pass(2 * Retain)
	w.sweep("the event is deleted", func() bool { return gone(second(w.Event(w.ctx, event))) })
	r, err = w.StepRepair(w.ctx, r, step)
	w.must(err)
	w.equal("skipped", []any{r.State, r.Changed, r.Skipped}, []any{bellhop.RepairDone, int64(0), int64(1)})

	w.in(dead)
	to := bellhop.RepairFilter{DestinationID: w.destination, State: dead}
	replay, retry := w.begin(bellhop.RepairReplay, to), w.begin(bellhop.RepairRetry, to)
	w.must(w.DeleteDestination(w.ctx, w.destination))
	for _, r := range []bellhop.Repair{replay, retry} {
		r, _ = w.step(r, 3)
		w.equal("of a deleted destination", []any{r.State, r.Reason}, []any{bellhop.RepairFailed,
			"its destination was deleted"})
		w.refused("create another", second(w.CreateRepair(w.ctx, r)), bellhop.CodeConflict)
	}
	w.equal("a cancel", w.finish(w.begin(bellhop.RepairCancel, to)).State, bellhop.RepairDone)
}
