package bench

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A ledger says of every event of a run whether the gateway accepted it and where it arrived. The producer writes one
// side, the receiver the other. It keeps a bit for each, so that what arrives twice at one destination cannot hide what
// never arrived at another, nor an event that arrived though its answer got lost one that did not.
type ledger struct {
	events  int
	spread  int // destinations, of which event i goes to one: i modulo their number; 0 if each goes to all
	began   time.Time
	entered bitset   // events answered 2xx
	arrived []bitset // by destination; a single one if spread

	accepted, refused               atomic.Int64 // events
	delivered, duplicates, unwanted atomic.Int64 // deliveries: the first of each, the others, those that are none of ours
	lastArrival                     atomic.Int64 // of a first delivery: time.Duration since began

	acceptLatency, endToEnd histogram

	refusal      sync.Once
	firstRefusal string
}

// newLedger returns one for that many events, each of which goes to fanout destinations.
func newLedger(events, fanout int) *ledger {
	l := &ledger{events: events, began: time.Now(), entered: newBitset(events), arrived: make([]bitset, fanout)}
	for i := range l.arrived {
		l.arrived[i] = newBitset(events)
	}
	return l
}

// accept notes a 2xx for an event that was due at a time since l.began.
func (l *ledger) accept(event int, due time.Duration) {
	l.acceptLatency.add(time.Since(l.began) - due)
	l.entered.set(event)
	l.accepted.Add(1)
}

func (l *ledger) refuse(why string) {
	l.refused.Add(1)
	l.refusal.Do(func() { l.firstRefusal = why })
}

// arrive notes a delivery.
func (l *ledger) arrive(destination, event int, due time.Duration) {
	if l.spread > 0 {
		if event%l.spread != destination {
			l.unwanted.Add(1)
			return
		}
		destination = 0
	}
	if destination < 0 || destination >= len(l.arrived) || event < 0 || event >= l.events {
		l.unwanted.Add(1)
		return
	}
	if !l.arrived[destination].set(event) {
		l.duplicates.Add(1)
		return
	}
	now := time.Since(l.began)
	l.lastArrival.Store(int64(now))
	l.endToEnd.add(now - due)
	l.delivered.Add(1)
}

// settled reports whether all that was accepted has arrived everywhere.
func (l *ledger) settled() bool {
	return l.delivered.Load() >= l.accepted.Load()*int64(len(l.arrived)) && l.missing() == 0
}

// missing counts the deliveries of accepted events that have not arrived.
func (l *ledger) missing() (n int) {
	for _, arrived := range l.arrived {
		for i := range l.entered {
			n += bits.OnesCount64(l.entered[i].Load() &^ arrived[i].Load())
		}
	}
	return n
}

// A bitset is a set of small numbers that many goroutines may add to.
type bitset []atomic.Uint64

func newBitset(size int) bitset { return make(bitset, (size+63)/64) }

// set adds i and reports whether it was not there.
func (b bitset) set(i int) bool {
	bit := uint64(1) << (i % 64)
	return b[i/64].Or(bit)&bit == 0
}
