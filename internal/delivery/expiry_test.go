package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// channel creates a destination for the events of the gateway itself, and returns a function that lists the types
// of the events that it received.
func (r *rig) channel() (to *receiver, types func() []string) {
	to = r.network.receiver("channel")
	r.destination(to, func(d *bellhop.Destination) {
		d.Match.Types, d.Settings = []string{"bellhop.*"}, []byte(`{"format":"envelope"}`)
	})
	return to, func() (types []string) {
		for _, c := range to.got() {
			var e struct{ Type, Subject, Source string }
			if json.Unmarshal([]byte(c.body), &e) != nil || e.Source != bellhop.SourceSelf {
				r.t.Errorf("announced %s", c.body)
			}
			types = append(types, e.Type+" "+e.Subject)
		}
		return types
	}
}

func (r *rig) wantTypes(got func() []string, want ...string) {
	r.t.Helper()
	if types := got(); !slices.Equal(types, want) {
		r.t.Errorf("announced %q, want %q", types, want)
	}
}

func (r *rig) state(id string) bellhop.Destination {
	r.t.Helper()
	d, err := r.store.Destination(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// TestExpiry: a destination matches no events after its expiry. A warning is announced a tenth of the time before it,
// once, also across restarts. Earlier deliveries continue when the destination is renewed.
func TestExpiry(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		_, types := r.channel()
		to := r.network.receiver("guest")
		to.will(status(500))
		d := r.destination(to, func(d *bellhop.Destination) {
			d.ExpiresAt, d.Retry.Schedule = time.Now().Add(10*time.Hour), bellhop.Schedule{20 * time.Hour}
		})
		r.acceptMany(3)
		time.Sleep(9*time.Hour - time.Minute)
		r.wantTypes(types)
		time.Sleep(2 * time.Minute)
		r.wantTypes(types, "bellhop.destination.expiring guest")
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.open()
		time.Sleep(time.Until(d.ExpiresAt) - time.Microsecond)
		r.acceptMany(1)
		synctest.Wait()
		r.wantTypes(types, "bellhop.destination.expiring guest")
		time.Sleep(time.Microsecond)
		r.acceptMany(1)
		deliveries := 0
		for _, o := range r.deliveries() {
			if o.DestinationID == d.ID {
				deliveries++
			}
		}
		if deliveries != 4 {
			t.Errorf("%d deliveries", deliveries)
		}
		time.Sleep(time.Second)
		r.wantTypes(types, "bellhop.destination.expiring guest", "bellhop.destination.expired guest")
		if got := r.state(d.ID); got.State != bellhop.DestinationExpired {
			t.Errorf("it is %s: %s", got.State, got.StateReason)
		}
		time.Sleep(24 * time.Hour)
		if n := len(to.got()); n != 4 {
			t.Errorf("%d attempts", n)
		}
		to.will(status(200))
		r.update(d.ID, func(d *bellhop.Destination) {
			d.ExpiresAt, d.State, d.StateReason = time.Time{}, bellhop.DestinationActive, ""
		})
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 4 + 2})
		r.wantIdle()
	})
}

// TestBreakerAnnounced: the failure of a destination and its recovery are stored and announced, once each. At the
// end of the breaker's time the destination is disabled.
func TestBreakerAnnounced(t *testing.T) { breakerAnnounced(t, time.Hour, 4*time.Hour) }

// breakerAnnounced is the body of TestBreakerAnnounced. The destination fails for this time before it recovers, and is
// disabled when it has failed for disableAfter.
func breakerAnnounced(t *testing.T, failing, disableAfter time.Duration) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		_, types := r.channel()
		to := r.network.receiver("sick")
		to.will(status(500))
		d := r.destination(to, func(d *bellhop.Destination) {
			d.Breaker = bellhop.Breaker{Failures: 5, DisableAfter: disableAfter}
		})
		r.acceptMany(100)
		since := time.Now()
		time.Sleep(failing)
		r.wantTypes(types, "bellhop.destination.failing sick")
		if got := r.state(d.ID); !got.FailingSince.Equal(since) {
			t.Errorf("failing since %v, want %v", got.FailingSince, since)
		}
		to.will(status(200))
		time.Sleep(maxHold + maxHold/5)
		r.wantTypes(types, "bellhop.destination.failing sick", "bellhop.destination.recovered sick")
		if got := r.state(d.ID); !got.FailingSince.IsZero() {
			t.Errorf("failing since %v", got.FailingSince)
		}
		time.Sleep(time.Hour)

		to.will(status(500))
		r.acceptMany(100)
		time.Sleep(disableAfter - 10*time.Minute)
		if got := r.state(d.ID); got.State != bellhop.DestinationActive {
			t.Errorf("it is %s already: %s", got.State, got.StateReason)
		}
		time.Sleep(20 * time.Minute)
		reason := fmt.Sprintf("it has failed for %v; the last attempt: answered 500 Internal Server Error",
			disableAfter)
		got := r.state(d.ID)
		if got.State != bellhop.DestinationDisabled || got.StateReason != reason {
			t.Errorf("it is %s: %s", got.State, got.StateReason)
		}
		r.wantTypes(types, "bellhop.destination.failing sick", "bellhop.destination.recovered sick",
			"bellhop.destination.failing sick", "bellhop.destination.disabled sick")
		for _, d := range r.deliveries() {
			if d.DestinationID == "dst_sick" && d.State == bellhop.DeliveryDead {
				t.Errorf("a delivery died while its destination was held back: %+v", d.Last)
			}
		}
		r.resume(d.ID)
		to.will(status(200))
		time.Sleep(3 * 24 * time.Hour)
		if n := r.states()[bellhop.DeliveryDelivered]; n != 200+4 {
			t.Errorf("%d delivered", n)
		}
		r.wantIdle()
	})
}

