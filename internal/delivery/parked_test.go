package delivery

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// remedy is the detail of an attempt that parks.
const remedy = "connection work is signed out: run bellhop connections login work"

// parking is the function of an action whose connection is signed out.
func parking(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
	return provider.ActionResult{Parked: "con_work", Detail: remedy}
}

// TestParked: while its connection is signed out, a destination makes one attempt in ten minutes, shows why, and its
// deliveries neither die nor use up a try, whatever the schedule and the greatest age. Other destinations go on. The
// return of the connection wakes it at once.
func TestParked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: parking}
		r := newChoreRig(t, c, func(d *bellhop.Destination) {
			d.Concurrency = 4
			d.Retry = bellhop.Retry{Schedule: bellhop.Schedule{time.Second}, MaxAge: time.Hour}
			d.Breaker = bellhop.Breaker{Failures: 1, DisableAfter: time.Minute}
		})
		other := r.network.receiver("other")
		r.destination(other)
		r.acceptMany(30)
		time.Sleep(3*time.Hour + time.Minute)
		if n := len(other.got()); n != 30 {
			t.Errorf("the other destination got %d events, want 30", n)
		}
		// Four began before the first of them had ended; from then on, one in ten minutes.
		before, _ := c.seen()
		if n := len(before); n < 19 || n > 22 {
			t.Errorf("%d attempts in three hours", n)
		}
		if hold := r.engine.Hold("dst_chore"); hold != (bellhop.Hold{Reason: remedy}) {
			t.Errorf("held back: %+v", hold)
		}
		if d := r.state("dst_chore"); !d.FailingSince.IsZero() || d.State != bellhop.DestinationActive {
			t.Errorf("the destination is %s, failing since %v", d.State, d.FailingSince)
		}
		waiting := 0
		for _, d := range r.deliveries() {
			if d.DestinationID != "dst_chore" {
				continue
			}
			waiting++
			if d.State != bellhop.DeliveryPending || d.Attempts != d.Spared ||
				d.Last != nil && (d.Last.Error != "signed_out" || d.Last.Detail != remedy) {
				t.Errorf("%+v, %+v", d, d.Last)
			}
		}
		if waiting != 30 {
			t.Errorf("%d deliveries wait, want 30", waiting)
		}

		c.will(until(0))
		r.engine.Return("con_other")
		synctest.Wait()
		if made, _ := c.seen(); len(made) != len(before) {
			t.Error("another connection woke it")
		}
		r.engine.Return("con_work")
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 60})
		if hold := r.engine.Hold("dst_chore"); hold != (bellhop.Hold{}) {
			t.Errorf("held back after the return: %+v", hold)
		}
		r.wantIdle()
	})
}

// TestParkedWithoutCall: a destination whose return was missed finds out by itself.
func TestParkedWithoutCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: parking}
		r := newChoreRig(t, c)
		r.acceptMany(3)
		synctest.Wait()
		c.will(until(0))
		time.Sleep(parkedRest + time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 3})
		r.wantIdle()
	})
}

// TestParkedMeanwhile: an attempt during which its connection came back does not park its destination: the delivery
// is attempted again at once.
func TestParkedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: parking}
		r := newChoreRig(t, c)
		c.will(func(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
			if at.Attempt > 1 {
				return provider.ActionResult{}
			}
			r.engine.Return("con_work")
			return parking(ctx, ev, at)
		})
		r.acceptMany(1)
		synctest.Wait()
		if d := r.only(); d.State != bellhop.DeliveryDelivered || d.Attempts != 2 || d.Spared != 1 {
			t.Errorf("%+v", d)
		}
		r.wantIdle()
	})
}

// TestParkedKeepsItsPlace: the order of a destination is kept across a sign-out and a restart, and a change of the
// destination, which may be to another connection, is tried at once.
func TestParkedKeepsItsPlace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: parking}
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Order = bellhop.OrderSource })
		r.acceptMany(5)
		synctest.Wait()
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.open()
		synctest.Wait()
		if hold := r.engine.Hold("dst_chore"); hold.Reason != remedy {
			t.Errorf("held back after a restart: %+v", hold)
		}
		var order []string
		c.will(func(_ context.Context, ev *bellhop.Event, _ provider.AttemptInfo) provider.ActionResult {
			order = append(order, string(ev.Body)) // one at a time
			return provider.ActionResult{}
		})
		r.update("dst_chore", func(d *bellhop.Destination) { d.Timeout = time.Second })
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 5})
		for i, body := range order {
			if body != "event "+string(rune('0'+i)) {
				t.Errorf("in the order %q", order)
			}
		}
		r.wantIdle()
	})
}

