package journey

import (
	"context"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/prove"
)

// A ledger is that of `bellhop prove`, for tests.
type ledger struct{ *prove.Ledger }

func newLedger() *ledger { return &ledger{prove.NewLedger()} }

// An arrival is one attempt of a delivery, as the destination saw it.
type arrival = prove.Arrival

// everything returns the elements of all pages of a list.
func everything[T any](t *testing.T, f func(ctx context.Context, page client.Page) (client.List[T], error)) []T {
	t.Helper()
	all, err := prove.Everything(func(page client.Page) (client.List[T], error) { return f(t.Context(), page) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readStored reads all events that were sent, and all deliveries.
func readStored(t *testing.T, c *client.Client) prove.Stored {
	t.Helper()
	s, err := prove.ReadStored(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settle waits until every delivery is delivered, dead or cancelled.
func settle(t *testing.T, g *gateway, within time.Duration) {
	t.Helper()
	c := g.client()
	var last client.Stats
	if !poll(within, func() bool {
		st, err := c.Stats(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		last = st
		return st.Deliveries["pending"]+st.Deliveries["leased"] == 0
	}) {
		t.Fatalf("not settled within %v: pending %d, leased %d", within, last.Deliveries["pending"],
			last.Deliveries["leased"])
	}
}

// check compares the ledger with what g has stored, once all deliveries have settled. It fails the test for each
// violated invariant, and shows the first few violations. It returns the number of repeats: arrivals of deliveries
// that the destination had already answered 2xx.
func (l *ledger) check(t *testing.T, g *gateway) (repeats int) {
	t.Helper()
	v := l.Judge(readStored(t, g.client()))
	t.Logf("sent %d bodies, acknowledged %d, stored %d; deliveries %v of %d owed; arrivals %d, "+
		"repeats %d of at most %d",
		v.Sent, v.Acknowledged, v.Stored, v.States, v.Owed, v.Received, v.Repeats, v.RepeatBound)
	for _, i := range prove.Invariants {
		if n := v.Count(i.Name); n > 0 {
			t.Errorf("%s does not hold (%s): %d violations", i.Name, i.Meaning, n)
		}
	}
	for _, one := range v.Violations[:min(20, len(v.Violations))] {
		t.Errorf("  %s: %s", one.Invariant, one.Text)
	}
	return v.Repeats
}
