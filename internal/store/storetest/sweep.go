package storetest

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// gone reports whether the error of a read means that the noun was deleted.
func gone(err error) bool { return err != nil }

// retainByAge shows that events and requests older than Retain are deleted, with everything that belongs to them.
func retainByAge(w *world) {
	old := w.in(dead)
	_, err := w.RetryDelivery(w.ctx, old)
	w.must(err)
	w.claim()
	w.record(w.result(old, 2, delivered)) // with an attempt in a row of its own
	event := w.delivery(old).EventID
	folded := []bellhop.Event{w.event("a", nil)}
	w.accept(folded, nil)
	w.Note(w.refusal())
	for range 450 { // more than one step of the sweep
		w.accept([]bellhop.Event{w.event("", []byte("x"))}, nil)
	}
	w.clock.pass(time.Minute)
	young := w.in(delivered)

	w.clock.pass(Retain - time.Second)
	w.sweep("old events and requests are deleted", func() bool {
		st, err := w.Stats(w.ctx)
		w.must(err)
		return st.Events == 1 && len(w.requests()) == 0
	})
	w.equal("the young one", w.state(young), delivered)
	w.equal("the old event", gone(second(w.Event(w.ctx, event))), true)
	w.equal("the old delivery", gone(second(w.Delivery(w.ctx, old))), true)
	w.equal("its attempts", gone(second(w.Attempts(w.ctx, old))), true)
	w.equal("duplicates of a deleted event", w.accept([]bellhop.Event{w.event("a", nil)}, nil).Duplicates, 0)
}

// retainWhatIsOwed shows that a delivery that is still owed stays, however old it is, with all deliveries of
// its event.
func retainWhatIsOwed(w *world) {
	owed := map[bellhop.DeliveryState]string{}
	for _, state := range []bellhop.DeliveryState{pending, leased, delivered, dead, cancelled} {
		owed[state] = w.in(state)
	}
	both := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}, {DestinationID: w.destination}}
	w.accept([]bellhop.Event{w.event("", nil)}, both)
	w.record(w.result(both[0].DeliveryID, 1, delivered))

	w.clock.pass(10 * Retain)
	w.sweep("finished deliveries are deleted", func() bool {
		return gone(second(w.Delivery(w.ctx, owed[delivered]))) && gone(second(w.Delivery(w.ctx, owed[dead]))) &&
			gone(second(w.Delivery(w.ctx, owed[cancelled])))
	})
	for _, state := range []bellhop.DeliveryState{pending, leased} {
		w.equal("an owed delivery", w.state(owed[state]), state)
	}
	w.equal("a finished delivery of an event that is still owed", w.state(both[0].DeliveryID), delivered)
	w.record(w.result(owed[leased], 1, delivered))
	w.clock.pass(Retain + time.Second)
	w.sweep("it is deleted when Retain has passed since it was delivered",
		func() bool { return gone(second(w.Delivery(w.ctx, owed[leased]))) })
}

// retainFromTheEnd shows that Retain counts from the end of the last delivery of an event, whichever way it ended, and
// that an event without deliveries is deleted by its own age.
func retainFromTheEnd(w *world) {
	ends := map[string]func(id string){
		"delivered": func(id string) { w.record(w.result(id, 1, delivered)) },
		"cancelled": func(id string) {
			w.must(w.Release(w.ctx, []string{id}))
			w.must(second(w.CancelDelivery(w.ctx, id)))
		},
		"delivered after others": func(id string) {
			replays := []bellhop.NewDelivery{{DestinationID: w.destination}, {DestinationID: w.destination}}
			w.record(w.result(id, 1, delivered))
			w.must(w.ReplayEvent(w.ctx, w.delivery(id).EventID, replays))
			w.claim()
			w.clock.pass(time.Minute)
			w.record(w.result(replays[0].DeliveryID, 1, delivered))
			w.must(w.Release(w.ctx, []string{replays[1].DeliveryID}))
			w.must(second(w.CancelDelivery(w.ctx, replays[1].DeliveryID)))
		},
	}
	ids := map[string]string{}
	for name := range ends {
		ids[name] = w.owe(true)
	}
	alone := []bellhop.Event{w.event("", nil)}
	w.accept(alone, nil)
	w.clock.pass(10 * Retain)
	for name, end := range ends {
		end(ids[name])
	}
	w.clock.pass(Retain - 2*time.Minute)
	w.sweep("the event without deliveries is deleted", func() bool {
		return gone(second(w.Event(w.ctx, alone[0].ID)))
	})
	w.accept([]bellhop.Event{w.event("", nil)}, nil)
	for name, id := range ids {
		if gone(second(w.Delivery(w.ctx, id))) {
			w.Errorf("%s: deleted before Retain has passed since then", name)
		}
	}
	w.clock.pass(3 * time.Minute)
	w.sweep("all are deleted", func() bool {
		st, err := w.Stats(w.ctx)
		w.must(err)
		return st.Events == 1
	})
}

