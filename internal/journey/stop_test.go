package journey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/prove"
)

// killDestinations creates the destinations of the tests that kill the gateway, with one receiver: all gets all
// events, some gets the events of the signed source, and flaky fails the first attempt of some events. The receiver
// calls before at each request, before it answers.
func killDestinations(t *testing.T, g *gateway, l *ledger, before func()) {
	t.Helper()
	r := newReceiver(t, l, func(a arrival) int {
		before()
		return prove.FailsFirst(a)
	})
	r.destination(g, "all", "standard")
	r.destination(g, "some", "raw", signedSource)
	r.destination(g, "flaky", "standard")
}

// TestKill kills the gateway twice under load, starts it again at once, and counts. The first kill comes while
// attempts are in flight, the second while what the first left behind is delivered.
func TestKill(t *testing.T) {
	t.Parallel()
	l := newLedger()
	g := newGateway(t)
	p := newProducer(g, l)
	p.sources()
	var held atomic.Int64
	hold := make(chan struct{}) // attempts are not answered before it is closed
	killDestinations(t, g, l, func() {
		held.Add(1)
		<-hold
	})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	load := p.Load(ctx, 8, 500)
	eventually(t, patience, "events are accepted and attempts are in flight",
		func() bool { return l.Acked() > 50 && held.Load() > 10 })
	l.Kill()
	g.kill()
	close(hold)
	g.start()
	arrived := l.Arrived()
	eventually(t, patience, "deliveries arrive", func() bool { return l.Arrived() > arrived+100 })
	l.Kill()
	g.kill()
	g.start()
	accepted := l.Acked()
	eventually(t, patience, "more events are accepted", func() bool { return l.Acked() > accepted+50 })
	cancel()
	load.Wait()
	settle(t, g, patience)
	l.check(t, g)
	checkBodies(t, g, l)
}

// checkBodies compares the bodies of the newest 250 events with those that were sent.
func checkBodies(t *testing.T, g *gateway, l *ledger) {
	t.Helper()
	c := g.client()
	events := listEvents(t, c)
	for _, ev := range events[:min(250, len(events))] {
		body, _ := bodyOf(t, c, ev.ID)
		sum := sha256.Sum256(body)
		if !l.Sent(sum) || hex.EncodeToString(sum[:]) != ev.BodySHA256 {
			t.Errorf("B: event %s: its body is not what was sent", ev.ID)
		}
	}
}

// TestCleanStop stops the gateway under load while attempts are in flight and more deliveries are queued. The
// attempts end and are recorded, so nothing arrives twice.
func TestCleanStop(t *testing.T) {
	t.Parallel()
	l := newLedger()
	g := newGateway(t, "--shutdown-timeout", "2m")
	p := newProducer(g, l)
	p.sources()
	var inFlight atomic.Int64
	stopping := make(chan struct{}) // attempts are not answered before it is closed
	r := newReceiver(t, l, func(arrival) int {
		inFlight.Add(1)
		<-stopping
		return http.StatusOK
	})
	r.concurrency = 64
	for _, name := range []string{"a", "b"} {
		r.destination(g, name, "standard")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	load := p.Load(ctx, 16, 500)
	eventually(t, patience, "all attempts that are allowed are in flight, and more is queued", func() bool {
		return inFlight.Load() == 2*64 && l.Acked() > 100
	})
	if status, _ := stopWatching(t, g, func() { close(stopping) }); status != 0 {
		t.Errorf("exit status %d", status)
	}
	cancel()
	load.Wait()
	g.start()
	settle(t, g, patience)
	if repeats := l.check(t, g); repeats != 0 {
		t.Errorf("%d repeats after a clean stop, want 0", repeats)
	}
	if status, _ := g.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// stopWatching stops g while it asks for /readyz. Once the stop has begun, /readyz is not 200 any more; then it calls
// begun.
func stopWatching(t *testing.T, g *gateway, begun func()) (status int, took time.Duration) {
	t.Helper()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		gone := false
		poll(stopWithin, func() bool {
			ready := g.status("/readyz") == http.StatusOK
			if gone && ready {
				t.Error("/readyz is 200 again after the stop began")
				return true
			}
			if !gone && !ready {
				gone = true
				begun()
			}
			return !g.running()
		})
		if !gone {
			begun()
		}
	}()
	status, took = g.stop()
	<-watched
	return status, took
}

// TestSecondServer: a second server on the same folder ends with an error, and the first is not disturbed.
func TestSecondServer(t *testing.T) {
	t.Parallel()
	l := newLedger()
	g := newGateway(t)
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "raw")
	file := filepath.Join(g.dir, "server.json")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	second := g.serve()
	out, err := second.CombinedOutput()
	if status := second.ProcessState.ExitCode(); err == nil || status != 1 {
		t.Errorf("the second ended with %v, want exit status 1", err)
	}
	if text := string(out); !strings.Contains(text, "in use by another bellhop") || !strings.Contains(text, g.dir) ||
		!strings.Contains(text, "--data") {
		t.Errorf("the second does not say what is wrong, where and what to do: %q", out)
	} else {
		t.Logf("%s", strings.TrimSpace(text))
	}

	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the server.json of the first was changed: %q, %v", after, err)
	}
	for n := range int64(20) {
		if status := p.Post(plainSource, "", p.Body(n)); status != 202 {
			t.Errorf("the first answers %d", status)
		}
	}
	settle(t, g, stopWithin)
	l.check(t, g)
	if status, _ := g.stop(); status != 0 {
		t.Errorf("the first ended with exit status %d", status)
	}
}
