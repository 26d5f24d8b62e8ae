package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// What is due longest comes first, whenever its event came.
func claimInOrder(w *world) {
	late, early, fresh := w.owe(true), w.owe(true), w.owe(false)
	for id, wait := range map[string]time.Duration{late: 20 * time.Minute, early: 10 * time.Minute} {
		r := w.result(id, 1, bellhop.DeliveryPending)
		r.NextAt = w.clock.now().Add(wait)
		w.record(r)
	}
	w.equal("due at first", w.claim(), []string{fresh})
	w.must(w.Release(w.ctx, []string{fresh}))
	w.clock.pass(10*time.Minute - time.Microsecond)
	w.equal("due before the retry", w.claim(), []string{fresh})
	w.clock.pass(time.Microsecond)
	w.equal("due at the retry", w.claim(), []string{early})
	w.must(w.Release(w.ctx, []string{early}))
	w.clock.pass(time.Hour)
	w.must(w.Release(w.ctx, []string{fresh}))
	w.equal("all due", w.claim(), []string{early, late, fresh})
}

func claimBounds(w *world) {
	other := w.newDestination("other")
	var want []string
	for _, length := range []int{100, 100, 300, 100} {
		owed := []bellhop.NewDelivery{{DestinationID: w.destination}, {DestinationID: other}}
		w.accept([]bellhop.Event{w.event("", make([]byte, length))}, owed)
		want = append(want, owed[0].DeliveryID)
		w.clock.pass(time.Second)
	}
	for _, c := range []struct {
		limit    int
		maxBytes int64
		want     []string
	}{
		{10, 1 << 20, want},
		{2, 1 << 20, want[:2]},
		{10, 499, want[:2]},
		{10, 500, want[:3]},
		{10, 1, want[:1]}, // one always
		{0, 1 << 20, nil},
	} {
		list, err := w.Claim(w.ctx, w.destination, c.limit, c.maxBytes)
		w.must(err)
		var got []string
		for _, d := range list {
			got = append(got, d.ID)
		}
		w.equal("claimed", got, c.want)
		slices.Sort(got)
		for _, id := range got { // one by one, so that they are due in the old order
			w.clock.pass(time.Second)
			w.must(w.Release(w.ctx, []string{id}))
		}
		for _, id := range want[len(got):] {
			w.clock.pass(time.Second)
			_, err := w.RetryDelivery(w.ctx, id)
			w.must(err)
		}
	}
	_, err := w.Claim(w.ctx, "dst_stranger", 1, 1)
	w.refused("claiming for no destination", err, bellhop.CodeNotFound)
}

// What is claimed is leased, whole, and nobody else's.
func claimOnce(w *world) {
	const all = 60
	events := []bellhop.Event{}
	owed := []bellhop.NewDelivery{}
	for i := range all {
		events = append(events, w.event("", []byte{byte(i)}))
		owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: w.destination})
	}
	w.accept(events, owed)
	var mu sync.Mutex
	seen := map[string]bellhop.Delivery{}
	var claimers sync.WaitGroup
	for range 4 {
		claimers.Go(func() {
			for range all { // at most
				list, err := w.Claim(w.ctx, w.destination, 7, 1<<20)
				if err != nil || len(list) == 0 {
					w.equal("claim", err, nil)
					return
				}
				mu.Lock()
				for _, d := range list {
					if _, twice := seen[d.ID]; twice {
						w.Errorf("%s was claimed twice", d.ID)
					}
					seen[d.ID] = d
				}
				mu.Unlock()
			}
		})
	}
	claimers.Wait()
	for i, o := range owed {
		ev, err := w.Event(w.ctx, events[i].ID)
		w.must(err)
		w.equal("claimed", seen[o.DeliveryID], bellhop.Delivery{ID: o.DeliveryID, EventID: ev.ID, DestinationID: w.destination,
			State: bellhop.DeliveryLeased, Event: &ev})
		w.equal("state", w.state(o.DeliveryID), bellhop.DeliveryLeased)
	}
}

func nextDue(w *world) {
	check := func(what string, want time.Time) {
		w.Helper()
		at, ok, err := w.NextDue(w.ctx, w.destination)
		w.must(err)
		w.equal(what, at, want)
		w.equal(what, ok, !want.IsZero())
	}
	check("with nothing", time.Time{})
	first := w.owe(true)
	check("with a leased one", time.Time{})
	r := w.result(first, 1, bellhop.DeliveryPending)
	w.record(r)
	check("with a retry", r.NextAt)
	w.owe(false)
	check("with one due now", w.clock.now())
	w.claim()
	check("with that claimed", r.NextAt)
	_, _, err := w.NextDue(w.ctx, "dst_stranger")
	w.refused("of no destination", err, bellhop.CodeNotFound)
}

func release(w *world) {
	leased, delivered, pending := w.owe(true), w.owe(true), w.owe(false)
	w.record(w.result(delivered, 1, bellhop.DeliveryDelivered))
	before := w.delivery(pending)
	w.clock.pass(time.Minute)
	w.must(w.Release(w.ctx, []string{"dlv_nonsense", leased, delivered, pending}))
	got := w.delivery(leased)
	w.equal("leased before", got.State, bellhop.DeliveryPending)
	w.equal("due", got.NextAt, w.clock.now())
	w.equal("attempts", got.Attempts, 0)
	w.equal("delivered before", w.state(delivered), bellhop.DeliveryDelivered)
	w.equal("pending before", w.delivery(pending), before)
	w.must(w.Release(w.ctx, nil))
}
