package delivery

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestDelivered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("billing")
		to.will(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(30 * time.Millisecond)
			w.WriteHeader(201)
			w.Write([]byte(strings.Repeat("0123456789", 1000)))
		})
		d := r.destination(to)
		deliveries := r.accept(bellhop.Event{ContentType: "application/json", Body: []byte(`{"n":1}`)})
		time.Sleep(time.Second)

		calls := to.got()
		if len(calls) != 1 || calls[0].body != `{"n":1}` || calls[0].method != "POST" || calls[0].path != "/hooks" ||
			!calls[0].at.Equal(clockStart) {
			t.Fatalf("arrived: %+v", calls)
		}
		got := r.only()
		if got.ID != deliveries[0].DeliveryID || got.DestinationID != d.ID || got.State != bellhop.DeliveryDelivered ||
			got.Attempts != 1 || got.Last == nil {
			t.Fatalf("recorded: %+v", got)
		}
		if a := got.Last; a.Number != 1 || a.Status != 201 || a.Error != "" || a.Duration != 30*time.Millisecond ||
			!a.StartedAt.Equal(clockStart) ||
			string(a.Reply) != strings.Repeat("0123456789", 1000)[:bellhop.MaxReplyBytes] {
			t.Errorf("attempt: %+v", a)
		}
		r.wantIdle()
	})
}

// TestDead: after the last attempt of the schedule the delivery is dead, and all its attempts are recorded.
func TestDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("broken")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.Schedule{time.Minute, time.Hour} })
		r.acceptMany(1)
		time.Sleep(48 * time.Hour)

		got := r.only()
		if got.State != bellhop.DeliveryDead || got.Attempts != 3 || got.Last.Error != "status" ||
			got.Last.Status != 500 || !strings.Contains(got.Last.Detail, "500 Internal Server Error") ||
			!strings.Contains(got.Last.Detail, "given up after 3 attempts") {
			t.Errorf("recorded: %+v, %+v", got, got.Last)
		}
		attempts, err := r.store.Attempts(t.Context(), got.ID)
		if err != nil || len(attempts) != 3 || len(to.got()) != 3 {
			t.Fatalf("%d attempts on record, %d arrived: %v", len(attempts), len(to.got()), err)
		}
		for i, a := range attempts {
			if a.Number != i+1 || !a.StartedAt.Equal(to.got()[i].at.Truncate(time.Microsecond)) {
				t.Errorf("attempt %d: %+v", i+1, a)
			}
		}
		r.wantIdle()
	})
}

// TestUnrenderable: an event that cannot be rendered in the destination's dialect is dead at once, with the
// reason.
func TestUnrenderable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("ams")
		r.destination(to, func(d *bellhop.Destination) {
			d.Type, d.Settings = "ams", []byte(`{"signing_key":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`)
		})
		r.acceptMany(1)
		synctest.Wait()
		got := r.only()
		if got.State != bellhop.DeliveryDead || got.Attempts != 1 || got.Last.Error != "render" ||
			!strings.Contains(got.Last.Detail, "settings.account_id") {
			t.Errorf("recorded: %+v, %+v", got, got.Last)
		}
		if len(to.got()) != 0 {
			t.Error("something was sent")
		}
		r.wantIdle()
	})
}

// TestDuplicates: a repeated event is delivered once, and leaves no reserved place behind.
func TestDuplicates(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("billing")
		r.destination(to)
		for range 3 {
			r.accept(bellhop.Event{ProviderID: "a", Body: []byte("a")},
				bellhop.Event{ProviderID: "b", Body: []byte("b")},
				bellhop.Event{ProviderID: "a", Body: []byte("a")})
		}
		synctest.Wait()
		to.wantOnce(t, 2)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})
		r.wantIdle()
	})
}

// TestUnreserve: events that were matched but not stored leave no reserved place behind.
func TestUnreserve(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.destination(r.network.receiver("one"))
		r.destination(r.network.receiver("two"))
		for range laneLength + 10 {
			events := []bellhop.Event{{Type: "x", Body: make([]byte, 1000)}, {Type: "y", Body: make([]byte, 10)}}
			deliveries := r.match(events)
			if len(deliveries) != 4 || !deliveries[0].Leased || !deliveries[3].Leased {
				t.Fatalf("deliveries: %+v", deliveries)
			}
			r.engine.Unreserve(events, deliveries)
		}
		r.wantIdle()
	})
}

