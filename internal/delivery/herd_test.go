package delivery

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestThunderingHerd: catalogue P6. A destination that was gone for an hour is owed all of it when it is back. It gets one attempt
// first, then more and more, never more than it allows; others notice nothing; and what is new does not wait for what is old.
func TestThunderingHerd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const (
			every       = 500 * time.Millisecond // an event
			takes       = 20 * time.Millisecond  // an answer
			concurrency = 8
		)
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
		publish(int(time.Hour / every))
		to.mu.Lock()
		dials := len(to.dials)
		to.mu.Unlock()
		if dials > 16+2*60+12 {
			t.Errorf("%d attempts within an hour at nobody", dials)
		}
		back := time.Now()
		to.refuse(false)
		publish(int(3 * time.Minute / every))
		time.Sleep(time.Minute)
		synctest.Wait()

		total := int(time.Hour/every) + int(3*time.Minute/every)
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
