package journey

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// digest stands for a body.
type digest [sha256.Size]byte

func (d digest) String() string { return fmt.Sprintf("%x…", d[:6]) }

// A ledger says of a run what was sent, what was answered 2xx, what arrived where, and when the gateway was killed.
type ledger struct {
	destinations []wanting

	mu       sync.Mutex
	sent     map[digest]*sending
	arrivals []arrival
	kills    []time.Time
}

// wanting is a destination and which sources' events it wants; none is all of them.
type wanting struct {
	id, name    string
	sources     []string
	concurrency int
}

func (w wanting) wants(source string) bool {
	return len(w.sources) == 0 || slices.Contains(w.sources, source)
}

// A sending is one body on its way to one source.
type sending struct {
	source string
	id     string // the sender's, by which repeats are known; "" if it has none
	tries  int    // requests that may have reached the gateway
	acked  int    // of them, answered 2xx
}

// An arrival is one attempt as a destination saw it.
type arrival struct {
	destination string // name
	event       string // webhook-id
	delivery    string
	attempt     int
	body        digest
	contentType string
	hops        int
	at          time.Time
	status      int // answered
	complaint   string
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

// ack notes that a sending was answered 2xx.
func (l *ledger) ack(d digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[d].acked++
}

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
func (l *ledger) acked() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.sent {
		if s.acked > 0 {
			n++
		}
	}
	return n
}

// A verdict collects what check finds, by invariant.
type verdict struct {
	found map[string][]string
}

func (v *verdict) wrong(invariant, format string, args ...any) {
	v.found[invariant] = append(v.found[invariant], fmt.Sprintf(format, args...))
}

var invariants = []struct{ name, meaning string }{
	{"L", "answered 2xx is stored"},
	{"T", "stored is delivered to each destination that wanted it"},
	{"B", "the bytes are the same"},
	{"P", "stored was sent"},
	{"U", "an id is stored once"},
	{"X", "repeats are of kills"},
	{"S", "each delivery is in one state"},
}

// report fails t for each invariant that does not hold, with the first few differences.
func (v *verdict) report(t *testing.T) {
	t.Helper()
	for _, i := range invariants {
		const shown = 5
		list := v.found[i.name]
		if len(list) == 0 {
			continue
		}
		t.Errorf("%s does not hold (%s): %d differ", i.name, i.meaning, len(list))
		for _, text := range list[:min(shown, len(list))] {
			t.Errorf("  %s: %s", i.name, text)
		}
	}
}