// retainDead shows that a dead delivery is kept for store.RetainDead from its death on, if Retain is shorter, and can
// be retried until then.
func retainDead(w *world) {
	lost, other := w.owe(true), w.owe(true)
	w.clock.pass(10 * Retain)
	w.record(w.result(lost, 1, dead))
	w.record(w.result(other, 1, delivered))
	w.clock.pass(store.RetainDead - time.Second)
	w.sweep("the delivered one is deleted", func() bool { return gone(second(w.Delivery(w.ctx, other))) })
	w.equal("the dead one", w.state(lost), dead)
	again := []bellhop.NewDelivery{{DestinationID: w.destination}}
	w.must(w.ReplayEvent(w.ctx, w.delivery(lost).EventID, again))
	w.must(second(w.CancelDelivery(w.ctx, again[0].DeliveryID)))
	w.clock.pass(Retain)
	w.sweep("the dead one is deleted", func() bool { return gone(second(w.Delivery(w.ctx, lost))) })

	retried := w.in(dead)
	w.clock.pass(store.RetainDead - time.Second)
	w.must(second(w.RetryDelivery(w.ctx, retried)))
	w.clock.pass(10 * Retain)
	mark := w.in(delivered)
	w.clock.pass(Retain + time.Second)
	w.sweep("a delivered one is deleted", func() bool { return gone(second(w.Delivery(w.ctx, mark))) })
	w.equal("the one that was retried", w.state(retried), pending)
}

// retainBehindYoung shows that events and requests which are stored as received in the future, by a clock that was
// ahead, hold up the deletion of no others, although those have later numbers.
func retainBehindYoung(w *world) {
	w.clock.set(1000 * Retain)
	ahead := w.in(delivered)
	w.Note(w.refusal())
	w.settle()
	w.clock.set(-1000 * Retain)
	w.in(delivered)
	w.Note(w.refusal())
	w.settle()
	w.clock.pass(Retain + time.Minute)
	w.sweep("what came after the clock was right again is deleted", func() bool {
		st, err := w.Stats(w.ctx)
		w.must(err)
		return st.Events == 2 && len(w.requests()) == 1
	})
	w.equal("the one from the future", w.state(ahead), delivered)
}

// clockSet shows that a clock which was ahead for a moment parks no delivery, and that what only seems to be old is
// not deleted.
func clockSet(w *world) {
	const year = 365 * 24 * time.Hour
	event := []bellhop.Event{w.event("", nil)}
	w.accept(event, nil)
	patient := w.in(pending) // its next attempt is in the future, by the right clock
	w.record(w.result(w.claim()[0], 1, pending))
	due := w.delivery(patient).NextAt
	w.clock.pass(time.Second)

	w.clock.set(year)
	failed, accepted, released := w.owe(true), w.owe(false), w.owe(true)
	w.record(w.result(failed, 1, pending))
	w.must(w.Release(w.ctx, []string{released}))
	replays := []bellhop.NewDelivery{{DestinationID: w.destination}}
	w.must(w.ReplayEvent(w.ctx, event[0].ID, replays))
	w.sweep("a jump ahead is seen", func() bool { return true })
	w.clock.set(-year)
	w.sweep("all are due", func() bool {
		for _, id := range []string{failed, accepted, released, replays[0].DeliveryID} {
			if w.delivery(id).NextAt.After(w.clock.now()) {
				return false
			}
		}
		return true
	})
	w.equal("the next attempt of one that waits by the right clock", w.delivery(patient).NextAt, due)
	w.equal("claimed", len(w.claim()), 4)
	w.equal("the event", gone(second(w.Event(w.ctx, event[0].ID))), false)
}

