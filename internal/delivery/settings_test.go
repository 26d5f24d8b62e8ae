package delivery

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestGone: after a 410 the delivery is dead and the destination is disabled. The other deliveries stay pending
// until the destination is resumed.
func TestGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("gone")
		to.will(status(410))
		d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 1 })
		r.acceptMany(10)
		synctest.Wait()
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		if n := r.changes.Load(); n != 1 {
			t.Errorf("Changed was called %d times", n)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 1, bellhop.DeliveryPending: 9})
		r.wantIdle()
		got, err := r.store.Destination(t.Context(), d.ID)
		if err != nil || got.State != bellhop.DestinationDisabled || got.StateReason == "" {
			t.Errorf("destination: %+v %v", got, err)
		}

		r.acceptMany(1) // events are still stored for it
		time.Sleep(24 * time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 1, bellhop.DeliveryPending: 10})
		to.will(status(200))
		r.update(d.ID, func(d *bellhop.Destination) { d.State, d.StateReason = bellhop.DestinationActive, "" })
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 1, bellhop.DeliveryDelivered: 10})
		r.wantIdle()
	})
}

// TestPaused: a paused destination gets no requests and holds no memory. Its deliveries arrive once after it is
// resumed.
func TestPaused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("paused")
		to.will(after(time.Second))
		d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 2 })
		r.acceptMany(50)
		time.Sleep(1500 * time.Millisecond)
		r.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
		time.Sleep(time.Minute)
		if n := len(to.got()); n != 4 {
			t.Errorf("%d attempts before the pause", n)
		}
		for i := range 10 {
			r.accept(bellhop.Event{Body: []byte{byte(i)}})
		}
		r.engine.Wake(d.ID)
		time.Sleep(24 * time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 4, bellhop.DeliveryPending: 56})
		r.wantIdle()

		r.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
		time.Sleep(time.Minute)
		to.wantOnce(t, 60)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 60})
		r.wantIdle()
	})
}

// TestDeleted: a destination that is deleted with a full lane gets no more requests, and its lane is removed from
// memory.
func TestDeleted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, other := r.network.receiver("deleted"), r.network.receiver("other")
		to.will(after(time.Second))
		d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 2 })
		r.destination(other)
		r.acceptMany(laneLength + 100)
		matched := []bellhop.Event{{SourceID: r.source.ID, Source: "rig", Type: "x", ReceivedAt: time.Now(),
			Body: []byte("matched before, stored after")}}
		deliveries := r.match(matched)

		if err := r.store.DeleteDestination(t.Context(), d.ID); err != nil {
			t.Fatal(err)
		}
		r.reload()
		if _, err := r.store.Accept(t.Context(), nil, matched, deliveries); err != nil {
			t.Fatal(err)
		}
		r.engine.Deliver(matched, deliveries)
		r.acceptMany(1)
		time.Sleep(time.Hour)
		if n := len(to.got()); n != 2 { // the attempts that were running
			t.Errorf("%d attempts", n)
		}
		for body, n := range other.bodies() {
			if n != 1 && body != "event 0" { // event 0 was sent twice
				t.Errorf("another destination got %q %d times", body, n)
			}
		}
		if n := len(other.got()); n != laneLength+102 {
			t.Errorf("another destination got %d", n)
		}
		r.wantIdle()
	})
}

// TestChangedWhileQueued: the next attempt uses the destination's current URL and secret.
func TestChangedWhileQueued(t *testing.T) {
	const before, later = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		from, to := r.network.receiver("from"), r.network.receiver("to")
		from.will(after(time.Second))
		d := r.destination(from, func(d *bellhop.Destination) {
			d.Concurrency, d.Settings = 1, []byte(`{"secret":"`+before+`"}`)
		})
		r.acceptMany(5)
		time.Sleep(500 * time.Millisecond)
		r.update(d.ID, func(d *bellhop.Destination) {
			d.URL, d.Settings, d.Concurrency = to.url(), []byte(`{"secret":"`+later+`"}`), 2
		})
		time.Sleep(time.Minute)
		if len(from.got()) != 1 || len(to.got()) != 4 {
			t.Fatalf("%d went to the old URL and %d to the new one", len(from.got()), len(to.got()))
		}
		wantSigned(t, from.got()[0], before)
		for _, c := range to.got() {
			wantSigned(t, c, later)
		}
	})
}

// wantSigned checks that a call verifies with secret at the time of its arrival. The signed time has whole seconds.
func wantSigned(t testing.TB, c call, secret string) {
	t.Helper()
	key, err := signature.ParseStandardKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signature.VerifyStandardHeader(c.header, []byte(c.body), []signature.StandardKey{key}, c.at,
		time.Second); err != nil {
		t.Errorf("%v: %v", c.header, err)
	}
}

// TestBroken: a destination that cannot be opened is reported and gets no requests. Its events are kept, and other
// destinations are not delayed.
func TestBroken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to, other := r.network.receiver("broken"), r.network.receiver("other")
		d := r.destination(to)
		r.destination(other)
		time.Sleep(time.Millisecond)
		list, _, err := r.store.Destinations(t.Context(), bellhop.DestinationFilter{}, bellhop.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if list[i].ID == d.ID {
				list[i].Settings, list[i].UpdatedAt = []byte(`{"format":"odd"}`), time.Now()
			}
		}
		if err := r.engine.SetDestinations(t.Context(), list); err == nil {
			t.Error("not reported")
		}
		r.acceptMany(3)
		time.Sleep(time.Hour)
		if len(to.got()) != 0 || len(other.got()) != 3 {
			t.Errorf("%d and %d arrived", len(to.got()), len(other.got()))
		}
		r.reload() // the destination in the store is valid
		synctest.Wait()
		to.wantOnce(t, 3)
		r.wantIdle()
	})
}
