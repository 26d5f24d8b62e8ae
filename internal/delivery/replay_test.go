package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/repair"
)

// reading returns the sum of all series of a metric of the last repairer.
func (r *rig) reading(name string) (sum float64) {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return sum
}

// TestReplayOne: one event is sent again to all destinations that match it now, or to a named destination, whose
// match is not evaluated.
func TestReplayOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		picky, other, paused := r.network.receiver("picky"), r.network.receiver("other"), r.network.receiver("paused")
		d := r.destination(picky, func(d *bellhop.Destination) { d.Match.Where = "data.n > 1" })
		r.destination(other)
		p := r.repairer()
		deliveries := r.accept(bellhop.Event{Body: []byte(`{"n":1}`), ContentType: "application/json"})
		event := r.deliveries()[0].EventID
		if len(deliveries) != 1 {
			t.Fatal(deliveries)
		}
		time.Sleep(time.Second)
		made, err := p.Replay(t.Context(), event, "")
		if err != nil || len(made) != 1 || made[0].DestinationID != "dst_other" || made[0].DeliveryID == "" ||
			made[0].DeliveryID == deliveries[0].DeliveryID {
			t.Errorf("%+v %v", made, err)
		}
		if made, err = p.Replay(t.Context(), event, d.ID); err != nil || len(made) != 1 {
			t.Errorf("%+v %v", made, err)
		}
		late := r.destination(paused, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
		if made, err = p.Replay(t.Context(), event, late.ID); err != nil || len(made) != 1 {
			t.Errorf("%+v %v", made, err)
		}
		time.Sleep(time.Second)
		for to, want := range map[*receiver]int{picky: 1, other: 2, paused: 0} {
			if got := to.got(); len(got) != want || want > 0 && got[want-1].body != `{"n":1}` {
				t.Errorf("%s got %d, want %d", to.name, len(got), want)
			}
		}
		first, second := other.got()[0].header, other.got()[1].header
		if first.Get("Bellhop-Event-Id") != second.Get("Bellhop-Event-Id") ||
			first.Get("Bellhop-Delivery-Id") == second.Get("Bellhop-Delivery-Id") {
			t.Errorf("%v\n%v", first, second)
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 3, bellhop.DeliveryPending: 1})

		if err := r.store.DeleteDestination(t.Context(), late.ID); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]bellhop.Code{late.ID: bellhop.CodeConflict,
			"dst_never": bellhop.CodeInvalid} {
			var e *bellhop.Error
			if _, err := p.Replay(t.Context(), event, id); !errors.As(err, &e) || e.Code != want {
				t.Errorf("to %s: %v", id, err)
			}
		}
		if _, err := p.Replay(t.Context(), "evt_none", ""); err == nil {
			t.Error("an event that is none")
		}
	})
}

// TestReplayByWhere: the expression of a filter, and the expressions of the destinations at the time of a step, can
// read the whole event.
func TestReplayByWhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("r")
		d := r.destination(to, func(d *bellhop.Destination) { d.Match.Types = []string{"nothing"} })
		p := r.repairer()
		for n := range 40 {
			r.accept(bellhop.Event{Body: fmt.Appendf(nil, `{"n":%d}`, n), ContentType: "application/json"})
		}
		count := func(f bellhop.RepairFilter) (events, deliveries int64) {
			t.Helper()
			got, err := p.Count(t.Context(), bellhop.Repair{Kind: bellhop.RepairReplay, Filter: f, CreatedAt: r.now()})
			if err != nil || !got.Complete {
				t.Errorf("%+v %v", got, err)
			}
			return got.Events, got.Deliveries
		}
		if events, deliveries := count(bellhop.RepairFilter{Where: "data.n < 10"}); events != 10 || deliveries != 0 {
			t.Errorf("%d events, %d deliveries: nobody wants them", events, deliveries)
		}
		if events, deliveries := count(
			bellhop.RepairFilter{Where: "data.n < 10", DestinationID: d.ID}); events != 10 ||
			deliveries != 10 {
			t.Errorf("%d events, %d deliveries to the one named", events, deliveries)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.Match = bellhop.Match{Where: "data.n % 2 == 0"} })
		if events, deliveries := count(bellhop.RepairFilter{Where: "data.missing.x > 1"}); events != 0 ||
			deliveries != 0 {
			t.Errorf("%d events, %d deliveries of an expression that fails", events, deliveries)
		}
		begun := r.begin(p, bellhop.RepairReplay, 10, bellhop.RepairFilter{Where: "data.n < 30"})
		time.Sleep(500 * time.Millisecond)
		r.update(d.ID, func(d *bellhop.Destination) { d.Match = bellhop.Match{} })
		time.Sleep(time.Minute)
		if got := r.repair(begun.ID); got.State != bellhop.RepairDone || got.LookedAt != 40 || got.Changed <= 20 ||
			got.Changed >= 30 || len(to.got()) != int(got.Changed) {
			t.Errorf("%+v, and %d arrived", got, len(to.got()))
		}
	})
}