// resume makes a destination active again, as an operator does.
func (r *rig) resume(id string) {
	r.update(id, func(d *bellhop.Destination) { d.State, d.StateReason = bellhop.DestinationActive, "" })
}

// TestBreakerSurvives: after a restart, a destination whose breaker was open gets a single probe first.
func TestBreakerSurvives(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("sick")
		to.refuse(true)
		r.destination(to, func(d *bellhop.Destination) {
			d.Retry.Schedule = bellhop.Schedule{time.Hour, time.Hour,
				time.Hour}
		})
		r.acceptMany(300)
		time.Sleep(10 * time.Minute)
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		to.mu.Lock()
		to.dials = nil
		to.mu.Unlock()
		r.open()
		synctest.Wait()
		to.mu.Lock()
		n := len(to.dials)
		to.mu.Unlock()
		if n != 1 {
			t.Errorf("%d dials at once, want one probe", n)
		}
	})
}

// TestAlarm: dead deliveries are announced with their number, the first at once and then once a minute. Dead
// deliveries of announcements are not announced.
func TestAlarm(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, _ := r.channel()
		r.network.receiver("deaf").will(status(400))
		r.destination(r.network.receivers["10.0.0.2:80"], func(d *bellhop.Destination) {
			d.Retry.Schedule,
				d.Breaker = bellhop.ScheduleNone, bellhop.Breaker{}
		})
		count := func() (all, n int) {
			for _, c := range to.got() {
				var e struct {
					Type string
					Data struct{ Deliveries int }
				}
				if json.Unmarshal([]byte(c.body), &e) != nil || e.Type != bellhop.TypeDeliveriesDead {
					t.Errorf("announced %s", c.body)
				}
				all += e.Data.Deliveries
				n++
			}
			return all, n
		}
		for range 50 {
			r.acceptMany(10)
			time.Sleep(5 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		if all, n := count(); all != 500 || n < 4 || n > 6 {
			t.Errorf("%d deliveries in %d announcements", all, n)
		}
		before := len(to.got())
		to.will(status(400))
		r.update("dst_channel", func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.ScheduleNone })
		r.acceptMany(1)
		time.Sleep(time.Hour)
		if n := len(to.got()); n != before+1 {
			t.Errorf("%d announcements of one that died", n-before)
		}
	})
}

// renewing is a store that changes a destination just before it stores the destination's state.
type renewing struct {
	Store
	renew func()
}

func (s renewing) EndDestination(ctx context.Context, id string, updatedAt time.Time,
	state bellhop.DestinationState, reason string) (bool, error) {
	s.renew()
	return s.Store.EndDestination(ctx, id, updatedAt, state, reason)
}

// TestEndOfAnotherVersion: a destination that was renewed or got another URL at the last moment is not expired or
// disabled because of its former version.
func TestEndOfAnotherVersion(t *testing.T) {
	for name, change := range map[string]func(*bellhop.Destination){
		"expires": func(d *bellhop.Destination) { d.ExpiresAt = d.ExpiresAt.Add(time.Hour) },
		"410":     func(d *bellhop.Destination) { d.URL += "/new" },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				var r *rig
				renew := sync.OnceFunc(func() {
					d := r.state("dst_guest")
					change(&d)
					d.UpdatedAt = time.Now().Add(time.Second)
					if err := r.store.UpdateDestination(t.Context(), d); err != nil {
						t.Error(err)
					}
				})
				r = newRig(t, func(r *rig) { r.wrapStore = func(s Store) Store { return renewing{s, renew} } })
				to := r.network.receiver("guest")
				if name == "410" {
					to.will(status(410))
				}
				r.destination(to, func(d *bellhop.Destination) { d.ExpiresAt = time.Now().Add(10 * time.Minute) })
				if name == "410" {
					r.acceptMany(1)
				} else {
					time.Sleep(11 * time.Minute)
				}
				synctest.Wait()
				if got := r.state("dst_guest"); got.State != bellhop.DestinationActive {
					t.Errorf("it is %s: %s", got.State, got.StateReason)
				}
			})
		})
	}
}
