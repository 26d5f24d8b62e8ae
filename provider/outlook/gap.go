package outlook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Outlook numbers the notifications of a subscription. A number that is not the next one means that others are
// lost or late. This package reports the gap as an event with a key of its own, so that it is stored once however
// often it is found:
//
//   - Within a request, each notification is compared with the earlier ones of its subscription. That needs no memory.
//   - The first notification of a request is compared with the highest number that this receiver has read. These
//     numbers are only in memory, so a new receiver accepts the first number of a subscription without a check.
//
// A repeat of a request finds the same gaps as the request, and no others. The receiver remembers the latest gaps
// of each subscription, so that a gap whose event could not be stored is found again with the repeated request.

// numbers is the range of numbers of a notification: its own number or, for a gap, all missing numbers.
type numbers struct {
	known       bool
	first, last uint64
}

// parseNumbers parses two JSON numbers, whole and at least 0. For any other values, known is false.
func parseNumbers(first, last []byte) numbers {
	a, err := strconv.ParseUint(string(first), 10, 63)
	b, err2 := strconv.ParseUint(string(last), 10, 63)
	if err != nil || err2 != nil || a > b {
		return numbers{}
	}
	return numbers{true, a, b}
}

// before returns the numbers after last and before n; known is false if there are none.
func (n numbers) before(last uint64) numbers {
	if n.first <= last+1 {
		return numbers{}
	}
	return numbers{true, last + 1, n.first - 1}
}

// gapKey returns the ProviderID of the event for the missing numbers n. The ProviderID of a notification has only
// digits after its last colon, so the two never collide.
func (n numbers) gapKey(subscription string) string {
	return provider.RepeatKey(fmt.Sprintf("gap:%s:%d-%d", subscription, n.first, n.last))
}

// event returns the event for the missing numbers n, in the form of an item, so that it can be forwarded like others.
func (n numbers) event(subscription string) bellhop.Event {
	body, _ := json.Marshal(struct { // texts and numbers always encode
		SubscriptionID string `json:"SubscriptionId"`
		ChangeType     string
		FirstMissing   uint64
		LastMissing    uint64
	}{subscription, typeGap[len(typePrefix):], n.first, n.last})
	return bellhop.Event{Type: typeGap, Subject: provider.Subject(subscription), ProviderID: n.gapKey(subscription),
		ContentType: "application/json", Body: body}
}

// A batch detects gaps in one request.
type batch struct {
	memory *memory           // nil: no memory
	last   map[string]uint64 // the highest number so far, by subscription
}

// missing returns the numbers that are missing before n. It ignores a notification without a number.
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

// A memory holds the highest number of each subscription and its latest gaps between requests. It forgets the
// subscriptions that have been quiet the longest once there are more than maxSubscriptions. It is safe for
// concurrent use; a nil memory holds nothing.
type memory struct {
	mu     sync.Mutex
	recent map[string]*progress
	older  map[string]*progress // the previous content of recent
}

type progress struct {
	last uint64
	gaps [maxGaps]numbers // a ring
	next int              // the next index to write
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

// missing returns the numbers that are missing before n, the first notification of its subscription in a request,
// and remembers n.
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

// found returns the gap that was found before n when n was received earlier.
func (p *progress) found(n numbers) numbers {
	for _, gap := range p.gaps {
		if gap.known && gap.last+1 == n.first {
			return gap
		}
	}
	return numbers{}
}

// find returns the progress of a subscription; it adds one for a new subscription. The caller holds m.mu.
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
