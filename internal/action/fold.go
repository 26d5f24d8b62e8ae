package action

import (
	"sync"
	"time"
)

// folds remember, for one destination, when each resource was fetched last. So a burst of notifications about one
// resource makes one fetch, and another one after a while: an event is served by a fetch that began after it came in.
// They are kept in memory, bounded: what is forgotten, or lost by a restart, is fetched once more.
type folds struct {
	clock func() instant
	every time.Duration // between the begins of two fetches of a resource; 0 folds nothing

	mu   sync.Mutex // guards list and all that it holds
	list map[string]*fold
}

// An instant is a time by the wall clock, by which events came in, and by a clock that nobody sets.
type instant struct {
	wall   time.Time
	steady time.Duration
}

// newClock returns the clock of folds. now is the wall clock.
func newClock(now func() time.Time) func() instant {
	start := time.Now()
	return func() instant { return instant{now(), time.Since(start)} }
}

// stepped returns by how much the wall clock was set between two instants.
func (i instant) stepped(before instant) time.Duration {
	return (i.wall.Round(0).Sub(before.wall.Round(0)) - (i.steady - before.steady)).Abs()
}

// A fold is what is known about one resource.
type fold struct {
	busy  bool    // a fetch is under way
	began instant // the latest fetch

	servedAt instant // when the latest fetch that succeeded began
	served   string  // id of the event that it published; "" is none
}

// Bounds of folds.
const (
	maxFolds    = 4096
	defaultFold = time.Second
	maxFold     = time.Hour
	leastWait   = 100 * time.Millisecond // for a fetch that is under way
	mostWait    = 10 * time.Second
	// clockStep is how far the wall clock may be set while what is remembered still counts.
	clockStep = time.Second
)

// A turn says what is to be done for an event: begin a fetch, come back after a while, or nothing, because the event
// that a fetch published serves it.
type turn struct {
	begins bool // the caller calls end
	after  time.Duration
	served string
}

// begin returns the turn of an event about a resource, which came in at received.
func (f *folds) begin(resource string, received time.Time) turn {
	if f.every == 0 {
		return turn{begins: true}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.clock()
	x := f.list[resource]
	if x != nil && !x.busy && now.stepped(x.began) > clockStep {
		delete(f.list, resource)
		x = nil
	}
	if x == nil {
		f.makeRoom(now)
		f.list[resource] = &fold{busy: true, began: now}
		return turn{begins: true}
	}
	age := now.steady - x.began.steady
	soon := min(max(leastWait, age), mostWait) // doubles, until the fetch that is under way has ended
	switch {
	case x.served != "" && serves(x.servedAt, received, now):
		return turn{served: x.served}
	case x.busy && serves(x.began, received, now):
		return turn{after: soon}
	case x.busy:
		return turn{after: max(soon, f.every-age)}
	case age < f.every:
		return turn{after: f.every - age}
	}
	x.busy, x.began = true, now
	return turn{begins: true}
}

// serves reports whether a fetch that began then serves an event that came in at received: it began later, also if the
// wall clock was set since then. Times of events are stored to the microsecond.
func serves(began instant, received time.Time, now instant) bool {
	return began.wall.Sub(received) > now.stepped(began)+time.Microsecond
}

// end ends a fetch. published is the id of its event; "" if it failed. made says that the system was called: a fetch
// without a call delays no other.
func (f *folds) end(resource, published string, made bool) {
	if f.every == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.list[resource]
	switch {
	case x == nil:
		return
	case published != "":
		x.served, x.servedAt = published, x.began
	case !made && x.served == "":
		delete(f.list, resource)
		return
	case !made:
		x.began = x.servedAt
	}
	x.busy = false
}

// makeRoom forgets resources if there are too many: first those that delay nothing, and then any that is not busy. The
// caller holds mu.
func (f *folds) makeRoom(now instant) {
	if f.list == nil {
		f.list = map[string]*fold{}
	}
	for _, age := range []time.Duration{f.every + time.Minute, f.every, -1} {
		if len(f.list) < maxFolds {
			return
		}
		room := maxFolds - maxFolds/8 // so that this is rare
		for resource, x := range f.list {
			if len(f.list) >= room && !x.busy && now.steady-x.began.steady > age {
				delete(f.list, resource)
			}
		}
	}
}
