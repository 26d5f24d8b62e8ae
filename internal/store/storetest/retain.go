package storetest

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// gone reports whether an event or delivery is no longer there.
func gone(err error) bool { return err != nil }

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
	for range 450 { // more than the sweeper takes at a time
		w.accept([]bellhop.Event{w.event("", []byte("x"))}, nil)
	}
	w.clock.pass(time.Minute)
	young := w.in(delivered)

	w.clock.pass(Retain - time.Second)
	w.sweep("what is too old is gone", func() bool {
		st, err := w.Stats(w.ctx)
		w.must(err)
		return st.Events == 1 && len(w.requests()) == 0
	})
	w.equal("the young one", w.state(young), delivered)
	w.equal("the old event", gone(second(w.Event(w.ctx, event))), true)
	w.equal("the old delivery", gone(second(w.Delivery(w.ctx, old))), true)
	w.equal("its attempts", gone(second(w.Attempts(w.ctx, old))), true)
	w.equal("duplicates of what is forgotten", w.accept([]bellhop.Event{w.event("a", nil)}, nil).Duplicates, 0)
}

// However old, what is still owed stays, with all its event's deliveries.
func retainWhatIsOwed(w *world) {
	owed := map[bellhop.DeliveryState]string{}
	for _, state := range []bellhop.DeliveryState{pending, leased, delivered, dead, cancelled} {
		owed[state] = w.in(state)
	}
	both := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}, {DestinationID: w.destination}}
	w.accept([]bellhop.Event{w.event("", nil)}, both)
	w.record(w.result(both[0].DeliveryID, 1, delivered))

	w.clock.pass(10 * Retain)
	w.sweep("what is finished is gone", func() bool {
		return gone(second(w.Delivery(w.ctx, owed[delivered]))) && gone(second(w.Delivery(w.ctx, owed[dead]))) && gone(second(w.Delivery(w.ctx, owed[cancelled])))
	})
	for _, state := range []bellhop.DeliveryState{pending, leased} {
		w.equal("what is owed", w.state(owed[state]), state)
	}
	w.equal("the finished one of an event that is still owed", w.state(both[0].DeliveryID), delivered)
	w.record(w.result(owed[leased], 1, delivered))
	w.sweep("it goes once it is delivered", func() bool { return gone(second(w.Delivery(w.ctx, owed[leased]))) })
}
