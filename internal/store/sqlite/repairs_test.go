package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestPowerCutInReplay shows that a replay that a power cut interrupts, at any moment of a step, gives each
// event exactly one more delivery. TestStressPowerCutInReplay does the same for longer.
func TestPowerCutInReplay(t *testing.T) {
	t.Parallel()
	powerCutsInReplay(t, 6)
}

func powerCutsInReplay(t *testing.T, cuts int) {
	seed := seed(t)
	interrupted := 0
	for n := range cuts {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		rig := newCrashRig(t, "")
		s, d := rig.live()
		const events = 40
		rig.acceptMany(s, events)
		repair, err := s.CreateRepair(t.Context(), bellhop.Repair{ID: "rpr_1", Kind: bellhop.RepairReplay,
			CreatedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		kept := []float64{0, 0.5, 1}[random.IntN(3)]
		// A replay makes some 30 calls to the disk. Each cut has its own part of 60, so that some come in time.
		gone := d.set(fault{nth: 1 + (60*n+random.IntN(60))/cuts, power: true, kept: kept})
		for err == nil && repair.State == bellhop.RepairRunning {
			repair, err = rig.replayStep(s, repair, 1+random.IntN(5))
		}
		if err != nil && !closed(gone) {
			t.Fatal(err)
		}
		if err != nil {
			interrupted++
		}
		rig.dir = d.powerCut(rig, rig.dir, kept)
		s.Close()
		s, _ = rig.live()
		if repair, err = s.Repair(t.Context(), "rpr_1"); err != nil {
			t.Fatal(err)
		}
		for repair.State == bellhop.RepairRunning {
			if repair, err = rig.replayStep(s, repair, 7); err != nil {
				t.Fatal(err)
			}
		}
		list, _, err := s.Deliveries(t.Context(), bellhop.DeliveryFilter{}, bellhop.Page{Limit: bellhop.MaxPage})
		count := map[string]int{}
		for _, d := range list {
			count[d.EventID]++
		}
		if len(count) != events || len(list) != 2*events || repair.Changed != events || err != nil {
			t.Errorf("%d events with %d deliveries, %+v; %v", len(count), len(list), repair, err)
		}
		for id, n := range count {
			if n != 2 {
				t.Errorf("%s has %d deliveries", id, n)
			}
		}
		s.Close()
	}
	if interrupted < cuts/4 {
		t.Errorf("only %d of %d replays were interrupted: the cuts are too late to prove much", interrupted, cuts)
	}
}

// acceptMany accepts n events with a delivery each, a hundred at a time.
func (rig *crashRig) acceptMany(s *Store, n int) {
	rig.Helper()
	if err := acceptMany(s, rig.ledger.source, rig.ledger.destination, n); err != nil {
		rig.Fatal(err)
	}
}

func acceptMany(s *Store, source, destination string, n int) error {
	body := make([]byte, 1024)
	all := slices.Repeat([]bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: time.Now(), Body: body,
		SHA256: sha256.Sum256(body)}}, n)
	for part := range slices.Chunk(all, 100) {
		var owed []bellhop.NewDelivery
		for i := range part {
			owed = append(owed, bellhop.NewDelivery{Event: i, DestinationID: destination, Leased: true})
		}
		if _, err := s.Accept(context.Background(), nil, part, owed); err != nil {
			return err
		}
	}
	return nil
}

// replayStep takes one step of at most limit events, each for the destination of the rig.
func (rig *crashRig) replayStep(s *Store, r bellhop.Repair, limit int) (bellhop.Repair, error) {
	return replayStep(s, r, rig.ledger.destination, limit)
}

func replayStep(s *Store, r bellhop.Repair, destination string, limit int) (after bellhop.Repair, err error) {
	var step bellhop.RepairStep
	if step.Chosen, step.To, err = s.Choose(context.Background(), r, limit, false); err != nil {
		return r, err
	}
	for i := range step.Chosen {
		step.Deliveries = append(step.Deliveries, bellhop.NewDelivery{Event: i, DestinationID: destination})
	}
	return s.StepRepair(context.Background(), r, step)
}

