package journey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A digest identifies a body.
type digest [sha256.Size]byte

func (d digest) String() string { return fmt.Sprintf("%x…", d[:6]) }

// A ledger notes what was sent, what was answered 2xx, what arrived where, and when the gateway was killed. It is
// safe for concurrent use.
type ledger struct {
	destinations []wanting // complete before the first event is sent

	mu       sync.Mutex // guards the fields below
	sent     map[digest]*sending
	arrivals []arrival
	kills    []time.Time
}

// A wanting is a destination and the sources whose events it wants; without sources it wants all events.
type wanting struct {
	id, name    string
	sources     []string
	concurrency int
}

// wants reports whether the destination wants the events of source.
func (w wanting) wants(source string) bool {
	return len(w.sources) == 0 || slices.Contains(w.sources, source)
}

// A sending is one body and the requests that carried it to one source.
type sending struct {
	source string
	id     string // the sender's id, by which repeats are recognized; "" if the sender sets none
	tries  int    // requests that may have reached the gateway
	acked  int    // requests that were answered 2xx
}

// An arrival is one attempt of a delivery, as the destination saw it.
type arrival struct {
	destination string // its name
	event       string // webhook-id
	delivery    string
	attempt     int
	body        digest
	contentType string
	hops        int
	at          time.Time
	status      int    // of the answer
	complaint   string // what is wrong with the request, such as its signature
}

func newLedger() *ledger { return &ledger{sent: map[digest]*sending{}} }

// send notes that body is about to be sent.
func (l *ledger) send(source, id string, body []byte) digest {
	d := digest(sha256.Sum256(body))
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sent[d]
	if s == nil {
		s = &sending{source: source, id: id}
		l.sent[d] = s
	}
	s.tries++
	return d
}

// ack notes that a request with the body d was answered 2xx.
func (l *ledger) ack(d digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[d].acked++
}

// arrive notes an attempt.
func (l *ledger) arrive(a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrivals = append(l.arrivals, a)
}

// kill notes that the gateway is about to be killed.
func (l *ledger) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills = append(l.kills, time.Now())
}

// acked counts the bodies that were answered 2xx.
func (l *ledger) acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ackedLocked()
}

// A verdict collects the violations of each invariant.
type verdict struct {
	found map[string][]string
}

// wrong notes a violation.
func (v *verdict) wrong(invariant, format string, args ...any) {
	v.found[invariant] = append(v.found[invariant], fmt.Sprintf(format, args...))
}

// invariants are those of the package documentation, in their order.
var invariants = []struct{ name, meaning string }{
	{"L", "what was answered 2xx is stored"},
	{"T", "each stored event is delivered to each destination that wants it"},
	{"B", "the bytes are the same"},
	{"P", "what is stored was sent"},
	{"U", "an id is stored once"},
	{"X", "repeats are due to kills"},
	{"S", "each delivery is in one state"},
}

// report fails t for each violated invariant, and shows the first few violations.
func (v *verdict) report(t *testing.T) {
	t.Helper()
	for _, i := range invariants {
		const shown = 5
		list := v.found[i.name]
		if len(list) == 0 {
			continue
		}
		t.Errorf("%s does not hold (%s): %d violations", i.name, i.meaning, len(list))
		for _, text := range list[:min(shown, len(list))] {
			t.Errorf("  %s: %s", i.name, text)
		}
	}
}

// arrivedCount counts the attempts that arrived.
func (l *ledger) arrivedCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.arrivals)
}

// stored is what the API of a gateway lists.
type stored struct {
	events     map[string]client.Event
	deliveries map[deliveryKey]client.Delivery
	states     map[string]int
	listed     int // number of listed deliveries, with any that are listed twice
}

// A deliveryKey identifies a delivery by the ids of its event and destination.
type deliveryKey struct{ event, destination string }

// everything returns the elements of all pages of a list.
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

