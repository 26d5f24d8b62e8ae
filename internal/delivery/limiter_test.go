package delivery

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestLimiter: at the limit of all lanes, destinations that hang take turns, and a healthy destination gets its turn.
func TestLimiter(t *testing.T) { limiterTurns(t, 10) }

// limiterTurns is the body of TestLimiter for this number of events.
func limiterTurns(t *testing.T, events int) {
	inBubble(t, func(t *testing.T) {
		const limit = 20
		r := newRig(t, func(r *rig) { r.maxAttempts = limit })
		for i := range 40 {
			to := r.network.receiver(fmt.Sprint("hanging", i))
			to.will(hang)
			r.destination(to, func(d *bellhop.Destination) {
				d.Timeout, d.Breaker, d.Retry.Schedule = time.Second, bellhop.Breaker{},
					bellhop.Schedule{5 * time.Second}
			})
		}
		well := r.network.receiver("well")
		r.destination(well)
		running := func() (n int) {
			for _, l := range r.engine.lanes.Load().byID {
				l.mu.Lock()
				n += l.active
				l.mu.Unlock()
			}
			return n
		}
		r.acceptMany(events)
		for range 20 {
			synctest.Wait()
			if n := running(); n > limit {
				t.Fatalf("%d attempts are running", n)
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(4 * time.Second) // each of 40 destinations has an attempt of one second, 20 at a time
		if n := len(well.got()); n == 0 {
			t.Error("the healthy destination waits for destinations that hang")
		}
		time.Sleep(time.Hour)
		well.wantOnce(t, events)
		r.engine.limiter.mu.Lock()
		defer r.engine.limiter.mu.Unlock()
		if r.engine.limiter.underway != 0 || len(r.engine.limiter.waiting) != 0 {
			t.Errorf("%d places are taken, %d lanes wait", r.engine.limiter.underway, len(r.engine.limiter.waiting))
		}
		r.wantIdle()
	})
}

// TestLimiterShares: above half of the limit, a busy lane leaves places to lanes without a running attempt.
func TestLimiterShares(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.maxAttempts = 20 })
		busy, small := r.network.receiver("busy"), r.network.receiver("small")
		busy.will(after(time.Hour))
		r.destination(busy, func(d *bellhop.Destination) {
			d.Concurrency, d.Timeout, d.Match.Types = bellhop.MaxConcurrency, bellhop.MaxTimeout, []string{"busy"}
		})
		r.destination(small, func(d *bellhop.Destination) { d.Match.Types = []string{"small"} })
		for range 100 {
			r.accept(bellhop.Event{Type: "busy"})
		}
		synctest.Wait()
		if n := busy.mostAtATime(); n != 10 {
			t.Errorf("%d at a time, want half", n)
		}
		r.accept(bellhop.Event{Type: "small"})
		synctest.Wait()
		if n := len(small.got()); n != 1 {
			t.Errorf("%d arrived at the other", n)
		}
	})
}

// TestLimiterMovesUp: a lane that waited for a second place and gave up its only place waits with the lanes that
// have no place.
func TestLimiterMovesUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.maxAttempts = 20 })
		for i := range 19 {
			to := r.network.receiver(fmt.Sprint("hanging", i))
			to.will(after(time.Hour))
			r.destination(to, func(d *bellhop.Destination) {
				d.Timeout, d.Match.Types = 2*time.Hour, []string{"hang"}
			})
		}
		well, other := r.network.receiver("well"), r.network.receiver("other")
		well.will(after(100 * time.Millisecond))
		r.destination(well, func(d *bellhop.Destination) { d.Match.Types = []string{"well"} })
		r.destination(other, func(d *bellhop.Destination) { d.Match.Types = []string{"other"} })
		r.accept(bellhop.Event{Type: "hang"})
		synctest.Wait()
		for range 10 {
			r.accept(bellhop.Event{Type: "well"})
		}
		synctest.Wait()
		r.accept(bellhop.Event{Type: "other"})
		time.Sleep(5 * time.Second)
		if len(well.got()) != 10 || len(other.got()) != 1 {
			t.Errorf("%d of 10 arrived, and %d of 1 at the other", len(well.got()), len(other.got()))
		}
		time.Sleep(2 * time.Hour)
	})
}