// TestRepairBeginsLater: a repair that begins later does nothing until then, also if the server restarts meanwhile
// or the clock is set back. One that is cancelled before it begins has done nothing.
func TestRepairBeginsLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("r")
		r.destination(to)
		p := r.repairer()
		r.acceptMany(3)
		time.Sleep(time.Second)
		later := func(id string, in time.Duration) {
			t.Helper()
			_, err := p.Begin(t.Context(), bellhop.Repair{ID: id, Kind: bellhop.RepairReplay, CreatedAt: r.now(),
				StartsAt: r.now().Add(in)})
			if err != nil {
				t.Fatal(err)
			}
		}
		later("rpr_1", 10*time.Second)
		later("rpr_undone", 10*time.Second)
		time.Sleep(9 * time.Second)
		ended, err := p.Cancel(t.Context(), "rpr_undone")
		if err != nil || ended.State != bellhop.RepairCancelled || ended.LookedAt != 0 {
			t.Errorf("%+v %v", ended, err)
		}
		got := r.repair("rpr_1")
		if got.State != bellhop.RepairWaiting || len(to.got()) != 3 {
			t.Errorf("after 9 s: %+v, and %d arrived", got, len(to.got()))
		}
		time.Sleep(2 * time.Second)
		got = r.repair("rpr_1")
		if got.State != bellhop.RepairDone || got.Changed != 3 || len(to.got()) != 6 {
			t.Errorf("after 11 s: %+v, and %d arrived", got, len(to.got()))
		}

		later("rpr_2", 10*time.Second)
		time.Sleep(5 * time.Second)
		err = r.stop(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		r.open()
		p = r.repairer()
		time.Sleep(4 * time.Second)
		got = r.repair("rpr_2")
		if got.State != bellhop.RepairWaiting {
			t.Errorf("after a restart: %+v", got)
		}
		time.Sleep(2 * time.Second)
		got = r.repair("rpr_2")
		if got.State != bellhop.RepairDone || len(to.got()) != 9 {
			t.Errorf("once its time has come: %+v, and %d arrived", got, len(to.got()))
		}

		later("rpr_3", time.Minute)
		r.clockOffset.Store(int64(-24 * time.Hour))
		err = r.stop(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		r.open()
		r.repairer()
		time.Sleep(bellhop.MaxRepairDelay + time.Minute)
		got = r.repair("rpr_3")
		if got.State != bellhop.RepairDone {
			t.Errorf("with a clock that was set back: %+v", got)
		}
		if got := r.repair("rpr_undone"); got.Changed != 0 {
			t.Errorf("undone: %+v", got)
		}
	})
}

// A flaky is a store that fails at some steps, before the write or after it. The repairer cannot tell which.
type flaky struct {
	repair.Store
	mu     sync.Mutex
	random *rand.Rand
}

func (f *flaky) StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (bellhop.Repair, error) {
	f.mu.Lock()
	roll := f.random.IntN(4)
	f.mu.Unlock()
	if roll == 0 {
		return r, &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "full"}
	}
	after, err := f.Store.StepRepair(ctx, r, step)
	if roll == 1 {
		return r, errors.New("unknown")
	}
	return after, err
}

// TestAnyReplay: each event gets exactly the deliveries that the replays ask for, although the store fails and the
// process restarts at random.
func TestAnyReplay(t *testing.T) {
	anyReplay(t, 2)
}