// TestChooseBounds shows that one call of Choose looks through a bounded number of rows, whether it finds
// something or not, and returns a bounded number of bytes.
func TestChooseBounds(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *Options) { o.sync = "off" })
	source, destination := populate(t, s)
	const events = 2*chooseRows + 100
	if err := acceptMany(s, source, destination, events); err != nil {
		t.Fatal(err)
	}
	large := make([]byte, chooseBytes/3)
	for range 8 {
		ev := []bellhop.Event{{SourceID: source, Type: "large", ReceivedAt: time.Now(), Body: large,
			SHA256: sha256.Sum256(large)}}
		if _, err := s.Accept(t.Context(), nil, ev, nil); err != nil {
			t.Fatal(err)
		}
	}
	looks := func(kind bellhop.RepairKind, f bellhop.RepairFilter, whole bool) (sizes []int) {
		t.Helper()
		r, err := s.ScopeRepair(t.Context(), bellhop.Repair{Kind: kind, Filter: f, CreatedAt: time.Now()})
		for err == nil && r.Cursor < r.Bound {
			var chosen []bellhop.Chosen
			chosen, r.Cursor, err = s.Choose(t.Context(), r, 200, whole)
			sizes = append(sizes, len(chosen))
		}
		if err != nil {
			t.Fatal(err)
		}
		return sizes
	}
	for _, c := range []struct {
		name string
		got  []int
		want string
	}{
		{"none of many events", looks(bellhop.RepairReplay, bellhop.RepairFilter{Type: "y"}, false), "[0 0 0]"},
		{"none of many deliveries", looks(bellhop.RepairRetry, bellhop.RepairFilter{State: "cancelled"}, false),
			"[0 0 0]"},
		{"none of an index",
			looks(bellhop.RepairRetry, bellhop.RepairFilter{State: "dead", DestinationID: destination},
				false), "[0]"},
		{"large ones", looks(bellhop.RepairReplay, bellhop.RepairFilter{Type: "large"}, true), "[0 0 3 3 2]"},
		{"large ones, bare", looks(bellhop.RepairReplay, bellhop.RepairFilter{Type: "large"}, false), "[0 0 8]"},
	} {
		if got := fmt.Sprint(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if most := slices.Max(looks(bellhop.RepairReplay, bellhop.RepairFilter{}, true)); most != 200 {
		t.Errorf("%d at once", most)
	}
}

// BenchmarkReplay replays b.N events as fast as it can, while another goroutine accepts one event after the
// other. The time that accepting takes meanwhile is the price of a replay.
func BenchmarkReplay(b *testing.B) {
	s := open(b)
	source, destination := populate(b, s)
	if err := acceptMany(s, source, destination, b.N); err != nil {
		b.Fatal(err)
	}
	repair, err := s.CreateRepair(b.Context(), bellhop.Repair{ID: "rpr_1", Kind: bellhop.RepairReplay,
		CreatedAt: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	ended, others := make(chan struct{}), make(chan []time.Duration)
	go func() {
		var waits []time.Duration
		for !closed(ended) {
			start := time.Now()
			if err := acceptMany(s, source, destination, 1); err != nil {
				b.Error(err)
			}
			waits = append(waits, time.Since(start))
		}
		others <- waits
	}()
	b.ResetTimer()
	var slowest time.Duration
	for repair.State == bellhop.RepairRunning {
		start := time.Now()
		if repair, err = replayStep(s, repair, destination, 200); err != nil {
			b.Fatal(err)
		}
		slowest = max(slowest, time.Since(start))
		time.Sleep(sweepPause)
	}
	b.StopTimer()
	close(ended)
	waits := <-others
	slices.Sort(waits)
	b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-step-ms")
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "accept-p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "accept-p99-ms")
	b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "accept-max-ms")
}
