package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/repair"
	"github.com/prometheus/client_golang/prometheus"
)

// repairer runs a repairer until the rig stops. between, if given, wraps the store that it uses.
func (r *rig) repairer(between ...func(repair.Store) repair.Store) *repair.Repairer {
	var kept repair.Store = r.store
	for _, f := range between {
		kept = f(kept)
	}
	r.metrics = prometheus.NewRegistry()
	p := repair.New(repair.Options{Store: kept, Lanes: r.engine, Now: r.now, Logger: slog.New(slog.DiscardHandler),
		Metrics: r.metrics})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		p.Run(ctx)
		close(ended)
	}()
	closing := r.close
	r.close = func(ctx context.Context) error {
		cancel()
		<-ended
		return closing(ctx)
	}
	return p
}

// begin starts a repair.
func (r *rig) begin(p *repair.Repairer, kind bellhop.RepairKind, rate float64, f bellhop.RepairFilter) bellhop.Repair {
	r.t.Helper()
	time.Sleep(time.Millisecond) // the repair must be newer than the deliveries
	got, err := p.Begin(r.t.Context(), bellhop.Repair{ID: fmt.Sprintf("rpr_%d", time.Now().UnixNano()), Kind: kind,
		Rate: rate, Filter: f, CreatedAt: r.now()})
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// repair reads a repair from the store.
func (r *rig) repair(id string) bellhop.Repair {
	r.t.Helper()
	got, err := r.store.Repair(context.Background(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// mostWithin returns the highest number of calls in any window of this length.
func mostWithin(calls []call, d time.Duration) (most int) {
	for i, first := 0, 0; i < len(calls); i++ {
		for calls[i].at.Sub(calls[first].at) >= d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// TestRepairRate: a repair makes deliveries due at its rate, with a deviation of one step, also across a restart
// and when the clock is set.
func TestRepairRate(t *testing.T) { repairRate(t, 2.5, 100) }

// repairRate is the body of TestRepairRate for these rates.
func repairRate(t *testing.T, rates ...float64) {
	for name, meanwhile := range map[string]func(r *rig, p *repair.Repairer) *repair.Repairer{
		"undisturbed": func(_ *rig, p *repair.Repairer) *repair.Repairer { return p },
		"restarts": func(r *rig, _ *repair.Repairer) (p *repair.Repairer) {
			for range 5 {
				if err := r.stop(context.Background()); err != nil {
					r.t.Fatal(err)
				}
				r.open()
				p = r.repairer()
				time.Sleep(100 * time.Millisecond)
			}
			return p
		},
		"the clock forward": func(r *rig, p *repair.Repairer) *repair.Repairer {
			r.clockOffset.Store(int64(24 * time.Hour))
			return p
		},
		"the clock back": func(r *rig, p *repair.Repairer) *repair.Repairer {
			time.Sleep(time.Second)
			r.clockOffset.Store(int64(-time.Second)) // while the repair waits: the next step must not wait longer
			return p
		},
	} {
		for _, rate := range rates {
			t.Run(fmt.Sprint(name, " ", rate), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					r := newRig(t)
					to := r.network.receiver("r")
					r.destination(to)
					p := r.repairer()
					events := int(max(40, 3*rate))
					r.acceptMany(events)
					time.Sleep(time.Minute)
					started := time.Now()
					begun := r.begin(p, bellhop.RepairReplay, rate, bellhop.RepairFilter{})
					time.Sleep(time.Second)
					meanwhile(r, p)
					time.Sleep(time.Duration(float64(events)/rate*1.2)*time.Second + 5*time.Second)
					got := r.repair(begun.ID)
					if got.State != bellhop.RepairDone || got.LookedAt != int64(events) ||
						got.Changed != int64(events) || got.Skipped != 0 {
						t.Errorf("%+v", got)
					}
					replayed := to.got()[events:]
					if len(replayed) != events {
						t.Fatalf("%d were delivered again", len(replayed))
					}
					const span = 2 * time.Second
					// two steps of a tenth of a second each
					allowed := int(rate*span.Seconds()) + 2*max(1, int(rate/10))
					if most := mostWithin(replayed, span); most > allowed {
						t.Errorf("%d within %v, allowed are %d", most, span, allowed)
					}
					took, want := replayed[events-1].at.Sub(started),
						time.Duration(float64(events)/rate*float64(time.Second))
					if name == "undisturbed" && (took < want*8/10 || took > want*11/10) {
						t.Errorf("took %v, want about %v", took, want)
					}
				})
			})
		}
	}
}

// TestRepairCancel: a cancelled repair ends at once, even during a long wait. The steps that it made are kept.
func TestRepairCancel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("r")
		r.destination(to)
		p := r.repairer()
		r.acceptMany(100)
		begun := r.begin(p, bellhop.RepairReplay, 1.0/3600, bellhop.RepairFilter{})
		time.Sleep(2*time.Hour + time.Minute)
		got, err := p.Cancel(t.Context(), begun.ID)
		if err != nil || got.State != bellhop.RepairCancelled || got.Changed != 3 || got.Reason == "" {
			t.Errorf("%+v %v", got, err)
		}
		synctest.Wait()
		if n := r.reading("bellhop_repairs_running"); n != 0 {
			t.Errorf("%v go on", n)
		}
		time.Sleep(24 * time.Hour)
		if n := len(to.got()); n != 103 {
			t.Errorf("%d deliveries", n)
		}
		if _, err := p.Cancel(t.Context(), begun.ID); err == nil {
			t.Error("cancelled twice")
		}
	})
}

