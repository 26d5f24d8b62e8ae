package delivery

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

// TestBreaker: a destination that fails gets a few attempts per second, and all of its deliveries soon after it
// recovers.
func TestBreaker(t *testing.T) {
	for name, gone := range map[string]func(*receiver, bool){
		"refusing": (*receiver).refuse,
		"silent": func(r *receiver, yes bool) {
			if r.will(status(200)); yes {
				r.will(hang)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				const events = 300
				r := newRig(t)
				to := r.network.receiver("gone")
				gone(to, true)
				r.destination(to, func(d *bellhop.Destination) {
					d.Timeout, d.Retry.Schedule = time.Second,
						bellhop.Schedule{time.Hour}
				})
				r.acceptMany(events)
				time.Sleep(2500 * time.Millisecond)
				first := r.attempts()
				if first < bellhop.DefaultBreaker.Failures || first > 2*16+4 {
					t.Errorf("%d attempts before it is slowed", first)
				}
				for range 60 {
					before := r.attempts()
					time.Sleep(time.Second)
					if n := r.attempts() - before; n > 5 {
						t.Fatalf("%d attempts in a second", n)
					}
				}
				burnt := r.attempts()
				if burnt > first+20 {
					t.Errorf("%d attempts were burnt on it", burnt)
				}

				gone(to, false)
				to.mu.Lock()
				to.calls, to.most = nil, 0
				to.mu.Unlock()
				time.Sleep(maxHold + time.Second)
				if n := len(to.got()); n != events-burnt && n != events-burnt-1 { // one attempt was running
					t.Errorf("%d arrived after it was back, want %d", n, events-burnt)
				}
				time.Sleep(2 * time.Hour)
				to.wantOnce(t, events)
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: events})
				r.wantIdle()
			})
		})
	}
}

// attempts returns the number of attempts of all deliveries in the table.
func (r *rig) attempts() (n int) {
	for _, d := range r.deliveries() {
		n += d.Attempts
	}
	return n
}

// TestBreakerEnds: after it has recovered, a destination gets as many attempts at a time as its concurrency again.
func TestBreakerEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("gone")
		to.refuse(true)
		r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 8 })
		r.acceptMany(200)
		time.Sleep(20 * time.Second)
		to.will(after(time.Second))
		to.refuse(false)
		time.Sleep(maxHold + 3*time.Second)
		if n := to.mostAtATime(); n != 8 {
			t.Errorf("%d at a time, want 8", n)
		}
	})
}

// TestBreakerOfSomeAnswers: the breaker does not open for a destination that accepts every third event.
func TestBreakerOfSomeAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("moody")
		var n atomic.Int64
		to.will(func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1)%3 != 0 {
				w.WriteHeader(500)
			}
		})
		r.destination(to)
		r.acceptMany(200)
		synctest.Wait()
		if n := len(to.got()); n != 200 {
			t.Errorf("%d attempts at once, want all 200", n)
		}
	})
}

// slowClaims is a store whose claims take a long time.
type slowClaims struct{ Store }

func (s slowClaims) Claim(ctx context.Context, id string, limit int, maxBytes int64) ([]bellhop.Delivery, error) {
	time.Sleep(10 * time.Millisecond)
	return s.Store.Claim(ctx, id, limit, maxBytes)
}

// TestBreakerSurvivesClaims: a claim without a result must not delay the next probe of a destination that fails.
func TestBreakerSurvivesClaims(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.wrapStore = func(s Store) Store { return slowClaims{s} } })
		to := r.network.receiver("gone")
		to.refuse(true)
		d := r.destination(to, func(d *bellhop.Destination) {
			d.Retry.Schedule = bellhop.Schedule{time.Hour, time.Hour,
				time.Hour}
		})
		r.acceptMany(100)
		time.Sleep(20 * time.Second)
		burnt := r.attempts()
		r.engine.Wake(d.ID)
		time.Sleep(maxHold + time.Second)
		to.refuse(false)
		time.Sleep(maxHold + time.Second)
		if n := len(to.got()); n < 100-burnt-5 {
			t.Errorf("%d arrived after it was back, want almost %d", n, 100-burnt)
		}
	})
}

