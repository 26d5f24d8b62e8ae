package delivery

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestConcurrency: a destination gets as many attempts at a time as its concurrency, and never more.
func TestConcurrency(t *testing.T) {
	for _, n := range []int{1, 3, 40} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("slow")
				to.will(after(time.Second))
				r.destination(to, func(d *bellhop.Destination) { d.Concurrency = n })
				r.acceptMany(100)
				time.Sleep(time.Duration((100+n-1)/n)*time.Second + time.Millisecond)
				to.wantOnce(t, 100)
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 100})
				if most := to.mostAtATime(); most != n {
					t.Errorf("%d at a time, want %d", most, n)
				}
				r.wantIdle()
			})
		})
	}
}

// TestConcurrencyChanged: a higher or lower concurrency also applies to deliveries that are queued already.
func TestConcurrencyChanged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("slow")
		to.will(after(time.Second))
		d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 4 })
		r.acceptMany(100)
		for _, n := range []int{12, 2} {
			time.Sleep(1500 * time.Millisecond)
			r.update(d.ID, func(d *bellhop.Destination) { d.Concurrency = n })
			time.Sleep(1500 * time.Millisecond) // the attempts that were running have ended
			to.mu.Lock()
			if to.active != n {
				t.Errorf("%d at a time, want %d", to.active, n)
			}
			to.mu.Unlock()
		}
		time.Sleep(time.Minute)
		to.wantOnce(t, 100)
		r.wantIdle()
	})
}

// TestOverflow: deliveries that do not fit into a lane wait in the table. Memory stays bounded, and each event
// arrives once.
func TestOverflow(t *testing.T) { overflow(t, 2*laneLength+200) }

// overflow is the body of TestOverflow for this number of events.
func overflow(t *testing.T, events int) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("slow")
		to.will(after(100 * time.Millisecond))
		d := r.destination(to)
		l := r.engine.lanes.Load().byID[d.ID]
		r.acceptMany(events)
		if n := held(l); n != laneLength {
			t.Errorf("%d in memory, want a full lane of %d", n, laneLength)
		}
		for range events/16/10 + 2 {
			time.Sleep(time.Second)
			if n := held(l); n > laneLength {
				t.Fatalf("%d in memory", n)
			}
		}
		to.wantOnce(t, events)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: events})
		if n := to.mostAtATime(); n != 16 {
			t.Errorf("%d at a time", n)
		}
		r.wantIdle()
	})
}

// held returns the number of deliveries that a lane has queued or reserved in memory.
func held(l *lane) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.len() + l.reserved
}

// TestBytesInMemory: deliveries with large bodies wait in the table too. The bytes that lanes hold are bounded, also
// during claims.
func TestBytesInMemory(t *testing.T) { bytesBounded(t, 40, 8) }

// bytesBounded is the body of TestBytesInMemory for this number of events. Bodies and bounds have a part of their
// usual size.
func bytesBounded(t *testing.T, events, part int) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.shrink(part)
		to := r.network.receiver("slow")
		to.will(after(time.Second))
		r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 4 })
		other := r.network.receiver("other")
		r.destination(other, func(d *bellhop.Destination) { d.Match.Types = []string{"other"} })

		size := 2 << 20 / part
		most := int64(0)
		look := func() {
			synctest.Wait()
			most = max(most, r.engine.queuedBytes.Load())
		}
		for i := range events {
			body := make([]byte, size)
			copy(body, fmt.Sprint(i, " "))
			r.accept(bellhop.Event{Body: body})
			look()
		}
		r.accept(bellhop.Event{Type: "other", Body: make([]byte, size)})
		synctest.Wait()
		if len(other.got()) != 1 {
			t.Error("another destination waits for the room that the slow one takes")
		}
		for range events {
			time.Sleep(time.Second)
			look()
		}
		to.wantOnce(t, events+1)
		if bound := r.engine.bytes.queued + r.engine.bytes.claim; most > bound {
			t.Errorf("%d MiB in memory, want at most %d", most>>20, bound>>20)
		}
		r.wantIdle()
	})
}

// TestIsolation: destinations that hang or refuse delay neither other destinations nor the acceptance of events.
func TestIsolation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 5 {
			hanging := r.network.receiver(fmt.Sprintf("hanging-%d", i))
			hanging.will(hang)
			r.destination(hanging, func(d *bellhop.Destination) { d.Timeout = time.Minute })
			refusing := r.network.receiver(fmt.Sprintf("refusing-%d", i))
			refusing.refuse(true)
			r.destination(refusing)
		}
		well := r.network.receiver("well")
		r.destination(well)
		for i := range 50 {
			sent := time.Now()
			r.accept(bellhop.Event{Body: fmt.Append(nil, i)})
			synctest.Wait()
			calls := well.got()
			if len(calls) != i+1 || !calls[i].at.Equal(sent) || !time.Now().Equal(sent) {
				t.Fatalf("event %d, sent at %v: %d arrived", i, sent, len(calls))
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// rotten is a store that returns damaged bodies. It checks that no result is recorded while the lane is locked.
type rotten struct {
	Store
	r *rig
}

func (s rotten) Claim(ctx context.Context, id string, limit int, maxBytes int64) ([]bellhop.Delivery, error) {
	claimed, err := s.Store.Claim(ctx, id, limit, maxBytes)
	for i := range claimed {
		claimed[i].Event.Body = append([]byte("not "), claimed[i].Event.Body...)
	}
	return claimed, err
}

func (s rotten) Record(result bellhop.Result) error {
	l := s.r.engine.lanes.Load().byID[result.DestinationID]
	if !comesFree(&l.mu) {
		s.r.t.Error("the lane waits for the record")
	}
	return s.Store.Record(result)
}

// comesFree reports whether mu becomes free. It stays locked if its holder waits for the caller.
func comesFree(mu *sync.Mutex) bool {
	for range 100_000 {
		if mu.TryLock() {
			mu.Unlock()
			return true
		}
		runtime.Gosched()
	}
	return false
}

// TestDamaged: an event whose stored body is damaged is not delivered. The end of its delivery is recorded while the
// lane is not locked.
func TestDamaged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.wrapStore = func(s Store) Store { return rotten{s, r} } })
		to := r.network.receiver("careful")
		d := r.destination(to, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
		r.acceptMany(3)
		r.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
		time.Sleep(time.Second)
		if n := len(to.got()); n != 0 {
			t.Errorf("%d arrived", n)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 3})
		for _, d := range r.deliveries() {
			if d.Last == nil || d.Last.Error != "damaged" || d.Attempts != 1 {
				t.Errorf("%s: %+v", d.ID, d.Last)
			}
		}
		r.wantIdle()
	})
}

