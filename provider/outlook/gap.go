package outlook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Outlook counts the notifications of a subscription. A number that is not the next one says that others were lost, or
// are late. That becomes an event with a key of its own, so that it is stored once however often it is found:
//
//   - Within a request, each notification of a subscription is compared with those before it. That needs no memory.
//   - The first one in a request is compared with the highest number that this receiver has read before. They are
//     in memory alone, so the first number that a new receiver reads of a subscription is taken as it is.
//
// A repeat of a request finds the same gaps as the request did, and never others: of each subscription, the gaps found
// last are remembered, so that one whose event could not be stored is found again when the request comes again.

// numbers are those that a notification stands for: its own alone or, in an event of ours, all that are missing.
type numbers struct {
	known       bool
	first, last uint64
}

// parseNumbers reads two JSON numbers, whole and not below 0. Of anything else, nothing is known.
func parseNumbers(first, last []byte) numbers {
	a, err := strconv.ParseUint(string(first), 10, 63)
	b, err2 := strconv.ParseUint(string(last), 10, 63)
	if err != nil || err2 != nil || a > b {
		return numbers{}
	}
	return numbers{true, a, b}
}

// before are the numbers after last and before n; not known where there are none.
func (n numbers) before(last uint64) numbers {
	if n.first <= last+1 {
		return numbers{}
	}
	return numbers{true, last + 1, n.first - 1}
}

// gapKey is the ProviderID of the event that says that n are missing. A notification's ends in digits alone behind
// its last colon, so it is never the same.
func (n numbers) gapKey(subscription string) string {
	return provider.RepeatKey(fmt.Sprintf("gap:%s:%d-%d", subscription, n.first, n.last))
}

// event says that n are missing, in the form of an item, so that it can be sent on among others.
func (n numbers) event(subscription string) bellhop.Event {
	body, _ := json.Marshal(struct { // of texts and numbers, there is no error
		SubscriptionID string `json:"SubscriptionId"`
		ChangeType     string
		FirstMissing   uint64
		LastMissing    uint64
	}{subscription, typeGap[len(typePrefix):], n.first, n.last})
	return bellhop.Event{Type: typeGap, Subject: provider.Subject(subscription), ProviderID: n.gapKey(subscription),
		ContentType: "application/json", Body: body}
}

// A batch looks for gaps in one request.
type batch struct {
	memory *memory           // nil is none
	last   map[string]uint64 // the highest number so far, by subscription
}

// missing returns the numbers that should have come before n. What has no number is passed over.
func (b *batch) missing(n notification) (gap numbers, found bool) {
	if !n.numbers.known {
		return numbers{}, false
	}
	last, within := b.last[n.subscription]
	if within {
		gap = n.numbers.before(last)
		b.memory.note(n)
	} else {
		gap = b.memory.missing(n)
	}
	if b.last == nil {
		b.last = make(map[string]uint64, 1)
	}
	b.last[n.subscription] = max(last, n.numbers.last)
	return gap, gap.known
}

// Bounds of a memory.
const (
	maxSubscriptions = 4096 // in each half
	maxGaps          = 8    // of a subscription
)

// A memory knows the highest number read of each subscription, and the gaps between requests found last. Of more than
// maxSubscriptions, it forgets those that were quiet the longest. It is safe for concurrent use; nil remembers nothing.
type memory struct {
	mu     sync.Mutex
	recent map[string]*progress
	older  map[string]*progress // were recent before recent was full
}

type progress struct {
	last uint64
	gaps [maxGaps]numbers // a ring
	next int              // its place to write
}

func newMemory() *memory { return &memory{recent: make(map[string]*progress)} }

// note remembers n.
func (m *memory) note(n notification) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p, _ := m.find(n.subscription)
	p.last = max(p.last, n.numbers.last)
}

// missing returns the numbers that should have come before n, the first of its subscription in a request, and
// remembers n.
func (m *memory) missing(n notification) numbers {
	if m == nil {
		return numbers{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p, known := m.find(n.subscription)
	gap := n.numbers.before(p.last)
	p.last = max(p.last, n.numbers.last)
	switch {
	case !known:
		return numbers{}
	case gap.known:
		p.remember(gap)
		return gap
	}
	return p.found(n.numbers)
}

func (p *progress) remember(gap numbers) {
	p.gaps[p.next] = gap
	p.next = (p.next + 1) % maxGaps
}

// found returns the gap that was found in front of n when n came before.
func (p *progress) found(n numbers) numbers {
	for _, gap := range p.gaps {
		if gap.known && gap.last+1 == n.first {
			return gap
		}
	}
	return numbers{}
}

// find returns the progress of a subscription, which is a new one if it was not known. m is locked.
func (m *memory) find(subscription string) (p *progress, known bool) {
	subscription = provider.RepeatKey(subscription) // of bounded length
	if p, known = m.recent[subscription]; known {
		return p, true
	}
	if p, known = m.older[subscription]; !known {
		p = new(progress)
	}
	if len(m.recent) >= maxSubscriptions {
		m.older, m.recent = m.recent, make(map[string]*progress)
	}
	m.recent[subscription] = p
	return p, known
}