// TestBreakerOfRefusals: the breaker does not open for a destination that refuses events because of their content, or
// that asks for a pause.
func TestBreakerOfRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		change func(*bellhop.Destination)
	}{
		"422": {status(422), func(d *bellhop.Destination) {}},
		"404, dead by its outcomes": {status(404), func(d *bellhop.Destination) {
			d.Retry.Outcomes = bellhop.Outcomes{"4xx": bellhop.OutcomeDead}
		}},
		"429 with Retry-After": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		}, func(d *bellhop.Destination) {}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				to := r.network.receiver("picky")
				to.will(c.answer)
				d := r.destination(to, c.change)
				r.acceptMany(100)
				synctest.Wait()
				to.will(status(200))
				time.Sleep(3 * time.Second)
				r.accept(bellhop.Event{Body: []byte("good")})
				synctest.Wait()
				if to.bodies()["good"] != 1 {
					t.Error("a good event waits for what the others were refused for")
				}
				if got := r.state(d.ID); !got.FailingSince.IsZero() {
					t.Errorf("failing since %v", got.FailingSince)
				}
			})
		})
	}
}

// TestBreakerAfterDaysOff: days on which the gateway did not run do not count towards disabling a destination.
func TestBreakerAfterDaysOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("sick")
		to.refuse(true)
		d := r.destination(to)
		r.acceptMany(30)
		time.Sleep(10 * time.Second)
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * 24 * time.Hour)
		r.open()
		time.Sleep(30 * time.Minute)
		if got := r.state(d.ID); got.State != bellhop.DestinationActive || got.FailingSince.IsZero() {
			t.Errorf("it is %s: %s", got.State, got.StateReason)
		}
		time.Sleep(time.Hour)
		if got := r.state(d.ID); got.State != bellhop.DestinationDisabled {
			t.Errorf("it is %s after an hour more", got.State)
		}
	})
}

// TestBreakerOfErrors: the breaker opens for a destination that answers with errors only after ten seconds of errors.
func TestBreakerOfErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("broken")
		to.will(status(500))
		d := r.destination(to, func(d *bellhop.Destination) {
			d.Retry.Schedule = bellhop.Schedule{time.Second,
				time.Second}
		})
		r.acceptMany(100)
		time.Sleep(5 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 100})
		for range 10 {
			r.acceptMany(1)
			time.Sleep(time.Second)
		}
		if got := r.state(d.ID); got.FailingSince.IsZero() {
			t.Error("it is not held back after fifteen seconds of errors")
		}
	})
}

// TestBucket: in no window of time are more tokens taken than the burst and the rate allow, and a caller that waits
// for ready gets the full rate.
func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := bellhop.Rate{PerSecond: rapid.Float64Range(bellhop.MinRate, 1000).Draw(t, "rate"),
			Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		start := time.Unix(1_800_000_000, 0)
		now := start
		var b bucket
		var taken []time.Time
		for range 200 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*float64(time.Second)/r.PerSecond)).Draw(t,
				"pause")))
			if rapid.Bool().Draw(t, "wait") {
				now = b.ready(r, now)
			}
			if !b.ready(r, now).After(now) {
				b.take(r, now)
				taken = append(taken, now)
			}
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				if allowed := float64(r.Burst) + taken[j].Sub(taken[i]).Seconds()*r.PerSecond + 1e-6; float64(
					j-i+1) > allowed {
					t.Fatalf("%d within %v at %+v", j-i+1, taken[j].Sub(taken[i]), r)
				}
			}
		}
	})
	var b bucket
	r := bellhop.Rate{PerSecond: 2, Burst: 3}
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []time.Duration{0, 0, 0, 500, 1000, 1500} {
		at := b.ready(r, now.Add(time.Duration(max(0, i-3))*500*time.Millisecond))
		if got := at.Sub(now); got != want*time.Millisecond {
			t.Errorf("token %d is ready after %v, want %v ms", i, got, int(want))
		}
		b.take(r, at)
	}
}

// TestBucketOfAnotherRate: after a change from a large burst to a small one, the tokens that were taken before do not
// delay the next token for years. A token that was given back can be taken again.
func TestBucketOfAnotherRate(t *testing.T) {
	var b bucket
	now := time.Unix(1_800_000_000, 0)
	for range 1000 {
		b.take(bellhop.Rate{PerSecond: 100, Burst: 1000}, now)
	}
	slow := bellhop.Rate{PerSecond: 1, Burst: 1}
	if wait := b.ready(slow, now).Sub(now); wait != time.Second {
		t.Errorf("ready after %v", wait)
	}
	b.giveBack()
	if b.ready(slow, now).After(now) {
		t.Error("a token that was given back is not there")
	}
}
