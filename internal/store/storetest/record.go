package storetest

import (
	"bytes"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func recordStates(w *world) {
	for _, state := range []bellhop.DeliveryState{bellhop.DeliveryDelivered, bellhop.DeliveryPending, bellhop.DeliveryDead} {
		id := w.owe(true)
		created := w.clock.now()
		w.clock.pass(time.Second)
		r := w.result(id, 1, state)
		w.record(r)
		got := w.delivery(id)
		w.equal(string(state), got, bellhop.Delivery{ID: id, EventID: got.EventID, DestinationID: w.destination, State: state, Attempts: 1,
			NextAt: r.NextAt, CreatedAt: created, UpdatedAt: r.Attempt.StartedAt.Add(r.Attempt.Duration), Last: &r.Attempt})
		w.equal("due now", w.claim(), []string(nil))
	}
	w.refused("recording for no delivery", w.Record(w.result("dlv_nonsense", 1, bellhop.DeliveryDead)), bellhop.CodeNotFound)
}

// Every attempt can be read, oldest first; the delivery itself shows the last.
func recordAttempts(w *world) {
	id := w.owe(true)
	var want []bellhop.Attempt
	list, err := w.Attempts(w.ctx, id)
	w.must(err)
	w.equal("before the first", list, want)
	for n := 1; n <= 5; n++ {
		r := w.result(id, n, bellhop.DeliveryPending)
		r.Attempt.Reply = bytes.Repeat([]byte{byte(n)}, bellhop.MaxReplyBytes)
		switch n {
		case 2: // nothing came back
			r.Attempt.Status, r.Attempt.Error, r.Attempt.Detail, r.Attempt.Reply = 0, "timeout", "no reply within 5s", nil
		case 5:
			r.State, r.NextAt, r.Attempt.Error, r.Attempt.Detail, r.Attempt.Status = bellhop.DeliveryDelivered, time.Time{}, "", "", 204
		}
		want = append(want, r.Attempt)
		w.record(r)
		list, err := w.Attempts(w.ctx, id)
		w.must(err)
		w.equal("attempts", list, want)
		w.equal("last", *w.delivery(id).Last, r.Attempt)
		if n < 5 {
			w.clock.pass(5 * time.Minute)
			w.equal("due again", w.claim(), []string{id})
		}
	}
	_, err = w.Attempts(w.ctx, "dlv_nonsense")
	w.refused("attempts of no delivery", err, bellhop.CodeNotFound)
}

// Who holds an outdated lease changes nothing.
func recordFences(w *world) {
	retried, pending, delivered := w.owe(true), w.owe(false), w.owe(true)
	w.record(w.result(retried, 1, bellhop.DeliveryPending))
	w.record(w.result(delivered, 1, bellhop.DeliveryDelivered))
	w.clock.pass(time.Hour)
	w.equal("claimed", w.claim(), []string{pending, retried})
	w.must(w.Release(w.ctx, []string{pending}))
	before := map[string]bellhop.Delivery{}
	for _, id := range []string{retried, pending, delivered} {
		before[id] = w.delivery(id)
	}
	counted, err := w.Stats(w.ctx)
	w.must(err)
	for _, r := range []bellhop.Result{
		w.result(retried, 1, bellhop.DeliveryDelivered),   // that attempt is known
		w.result(retried, 3, bellhop.DeliveryDelivered),   // one is missing
		w.result(retried, 0, bellhop.DeliveryDelivered),   // attempts count from 1
		w.result(pending, 1, bellhop.DeliveryDelivered),   // nobody has it
		w.result(pending, 2, bellhop.DeliveryDead),        //
		w.result(delivered, 1, bellhop.DeliveryPending),   // final
		w.result(delivered, 2, bellhop.DeliveryDelivered), //
	} {
		w.must(w.Record(r))
	}
	w.settle()
	for id, want := range before {
		w.equal("delivery", w.delivery(id), want)
		list, err := w.Attempts(w.ctx, id)
		w.must(err)
		w.equal("attempts", len(list), want.Attempts)
	}
	after, err := w.Stats(w.ctx)
	w.must(err)
	w.equal("counted as delivered", after.Deliveries[bellhop.DeliveryDelivered], counted.Deliveries[bellhop.DeliveryDelivered]+1) // settle's
	w.record(w.result(retried, 2, bellhop.DeliveryDead))
}

// A result that cannot be is dropped alone: those written together with it are kept. Its delivery is due again in a minute.
func recordMistake(w *world) {
	var results []bellhop.Result
	for i := range 20 {
		r := w.result(w.owe(true), 1, bellhop.DeliveryDelivered)
		if i%5 == 0 {
			r.State, r.NextAt = bellhop.DeliveryPending, time.Time{} // when?
		}
		results = append(results, r)
	}
	for _, r := range results {
		w.must(w.Record(r))
	}
	w.settle()
	w.settle() // what follows from them
	var again []string
	for i, r := range results {
		want := bellhop.DeliveryDelivered
		if i%5 == 0 {
			want = bellhop.DeliveryPending
			again = append(again, r.DeliveryID)
		}
		w.equal("state", w.state(r.DeliveryID), want)
	}
	w.clock.pass(time.Minute - time.Microsecond)
	w.equal("before a minute is over", w.claim(), []string(nil))
	w.clock.pass(time.Microsecond)
	w.equal("after a minute", w.claim(), again)
}