// TestParkedTooOld: the greatest age counts again once the connection is back: an action that continues then is given
// up, and says why.
func TestParkedTooOld(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{do: parking}
		r := newChoreRig(t, c, func(d *bellhop.Destination) { d.Retry.MaxAge = time.Hour })
		r.acceptMany(1)
		time.Sleep(2 * time.Hour)
		c.will(func(_ context.Context, _ *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
			return provider.ActionResult{Continue: at.Time.Add(time.Second)}
		})
		r.engine.Return("con_work")
		synctest.Wait()
		if d := r.only(); d.State != bellhop.DeliveryDead || d.Last.Error != "unfinished" {
			t.Errorf("%+v, %+v", d, d.Last)
		}
		r.wantIdle()
	})
}

// TestActionSkips: a delivery of an event that its action does not work on is cancelled, with the reason.
func TestActionSkips(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newChoreRig(t,
			&chore{do: func(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
				return provider.ActionResult{Skip: true, Detail: "not a notification"}
			}})
		r.acceptMany(1)
		synctest.Wait()
		got := r.only()
		if got.State != bellhop.DeliveryCancelled || got.Attempts != 1 || got.Last.Error != "skipped" ||
			got.Last.Detail != "not a notification" {
			t.Errorf("%+v, %+v", got, got.Last)
		}
		r.wantIdle()
	})
}

// TestUnattended: while nobody is there for an action, its destination waits without an attempt on record, and goes on
// as soon as somebody is, in order. Memory holds none of its deliveries meanwhile.
func TestUnattended(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{}
		nobody := func(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
			return provider.ActionResult{Parked: "dst_chore", Unmade: true, Detail: "nobody is there"}
		}
		c.will(nobody)
		r := newChoreRig(t, c, func(d *bellhop.Destination) {
			d.Concurrency, d.Order = 1, bellhop.OrderSource
			d.Retry = bellhop.Retry{Schedule: bellhop.Schedule{time.Second}, MaxAge: time.Hour}
			d.Breaker = bellhop.Breaker{Failures: 1, DisableAfter: time.Minute}
		})
		r.acceptMany(20)
		time.Sleep(2 * time.Hour)
		if made, _ := c.seen(); len(made) != 1 {
			t.Errorf("it was looked %d times whether somebody is there", len(made))
		}
		if hold := r.engine.Hold("dst_chore"); hold != (bellhop.Hold{Reason: "nobody is there"}) {
			t.Errorf("held back: %+v", hold)
		}
		for _, d := range r.deliveries() {
			if d.State != bellhop.DeliveryPending || d.Attempts != 0 || d.Last != nil {
				t.Errorf("%+v, %+v", d, d.Last)
			}
		}
		c.will(until(0))
		r.engine.Return("dst_chore")
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 20})
		made, _ := c.seen()
		made = made[len(made)-20:]
		byID := func(a, b provider.AttemptInfo) int { return strings.Compare(a.DeliveryID, b.DeliveryID) }
		if !slices.IsSortedFunc(made, byID) {
			t.Error("the order is lost")
		}
		r.wantIdle()
	})
}

// TestAttendedMeanwhile: somebody who comes during the look whether somebody is there is not missed.
func TestAttendedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := &chore{}
		looks := 0
		r := new(rig)
		c.will(func(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
			looks++
			if looks > 1 {
				return provider.ActionResult{Status: 202, Reply: []byte("taken")}
			}
			r.engine.Return("dst_chore")
			return provider.ActionResult{Parked: "dst_chore", Unmade: true, Detail: "nobody is there"}
		})
		r = newChoreRig(t, c, func(d *bellhop.Destination) { d.Concurrency = 1 })
		r.acceptMany(1)
		synctest.Wait()
		if d := r.only(); d.State != bellhop.DeliveryDelivered || d.Attempts != 1 || d.Last.Status != 202 ||
			string(d.Last.Reply) != "taken" {
			t.Errorf("%+v, %+v", d, d.Last)
		}
		r.wantIdle()
	})
}
