package delivery

import (
	"sync"
	"sync/atomic"
)

// A limiter bounds the attempts under way in all lanes together, and with them connections and memory. Up to
// half of the limit lanes begin attempts freely. Beyond that each lane may have one attempt at a time, and at
// the limit lanes take turns. So however many destinations hang, a destination that gets its first event waits
// for a single place.
type limiter struct {
	limit int

	mu       sync.Mutex
	underway int                // mu guards it, and the three fields below
	first    []*lane            // lanes without an attempt under way that wait for a place, in turn
	more     []*lane            // lanes with an attempt under way that wait for another place
	waiting  map[*lane]waitList // the list each lane waits in; an entry of a lane in the other list is stale

	starved atomic.Bool // first is not empty; written under mu
}

// A waitList is a list of a limiter.
type waitList int

const (
	notWaiting waitList = iota
	waitsFirst
	waitsMore
)

func newLimiter(limit int) *limiter { return &limiter{limit: limit, waiting: map[*lane]waitList{}} }

// enter reports whether l, which has active workers, may have one more. If not, l is started when it may. The
// caller holds l.mu.
func (m *limiter) enter(l *lane, active int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.underway < m.limit/2 || active == 0 && m.underway < m.limit {
		m.underway++
		return true
	}
	switch {
	case active == 0 && m.waiting[l] != waitsFirst:
		m.waiting[l] = waitsFirst
		m.first = append(m.first, l)
		m.starved.Store(true)
	case active > 0 && m.waiting[l] == notWaiting:
		m.waiting[l] = waitsMore
		m.more = append(m.more, l)
	}
	return false
}

// leave gives back a place and starts the lane whose turn it is.
func (m *limiter) leave() {
	m.mu.Lock()
	m.underway--
	l := m.next()
	m.mu.Unlock()
	for l != nil { // a lane that has no work any more leaves the place to the next lane
		if l.startWaiting() {
			return
		}
		m.mu.Lock()
		l = m.next()
		m.mu.Unlock()
	}
}

// next removes the lane whose turn it is from its list; nil if no lane may begin an attempt. The caller holds mu.
func (m *limiter) next() (l *lane) {
	if len(m.first) > 0 && m.underway < m.limit {
		l, m.first = m.first[0], m.first[1:]
		m.starved.Store(len(m.first) > 0)
		delete(m.waiting, l)
		return l
	}
	for len(m.more) > 0 && m.underway < m.limit/2 {
		l, m.more = m.more[0], m.more[1:]
		if m.waiting[l] == waitsMore {
			delete(m.waiting, l)
			return l
		}
	}
	return nil
}
