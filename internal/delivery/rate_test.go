package delivery

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// wantRate checks that no window of time has more calls than r allows.
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

// TestRate: while it has deliveries, a destination gets as many attempts as its rate allows, and no more. First
// attempts and retries count alike. Deliveries above the rate are neither lost nor sent twice.
func TestRate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, other := r.network.receiver("slow"), r.network.receiver("other")
		rate := bellhop.Rate{PerSecond: 10, Burst: 3}
		r.destination(to, func(d *bellhop.Destination) {
			d.Rate, d.Granted, d.Retry.Schedule, d.Breaker = bellhop.PerSecond(50), rate, bellhop.Schedule{time.Second,
				time.Second}, bellhop.Breaker{}
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

// TestRateChanges: a rate that is raised or removed applies at once.
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

// TestTooMany: a destination that answers 429 with Retry-After gets no attempt of any delivery before that time.
func TestTooMany(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("busy")
		to.will(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(429)
		})
		r.destination(to, func(d *bellhop.Destination) {
			d.Concurrency, d.Retry.Schedule = 1, bellhop.Schedule{time.Second, time.Second}
		})
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

// TestSkipsAreFree: an attempt that sends no request takes no token of the rate, and does not change the breaker.
func TestSkipsAreFree(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, withPicky)
		to := r.network.receiver("to")
		r.destination(to, func(d *bellhop.Destination) { d.Type, d.Rate = "picky", bellhop.PerSecond(1) })
		for range 100 {
			r.accept(bellhop.Event{Body: []byte("not this one")})
		}
		r.accept(bellhop.Event{Body: []byte("this one")})
		time.Sleep(2 * time.Second)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d requests", n)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryCancelled: 100, bellhop.DeliveryDelivered: 1})
	})
}

// asksForRest answers 429 with a Retry-After.
func asksForRest(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(int(d.Seconds())))
		w.WriteHeader(429)
	}
}

// TestLongRest: a destination with a long Retry-After holds no delivery in memory. A new URL ends the wait, also
// after a pause. A late reply of the old receiver does not delay requests to the new one.
func TestLongRest(t *testing.T) {
	for name, wake := range map[string]func(r *rig, id string, other *receiver){
		"another URL": func(r *rig, id string, other *receiver) {
			r.update(id, func(d *bellhop.Destination) { d.URL = other.url() })
		},
		"paused and resumed": func(r *rig, id string, other *receiver) {
			r.update(id, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
			r.update(id, func(d *bellhop.Destination) { d.URL, d.State = other.url(), bellhop.DestinationActive })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to, other := r.network.receiver("busy"), r.network.receiver("other")
				var asked atomic.Int64
				to.will(func(w http.ResponseWriter, req *http.Request) {
					if asked.Add(1) > 1 {
						time.Sleep(3 * time.Second) // the same answer again, late
					}
					asksForRest(24*time.Hour)(w, req)
				})
				d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 2 })
				r.acceptMany(50)
				time.Sleep(time.Second)
				r.acceptMany(50)
				time.Sleep(time.Second)
				if n := r.states()[bellhop.DeliveryLeased]; n > 1 {
					t.Errorf("%d are held while it rests", n)
				}
				wake(r, d.ID, other)
				time.Sleep(10 * time.Second)
				if n := len(other.got()); n != 100-int(asked.Load()) {
					t.Errorf("%d arrived", n)
				}
			})
		})
	}
}

// TestSlowHoldsLittle: a destination with a low rate holds only as many deliveries in memory as it sends soon.
func TestSlowHoldsLittle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("slow")
		r.destination(to, func(d *bellhop.Destination) { d.Rate = bellhop.PerSecond(1) })
		r.acceptMany(500)
		for range 5 {
			time.Sleep(20 * time.Second)
			if n := r.states()[bellhop.DeliveryLeased]; n > 20 {
				t.Errorf("%d are held", n)
			}
		}
		if n := len(to.got()); n < 98 || n > 102 {
			t.Errorf("%d attempts in 100 s", n)
		}
	})
}

// TestRateAndClock: a clock that is set forward while a retry waits does not slow down the rate.
func TestRateAndClock(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("slow")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) {
			d.Rate, d.Retry.Schedule = bellhop.PerSecond(1), bellhop.Schedule{12 * time.Hour, 12 * time.Hour}
		})
		r.acceptMany(1)
		time.Sleep(time.Second)
		to.will(status(200))
		r.clockOffset.Store(int64(24 * time.Hour))
		r.acceptMany(100)
		time.Sleep(10 * time.Minute)
		if n := len(to.got()); n != 102 {
			t.Errorf("%d attempts, want 102", n)
		}
	})
}