// retainConflicts shows that repeats of each event with one id are recognized as long as that event is stored,
// whichever of the others retention has deleted.
func retainConflicts(w *world) {
	body := func(i int) []byte { return []byte{'0' + byte(i)} }
	stored, latest := map[int]string{}, 0
	put := func() {
		latest++
		events := []bellhop.Event{w.event("a", body(latest))}
		w.accept(events, nil)
		stored[latest] = events[0].ID
	}
	check := func() {
		w.Helper()
		for i, id := range stored {
			events := []bellhop.Event{w.event("a", body(i))}
			got := w.accept(events, nil)
			w.equal("a repeat", got, bellhop.Accepted{Duplicates: 1})
			w.equal("of", events[0].ID, id)
		}
	}
	for range 3 {
		put()
		w.clock.pass(time.Hour)
	}
	check()
	w.clock.pass(Retain - 3*time.Hour)
	for gone := 1; gone <= 3; gone++ {
		put()
		w.clock.pass(time.Minute)
		w.sweep("the oldest is deleted", func() bool {
			_, err := w.Event(w.ctx, stored[gone])
			return err != nil
		})
		delete(stored, gone)
		check()
		w.clock.pass(time.Hour - time.Minute)
	}
	w.clock.pass(2 * Retain)
	w.sweep("all are deleted", func() bool {
		st, err := w.Stats(w.ctx)
		w.must(err)
		return st.Events == 0
	})
	w.equal("the id again", w.accept([]bellhop.Event{w.event("a", body(1))}, nil), bellhop.Accepted{})
}

// deleteSource shows that the events of a deleted source stay, under its name.
func deleteSource(w *world) {
	events := []bellhop.Event{w.event("a", nil)}
	w.accept(events, nil)
	w.must(w.DeleteSource(w.ctx, w.source))
	got, err := w.Event(w.ctx, events[0].ID)
	w.must(err)
	w.equal("source", got.Source, "media")
	w.source = w.newSource("media")
	again := []bellhop.Event{w.event("a", nil)}
	w.equal("duplicates at another source of that name", w.accept(again, nil).Duplicates, 0)
}

// formerSources shows that events, requests and the choice of a replay are found by the name of deleted sources, until
// another source has that name.
func formerSources(w *world) {
	named := func(name string) []string {
		w.Helper()
		ids, err := w.SourceIDs(w.ctx, name)
		w.must(err)
		return ids
	}
	// found returns how many events, requests and events to replay those sources have.
	found := func(ids []string) [3]int {
		w.Helper()
		events, _, err := w.Events(w.ctx, bellhop.EventFilter{SourceIDs: ids}, bellhop.Page{})
		w.must(err)
		requests, _, err := w.Requests(w.ctx, bellhop.RequestFilter{SourceIDs: ids}, bellhop.Page{})
		w.must(err)
		for _, r := range requests {
			w.equal("the source of a request", r.Source, "media")
		}
		replay := bellhop.Repair{Kind: bellhop.RepairReplay, Filter: bellhop.RepairFilter{SourceIDs: ids},
			CreatedAt: w.clock.now()}
		replay, err = w.ScopeRepair(w.ctx, replay)
		w.must(err)
		chosen, _, err := w.Choose(w.ctx, replay, 100, false)
		w.must(err)
		return [3]int{len(events), len(requests), len(chosen)}
	}
	accept := func(events int) {
		w.Helper()
		req := w.refusal()
		req.Outcome = bellhop.RequestPartial
		var list []bellhop.Event
		for range events {
			list = append(list, w.event("", nil))
		}
		_, err := w.Accept(w.ctx, &req, list, nil)
		w.must(err)
	}
	first := w.source
	accept(1)
	other := w.newSource("other")
	w.must(w.DeleteSource(w.ctx, first))
	w.equal("after one is deleted", [2]any{named("media"), found(named("media"))},
		[2]any{[]string{first}, [3]int{1, 1, 1}})

	w.source = w.newSource("media")
	second := w.source
	accept(2)
	w.equal("of a living one alone", [2]any{named("media"), found(named("media"))},
		[2]any{[]string{second}, [3]int{2, 1, 2}})
	w.equal("of the deleted one by id", found([]string{first}), [3]int{1, 1, 1})

	w.must(w.DeleteSource(w.ctx, second))
	w.equal("of both that are deleted", [2]any{named("media"), found(named("media"))},
		[2]any{[]string{first, second}, [3]int{3, 2, 3}})
	w.equal("of another name", [2]any{named("other"), found(named("other"))}, [2]any{[]string{other}, [3]int{}})
	w.equal("of no source", len(named("medai")), 0)
	w.equal("of the API", named(bellhop.SourceAPI), []string{bellhop.SourceAPIID})
	w.equal("of the gateway", named(bellhop.SourceSelf), []string{bellhop.SourceSelfID})
}

