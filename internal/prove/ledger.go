package prove

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Digest identifies a body: it is the SHA-256 sum.
type Digest [sha256.Size]byte

func (d Digest) String() string { return fmt.Sprintf("%x…", d[:6]) }

// A Ledger notes what was sent, what was answered 2xx, what arrived where, and when the gateway was killed. It is
// safe for concurrent use.
type Ledger struct {
	mu       sync.Mutex // guards the fields below
	wanting  []Wanting
	sent     map[Digest]*sending
	arrivals []Arrival
	kills    []time.Time
}

// A Wanting is a destination and the sources whose events it wants; without sources it wants all events.
type Wanting struct {
	ID, Name    string
	Sources     []string
	Concurrency int
}

// wants reports whether the destination wants the events of source.
func (w Wanting) wants(source string) bool {
	return len(w.Sources) == 0 || slices.Contains(w.Sources, source)
}

// A sending is one body and the requests that carried it to one source.
type sending struct {
	source string
	id     string // the sender's id, by which repeats are recognized; "" if the sender sets none
	tries  int    // requests that may have reached the gateway
	acked  int    // requests that were answered 2xx
}

// An Arrival is one attempt of a delivery, as the destination saw it.
type Arrival struct {
	Destination string // its name
	Event       string // webhook-id
	Delivery    string
	Attempt     int
	Body        Digest
	ContentType string
	Hops        int
	At          time.Time
	Status      int    // of the answer
	Complaint   string // what is wrong with the request, such as its signature
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger { return &Ledger{sent: map[Digest]*sending{}} }

// Want notes a destination. All must be noted before the first event is sent.
func (l *Ledger) Want(w Wanting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanting = append(l.wanting, w)
}

// Send notes that body is about to be sent to source, with the sender's id or "".
func (l *Ledger) Send(source, id string, body []byte) Digest {
	d := Digest(sha256.Sum256(body))
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

// Ack notes that a request with the body d was answered 2xx.
func (l *Ledger) Ack(d Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[d].acked++
}

// Arrive notes an attempt.
func (l *Ledger) Arrive(a Arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrivals = append(l.arrivals, a)
}

// Kill notes that the gateway is about to be killed.
func (l *Ledger) Kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills = append(l.kills, time.Now())
}

// Sent reports whether a body was sent.
func (l *Ledger) Sent(d Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[d] != nil
}

// Acked counts the bodies that were answered 2xx.
func (l *Ledger) Acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked()
}

// acked is Acked for a caller that holds l.mu.
func (l *Ledger) acked() (n int) {
	for _, sent := range l.sent {
		n += min(1, sent.acked)
	}
	return n
}

// Arrived counts the attempts that arrived.
func (l *Ledger) Arrived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.arrivals)
}

// ArrivedAt returns the attempts that arrived at a destination.
func (l *Ledger) ArrivedAt(name string) (list []Arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrivals {
		if a.Destination == name {
			list = append(list, a)
		}
	}
	return list
}
