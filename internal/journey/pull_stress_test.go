//go:build stress && linux

package journey

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// A pulledLedger has what programs were told of the deliveries that they pulled.
type pulledLedger struct {
	mu    sync.Mutex // guards the maps
	acked map[string]int
	taken map[string]int // how often each delivery was handed out
}

// TestStressPull: four programs pull from a gateway that is killed at random moments. Each acks most deliveries, nacks
// some, forgets some and asks twice for others. No delivery is lost; no ack is taken for two leases of a delivery;
// what was acked is delivered after every kill, and is not handed out again. STRESS is the number of kills.
func TestStressPull(t *testing.T) {
	g := newGateway(t)
	g.source(plainSource, "generic", map[string]any{"scheme": "none"})
	g.destination(client.NewDestination{Name: "jobs", Type: bellhop.TypePull, Timeout: "1s",
		Retry:   &client.Retry{Schedule: client.Schedule{"fixed 1s × 100"}},
		Breaker: &client.Breaker{Failures: new(int)}})
	ctx, cancel := context.WithCancel(t.Context())
	l := &pulledLedger{acked: map[string]int{}, taken: map[string]int{}}
	var accepted atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { l.pull(ctx, t, g) })
	}
	all.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			resp, err := http.Post(g.in(plainSource), "application/json",
				strings.NewReader(fmt.Sprintf(`{"n":%d}`, n)))
			if err != nil {
				pause(ctx, 20*time.Millisecond)
				continue
			}
			resp.Body.Close()
			if resp.StatusCode/100 == 2 {
				accepted.Add(1)
			}
		}
	})
	for range stress(t) {
		pause(ctx, time.Duration(200+rand.IntN(1500))*time.Millisecond)
		g.kill()
		g.start()
	}
	pause(ctx, time.Second)
	cancel()
	all.Wait()

	ctx, cancel = context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	for { // what is left
		leases, err := g.client().Pull(ctx, "jobs", 100, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range leases {
			l.take(t, x)
			l.ack(ctx, t, g.client(), x)
		}
		stats, err := g.client().Stats(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(leases) == 0 && stats.Deliveries["pending"]+stats.Deliveries["leased"] == 0 {
			break
		}
	}
	if n := int64(len(l.taken)); n < accepted.Load() {
		t.Errorf("%d events were accepted, and %d handed out", accepted.Load(), n)
	}
	repeats := 0
	for id, n := range l.taken {
		if n > 1 {
			repeats++
		}
		d, err := g.client().Delivery(ctx, id)
		if err != nil || d.State != "delivered" {
			t.Errorf("%s, acked %d times: %s, %v", id, l.acked[id], d.State, err)
		}
	}
	t.Logf("%d accepted, %d handed out, %d of them more than once", accepted.Load(), len(l.taken), repeats)
}

// pull pulls until ctx ends.
func (l *pulledLedger) pull(ctx context.Context, t *testing.T, g *gateway) {
	key := g.key()
	for ctx.Err() == nil {
		api := client.New(*g.url.Load(), key, nil)
		leases, err := api.Pull(ctx, "jobs", 1+rand.IntN(20), time.Second)
		if err != nil {
			pause(ctx, 20*time.Millisecond)
			continue
		}
		for _, x := range leases {
			l.take(t, x)
			switch rand.IntN(20) {
			case 0: // forgotten
			case 1:
				api.Nack(ctx, x, 0, "at random")
			case 2:
				api.Extend(ctx, x, 2*time.Second)
				l.ack(ctx, t, api, x)
			default:
				l.ack(ctx, t, api, x)
			}
		}
	}
}

// take notes a delivery that was handed out.
func (l *pulledLedger) take(t *testing.T, x client.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken[x.DeliveryID]++
	if l.acked[x.DeliveryID] > 0 {
		t.Errorf("%s was acked, and handed out again", x.DeliveryID)
	}
}

// ack acks a delivery, sometimes twice.
func (l *pulledLedger) ack(ctx context.Context, t *testing.T, api *client.Client, x client.Lease) {
	for again := range 1 + rand.IntN(2) {
		err := api.Ack(ctx, x)
		var refused *client.Error
		known := errors.As(err, &refused) && refused.Status < 500
		l.mu.Lock()
		switch {
		case err == nil:
			l.acked[x.DeliveryID]++
			if l.acked[x.DeliveryID] > 1 {
				t.Errorf("%s was acked twice", x.DeliveryID)
			}
		case known && refused.Code != bellhop.CodeConflict && refused.Code != bellhop.CodeGone,
			known && again > 0 && l.acked[x.DeliveryID] > 0 && refused.Code != bellhop.CodeConflict:
			t.Errorf("ack number %d of %s: %v", again+1, x.DeliveryID, err)
		}
		l.mu.Unlock()
	}
}
