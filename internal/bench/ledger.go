package bench

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A ledger notes for every event of a run whether the gateway accepted it and where it arrived. The producer
// writes acceptances, the receiver arrivals. There is a bit for each event and destination, not only a count: a
// repeat at one destination cannot hide a loss at another, and an event that arrived although its answer was lost
// cannot hide one that did not arrive. All methods are safe for concurrent use.
type ledger struct {
	events int
	// number of destinations if event i goes only to destination i modulo spread; 0 if events go to all
	spread  int
	began   time.Time // of the run; set before it is used
	entered bitset    // events answered 2xx
	arrived []bitset  // by destination; a single one if spread

	accepted, refused               atomic.Int64 // events
	delivered, duplicates, unwanted atomic.Int64 // deliveries: first arrivals, repeats, and those of unknown events
	lastArrival                     atomic.Int64 // of a first delivery: time.Duration since began

	acceptLatency, endToEnd histogram

	refusal      sync.Once // guards firstRefusal
	firstRefusal string
}

// newLedger returns a ledger of so many events, each of which goes to fanout destinations.
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

// refuse notes that an event was not accepted.
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

// settled reports whether every accepted event has arrived at all of its destinations.
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

// A bitset is a set of small numbers. It is safe for concurrent use.
type bitset []atomic.Uint64

func newBitset(size int) bitset { return make(bitset, (size+63)/64) }

// set adds i and reports whether i is new.
func (b bitset) set(i int) bool {
	bit := uint64(1) << (i % 64)
	return b[i/64].Or(bit)&bit == 0
}

// A histogram counts durations in buckets; it is safe for concurrent use, and its zero value is empty. Durations
// up to 127 µs have a bucket for each microsecond. Above that every power of two has 64 buckets, so a quantile is
// at most 1/128 off.
type histogram struct {
	buckets [bucketCount]atomic.Int64
}

const (
	bucketBits  = 6  // a power of two has 1<<bucketBits buckets
	maxExponent = 29 // of the last power of two; the largest bucket ends at 19 hours
	bucketCount = (maxExponent + 2) << bucketBits
)

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d.Microseconds())].Add(1)
}

// quantile returns the duration that a share q of all durations does not exceed, or 0 for an empty histogram.
func (h *histogram) quantile(q float64) time.Duration {
	var total int64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	rank := max(1, int64(math.Ceil(q*float64(total))))
	var below int64
	for i := range h.buckets {
		if below += h.buckets[i].Load(); below >= rank {
			return middleOf(i)
		}
	}
	return 0
}

// bucketOf returns the bucket of a number of microseconds: its exponent and its bucketBits+1 highest bits.
func bucketOf(us int64) int {
	v := uint64(max(us, 0))
	exponent := max(bits.Len64(v)-bucketBits-1, 0)
	if exponent > maxExponent {
		return bucketCount - 1
	}
	return exponent<<bucketBits + int(v>>exponent)
}

// middleOf returns the duration in the middle of a bucket.
func middleOf(bucket int) time.Duration {
	exponent := max(bucket>>bucketBits-1, 0)
	low := (bucket - exponent<<bucketBits) << exponent
	return time.Duration(low+(1<<exponent)/2) * time.Microsecond
}
