package delivery

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestStop: running attempts end and are recorded, queued deliveries are released, and no delivery is sent twice.
func TestStop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("slow")
		to.will(after(time.Second))
		d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 4 })
		r.acceptMany(laneLength + 50)
		time.Sleep(1500 * time.Millisecond)
		late := []bellhop.Event{{SourceID: r.source.ID, Source: "rig", Type: "x", ReceivedAt: time.Now(),
			Body: []byte("late")}}
		deliveries := r.match(late)

		engine, begun := r.engine, time.Now()
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if n := len(to.got()); n != 8 {
			t.Errorf("%d attempts", n)
		}
		engine.Unreserve(late, deliveries)
		if n := engine.queuedBytes.Load(); n != 0 {
			t.Errorf("%d bytes are still counted", n)
		}
		if err := engine.SetDestinations(t.Context(), []bellhop.Destination{d}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)

		to.will(status(200))
		r.open()
		synctest.Wait()
		to.wantOnce(t, laneLength+50)
		for _, d := range r.deliveries() {
			if d.State != bellhop.DeliveryDelivered || d.Attempts != 1 {
				t.Fatalf("%+v", d)
			}
		}
		r.wantIdle()
	})
}

// TestStopBetweenAcceptAndDeliver: a delivery that is on disk, but not in its lane when the engine stops, is
// released.
func TestStopBetweenAcceptAndDeliver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("billing")
		r.destination(to)
		events := []bellhop.Event{{SourceID: r.source.ID, Source: "rig", Type: "x", ReceivedAt: time.Now(),
			Body: []byte("event")}}
		deliveries := r.match(events)
		if _, err := r.store.Accept(t.Context(), nil, events, deliveries); err != nil {
			t.Fatal(err)
		}
		if err := r.engine.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryLeased: 1})
		r.engine.Deliver(events, deliveries)
		if err := r.store.Release(t.Context(), nil); err != nil { // waits for the writes that were requested before
			t.Fatal(err)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryPending: 1})
		r.wantIdle()
	})
}

// TestStopCutsOff: attempts that are still running when the context of a stop ends are cut off. Their deliveries are
// released, and the attempts do not count.
func TestStopCutsOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		hanging, refusing, slow := r.network.receiver("hanging"), r.network.receiver("refusing"),
			r.network.receiver("slow")
		hanging.will(hang)
		refusing.refuse(true)
		slow.will(after(time.Second))
		r.destination(hanging, func(d *bellhop.Destination) { d.Timeout, d.Concurrency = time.Minute, 3 })
		r.destination(refusing)
		r.destination(slow)
		r.acceptMany(5)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		err := r.stop(ctx)
		if err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("stop: %v", err)
		}
		if took := time.Since(begun); took != 2*time.Second+stopGrace {
			t.Errorf("took %v", took)
		}
		if n := len(hanging.got()); n != 3 {
			t.Fatalf("%d attempts", n)
		}

		hanging.will(status(200))
		refusing.refuse(false)
		r.open()
		time.Sleep(time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 15})
		slow.wantOnce(t, 5)
		if n := len(hanging.got()); n != 8 {
			t.Errorf("%d attempts, want 3 and 5", n)
		}
		ids := map[string]int{}
		for _, c := range hanging.got() {
			ids[c.header.Get("Webhook-Id")]++
			if c.header.Get("Bellhop-Attempt") != "1" {
				t.Errorf("attempt %s", c.header.Get("Bellhop-Attempt"))
			}
		}
		if len(ids) != 5 {
			t.Errorf("ids: %v", ids)
		}
		r.wantIdle()
	})
}

// TestCrash: the next process sends the deliveries that were leased when a process was killed, under the same
// ids.
func TestCrash(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		before := newRig(t)
		to := before.network.receiver("slow")
		to.will(after(time.Second))
		before.destination(to, func(d *bellhop.Destination) { d.Concurrency = 4 })
		before.acceptMany(laneLength + 50)
		// 8 are delivered, 4 are being attempted, the rest is in memory or in the table
		time.Sleep(2500 * time.Millisecond)
		after, again := before.crash()
		synctest.Wait()

		if n := len(to.got()); n != 12 {
			t.Fatalf("%d attempts before the crash", n)
		}
		delivered := slices.Collect(maps.Keys(again.bodies()))
		for _, c := range to.got()[:8] {
			if slices.Contains(delivered, c.body) {
				t.Errorf("%q was on record and sent again", c.body)
			}
		}
		again.wantOnce(t, laneLength+42)
		ids := map[string]string{}
		for _, c := range to.got() {
			ids[c.body] = c.header.Get("Webhook-Id") + c.header.Get("Bellhop-Delivery-Id") + c.header.Get(
				"Bellhop-Attempt")
		}
		for _, c := range again.got() {
			if id, ok := ids[c.body]; ok &&
				id != c.header.Get("Webhook-Id")+c.header.Get("Bellhop-Delivery-Id")+c.header.Get("Bellhop-Attempt") {
				t.Errorf("%q has other ids now: %v", c.body, c.header)
			}
		}
		after.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: laneLength + 50})
		after.wantIdle()
	})
}

// crash starts another process on a copy of the files that a crash would leave behind now. It has one receiver, at
// the address of the first receiver.
func (r *rig) crash() (*rig, *receiver) {
	r.t.Helper()
	next := &rig{t: r.t, dir: r.t.TempDir(), network: newNetwork(r.t), source: r.source}
	for _, name := range []string{"bellhop.db", "bellhop.db-wal", "master.key"} {
		b, err := os.ReadFile(filepath.Join(r.dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(next.dir, name), b, 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	to := next.network.receiver("next")
	r.t.Cleanup(func() { next.stop(context.Background()) })
	next.open()
	return next, to
}