// readStored reads all events that were sent, and all deliveries.
func readStored(t *testing.T, c *client.Client) stored {
	t.Helper()
	s := stored{events: map[string]client.Event{}, deliveries: map[deliveryKey]client.Delivery{},
		states: map[string]int{}}
	for _, ev := range listEvents(t, c) {
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
// violated invariant. It returns the number of repeats: arrivals of deliveries that the destination had already
// answered 2xx.
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
	t.Logf("sent %d bodies, acknowledged %d, stored %d; deliveries %v of %d owed; arrivals %d, "+
		"repeats %d of at most %d",
		len(l.sent), l.ackedLocked(), len(s.events), s.states, owed, len(l.arrivals), repeats, bound)
	v.report(t)
	return repeats
}

// ackedLocked is acked for a caller that holds l.mu.
func (l *ledger) ackedLocked() (n int) {
	for _, sent := range l.sent {
		n += min(1, sent.acked)
	}
	return n
}

// checkEvents checks L, P and U, and that the checksum of each event is that of a body that was sent.
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
			v.wrong("P", "event %s was sent to %s as %q, and is stored as of %s, %q", ev.ID, sent.source, sent.id,
				ev.Source, ev.ProviderID)
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
			v.wrong("L", "body %v for %s, id %q: answered 2xx %d times, stored %d times", d, sent.source, sent.id,
				sent.acked, count[d])
		}
		if count[d] > most {
			v.wrong("P", "body %v for %s, id %q: sent %d times, stored %d times", d, sent.source, sent.id, sent.tries,
				count[d])
		}
	}
}

// checkDeliveries checks S, and T as far as the stored deliveries show it. It returns the number of deliveries owed.
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

// checkArrivals checks T and B from the arrivals.
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
			v.wrong("B", "event %s arrived at %s as %v, and is stored as %.12s…", a.event, a.destination, a.body,
				ev.BodySHA256)
		case a.delivery != s.deliveries[deliveryKey{a.event, w.id}].ID:
			v.wrong("X", "event %s arrived at %s as delivery %s, and is %s", a.event, a.destination, a.delivery,
				s.deliveries[deliveryKey{a.event, w.id}].ID)
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

// killSlack is how long an arrival may be noted after the kill that cut it off: the receiver notes the time after
// it has read the request.
const killSlack = 5 * time.Second

// unrecorded bounds the results that a kill loses: those of the transaction being written and of the next one, of
// at most 512 results (maxBatch of the store) each.
const unrecorded = 2 * 512

// checkRepeats checks X. A delivery is repeated if its request was sent and its result was not on disk at a kill.
// These are the attempts in flight, at most the concurrency of each destination, and the unrecorded results.
// Deliveries that wait in a lane have not been sent.
func (l *ledger) checkRepeats(v *verdict) (repeats, bound int) {
	bound = unrecorded
	for _, w := range l.destinations {
		bound += w.concurrency
	}
	bound *= len(l.kills)
	last := map[[2]string]arrival{}
	for _, a := range slices.SortedFunc(slices.Values(l.arrivals), func(a, b arrival) int {
		return a.at.Compare(b.at)
	}) {
		key := [2]string{a.event, a.destination}
		before, ok := last[key]
		last[key] = a
		if !ok {
			continue
		}
		if a.attempt < before.attempt {
			v.wrong("X", "event %s at %s: attempt %d after attempt %d", a.event, a.destination, a.attempt,
				before.attempt)
		}
		if before.status/100 != 2 {
			continue
		}
		repeats++
		if !slices.ContainsFunc(l.kills, func(k time.Time) bool {
			return k.After(before.at.Add(-killSlack)) &&
				k.Before(a.at)
		}) {
			v.wrong("X", "event %s arrived at %s twice, and there was no kill between", a.event, a.destination)
		}
	}
	if repeats > bound {
		v.wrong("X", "%d repeats after %d kills; at most %d can be explained", repeats, len(l.kills), bound)
	}
	return repeats, bound
}
