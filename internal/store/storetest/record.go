package storetest

import (
	"bytes"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func recordStates(w *world) {
	for _, state := range []bellhop.DeliveryState{bellhop.DeliveryDelivered, bellhop.DeliveryPending,
		bellhop.DeliveryDead} {
		id := w.owe(true)
		created := w.clock.now()
		w.clock.pass(time.Second)
		r := w.result(id, 1, state)
		w.record(r)
		got := w.delivery(id)
		w.equal(string(state), got, bellhop.Delivery{ID: id, EventID: got.EventID, DestinationID: w.destination,
			State: state, Attempts: 1,
			NextAt: r.NextAt, CreatedAt: created, UpdatedAt: r.Attempt.StartedAt.Add(r.Attempt.Duration),
			Last: &r.Attempt})
		w.equal("due now", w.claim(), []string(nil))
	}
	w.refused("recording for an unknown delivery", w.Record(w.result("dlv_nonsense", 1, bellhop.DeliveryDead)),
		bellhop.CodeNotFound)
}

// recordAttempts shows that every attempt can be read, oldest first, and that the delivery has the last one.
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
		case 2: // no reply
			r.Attempt.Status, r.Attempt.Error, r.Attempt.Detail, r.Attempt.Reply = 0, "timeout", "no reply within 5s",
				nil
		case 5:
			r.State, r.NextAt, r.Attempt.Error, r.Attempt.Detail, r.Attempt.Status = bellhop.DeliveryDelivered,
				time.Time{}, "", "", 204
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
	w.refused("attempts of an unknown delivery", err, bellhop.CodeNotFound)
}

// recordFences shows that the holder of an outdated lease changes nothing.
func recordFences(w *world) {
	retried, pending, delivered := w.owe(true), w.owe(false), w.owe(true)
	w.record(w.result(retried, 1, bellhop.DeliveryPending))
	w.record(w.result(delivered, 1, bellhop.DeliveryDelivered))
	w.clock.pass(time.Hour)
	w.equal("claimed", w.claim(), []string{pending, retried})
	w.must(w.Release(w.ctx, []string{pending}))
	w.settle()
	before := map[string]bellhop.Delivery{}
	for _, id := range []string{retried, pending, delivered} {
		before[id] = w.delivery(id)
	}
	counted, err := w.Stats(w.ctx)
	w.must(err)
	for _, r := range []bellhop.Result{
		w.result(retried, 1, bellhop.DeliveryDelivered),   // that attempt is recorded already
		w.result(retried, 3, bellhop.DeliveryDelivered),   // the attempt before is missing
		w.result(retried, 0, bellhop.DeliveryDelivered),   // attempts count from 1
		w.result(pending, 1, bellhop.DeliveryDelivered),   // it is not leased
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
	// the one of settle
	w.equal("counted as delivered", after.Deliveries[bellhop.DeliveryDelivered],
		counted.Deliveries[bellhop.DeliveryDelivered]+1)
	w.record(w.result(retried, 2, bellhop.DeliveryDead))
}

// settled shows that a result of Settle is on disk when it returns, and whether it was stored. Those whose lease is
// outdated, and those that the schema refuses, are not.
func settled(w *world) {
	id, other, mistaken := w.owe(true), w.owe(true), w.owe(true)
	settle := func(what string, r bellhop.Result, want bool) {
		w.Helper()
		stored, err := w.Settle(w.ctx, r)
		w.must(err)
		w.equal(what, stored, want)
	}
	settle("an outdated attempt", w.result(id, 2, bellhop.DeliveryDelivered), false)
	settle("the next attempt", w.result(id, 1, bellhop.DeliveryDelivered), true)
	w.equal("its delivery", w.state(id), bellhop.DeliveryDelivered)
	settle("the same again", w.result(id, 1, bellhop.DeliveryDelivered), false)
	settle("a failed attempt", w.result(other, 1, bellhop.DeliveryPending), true)
	w.equal("its delivery", w.delivery(other).Last.Number, 1)
	bad := w.result(mistaken, 1, bellhop.DeliveryPending)
	bad.NextAt = time.Time{}
	if stored, err := w.Settle(w.ctx, bad); stored || err == nil {
		w.Errorf("a result without a time: %v, %v", stored, err)
	}
	_, err := w.Settle(w.ctx, w.result("dlv_nonsense", 1, bellhop.DeliveryDead))
	w.refused("settling an unknown delivery", err, bellhop.CodeNotFound)
}

// recordMistake shows that a result that the schema refuses is dropped alone: results written together with it
// are kept. Its delivery is due again in a minute.
func recordMistake(w *world) {
	var results []bellhop.Result
	for i := range 20 {
		r := w.result(w.owe(true), 1, bellhop.DeliveryDelivered)
		if i%5 == 0 {
			r.State, r.NextAt = bellhop.DeliveryPending, time.Time{} // pending without a time
		}
		results = append(results, r)
	}
	for _, r := range results {
		w.must(w.Record(r))
	}
	w.settle()
	w.settle() // the deliveries of the refused results are given back
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
	w.equal("before the minute is over", w.claim(), []string(nil))
	w.clock.pass(time.Microsecond)
	w.equal("after a minute", w.claim(), again)
}

// progressOfActions shows that the progress in a result is there for the next attempts, until another result
// replaces it.
func progressOfActions(w *world) {
	id, number := w.owe(true), 0
	attempt := func(state bellhop.DeliveryState, progress []byte) {
		w.Helper()
		number++
		r := w.result(id, number, state)
		r.Progress = progress
		w.record(r)
	}
	claimed := func(what string, want []byte) {
		w.Helper()
		list, err := w.Claim(w.ctx, w.destination, 1, 1<<20)
		w.must(err)
		if len(list) != 1 || list[0].ID != id {
			w.Fatalf("%s: claimed %+v", what, list)
		}
		w.equal(what, list[0].Progress, want)
	}
	large := bytes.Repeat([]byte{0xff}, bellhop.MaxProgressBytes)
	for _, c := range []struct {
		name           string
		progress, want []byte
	}{
		{"none so far", nil, nil},
		{"the first", []byte("offset 1"), []byte("offset 1")},
		{"an attempt without progress", nil, []byte("offset 1")},
		{"a later one", []byte("offset 2\x00"), []byte("offset 2\x00")},
		{"cleared", []byte{}, nil},
		{"the largest", large, large},
	} {
		attempt(pending, c.progress)
		w.clock.pass(retryIn)
		claimed(c.name, c.want)
		w.must(w.Release(w.ctx, []string{id}))
		claimed(c.name+", released and claimed again", c.want)
	}
	r := w.result(id, number+1, pending)
	r.Progress = append(large, 0)
	w.refused("more than the largest", w.Record(r), bellhop.CodeInvalid)

	// A result of an outdated lease changes no progress.
	stale := w.result(id, number, pending)
	stale.Progress = []byte("stale")
	w.must(w.Record(stale))
	w.settle()
	attempt(dead, nil)
	_, err := w.RetryDelivery(w.ctx, id)
	w.must(err)
	claimed("retried by a person", large)

	events := []bellhop.NewDelivery{{DestinationID: w.destination}}
	w.must(w.ReplayEvent(w.ctx, w.delivery(id).EventID, events))
	id = events[0].DeliveryID
	claimed("a replay begins without progress", nil)
}
