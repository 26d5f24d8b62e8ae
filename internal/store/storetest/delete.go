package storetest

import "github.com/bellhop-gateway/bellhop"

// The events of a source that is gone stay, under its name.
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

// What is owed to a destination that is gone is cancelled; what is finished stays.
func deleteDestination(w *world) {
	states := []bellhop.DeliveryState{pending, leased, delivered, dead, cancelled}
	ids := map[bellhop.DeliveryState]string{}
	for _, state := range states {
		ids[state] = w.in(state)
	}
	var many []string
	for range 450 { // more than the sweeper takes at a time
		many = append(many, w.owe(false))
	}
	kept := w.newDestination("kept")
	owed := []bellhop.NewDelivery{{DestinationID: kept}}
	w.accept([]bellhop.Event{w.event("", nil)}, owed)

	w.must(w.DeleteDestination(w.ctx, w.destination))
	w.sweep("all are cancelled", func() bool {
		return w.state(ids[pending]) == cancelled && w.state(many[0]) == cancelled && w.state(many[len(many)-1]) == cancelled
	})
	for _, state := range []bellhop.DeliveryState{leased, delivered, dead, cancelled} {
		w.equal("state", w.state(ids[state]), state)
	}
	w.equal("what is owed to another", w.state(owed[0].DeliveryID), pending)
	for _, state := range []bellhop.DeliveryState{dead, cancelled} {
		_, err := w.RetryDelivery(w.ctx, ids[state])
		w.refused("retry of a "+string(state)+" one", err, bellhop.CodeConflict)
	}
	w.equal("made since", w.owe(false), "")

	w.must(w.Record(w.result(ids[leased], 1, pending)))
	w.sweep("what a lane still had is cancelled", func() bool { return w.state(ids[leased]) == cancelled })
}
