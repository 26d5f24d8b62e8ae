package journey

import (
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestLoop has a destination point at the gateway's own door. The event goes through it eight times and no more.
func TestLoop(t *testing.T) {
	g := newGateway(t)
	l := newLedger()
	p := newProducer(g, l)
	p.sources()
	loopTo(g, g)
	if status := p.post(plainSource, "", []byte("round and round")); status != 202 {
		t.Fatalf("answered %d", status)
	}
	endsAtHop8(t, g)
	if n := len(listEvents(t, g)); n != 8 {
		t.Errorf("%d events are stored, want 8", n)
	}
	t.Logf("8 events, the last refused as: %s", refusals(t, g, plainSource)[0].Detail)
}

// TestLoopOfTwo has two gateways deliver to one another.
func TestLoopOfTwo(t *testing.T) {
	a, b := newGateway(t), newGateway(t)
	p := newProducer(a, newLedger())
	p.sources()
	newProducer(b, newLedger()).sources()
	loopTo(a, b)
	loopTo(b, a)
	if status := p.post(plainSource, "", []byte("to and fro")); status != 202 {
		t.Fatalf("answered %d", status)
	}
	endsAtHop8(t, b)
	if n, m := len(listEvents(t, a)), len(listEvents(t, b)); n != 4 || m != 4 {
		t.Errorf("%d and %d events are stored, want 4 and 4", n, m)
	}
}

// loopTo has from deliver everything to the plain source of to.
func loopTo(from, to *gateway) {
	from.destination(client.NewDestination{Name: "loop", URL: to.in(plainSource), Settings: map[string]any{"format": "raw"},
		Timeout: patience, Retry: &client.Retry{Schedule: client.Schedule{"50ms"}}})
}

// endsAtHop8 waits until the delivery that made the last hop is given up.
func endsAtHop8(t *testing.T, g *gateway) {
	t.Helper()
	eventually(t, 20*time.Second, "the last delivery is dead", func() bool { return readStored(t, g.client()).states["dead"] == 1 })
	for _, d := range readStored(t, g.client()).deliveries {
		if d.State == "dead" && (d.Attempts != 2 || d.Last.Status != 508) {
			t.Errorf("given up after %d attempts, answered %d", d.Attempts, d.Last.Status)
		}
		if !slices.Contains([]string{"dead", "delivered"}, d.State) {
			t.Errorf("delivery %s is %s", d.ID, d.State)
		}
	}
}
