package storetest

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

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
	want := bellhop.Stats{Sources: 1, Destinations: 1, Deliveries: map[bellhop.DeliveryState]int64{pending: 0, leased: 0, delivered: 0, dead: 0, cancelled: 0}}
	w.equal("at first", read(), want)

	w.newSource("second")
	w.must(w.DeleteDestination(w.ctx, w.newDestination("second")))
	oldest := w.clock.now()
	for _, state := range []bellhop.DeliveryState{pending, pending, leased, delivered, delivered, delivered, dead, cancelled} {
		w.in(state)
		w.clock.pass(time.Second)
	}
	w.Note(w.refusal())
	want.Sources, want.Events, want.OldestPendingAt, want.RequestsRefused = 2, 8, oldest, 1
	want.Deliveries = map[bellhop.DeliveryState]int64{pending: 2, leased: 1, delivered: 3, dead: 1, cancelled: 1}
	w.equal("with some of everything", read(), want)

	w.must(w.DeleteDestination(w.ctx, w.destination))
	want.Destinations, want.OldestPendingAt = 0, time.Time{}
	want.Deliveries[pending], want.Deliveries[cancelled] = 0, 3
	w.sweep("what is owed is cancelled", func() bool { return read().Deliveries[cancelled] == 3 })
	w.equal("with the destination gone", read(), want)
}

func ready(w *world) { w.must(w.Ready(w.ctx)) }