// formerDestinations shows that deliveries are found by the name of deleted destinations, until another destination
// has that name, and that a deleted one keeps its name.
func formerDestinations(w *world) {
	found := func(name string) (ids []string, deliveries int) {
		w.Helper()
		ids, err := w.DestinationIDs(w.ctx, name)
		w.must(err)
		list, _, err := w.Deliveries(w.ctx, bellhop.DeliveryFilter{DestinationIDs: ids}, bellhop.Page{})
		w.must(err)
		return ids, len(list)
	}
	check := func(what string, deliveries int, want ...string) {
		w.Helper()
		ids, n := found("former")
		w.equal(what, ids, want)
		w.equal(what+": deliveries", n, deliveries)
	}
	owe := func(id string, events int) {
		w.Helper()
		for range events {
			w.accept([]bellhop.Event{w.event("", nil)}, []bellhop.NewDelivery{{DestinationID: id}})
		}
	}
	first := w.newDestination("former")
	owe(first, 1)
	check("of a living one", 1, first)
	w.must(w.DeleteDestination(w.ctx, first))
	check("of one that is deleted", 1, first)
	second := w.newDestination("former")
	owe(second, 2)
	check("of a living one alone", 2, second)
	w.must(w.DeleteDestination(w.ctx, second))
	check("of both that are deleted", 3, first, second)

	ids, err := w.DestinationIDs(w.ctx, "fromer")
	w.must(err)
	w.equal("of no destination", len(ids), 0)
	names, err := w.DestinationNames(w.ctx, []string{first, w.destination, "dst_x"})
	w.must(err)
	d, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	w.equal("names", names, map[string]string{first: "former", w.destination: d.Name})
}

// deleteDestination shows that deliveries owed to a deleted destination are cancelled, and finished ones stay.
func deleteDestination(w *world) {
	states := []bellhop.DeliveryState{pending, leased, delivered, dead, cancelled}
	ids := map[bellhop.DeliveryState]string{}
	for _, state := range states {
		ids[state] = w.in(state)
	}
	var many []string
	for range 450 { // more than one step of the sweep
		many = append(many, w.owe(false))
	}
	kept := w.newDestination("kept")
	owed := []bellhop.NewDelivery{{DestinationID: kept}}
	w.accept([]bellhop.Event{w.event("", nil)}, owed)

	w.must(w.DeleteDestination(w.ctx, w.destination))
	w.sweep("all are cancelled", func() bool {
		return w.state(ids[pending]) == cancelled && w.state(many[0]) == cancelled &&
			w.state(many[len(many)-1]) == cancelled
	})
	for _, state := range []bellhop.DeliveryState{leased, delivered, dead, cancelled} {
		w.equal("state", w.state(ids[state]), state)
	}
	w.equal("a delivery owed to another", w.state(owed[0].DeliveryID), pending)
	for _, state := range []bellhop.DeliveryState{dead, cancelled} {
		_, err := w.RetryDelivery(w.ctx, ids[state])
		w.refused("retry of a "+string(state)+" delivery", err, bellhop.CodeConflict)
	}
	w.equal("accepted since", w.owe(false), "")

	w.must(w.Record(w.result(ids[leased], 1, pending)))
	w.sweep("a delivery that a lane still held is cancelled", func() bool { return w.state(ids[leased]) == cancelled })
}

