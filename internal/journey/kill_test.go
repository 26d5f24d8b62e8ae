package journey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestKill kills the gateway under load, at random moments, starts it again at once, and counts.
func TestKill(t *testing.T) {
	random := newRandom(t)
	l := newLedger()
	g := newGateway(t)
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, func(a arrival) int {
		if a.destination == "flaky" && a.attempt == 1 && unlucky(a.event) {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	r.destination(g, "all", "standard")
	r.destination(g, "some", "raw", signedSource)
	r.destination(g, "flaky", "standard")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	load := p.load(ctx, 32, 500)
	var starts []time.Duration
	for range *cycles {
		moment := 200*time.Millisecond + time.Duration(random.Int64N(int64(1300*time.Millisecond)))
		pause(ctx, moment) // this is the load, not a wait for something
		l.kill()
		g.kill()
		starts = append(starts, g.start())
	}
	cancel()
	load.Wait()
	settle(t, g, time.Minute)
	repeats := l.check(t, g)
	checkBodies(t, g, l)

	slices.Sort(starts)
	p99 := starts[min(len(starts)-1, len(starts)*99/100)]
	t.Logf("%d kills: %d repeats; from start to ready p50 %v, p99 %v", *cycles, repeats, starts[len(starts)/2], p99)
	if p99 > 5*time.Second {
		t.Errorf("from start to ready p99 %v", p99)
	}
	if l.acked() < *cycles*20 {
		t.Errorf("only %d events were acknowledged: this run shows nothing", l.acked())
	}
}

// unlucky picks three of ten events.
func unlucky(event string) bool {
	h := fnv.New32a()
	h.Write([]byte(event))
	return h.Sum32()%10 < 3
}

// checkBodies gets some events' bytes and compares them with what was sent.
func checkBodies(t *testing.T, g *gateway, l *ledger) {
	t.Helper()
	c := g.client()
	list, err := c.Events(context.Background(), client.EventFilter{}, client.Page{Limit: 250})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range list.Data {
		body, _ := bodyOf(t, c, ev.ID)
		sum := sha256.Sum256(body)
		if l.sent[sum] == nil || hex.EncodeToString(sum[:]) != ev.BodySHA256 {
			t.Errorf("B: event %s: its body is not what was sent", ev.ID)
		}
	}
}
