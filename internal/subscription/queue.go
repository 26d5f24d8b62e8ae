package subscription

import (
	"cmp"
	"container/heap"
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file decides when an entry makes its next step, and how many do at a time. One heap holds the entries by the
// time at which they are due. A due entry waits at its connection until that has a place.

// Bounds of the steps.
const (
	maxSteps           = 16 // under way
	maxConnectionSteps = 4  // of one connection: as many calls at once as Outlook allows for a mailbox

	maxLook    = time.Minute     // between two looks at the clock, so that a clock that was set is noticed
	aliveEvery = 5 * time.Minute // between two notes that the gateway is running
	sweepEvery = 24 * time.Hour
	sweepSpan  = time.Hour       // over which the checks of one sweep are spread
	stopWithin = 5 * time.Second // for calls that are under way
)

// A connection is what the Manager knows of a connection. Manager.mu guards it.
type connection struct {
	waiting []*entry  // due, oldest first
	running int       // steps under way
	until   time.Time // no step begins before: the provider asked for it
}

// A queue is a heap of entries by due.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements [heap.Interface].
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q, last.index = (*q)[:len(*q)-1], -1
	return last
}

// schedule puts e into the queue for when it is due, or takes it out. An entry that is busy is scheduled when its step
// has ended. The caller holds m.mu.
func (m *Manager) schedule(e *entry) {
	if e.busy {
		return
	}
	if e.index >= 0 {
		heap.Remove(&m.queue, e.index)
	}
	if m.entries[e.id] != e {
		return // deleted
	}
	sub := e.shared.Load()
	e.due = sub.RenewAt
	now := m.now()
	if !e.checkAt.IsZero() && (e.due.IsZero() || e.checkAt.Before(e.due)) {
		e.due = e.checkAt
	}
	if longest := m.longest(sub); longest > 0 && e.due.Sub(now) > longest {
		e.due = now.Add(longest / 2) // the clock was set back since
	}
	if e.marks.any() {
		e.due = now
	}
	if !e.due.IsZero() {
		heap.Push(&m.queue, e)
	}
}

// poke has Run look at the queue.
func (m *Manager) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// of returns the connection of that id. The caller holds m.mu.
func (m *Manager) of(id string) *connection {
	c := m.connections[id]
	if c == nil {
		c = &connection{}
		m.connections[id] = c
	}
	return c
}

// throttle keeps steps of a connection from beginning for some time.
func (m *Manager) throttle(id string, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.of(id)
	if until := m.now().Add(wait); until.After(c.until) {
		c.until = until
	}
}

// start begins the steps that are due and have a place, and returns after how long to look again.
func (m *Manager) start() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for len(m.queue) > 0 && !m.queue[0].due.After(now) {
		e := heap.Pop(&m.queue).(*entry)
		e.busy = true
		c := m.of(e.shared.Load().ConnectionID)
		c.waiting = append(c.waiting, e)
		m.ready[c] = struct{}{}
	}
	wait := cmp.Or(m.opts.LookEvery, maxLook)
	if len(m.queue) > 0 {
		wait = min(wait, m.queue[0].due.Sub(now))
	}
	for c := range m.ready {
		if c.until.After(now) {
			wait = min(wait, c.until.Sub(now))
			continue
		}
		for len(c.waiting) > 0 && c.running < maxConnectionSteps && m.running < maxSteps {
			e := c.waiting[0]
			c.waiting = c.waiting[1:]
			c.running++
			m.running++
			m.steps.Go(func() {
				m.step(m.ctx, e)
				m.ended(c, e)
			})
		}
		if len(c.waiting) == 0 {
			c.waiting = nil
			delete(m.ready, c)
		}
	}
	return wait
}

// ended gives back the place of a step.
func (m *Manager) ended(c *connection, e *entry) {
	m.mu.Lock()
	c.running--
	m.running--
	e.busy = false
	m.schedule(e)
	m.mu.Unlock()
	m.poke()
}

// Run makes what is due until ctx ends, and then lets calls that are under way end.
func (m *Manager) Run(ctx context.Context) error {
	var alive, sweep time.Time // when each was done last
	last, mono := m.opts.Now(), time.Now()
	for {
		now := m.now()
		if jump := m.opts.Now().Sub(last) - time.Since(mono); jump.Abs() > time.Minute {
			m.clockSet(jump)
		}
		last, mono = m.opts.Now(), time.Now()
		if !due(&sweep, now, sweepEvery) || m.empty() {
			// nothing to sweep
		} else {
			m.steps.Go(func() { m.sweep(m.ctx, listPauses) })
		}
		if due(&alive, now, aliveEvery) {
			m.tick(ctx)
		}
		m.watchSilence(ctx)
		m.startLines(m.fillCtx)
		m.startBaselines(m.fillCtx)
		timer := time.NewTimer(m.start())
		select {
		case <-m.wake:
			timer.Stop()
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return m.finish()
		}
	}
}

// due reports whether it is time for something that is done every so often, and notes that it is done. It is also time
// after the clock was set back.
func due(last *time.Time, now time.Time, every time.Duration) bool {
	if since := now.Sub(*last); !last.IsZero() && since >= 0 && since < every {
		return false
	}
	*last = now
	return true
}

// clockSet has every entry scheduled anew, and checked: its times were made by another clock. What failed is tried
// again.
func (m *Manager) clockSet(jump time.Duration) {
	m.log.Warn("clock.set", "by", jump.String(), "meaning", "the registrations at providers are checked")
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		// A provider refuses what a wrong clock asks for, such as an end too far ahead.
		e.marks.now = e.marks.now || e.shared.Load().State == bellhop.SubscriptionFailed
		m.schedule(e)
	}
	m.markChecks(m.all())
}

// tick does what is done every aliveEvery.
func (m *Manager) tick(ctx context.Context) {
	if !m.empty() {
		if _, err := m.opts.Store.Alive(ctx, m.now()); err != nil && ctx.Err() == nil {
			m.log.Error("alive.failed", "error", err)
		}
		m.announceGaps(ctx)
	}
	m.flush(ctx)
}

// finish cuts off fills, lets calls that are under way end, within stopWithin, and stores what is only in memory.
func (m *Manager) finish() error {
	m.stopFills()
	m.fillers.Wait()
	ended := make(chan struct{})
	go func() {
		m.steps.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(stopWithin):
	}
	m.stop()
	<-ended
	ctx := context.Background()
	m.flush(ctx)
	if m.empty() {
		return nil
	}
	_, err := m.opts.Store.Alive(ctx, m.now())
	return err
}

// empty reports whether there is no subscription.
func (m *Manager) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries) == 0
}

// all returns the entries. The caller holds m.mu.
func (m *Manager) all() []*entry {
	list := make([]*entry, 0, len(m.entries))
	for _, e := range m.entries {
		list = append(list, e)
	}
	return list
}