// anyReplay is the body of TestAnyReplay for this number of histories.
func anyReplay(t *testing.T, seeds uint64) {
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 3))
				r := newRig(t)
				a, b := r.network.receiver("a"), r.network.receiver("b")
				r.destination(a)
				r.destination(b, func(d *bellhop.Destination) { d.Match.Types = []string{"job.finished"} })
				start := func() *repair.Repairer {
					return r.repairer(func(s repair.Store) repair.Store {
						return &flaky{Store: s, random: rand.New(rand.NewPCG(seed, 4))}
					})
				}
				p := start()
				wanted, events := 0, map[string]int{"job.finished": 0, "job.begun": 0}
				per := map[string]int{"job.finished": 2, "job.begun": 1}
				var repairs []string
				for range 12 {
					switch random.IntN(4) {
					case 0:
						if err := r.stop(context.Background()); err != nil {
							t.Fatal(err)
						}
						r.open()
						p = start()
					case 1:
						if len(repairs) == bellhop.MaxRunningRepairs {
							continue
						}
						f := bellhop.RepairFilter{}
						if random.IntN(2) == 0 {
							f.Type = "job.begun"
						}
						for kind, n := range events {
							if f.Type == "" || f.Type == kind {
								wanted += n * per[kind]
							}
						}
						repairs = append(repairs,
							r.begin(p, bellhop.RepairReplay, float64(random.IntN(2)*(20+random.IntN(100))), f).ID)
					default:
						for kind := range events {
							for range random.IntN(20) {
								r.accept(bellhop.Event{Type: kind})
								events[kind]++
								wanted += per[kind]
							}
						}
					}
					time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
				}
				time.Sleep(24 * time.Hour)
				for _, id := range repairs {
					if got := r.repair(id); got.State != bellhop.RepairDone {
						t.Errorf("%+v", got)
					}
				}
				r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: wanted})
				r.wantIdle()
			})
		})
	}
}

// TestReplayOfMany: the replay of many events to one slow destination takes no more memory than its lane may hold,
// and does not delay other destinations.
func TestReplayOfMany(t *testing.T) { replayOfMany(t, 2*laneLength+200) }

// replayOfMany is the body of TestReplayOfMany for this number of events.
func replayOfMany(t *testing.T, events int) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		slow, quick := r.network.receiver("slow"), r.network.receiver("quick")
		r.destination(quick)
		p := r.repairer()
		r.acceptMany(events)
		time.Sleep(time.Hour)
		var gone atomic.Bool
		slow.will(func(w http.ResponseWriter, req *http.Request) {
			if !gone.Load() {
				after(time.Second)(w, req)
			}
		})
		d := r.destination(slow)
		r.begin(p, bellhop.RepairReplay, 0, bellhop.RepairFilter{DestinationID: d.ID})
		for range 20 {
			time.Sleep(50 * time.Millisecond)
			before := len(quick.got())
			r.acceptMany(1)
			synctest.Wait()
			if len(quick.got()) != before+1 {
				t.Error("the other waits")
			}
			l := r.engine.lanes.Load().byID[d.ID]
			l.mu.Lock()
			if n := l.queue.len(); n > laneLength {
				t.Errorf("%d in the lane", n)
			}
			l.mu.Unlock()
			if n := r.engine.queuedBytes.Load(); n > 2*laneLength*1024 {
				t.Errorf("%d bytes in lanes", n)
			}
		}
		gone.Store(true)
		time.Sleep(time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2*events + 40})
	})
}

// TestReplayInOrder: events that are replayed to an ordered destination are delivered in their order.
func TestReplayInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const subjects, each = 5, 60
		r := newRig(t)
		to := r.network.receiver("ordered")
		r.destination(to, func(d *bellhop.Destination) { d.Order = bellhop.OrderSubject })
		p := r.repairer()
		for n := range each {
			for i := range subjects {
				r.accept(bellhop.Event{Subject: fmt.Sprint("s", i), Body: fmt.Appendf(nil, "s%d %d", i, n+1),
					ContentType: "text/plain"})
			}
		}
		time.Sleep(time.Hour)
		before := len(to.got())
		r.begin(p, bellhop.RepairReplay, 0, bellhop.RepairFilter{})
		time.Sleep(time.Hour)
		var taken []string
		for _, c := range to.got()[before:] {
			taken = append(taken, c.body)
		}
		wantOrder(t, taken, subjects, each)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 2 * subjects * each})
	})
}
