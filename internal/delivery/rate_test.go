package delivery

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// wantRate checks that no window of time saw more calls than r allows.
func wantRate(t testing.TB, calls []call, r bellhop.Rate) {
	t.Helper()
	for i := range calls {
		for j := i; j < len(calls); j++ {
			passed := calls[j].at.Sub(calls[i].at)
			if n := float64(j - i + 1); n > float64(r.Burst)+passed.Seconds()*r.PerSecond+1e-6 {
				t.Fatalf("%v attempts within %v", n, passed)
			}
		}
	}
}

// TestRate: a destination gets as many attempts as its rate allows, no more, first ones and retries alike, and the
// whole rate while there is work. What it is owed beyond that is neither lost nor made twice.
func TestRate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, other := r.network.receiver("slow"), r.network.receiver("other")
		rate := bellhop.Rate{PerSecond: 10, Burst: 3}
		r.destination(to, func(d *bellhop.Destination) {
			d.Rate, d.Granted, d.Retry = bellhop.PerSecond(50), rate, bellhop.Schedule{time.Second, time.Second}
		})
		r.destination(other)
		to.will(status(500))
		const events = laneLength + 200
		r.acceptMany(events)
		synctest.Wait()
		other.wantOnce(t, events)
		if n := len(to.got()); n != 3 {
			t.Errorf("%d attempts at once", n)
		}
		time.Sleep(10*time.Second + 50*time.Millisecond)
		if n := len(to.got()); n != 3+100 {
			t.Errorf("%d attempts in 10 s", n)
		}
		to.will(status(200))
		time.Sleep(events * time.Second / 10)
		wantRate(t, to.got(), rate)
		if n := len(to.bodies()); n != events {
			t.Errorf("%d events arrived", n)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2 * events})
		r.wantIdle()
	})
}

// TestRateChanges: a rate that is raised or taken away counts at once.
func TestRateChanges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("slow")
		d := r.destination(to, func(d *bellhop.Destination) { d.Rate = bellhop.PerSecond(bellhop.MinRate) })
		r.acceptMany(100)
		time.Sleep(90 * time.Minute)
		if n := len(to.got()); n != 2 {
			t.Errorf("%d attempts in 90 minutes", n)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.Rate = bellhop.Rate{} })
		synctest.Wait()
		to.wantOnce(t, 100)
		r.wantIdle()
	})
}

// TestTooMany: a destination that answers 429 with Retry-After gets nothing before that, of any delivery.
func TestTooMany(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("busy")
		to.will(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(429)
		})
		r.destination(to, func(d *bellhop.Destination) { d.Concurrency, d.Retry = 1, bellhop.Schedule{time.Second, time.Second} })
		r.acceptMany(50)
		time.Sleep(29 * time.Second)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts while it rests", n)
		}
		to.will(status(200))
		time.Sleep(2 * time.Second)
		if n := len(to.bodies()); n != 50 {
			t.Errorf("%d events arrived", n)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 50})
		r.wantIdle()
	})
}
