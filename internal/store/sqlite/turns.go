package sqlite

import (
	"math"
	"sync"
)

// maxFreed bounds the keys of one destination that wait to be looked at.
const maxFreed = 8192

// A turn is how far the claims of a destination's keys have come. Of each key whose first delivery is pending, either that delivery
// is beyond the position or the key is in freed: so nothing that waits for another is looked at again before that other is
// finished. A turn may be forgotten at any time; the next claim then begins at the start.
type turn struct {
	at, n  int64 // the position in the schedule: a time in microseconds, and the delivery of that time
	late   bool  // the last look did not come to the end of what is due
	freed  []int64
	listed map[int64]bool // what is in freed
	first  int            // which part of the next claim goes first
}

// turns are those of all destinations that have keys, by destination. The writer changes them; readers look.
type turns struct {
	mu  sync.Mutex
	all map[int64]*turn
}

func newTurn() *turn { return &turn{at: math.MinInt64, listed: map[int64]bool{}} }

// find returns the turn of a destination, or a new one that is not kept.
func (t *turns) find(destination int64) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.all[destination]; u != nil {
		return u
	}
	return newTurn()
}

// keep keeps u, unless another is kept. One that was forgotten stays so: only a new one is given here.
func (t *turns) keep(destination int64, u *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[int64]*turn{}
	}
	if t.all[destination] == nil {
		t.all[destination] = u
	}
}

func (t *turns) forget(destination int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, destination)
}

// position returns from where in the schedule to look, and whether a key waits to be looked at besides.
func (t *turns) position(destination int64) (at, n int64, waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u := t.all[destination]; u != nil {
		return u.at, u.n, len(u.freed) > 0
	}
	return math.MinInt64, 0, false
}

// pending notes that a delivery with a key is pending from now on, to be looked at from the time at. What is new and far behind
// what else is due has its key looked at before.
func (t *turns) pending(destination, key, at, n int64, isNew bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.all[destination]
	if u == nil {
		return
	}
	u.lower(at, n)
	if isNew && u.late && len(u.freed) < maxFreed {
		u.free(key)
	}
}

// finished notes that a delivery with a key is finished: what is behind it may go.
func (t *turns) finished(destination, key int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.all[destination]
	if u == nil {
		return
	}
	if u.free(key); len(u.freed) > maxFreed {
		delete(t.all, destination)
	}
}

// nextFreed takes the key that has been in freed longest.
func (t *turns) nextFreed(u *turn) (key int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(u.freed) == 0 {
		return 0, false
	}
	key, u.freed = u.freed[0], u.freed[1:]
	delete(u.listed, key)
	return key, true
}

// unread puts a key back that was taken and not dealt with: it is the first again.
func (t *turns) unread(u *turn, key int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.freed, u.listed[key] = append([]int64{key}, u.freed...), true
}

// move sets the position; late is that more is due beyond it.
func (t *turns) move(u *turn, at, n int64, late bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.at, u.n, u.late = at, n, late
}

// back lowers the position so that the delivery at that time is looked at again.
func (t *turns) back(u *turn, at, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u.lower(at, n)
}

// lower is back for who holds the mutex.
func (u *turn) lower(at, n int64) {
	if at < u.at || at == u.at && n <= u.n {
		u.at, u.n = at, n-1
	}
}

// free adds a key to freed, unless it is there. The caller holds the mutex.
func (u *turn) free(key int64) {
	if !u.listed[key] {
		u.freed, u.listed[key] = append(u.freed, key), true
	}
}