// TestMatch: the match of each destination is evaluated once, whether it names the source by name, by id, by both or
// not at all.
func TestMatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		for name, m := range map[string]bellhop.Match{
			"any":     {},
			"by-name": {Sources: []string{"rig"}},
			"by-id":   {Sources: []string{"src_rig"}},
			"by-both": {Sources: []string{"src_rig", "rig", "rig"}},
			"other":   {Sources: []string{"other"}},
			"typed":   {Sources: []string{"rig"}, Types: []string{"job.*"}},
			"where":   {Where: `data.n == 2`},
			"failing": {Where: `data.n.m == 2`},
		} {
			r.destination(r.network.receiver(name), func(d *bellhop.Destination) { d.Match = m })
		}
		deliveries := r.accept(bellhop.Event{Body: []byte(`{"n":1}`)},
			bellhop.Event{Type: "task", Body: []byte(`{"n":2}`)})
		got := map[int]map[string]int{0: {}, 1: {}}
		for i, o := range deliveries {
			got[o.Event][o.DestinationID]++
			if i > 0 && o.Event < deliveries[i-1].Event {
				t.Errorf("not in the events' order: %+v", deliveries)
			}
		}
		want := []map[string]int{
			{"dst_any": 1, "dst_by-name": 1, "dst_by-id": 1, "dst_by-both": 1, "dst_typed": 1},
			{"dst_any": 1, "dst_by-name": 1, "dst_by-id": 1, "dst_by-both": 1, "dst_where": 1},
		}
		for i := range want {
			for id := range want[i] {
				if got[i][id] != 1 {
					t.Errorf("event %d: %s is asked %d times", i, id, got[i][id])
				}
			}
			if len(got[i]) != len(want[i]) {
				t.Errorf("event %d goes to %v, want %v", i, got[i], want[i])
			}
		}
		synctest.Wait()
		r.wantIdle()
	})
}

// TestUnreserveMakesRoom: a due delivery is claimed as soon as released places make room for it.
func TestUnreserveMakesRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("billing")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.Schedule{time.Minute} })
		r.acceptMany(1)
		synctest.Wait()
		events := make([]bellhop.Event, laneLength)
		deliveries := r.match(events)
		time.Sleep(time.Hour)
		if n := len(to.got()); n != 1 {
			t.Fatalf("%d attempts while there was no room", n)
		}
		r.engine.Unreserve(events, deliveries)
		synctest.Wait()
		if n := len(to.got()); n != 2 {
			t.Errorf("%d attempts when there was room", n)
		}
		r.wantIdle()
	})
}

// TestNothingBeforeRun: before Run, an engine neither claims due deliveries nor sends accepted ones.
func TestNothingBeforeRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("to")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) { d.Retry.Schedule = bellhop.Schedule{time.Minute} })
		r.acceptMany(1)
		synctest.Wait()
		if err := r.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		to.will(status(200))
		r.idle = true
		r.open()
		time.Sleep(time.Hour)
		r.acceptMany(1)
		time.Sleep(time.Hour)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts, one of them by the engine that ran before", n)
		}
		if n := r.states()[bellhop.DeliveryPending]; n != 1 {
			t.Errorf("%d are pending, want the one that is due", n)
		}
		r.run()
		synctest.Wait()
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2})
		r.wantIdle()
	})
}

// releasing is a store that calls a function before it releases deliveries.
type releasing struct {
	Store
	before func()
}

func (s releasing) Release(ctx context.Context, ids []string) error {
	s.before()
	return s.Store.Release(ctx, ids)
}

// TestDeletedLanesAreStopped: the engine stops the lanes of all deleted destinations before it waits for the store,
// so that a stop of the engine during the wait misses no lane.
func TestDeletedLanesAreStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var lanes []*lane
		r := newRig(t, func(r *rig) {
			r.wrapStore = func(s Store) Store {
				return releasing{s, func() {
					for _, l := range lanes {
						l.mu.Lock()
						if !l.stopped {
							t.Errorf("%s is not stopped", l.id)
						}
						l.mu.Unlock()
					}
				}}
			}
		})
		for _, name := range []string{"one", "two"} {
			to := r.network.receiver(name)
			to.will(after(time.Second))
			d := r.destination(to, func(d *bellhop.Destination) { d.Concurrency = 1 })
			lanes = append(lanes, r.engine.lanes.Load().byID[d.ID])
		}
		r.acceptMany(3)
		synctest.Wait()
		if err := r.engine.SetDestinations(t.Context(), nil); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2, bellhop.DeliveryPending: 4})
	})
}
