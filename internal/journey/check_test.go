package journey

import (
	"context"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// stored is what a gateway's API lists.
type stored struct {
	events     map[string]client.Event
	deliveries map[deliveryKey]client.Delivery
	states     map[string]int
	listed     int // deliveries, before any fell together
}

type deliveryKey struct{ event, destination string }

// everything reads all pages of f.
func everything[T any](t *testing.T, f func(ctx context.Context, page client.Page) (client.List[T], error)) (all []T) {
	t.Helper()
	page := client.Page{Limit: 250}
	for {
		l, err := f(context.Background(), page)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Data...)
		if page.Cursor = l.Next; page.Cursor == "" {
			return all
		}
	}
}

func readStored(t *testing.T, c *client.Client) stored {
	t.Helper()
	s := stored{events: map[string]client.Event{}, deliveries: map[deliveryKey]client.Delivery{}, states: map[string]int{}}
	for _, ev := range everything(t, func(ctx context.Context, page client.Page) (client.List[client.Event], error) {
		return c.Events(ctx, client.EventFilter{}, page)
	}) {
		s.events[ev.ID] = ev
	}
	for _, d := range everything(t, func(ctx context.Context, page client.Page) (client.List[client.Delivery], error) {
		return c.Deliveries(ctx, client.DeliveryFilter{}, page)
	}) {
		s.deliveries[deliveryKey{d.EventID, d.DestinationID}] = d
		s.states[d.State]++
		s.listed++
	}
	return s
}

// settle waits until nothing is owed any more.
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
		t.Fatalf("not within %v: nothing is owed; pending %d, leased %d", within, last.Deliveries["pending"], last.Deliveries["leased"])
	}
}

// check compares l with what g has stored, once all is delivered. Differences fail the test by the invariant's name.
// It returns how often something arrived that had been taken before.
func (l *ledger) check(t *testing.T, g *gateway) (repeats int) {
	t.Helper()
	s := readStored(t, g.client())
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &verdict{found: map[string][]string{}}
	l.checkEvents(v, s)
	owed := l.checkDeliveries(v, s)
	l.checkArrivals(v, s)
	repeats, bound := l.checkRepeats(v)
	t.Logf("sent %d bodies, acknowledged %d, stored %d; deliveries %v of %d owed; arrivals %d, repeats %d of at most %d",
		len(l.sent), l.ackedLocked(), len(s.events), s.states, owed, len(l.arrivals), repeats, bound)
	v.report(t)
	return repeats
}

func (l *ledger) ackedLocked() (n int) {
	for _, sent := range l.sent {
		n += min(1, sent.acked)
	}
	return n
}

// checkEvents is L, P and U, and that what is stored is what was sent.
func (l *ledger) checkEvents(v *verdict, s stored) {
	count := map[digest]int{}
	ids := map[string]string{}
	for _, ev := range s.events {
		var d digest
		if n, err := hex.Decode(d[:], []byte(ev.BodySHA256)); err != nil || n != len(d) {
			v.wrong("B", "event %s: its checksum is %q", ev.ID, ev.BodySHA256)
		}
		count[d]++
		sent := l.sent[d]
		switch {
		case sent == nil:
			v.wrong("P", "event %s of source %s, body %v, was never sent", ev.ID, ev.Source, d)
			continue
		case sent.source != ev.Source || sent.id != "" && sent.id != ev.ProviderID:
			v.wrong("P", "event %s was sent to %s as %q, and is stored as of %s, %q", ev.ID, sent.source, sent.id, ev.Source, ev.ProviderID)
		}
		if sent.id != "" {
			if other, ok := ids[ev.Source+" "+sent.id]; ok {
				v.wrong("U", "id %q is stored as %s and as %s", sent.id, other, ev.ID)
			}
			ids[ev.Source+" "+sent.id] = ev.ID
		}
	}
	for d, sent := range l.sent {
		least, most := sent.acked, sent.tries
		if sent.id != "" {
			least, most = min(1, sent.acked), 1
		}
		if count[d] < least {
			v.wrong("L", "body %v for %s, id %q: answered 2xx %d times, stored %d times", d, sent.source, sent.id, sent.acked, count[d])
		}
		if count[d] > most {
			v.wrong("P", "body %v for %s, id %q: sent %d times, stored %d times", d, sent.source, sent.id, sent.tries, count[d])
		}
	}
}

