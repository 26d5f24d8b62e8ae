package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// claimInOrder shows that deliveries due longest come first, whenever their event came in.
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

// claimBounds shows that a claim keeps to its limit and to its bytes, but for the first delivery.
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
		{10, 1, want[:1]}, // the first always
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
	w.refused("claim for an unknown destination", err, bellhop.CodeNotFound)
}

// claimOnce shows that a claimed delivery is leased, comes with its whole event, and is claimed by one caller only.
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
		w.equal("claimed", seen[o.DeliveryID], bellhop.Delivery{ID: o.DeliveryID, EventID: ev.ID,
			DestinationID: w.destination,
			State:         bellhop.DeliveryLeased, Event: &ev})
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
	check("without deliveries", time.Time{})
	first := w.owe(true)
	check("with a leased delivery", time.Time{})
	r := w.result(first, 1, bellhop.DeliveryPending)
	w.record(r)
	check("with a retry", r.NextAt)
	w.owe(false)
	check("with a delivery due now", w.clock.now())
	w.claim()
	check("with that one claimed", r.NextAt)
	_, _, err := w.NextDue(w.ctx, "dst_stranger")
	w.refused("of an unknown destination", err, bellhop.CodeNotFound)
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

// oweKey accepts an event with one delivery with that key, and returns the id of the delivery.
func (w *world) oweKey(key int64) (deliveryID string) {
	w.Helper()
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Key: key}}
	w.accept([]bellhop.Event{w.event("", []byte(`{}`))}, owed)
	return owed[0].DeliveryID
}

// claimOfKeys shows that the deliveries of a key are claimed from the first on, as far as they are due, while
// other keys go on.
func claimOfKeys(w *world) {
	a1, b1, a2, free, a3 := w.oweKey(7), w.oweKey(-9), w.oweKey(7), w.owe(false), w.oweKey(7)
	w.equal("keys side by side, each in order, then deliveries without a key", w.claim(),
		[]string{a1, a2, a3, b1, free})
	b2 := w.oweKey(-9)
	w.equal("while a delivery of each key is leased", w.claim(), []string(nil))

	r := w.result(a1, 1, bellhop.DeliveryPending)
	r.NextAt = w.clock.now().Add(time.Minute)
	w.record(r)
	w.must(w.Release(w.ctx, []string{a2, a3}))
	w.equal("behind a retry", w.claim(), []string(nil))
	at, ok, err := w.NextDue(w.ctx, w.destination)
	w.must(err)
	w.equal("next due", []any{at, ok}, []any{r.NextAt, true})

	w.record(w.result(b1, 1, bellhop.DeliveryDead))
	w.equal("the other key goes on, behind a dead delivery", w.claim(), []string{b2})
	w.clock.pass(time.Minute)
	w.equal("at the retry", w.claim(), []string{a1, a2, a3})
	if d := w.delivery(a1); d.Key != 7 {
		w.Errorf("the key is %d", d.Key)
	}
	w.must(w.Release(w.ctx, []string{a1, a2, a3}))
	_, err = w.CancelDelivery(w.ctx, a1)
	w.must(err)
	w.equal("behind a cancelled delivery", w.claim(), []string{a2, a3})
	_, err = w.RetryDelivery(w.ctx, a1)
	w.must(err)
	w.equal("a cancelled delivery that is retried goes first again", w.claim(), []string{a1})
}

// claimOfKeysAtRandom shows that, whatever is claimed, recorded and retried, the deliveries of a key are
// claimed in order, and none is claimed behind one that waits.
func claimOfKeysAtRandom(w *world) {
	random := rand.New(rand.NewPCG(1, 2))
	owed := map[int64][]string{} // unfinished deliveries by key, in order
	keyOf := map[string]int64{}
	leased := map[string]bool{}
	due := map[string]time.Time{}
	attempts := map[string]int{}
	drop := func(id string) {
		key := keyOf[id]
		owed[key] = slices.DeleteFunc(owed[key], func(other string) bool { return other == id })
		delete(leased, id)
	}
	for range 300 {
		switch random.IntN(4) {
		case 0:
			key := int64(random.IntN(5) - 2)
			if key == 0 {
				continue
			}
			id := w.oweKey(key)
			owed[key], keyOf[id] = append(owed[key], id), key
		case 1:
			list, err := w.Claim(w.ctx, w.destination, 1+random.IntN(6), 1<<20)
			w.must(err)
			for _, d := range list {
				line := owed[d.Key]
				i := slices.Index(line, d.ID)
				if i < 0 || leased[d.ID] || due[d.ID].After(w.clock.now()) || i > 0 && !leased[line[i-1]] {
					w.Fatalf("claimed %s, at place %d of key %d", d.ID, i, d.Key)
				}
				leased[d.ID] = true
			}
		case 2:
			for id := range leased {
				r := w.result(id, attempts[id]+1, []bellhop.DeliveryState{bellhop.DeliveryDelivered,
					bellhop.DeliveryDead, bellhop.DeliveryPending}[random.IntN(3)])
				attempts[id]++
				r.NextAt = time.Time{}
				if r.State == bellhop.DeliveryPending {
					r.NextAt = w.clock.now().Add(time.Duration(random.IntN(90)) * time.Second)
					due[id] = r.NextAt
					delete(leased, id)
				} else {
					drop(id)
				}
				w.record(r)
			}
		case 3:
			w.clock.pass(time.Duration(random.IntN(60)) * time.Second)
		}
	}
	w.clock.pass(time.Hour)
	for range 1000 {
		for id := range leased {
			w.record(w.result(id, attempts[id]+1, bellhop.DeliveryDelivered))
			drop(id)
		}
		for _, id := range w.claim() {
			leased[id] = true
		}
		if len(leased) == 0 {
			break
		}
	}
	if left := fmt.Sprint(owed[-2], owed[-1], owed[1], owed[2]); left != "[] [] [] []" {
		w.Errorf("never claimed: %s", left)
	}
}

// spareAttempts shows that a spared attempt counts as an attempt and as spared.
func spareAttempts(w *world) {
	id := w.owe(true)
	r := w.result(id, 1, bellhop.DeliveryPending)
	r.Spared = true
	w.record(r)
	if d := w.delivery(id); d.Attempts != 1 || d.Spared != 1 {
		w.Errorf("%d attempts, %d spared", d.Attempts, d.Spared)
	}
	w.clock.pass(time.Hour)
	list, err := w.Claim(w.ctx, w.destination, 1, 1)
	w.must(err)
	if len(list) != 1 || list[0].Spared != 1 {
		w.Errorf("claimed %+v", list)
	}
	w.record(w.result(id, 2, bellhop.DeliveryPending))
	if d := w.delivery(id); d.Attempts != 2 || d.Spared != 1 {
		w.Errorf("%d attempts, %d spared", d.Attempts, d.Spared)
	}
}
