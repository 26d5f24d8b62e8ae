package outlook

import (
	"sync"

	"github.com/bellhop-gateway/bellhop/provider"
)

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