// checkDeliveries is T as far as the table says, and S.
func (l *ledger) checkDeliveries(v *verdict, s stored) (owed int) {
	if s.listed != len(s.deliveries) {
		v.wrong("S", "%d deliveries are listed, of which %d differ", s.listed, len(s.deliveries))
	}
	for id, ev := range s.events {
		for _, w := range l.destinations {
			if !w.wants(ev.Source) {
				continue
			}
			owed++
			d, ok := s.deliveries[deliveryKey{id, w.id}]
			switch {
			case !ok:
				v.wrong("T", "event %s: no delivery for %s", id, w.name)
			case d.State != "delivered":
				v.wrong("T", "event %s: delivery %s to %s is %s", id, d.ID, w.name, d.State)
			}
		}
	}
	sum := 0
	for _, n := range s.states {
		sum += n
	}
	if sum != owed {
		v.wrong("S", "%d are owed, and %d are %v", owed, sum, s.states)
	}
	return owed
}

// checkArrivals is T and B as the destinations saw it.
func (l *ledger) checkArrivals(v *verdict, s stored) {
	names := map[string]wanting{}
	for _, w := range l.destinations {
		names[w.name] = w
	}
	taken := map[deliveryKey]bool{}
	for _, a := range l.arrivals {
		ev, ok := s.events[a.event]
		w := names[a.destination]
		switch {
		case a.complaint != "":
			v.wrong("B", "event %s at %s: %s", a.event, a.destination, a.complaint)
		case !ok:
			v.wrong("P", "event %q arrived at %s and is not stored", a.event, a.destination)
		case !w.wants(ev.Source):
			v.wrong("T", "event %s of %s arrived at %s, which does not want it", a.event, ev.Source, a.destination)
		case hex.EncodeToString(a.body[:]) != ev.BodySHA256:
			v.wrong("B", "event %s arrived at %s as %v, and is stored as %.12s…", a.event, a.destination, a.body, ev.BodySHA256)
		case a.delivery != s.deliveries[deliveryKey{a.event, w.id}].ID:
			v.wrong("X", "event %s arrived at %s as delivery %s, and is %s", a.event, a.destination, a.delivery, s.deliveries[deliveryKey{a.event, w.id}].ID)
		}
		if a.status/100 == 2 {
			taken[deliveryKey{a.event, w.id}] = true
		}
	}
	for key, d := range s.deliveries {
		if d.State == "delivered" && !taken[key] {
			v.wrong("T", "delivery %s of event %s is delivered, and never arrived", d.ID, key.event)
		}
	}
}

// killSlack is how much earlier than a kill an arrival may have been noted that the gateway did not hear the end of.
const killSlack = time.Second

// unrecorded bounds the results that a kill loses: those in the transaction being written and in the one that gathers
// meanwhile, of 512 (maxBatch in internal/store) each.
const unrecorded = 2 * 512

// checkRepeats is X. A delivery is made again if its request had left and its result was not on disk at a kill. That
// is what was in flight, at most each destination's concurrency, and what was unrecorded. What waited in lanes, up to
// 1024 for each destination, had not left.
func (l *ledger) checkRepeats(v *verdict) (repeats, bound int) {
	bound = unrecorded
	for _, w := range l.destinations {
		bound += w.concurrency
	}
	bound *= len(l.kills)
	last := map[[2]string]arrival{}
	for _, a := range slices.SortedFunc(slices.Values(l.arrivals), func(a, b arrival) int { return a.at.Compare(b.at) }) {
		key := [2]string{a.event, a.destination}
		before, ok := last[key]
		last[key] = a
		if !ok {
			continue
		}
		if a.attempt < before.attempt {
			v.wrong("X", "event %s at %s: attempt %d after attempt %d", a.event, a.destination, a.attempt, before.attempt)
		}
		if before.status/100 != 2 {
			continue
		}
		repeats++
		if !slices.ContainsFunc(l.kills, func(k time.Time) bool { return k.After(before.at.Add(-killSlack)) && k.Before(a.at) }) {
			v.wrong("X", "event %s arrived at %s twice, and there was no kill between", a.event, a.destination)
		}
	}
	if repeats > bound {
		v.wrong("X", "%d repeats after %d kills; at most %d can be explained", repeats, len(l.kills), bound)
	}
	return repeats, bound
}
