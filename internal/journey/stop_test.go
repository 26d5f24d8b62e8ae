package journey

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// shutdownTimeout is what serve is given to stop.
const shutdownTimeout = 10 * time.Second

// TestCleanStop stops the gateway under load, five times, while many deliveries are in flight and more are queued. What
// was in flight ends and is recorded, so nothing arrives twice.
func TestCleanStop(t *testing.T) {
	const stops = 5
	l := newLedger()
	g := newGateway(t, "--shutdown-timeout", shutdownTimeout.String())
	p := newProducer(g, l)
	p.sources()
	var inFlight atomic.Int64
	var quick atomic.Bool // once all is sent and only the rest has to arrive
	r := newReceiver(t, l, func(arrival) int {
		inFlight.Add(1)
		defer inFlight.Add(-1)
		if !quick.Load() {
			pause(context.Background(), 300*time.Millisecond+rand.N(700*time.Millisecond)) // how long this receiver takes
		}
		return http.StatusOK
	})
	r.concurrency = 64
	for _, name := range []string{"a", "b", "c", "d"} {
		r.destination(g, name, "standard")
	}
	for n := range stops {
		ctx, cancel := context.WithCancel(context.Background())
		load := p.load(ctx, 32, 300)
		eventually(t, 10*time.Second, "many deliveries are in flight", func() bool { return inFlight.Load() >= 200 })
		pause(ctx, 300*time.Millisecond) // more load
		held := inFlight.Load()
		status, took := stopWatching(t, g)
		if status != 0 || took >= shutdownTimeout {
			t.Errorf("exit status %d after %v", status, took)
		}
		cancel()
		load.Wait()
		restarted := g.start()
		t.Logf("stop %d: %d in flight, exit status %d after %v; ready again %v after the start", n+1, held, status, took.Round(time.Millisecond), restarted.Round(time.Millisecond))
	}
	quick.Store(true)
	settle(t, g, time.Minute)
	if repeats := l.check(t, g); repeats != 0 {
		t.Errorf("%d repeats after clean stops, want 0", repeats)
	}
	if status, _ := g.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// stopWatching stops g and sees to it that /readyz says so to newcomers, once it has begun: 503 or nobody there.
func stopWatching(t *testing.T, g *gateway) (status int, took time.Duration) {
	t.Helper()
	watched := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(watched)
		gone := false
		poll(stopWithin, func() bool {
			ready := g.status("/readyz") == http.StatusOK
			gone = gone || !ready
			if ready && (gone || time.Since(began) > 2*time.Second) {
				t.Errorf("/readyz is 200 %v after the stop began", time.Since(began))
				return true
			}
			return !g.running()
		})
	}()
	status, took = g.stop()
	<-watched
	return status, took
}
