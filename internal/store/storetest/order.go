package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// oweKey accepts an event with one delivery under a key, and returns the delivery's id.
func (w *world) oweKey(key int64) (deliveryID string) {
	w.Helper()
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Key: key}}
	w.accept([]bellhop.Event{w.event("", []byte(`{}`))}, owed)
	return owed[0].DeliveryID
}

// Of a key, only what comes first may be claimed, with what is due right behind it; other keys go on.
func claimOfKeys(w *world) {
	a1, b1, a2, free, a3 := w.oweKey(7), w.oweKey(-9), w.oweKey(7), w.owe(false), w.oweKey(7)
	w.equal("keys side by side, each in order, then what has none", w.claim(), []string{a1, a2, a3, b1, free})
	b2 := w.oweKey(-9)
	w.equal("while one of each key is leased", w.claim(), []string(nil))

	r := w.result(a1, 1, bellhop.DeliveryPending)
	r.NextAt = w.clock.now().Add(time.Minute)
	w.record(r)
	w.must(w.Release(w.ctx, []string{a2, a3}))
	w.equal("behind a retry", w.claim(), []string(nil))
	at, ok, err := w.NextDue(w.ctx, w.destination)
	w.must(err)
	w.equal("next due", []any{at, ok}, []any{r.NextAt, true})

	w.record(w.result(b1, 1, bellhop.DeliveryDead))
	w.equal("the other key goes on, behind a dead one", w.claim(), []string{b2})
	w.clock.pass(time.Minute)
	w.equal("at the retry", w.claim(), []string{a1, a2, a3})
	if d := w.delivery(a1); d.Key != 7 {
		w.Errorf("the key is %d", d.Key)
	}
	w.must(w.Release(w.ctx, []string{a1, a2, a3}))
	_, err = w.CancelDelivery(w.ctx, a1)
	w.must(err)
	w.equal("behind a cancelled one", w.claim(), []string{a2, a3})
	_, err = w.RetryDelivery(w.ctx, a1)
	w.must(err)
	w.equal("a cancelled one that is retried goes first again", w.claim(), []string{a1})
}

// Whatever is claimed, given back, recorded and retried: a key's deliveries are claimed in order, and none behind one that waits.
func claimOfKeysAtRandom(w *world) {
	random := rand.New(rand.NewPCG(1, 2))
	owed := map[int64][]string{} // what is not finished, by key, in order
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
					w.Fatalf("claimed %s, the %d. of key %d", d.ID, i, d.Key)
				}
				leased[d.ID] = true
			}
		case 2:
			for id := range leased {
				r := w.result(id, attempts[id]+1, []bellhop.DeliveryState{bellhop.DeliveryDelivered, bellhop.DeliveryDead, bellhop.DeliveryPending}[random.IntN(3)])
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

// An attempt that is spared is counted, and counted as spared.
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
