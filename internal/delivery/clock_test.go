package delivery

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestClockIsSet: if the clock is set forward or back, no attempt is early, and a waiting attempt is made when the
// clock reaches its time.
func TestClockIsSet(t *testing.T) {
	for name, c := range map[string]struct {
		by    time.Duration
		after time.Duration // the wait until the retry that was due in an hour
	}{
		"an hour forward":  {time.Hour + 10*time.Minute, 0},
		"a year forward":   {365 * 24 * time.Hour, 0},
		"an hour back":     {-time.Hour, 2 * time.Hour},
		"a second forward": {time.Second, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("broken")
				to.will(status(500))
				d := r.destination(to, func(d *bellhop.Destination) {
					d.Retry.Schedule, d.Breaker = bellhop.Schedule{time.Hour, 12 * time.Hour}, bellhop.Breaker{}
				})
				for range 20 {
					r.acceptMany(1)
				}
				synctest.Wait()
				r.clockOffset.Store(int64(c.by))
				r.engine.Wake(d.ID) // the next event, retry or change wakes the lane too
				time.Sleep(c.after*9/10 - time.Minute)
				if n := len(to.got()); c.after > 0 && n != 20 {
					t.Errorf("%d attempts too early", n)
				}
				time.Sleep(c.after*2/10 + 2*time.Minute)
				if n := len(to.got()); n != 40 {
					t.Errorf("%d attempts, want each event's second", n)
				}
				time.Sleep(5 * time.Hour)
				if n := len(to.got()); n != 40 {
					t.Errorf("%d attempts, the third ones too early", n)
				}
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 20})
			})
		})
	}
}

// TestClockWasAhead: a clock that was a year ahead for seconds parks no delivery: the deliveries that failed or came
// meanwhile are made soon after the clock is right again, or after the next start, and new ones pass.
func TestClockWasAhead(t *testing.T) {
	for name, restart := range map[string]bool{"while it runs": false, "before a start": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("broken")
				to.will(status(500))
				r.destination(to, func(d *bellhop.Destination) {
					d.Retry.Schedule, d.Breaker = bellhop.Schedule{time.Minute, time.Minute}, bellhop.Breaker{}
				})
				runStore := func() (stop func()) {
					ctx, cancel := context.WithCancel(context.Background())
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						r.store.Run(ctx)
					}()
					return func() {
						cancel()
						<-ended
					}
				}
				stop := runStore()
				synctest.Wait()
				r.clockOffset.Store(int64(365 * 24 * time.Hour))
				for range 20 {
					r.acceptMany(1)
				}
				time.Sleep(4 * time.Second)
				if restart {
					stop()
					if err := r.stop(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
				r.clockOffset.Store(0)
				if n := len(to.got()); n != 20 {
					t.Fatalf("%d attempts while the clock was ahead, want 20", n)
				}
				to.will(status(200))
				if restart {
					r.open()
					stop = runStore()
				}
				time.Sleep(10 * time.Second)
				r.acceptMany(1)
				time.Sleep(time.Second)
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 21})
				stop()
			})
		})
	}
}
