package delivery

import (
	"sync"
	"sync/atomic"
)

// A gate bounds the attempts under way in all lanes together, and with them connections and memory. Up to half of the bound lanes
// come as they like; beyond that each has one attempt at a time; at the bound they take turns. So however many destinations hang,
// one that gets its first event waits for one place at most, not for theirs.
type gate struct {
	limit int

	mu      sync.Mutex
	under   int
	first   []*lane           // that have nothing under way, in turn
	more    []*lane           // that have, and would begin another
	waits   map[*lane]queueOf // in which of the two each stands; one that moved on left its place in the other behind
	starved atomic.Bool       // first is not empty
}

// A queueOf is where a lane waits.
type queueOf int

const (
	nowhere queueOf = iota
	inFirst
	inMore
)

func newGate(limit int) *gate { return &gate{limit: limit, waits: map[*lane]queueOf{}} }

// enter reports whether l, which has so many workers, may have one more. If not, l is started once it may.
func (g *gate) enter(l *lane, active int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.under < g.limit/2 || active == 0 && g.under < g.limit {
		g.under++
		return true
	}
	switch {
	case active == 0 && g.waits[l] != inFirst:
		g.waits[l] = inFirst
		g.first = append(g.first, l)
		g.starved.Store(true)
	case active > 0 && g.waits[l] == nowhere:
		g.waits[l] = inMore
		g.more = append(g.more, l)
	}
	return false
}

// leave gives a place back and starts whoever waits for it.
func (g *gate) leave() {
	g.mu.Lock()
	g.under--
	l := g.next()
	g.mu.Unlock()
	for l != nil { // one that has nothing to do any more leaves the place to the next
		if l.takeTurn() {
			return
		}
		g.mu.Lock()
		l = g.next()
		g.mu.Unlock()
	}
}

// next takes out of turn the lane that may begin now; nil if none may. The caller holds mu.
func (g *gate) next() (l *lane) {
	if len(g.first) > 0 && g.under < g.limit {
		l, g.first = g.first[0], g.first[1:]
		g.starved.Store(len(g.first) > 0)
		delete(g.waits, l)
		return l
	}
	for len(g.more) > 0 && g.under < g.limit/2 {
		l, g.more = g.more[0], g.more[1:]
		if g.waits[l] == inMore {
			delete(g.waits, l)
			return l
		}
	}
	return nil
}
