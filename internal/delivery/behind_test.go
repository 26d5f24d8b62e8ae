package delivery

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// headBehind makes an ordered destination with a head that waits an hour for its next attempt, and one behind it. It returns the
// head.
func (r *rig) headBehind(to *receiver) bellhop.NewDelivery {
	r.t.Helper()
	to.will(status(500))
	r.destination(to, func(d *bellhop.Destination) {
		d.Order, d.Retry.Schedule, d.Breaker = bellhop.OrderSource, bellhop.Schedule{time.Hour}, bellhop.Breaker{}
	})
	head := r.accept(bellhop.Event{Body: []byte("head")})[0]
	time.Sleep(time.Second)
	to.will(status(200))
	r.accept(bellhop.Event{Body: []byte("behind")})
	time.Sleep(time.Minute)
	if n := len(to.got()); n != 1 {
		r.t.Fatalf("%d attempts, want that of the head", n)
	}
	return head
}

// TestCancelByRepairLetsGo: what waited behind a head that a repair cancels is delivered at once.
func TestCancelByRepairLetsGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		head := r.headBehind(to)
		d, err := r.store.Delivery(t.Context(), head.DeliveryID)
		if err != nil {
			t.Fatal(err)
		}
		r.begin(r.repairer(), bellhop.RepairCancel, 0, bellhop.RepairFilter{State: bellhop.DeliveryPending, EventID: d.EventID})
		time.Sleep(time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryCancelled: 1, bellhop.DeliveryDelivered: 1})
	})
}

// A tooLong store is handed a first result that cannot be written.
type tooLong struct {
	Store
	done *bool
}

func (s tooLong) Record(r bellhop.Result) error {
	if !*s.done {
		*s.done = true
		r.Attempt.Reply = make([]byte, 5000)
	}
	return s.Store.Record(r)
}

// TestUnrecordedAlone: an attempt of which nothing could be written is made again a minute later, though nobody asks for it.
func TestUnrecordedAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.between = func(s Store) Store { return tooLong{s, new(bool)} } })
		to := r.network.receiver("to")
		r.destination(to)
		r.acceptMany(1)
		time.Sleep(59 * time.Second)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts before a minute is over", n)
		}
		time.Sleep(2 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 1})
	})
}

// TestUnrecorded: it holds up its key no longer than that.
func TestUnrecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.between = func(s Store) Store { return tooLong{s, new(bool)} } })
		to := r.network.receiver("to")
		r.destination(to, func(d *bellhop.Destination) { d.Order = bellhop.OrderSource })
		r.accept(bellhop.Event{Body: []byte("first")})
		time.Sleep(time.Second)
		r.accept(bellhop.Event{Body: []byte("second")})
		time.Sleep(50 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 2})
		time.Sleep(10 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})
		if got := to.got(); len(got) != 3 || got[1].body != "first" || got[2].body != "second" {
			t.Errorf("%d attempts: %+v", len(got), got)
		}
	})
}