// TestRetryOfTheDead: a repair delivers deliveries that are dead after an outage, at its rate.
func TestRetryOfTheDead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("r")
		to.will(status(500))
		d := r.destination(to, func(d *bellhop.Destination) {
			d.Retry, d.Breaker = bellhop.Retry{}, bellhop.Breaker{}
		})
		p := r.repairer()
		r.acceptMany(300)
		time.Sleep(time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDead: 300})
		to.will(status(200))
		count, err := p.Count(t.Context(), bellhop.Repair{Kind: bellhop.RepairRetry,
			Filter: bellhop.RepairFilter{State: bellhop.DeliveryDead}, CreatedAt: r.now()})
		if err != nil || count != (bellhop.RepairCount{Deliveries: 300, Complete: true}) {
			t.Errorf("%+v %v", count, err)
		}
		r.begin(p, bellhop.RepairRetry, 100, bellhop.RepairFilter{State: bellhop.DeliveryDead, DestinationID: d.ID})
		time.Sleep(1050 * time.Millisecond)
		if n := r.states()[bellhop.DeliveryDelivered]; n < 90 || n > 120 {
			t.Errorf("%d after a second", n)
		}
		time.Sleep(3 * time.Second)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 300})
	})
}

// A lateContext says that its deadline is now, and does not end.
type lateContext struct {
	context.Context
	at time.Time
}

func (l lateContext) Deadline() (time.Time, bool) { return l.at, true }

// TestCountEndsInTime: a count for a caller whose time is up ends after its first step, and says how far it came.
func TestCountEndsInTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		p := r.repairer()
		r.acceptMany(1000)
		began := r.now()
		time.Sleep(time.Second)
		r.acceptMany(100)
		all := bellhop.Repair{Kind: bellhop.RepairReplay, CreatedAt: r.now()}
		count, err := p.Count(lateContext{t.Context(), r.now()}, all)
		if err != nil || count.Events != 1000 || count.Complete || count.SearchedTo.Before(began) ||
			count.SearchedTo.After(began.Add(time.Second)) {
			t.Errorf("%+v %v, want those of %v", count, err, began)
		}
		count, err = p.Count(t.Context(), all)
		if err != nil || count != (bellhop.RepairCount{Events: 1100, Complete: true}) {
			t.Errorf("%+v %v", count, err)
		}
	})
}

// TestCancelOfTheWaiting: a repair with a filter cancels deliveries that wait for a paused destination. They are
// not sent when the destination is resumed.
func TestCancelOfTheWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("r")
		d := r.destination(to, func(d *bellhop.Destination) { d.State = bellhop.DestinationPaused })
		p := r.repairer()
		r.acceptMany(500)
		begun := r.begin(p, bellhop.RepairCancel, 0, bellhop.RepairFilter{State: bellhop.DeliveryPending,
			DestinationID: d.ID})
		r.acceptMany(10)
		time.Sleep(time.Second)
		if got := r.repair(begun.ID); got.State != bellhop.RepairDone || got.Changed != 500 {
			t.Errorf("%+v", got)
		}
		r.update(d.ID, func(d *bellhop.Destination) { d.State = bellhop.DestinationActive })
		time.Sleep(time.Minute)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryCancelled: 500, bellhop.DeliveryDelivered: 10})
	})
}

// TestRepairMetrics: running repairs and changed deliveries are counted.
func TestRepairMetrics(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		r.destination(r.network.receiver("r"))
		p := r.repairer()
		r.acceptMany(10)
		r.begin(p, bellhop.RepairReplay, 1, bellhop.RepairFilter{})
		time.Sleep(2500 * time.Millisecond)
		running, changed := r.reading("bellhop_repairs_running"), r.reading("bellhop_repair_deliveries_total")
		if running != 1 || changed != 3 {
			t.Errorf("%v running, %v changed", running, changed)
		}
		time.Sleep(time.Minute)
		running, changed = r.reading("bellhop_repairs_running"), r.reading("bellhop_repair_deliveries_total")
		if running != 0 || changed != 10 {
			t.Errorf("%v running, %v changed", running, changed)
		}
	})
}