func stats(w *world) {
	read := func() bellhop.Stats {
		w.Helper()
		st, err := w.Stats(w.ctx)
		w.must(err)
		if st.DatabaseBytes <= 0 {
			w.Errorf("the database has %d bytes", st.DatabaseBytes)
		}
		st.DatabaseBytes = 0
		return st
	}
	want := bellhop.Stats{Sources: 1, Destinations: 1, Deliveries: map[bellhop.DeliveryState]int64{pending: 0,
		leased:    0,
		delivered: 0, dead: 0, cancelled: 0}}
	w.equal("at first", read(), want)

	w.newSource("second")
	w.must(w.DeleteDestination(w.ctx, w.newDestination("second")))
	due := w.clock.now()
	for _, state := range []bellhop.DeliveryState{pending, pending, leased, delivered, delivered, delivered, dead,
		cancelled} {
		w.in(state)
		w.clock.pass(time.Second)
	}
	w.Note(w.refusal())
	want.Sources, want.Events, want.OldestPendingAt, want.NextDueAt, want.RequestsRefused = 2, 8, due, due, 1
	want.Deliveries = map[bellhop.DeliveryState]int64{pending: 2, leased: 1, delivered: 3, dead: 1, cancelled: 1}
	w.equal("with some of everything", read(), want)

	w.must(w.DeleteDestination(w.ctx, w.destination))
	want.Destinations, want.OldestPendingAt, want.NextDueAt = 0, time.Time{}, time.Time{}
	want.Deliveries[pending], want.Deliveries[cancelled] = 0, 3
	w.sweep("owed deliveries are cancelled", func() bool { return read().Deliveries[cancelled] == 3 })
	w.equal("with the destination gone", read(), want)
}

// oldestPending shows that the oldest pending delivery is told by when it was created, and not by when it is due.
func oldestPending(w *world) {
	check := func(what string, oldest, due time.Time) {
		w.Helper()
		st, err := w.Stats(w.ctx)
		w.must(err)
		w.equal("oldest pending "+what, st.OldestPendingAt, oldest)
		w.equal("next due "+what, st.NextDueAt, due)
	}
	delivered := w.in(delivered)
	w.clock.pass(time.Hour)
	created := w.clock.now()
	retried := w.owe(true)
	w.record(w.result(retried, 1, pending))
	check("of one that waits for its retry", created, created.Add(retryIn))
	w.clock.pass(time.Minute)
	now := w.clock.now()
	w.owe(false)
	check("beside a younger one that is due", created, now)
	w.clock.pass(time.Minute)
	replays := []bellhop.NewDelivery{{DestinationID: w.destination}}
	w.must(w.ReplayEvent(w.ctx, w.delivery(delivered).EventID, replays))
	check("beside a replay of an older event", created, now)
	_, err := w.CancelDelivery(w.ctx, retried)
	w.must(err)
	check("without the oldest", now, now)
	w.claim()
	check("with all of them leased", time.Time{}, time.Time{})
	w.must(w.Release(w.ctx, []string{replays[0].DeliveryID}))
	check("of the replay alone", w.clock.now(), w.clock.now())
}

func ready(w *world) { w.must(w.Ready(w.ctx)) }

// backlog shows that the pending and dead deliveries of each destination are counted, with its state.
func backlog(w *world) {
	read := func() bellhop.Backlog {
		w.Helper()
		b, err := w.Backlog(w.ctx)
		w.must(err)
		return b
	}
	first := bellhop.DestinationBacklog{ID: w.destination, State: bellhop.DestinationActive}
	d, err := w.Destination(w.ctx, w.destination)
	w.must(err)
	first.Name = d.Name
	want := bellhop.Backlog{Destinations: []bellhop.DestinationBacklog{first}}
	w.equal("at first", read(), want)

	oldest := w.clock.now()
	for _, state := range []bellhop.DeliveryState{pending, pending, pending, leased, delivered, dead, dead,
		cancelled} {
		w.in(state)
		w.clock.pass(time.Second)
	}
	gone, second := w.newDestination("gone"), w.newDestination("second")
	w.must(w.DeleteDestination(w.ctx, gone))
	w.must(w.SetFailing(w.ctx, second, w.clock.now()))
	w.must(w.SetDestinationState(w.ctx, w.destination, bellhop.DestinationPaused, "by a person"))
	first.State, first.Pending, first.Dead = bellhop.DestinationPaused, 3, 2
	want = bellhop.Backlog{OldestPendingAt: oldest, Leased: 1, Destinations: []bellhop.DestinationBacklog{first,
		{ID: second, Name: "second", State: bellhop.DestinationActive, Failing: true}}}
	w.equal("with some of everything", read(), want)
}
