//go:build stress && linux

package journey

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// stress is the length of the runs: how often TestStressProve kills the gateway.
func stress(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv("STRESS"), "20")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000 {
		t.Fatalf("STRESS: use a number from 1 to 10000, not %q", text)
	}
	return n
}

// TestStressBodies is TestBodies with more bodies.
func TestStressBodies(t *testing.T) { sendBodies(t, 600) }

// TestStressCleanStop stops the gateway under load, again and again, while many deliveries are in flight and more
// are queued. Each stop ends within its timeout, and nothing arrives twice.
func TestStressCleanStop(t *testing.T) {
	const shutdownTimeout = 10 * time.Second
	stops := max(1, stress(t)/4)
	l := newLedger()
	g := newGateway(t, "--shutdown-timeout", shutdownTimeout.String())
	p := newProducer(g, l)
	p.sources()
	var inFlight atomic.Int64
	var quick atomic.Bool // set once all events are sent
	r := newReceiver(t, l, func(arrival) int {
		inFlight.Add(1)
		defer inFlight.Add(-1)
		if !quick.Load() {
			pause(context.Background(), 300*time.Millisecond+rand.N(700*time.Millisecond)) // a slow receiver
		}
		return http.StatusOK
	})
	r.concurrency = 64
	for _, name := range []string{"a", "b", "c", "d"} {
		r.destination(g, name, "standard")
	}
	for n := range stops {
		ctx, cancel := context.WithCancel(context.Background())
		load := p.Load(ctx, 32, 300)
		eventually(t, patience, "many deliveries are in flight", func() bool { return inFlight.Load() >= 200 })
		pause(ctx, 300*time.Millisecond) // for more load
		held := inFlight.Load()
		status, took := stopWatching(t, g, func() {})
		if status != 0 || took >= shutdownTimeout {
			t.Errorf("exit status %d after %v", status, took)
		}
		cancel()
		load.Wait()
		restarted := g.start()
		t.Logf("stop %d: %d in flight, exit status %d after %v; ready again %v after the start", n+1, held, status,
			took.Round(time.Millisecond), restarted.Round(time.Millisecond))
	}
	quick.Store(true)
	settle(t, g, patience)
	if repeats := l.check(t, g); repeats != 0 {
		t.Errorf("%d repeats after clean stops, want 0", repeats)
	}
	if status, _ := g.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestStressSync is TestSyncBeforeAnswer with more events.
func TestStressSync(t *testing.T) { checkSyncs(t, 100*stress(t)) }

// TestStressUploadFlood posts 512 bodies of 32 MiB at once, without a signature: to a source that accepts such
// bodies, and to one that does not. A machine that is too slow to receive a body within the read timeout answers
// 408.
func TestStressUploadFlood(t *testing.T) {
	const posts, size = 512, 32 << 20
	g := newGateway(t)
	hmac := map[string]any{"scheme": "hmac", "header": "X-Signature", "secret": "Tr0ub4dor&3"}
	g.newSource(client.NewSource{Name: "large", Provider: "generic", Settings: hmac, MaxBodyBytes: size})
	g.newSource(client.NewSource{Name: "small", Provider: "generic", Settings: hmac})
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})

	var all sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	barrier := make(chan struct{})
	for n := range posts {
		source := []string{"large", "small"}[n%2]
		head := fmt.Sprintf("POST /in/%s HTTP/1.1\r\nHost: x\r\nX-Signature: %064d\r\n", source, 0)
		text := io.MultiReader(strings.NewReader(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, size)), zeros(size))
		if n%4 >= 2 {
			text = io.MultiReader(strings.NewReader(head+"Transfer-Encoding: chunked\r\n\r\n"), chunks(zeros(size)))
		}
		all.Go(func() {
			<-barrier
			k := say(t, g, abuser, text, 1, either)
			mu.Lock()
			defer mu.Unlock()
			for _, status := range k.statuses {
				counts[status]++
			}
			if len(k.statuses) == 0 {
				counts[0]++ // the gateway closed before it had read the body, and the answer was lost
			}
		})
	}
	close(barrier)
	all.Wait()
	_, peak, ok := memory(g.pid)
	t.Logf("%d posts of 32 MiB: answers %v; %d MiB at most", posts, counts, peak)
	for status := range counts {
		if !slices.Contains([]int{0, 401, 408, 413, 503}, status) { // 408: cut in favour of another
			t.Errorf("%d were answered %d", counts[status], status)
		}
	}
	if counts[413] == 0 || counts[503]+counts[408] == 0 || counts[0] > posts*3/4 {
		t.Error("too few answers were seen: the run shows nothing")
	}
	if ok && peak >= 400 {
		t.Errorf("it held %d MiB, want less than 400", peak)
	}
	serves(t, g, plainSource, 5)
	if events := listEvents(t, g.client()); len(events) != 5 {
		t.Errorf("%d events are stored, want 5", len(events))
	}
}

// TestStressHandshake: a handshake waits neither for the disk nor behind requests that do. While more events come
// in than the disk takes, 99 of 100 handshakes are answered within 100 ms, and they are on record afterwards.
// docs/PERFORMANCE.md has the figures of an idle machine.
func TestStressHandshake(t *testing.T) {
	const asked, bound = 250, 100 * time.Millisecond // the door answers 300 a minute
	g := newGateway(t)
	l := newLedger()
	p := newProducer(g, l)
	p.sources()
	g.source("mailbox", "graph", map[string]any{"client_state": clientState})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := p.Load(ctx, 64, 100_000)
	eventually(t, patience, "the load is on", func() bool { return l.Acked() > 1000 })

	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	var times []time.Duration
	for range asked {
		status, body, took := shake(t, c, g, "mailbox", "Validation: under load +")
		if status != 200 || body != "Validation: under load +" {
			t.Fatalf("answered %d %q", status, body)
		}
		times = append(times, took)
	}
	before := l.Acked()
	stop()
	done.Wait()
	slices.Sort(times)
	p99 := times[len(times)*99/100]
	t.Logf("%d handshakes beside %d events: half within %v, 99 of 100 within %v, all within %v", asked, before,
		times[len(times)/2], p99, times[len(times)-1])
	if p99 > bound {
		t.Errorf("99 of 100 within %v, want %v", p99, bound)
	}
	// Beyond a hundred at a time twenty a second are recorded, because a handshake needs no proof.
	eventually(t, patience, "they are on record", func() bool { return len(handshakes(t, g, "mailbox")) >= 100 })
}