// TestMemory: when many destinations get large events, all lanes together hold at most the bound and a few bodies,
// and each destination gets its own events in the end.
func TestMemory(t *testing.T) { memoryBounded(t, 90, 8) }

// memoryBounded is the body of TestMemory for this number of destinations. Bodies and bounds have a part of their
// usual size.
func memoryBounded(t *testing.T, lanes, part int) {
	inBubble(t, func(t *testing.T) {
		body := 1 << 20 / part
		r := newRig(t)
		r.shrink(part)
		var all []*receiver
		for i := range lanes {
			to := r.network.receiver(fmt.Sprint("to", i))
			to.will(after(10 * time.Second))
			all = append(all, to)
			r.destination(to, func(d *bellhop.Destination) { d.Timeout, d.Concurrency = 20*time.Second, 1 })
		}
		for n := range 2 {
			r.accept(bellhop.Event{Body: append(make([]byte, body), byte(n))})
		}
		for range 100 {
			synctest.Wait()
			if n := r.engine.queuedBytes.Load(); n > r.engine.bytes.queued+int64(maxOvercommitted*(body+4096)) {
				t.Fatalf("%d MiB in memory", n>>20)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Minute)
		for _, to := range all {
			to.wantOnce(t, 2)
		}
		if n := r.engine.overcommitted.Load(); n != 0 {
			t.Errorf("%d lanes are still counted as beyond", n)
		}
		r.wantIdle()
	})
}

// TestThunderingHerd: when a destination is back after an outage, all of its deliveries are due. It gets one attempt
// first, then more and more, never more than its concurrency. Other destinations are not delayed, and new events do
// not wait for old ones.
func TestThunderingHerd(t *testing.T) {
	thunderingHerd(t, 10*time.Minute, 1500*time.Millisecond, 60*time.Millisecond)
}

// thunderingHerd is the body of TestThunderingHerd for an outage of this length, the time between two events, and the
// time that an answer takes. What is due after the outage is more than can be sent within two seconds.
func thunderingHerd(t *testing.T, outage, every, takes time.Duration) {
	inBubble(t, func(t *testing.T) {
		const concurrency = 8
		r := newRig(t)
		to, other := r.network.receiver("gone"), r.network.receiver("other")
		to.will(after(takes))
		to.refuse(true)
		r.destination(to, func(d *bellhop.Destination) { d.Concurrency = concurrency })
		r.destination(other)
		var mu sync.Mutex
		accepted := map[string]time.Time{}
		publish := func(n int) {
			for i := range n {
				body := fmt.Sprint(time.Now().UnixNano(), " ", i)
				mu.Lock()
				accepted[body] = time.Now()
				mu.Unlock()
				r.accept(bellhop.Event{Body: []byte(body)})
				time.Sleep(every)
			}
		}
		publish(int(outage / every))
		to.mu.Lock()
		dials := len(to.dials)
		to.mu.Unlock()
		if dials > 16+2*int(outage/time.Minute)+12 {
			t.Errorf("%d attempts within %v at nobody", dials, outage)
		}
		back := time.Now()
		to.refuse(false)
		publish(int(3 * time.Minute / every))
		time.Sleep(time.Minute)
		synctest.Wait()

		total := int(outage/every) + int(3*time.Minute/every)
		to.wantOnce(t, total)
		other.wantOnce(t, total)
		if to.mostAtATime() > concurrency {
			t.Errorf("%d at a time", to.mostAtATime())
		}
		calls := to.got()
		if wait := calls[0].at.Sub(back); wait > maxHold+maxHold/5 {
			t.Errorf("nothing for %v after it was back", wait)
		}
		for i := 1; i < 3; i++ { // one, then two at a time
			if gap := calls[i].at.Sub(calls[i-1].at); i == 1 && gap < takes {
				t.Errorf("the second came %v after the first", gap)
			}
		}
		perSecond := map[int64]int{}
		var ages []time.Duration
		for _, c := range calls {
			perSecond[c.at.Unix()]++
			if at := accepted[strings.TrimSpace(c.body)]; at.After(calls[0].at) {
				ages = append(ages, c.at.Sub(at))
			}
		}
		for second, n := range perSecond {
			if most := int(time.Second/takes) * concurrency; n > most+concurrency {
				t.Errorf("%d in second %d, more than %d", n, second, most)
			}
		}
		slices.Sort(ages)
		if p95 := ages[len(ages)*95/100]; p95 > 5*time.Second {
			t.Errorf("95 of 100 new events arrived within %v", p95)
		}
		for _, c := range other.got() {
			if age := c.at.Sub(accepted[c.body]); age > 100*time.Millisecond {
				t.Fatalf("at the other, an event arrived after %v", age)
			}
		}
		r.wantIdle()
	})
}
