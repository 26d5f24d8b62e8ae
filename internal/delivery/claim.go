package delivery

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// noteDue says that the table has something for the lane that is due at t.
func (l *lane) noteDue(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	if l.dueAt.IsZero() || t.Before(l.dueAt) {
		l.dueAt = t
	}
	l.fillLater(l.engine.now())
}

// fillLater claims from the table: now if something is due and there is room, else when it is due. The caller holds mu.
func (l *lane) fillLater(now time.Time) {
	switch {
	case l.stopped || l.claiming || l.dueAt.IsZero() || l.destination.Load().State != bellhop.DestinationActive:
	case l.claimable() < l.room()/4 || l.claimable() < 1: // the workers come back here as they drain it
	case l.len() > 0 && l.engine.full(): // the same
	case l.dueAt.After(now):
		l.arm(l.dueAt, now)
	case l.pace.pause(now).After(now): // nothing is begun anyway; what is due stays in the table
		l.arm(l.pace.pause(now), now)
	case !l.takeRoom() && !l.goBeyond():
		if l.bytes == 0 { // else its workers come back here
			l.arm(now.Add(beyondPause), now)
		}
	default:
		l.claiming = true
		l.engine.attempts.Add(1)
		go l.fill()
	}
}

// full reports whether the bodies in all lanes take all the room there is.
func (e *Engine) full() bool { return e.queuedBytes.Load() >= maxQueuedBytes }

// takeRoom takes room for the bodies that a claim brings, before it is known how much of it is needed, for all lanes may be claiming
// at once: of what is left a part, so that others find some too. It reports whether there was any. The caller holds mu.
func (l *lane) takeRoom() bool {
	left := min(maxQueuedBytes-l.engine.queuedBytes.Load(), maxLaneBytes-l.bytes)
	room := min(claimBytes, max(minClaimBytes, left/16))
	if left < minClaimBytes || l.engine.queuedBytes.Add(room) > maxQueuedBytes {
		if left >= minClaimBytes {
			l.engine.queuedBytes.Add(-room)
		}
		return false
	}
	l.claimRoom = room
	return true
}

// goBeyond reports whether the lane, which is empty, may claim one delivery though memory is full: so that none waits for another's
// room, and all of them together take no more than a few bodies. The caller holds mu.
func (l *lane) goBeyond() bool {
	if l.bytes > 0 || l.beyond {
		return false
	}
	if l.engine.beyond.Add(1) > maxBeyond {
		l.engine.beyond.Add(-1)
		return false
	}
	l.beyond = true
	return true
}

// arm has wake called at t, or sooner: what somebody else has set the timer for is not put off. The caller holds mu.
func (l *lane) arm(t, now time.Time) {
	if l.wakeAt.After(now) && !t.Before(l.wakeAt) { // one in the past is of a clock that was set since
		return
	}
	l.wakeAt = t
	if l.timer == nil {
		l.timer = time.AfterFunc(t.Sub(now), l.wake)
		return
	}
	l.timer.Reset(t.Sub(now))
}

// wake does what the timer was set for.
func (l *lane) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeAt = time.Time{}
	l.start()
	l.fillLater(l.engine.now())
}

// fill claims what is due and queues it.
func (l *lane) fill() {
	defer l.engine.attempts.Done()
	claimed, err := l.claim()
	unwanted, damaged := l.take(claimed, l.dueAfter(claimed, err))
	for _, d := range damaged {
		l.engine.bury(l, d)
	}
	l.giveBack(unwanted)
}

// claimable is for how many deliveries of the table there is room: they may have half of the lane. The caller holds mu.
func (l *lane) claimable() int {
	room := max(1, l.room())
	claimed := l.len() - l.queue.fresh
	return min(max(1, room/2)-claimed, room-l.len()-l.reserved)
}

// claim leases deliveries that are due, as many as there is room for. It forgets when something is due, which the claim finds out:
// whoever notes a time from here on is not overruled by take.
func (l *lane) claim() ([]bellhop.Delivery, error) {
	l.mu.Lock()
	l.dueAt = time.Time{}
	n, bytes := min(claimLimit, max(1, l.claimable())), l.claimRoom
	if l.beyond {
		n = 1
	}
	l.mu.Unlock()
	return l.engine.opts.Store.Claim(l.engine.ctx, l.id, n, bytes)
}

// dueAfter returns when the table next has something for the lane, after a claim that returned claimed and err; zero if
// it has nothing.
func (l *lane) dueAfter(claimed []bellhop.Delivery, err error) time.Time {
	if err == nil && len(claimed) > 0 {
		return l.engine.now() // there may be more
	}
	var at time.Time
	var ok bool
	if err == nil {
		at, ok, err = l.engine.opts.Store.NextDue(l.engine.ctx, l.id)
	}
	switch {
	case err != nil:
		if l.engine.ctx.Err() == nil {
			l.engine.opts.Logger.Warn("claim.failed", "component", "delivery", "destination_id", l.id, "error", err, "meaning", "it is tried again in a second")
		}
		return l.engine.now().Add(time.Second)
	case !ok:
		return time.Time{}
	}
	return at
}

// take queues what was claimed, and notes when the next is due. It returns the ids of what the lane no longer takes, and
// what was damaged in storage.
func (l *lane) take(claimed []bellhop.Delivery, dueAt time.Time) (unwanted []string, damaged []*bellhop.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claiming = false
	if !dueAt.IsZero() && (l.dueAt.IsZero() || dueAt.Before(l.dueAt)) {
		l.dueAt = dueAt
	}
	takes := l.takes() // asked once: of those in order, what comes later must not be taken where what came first was not
	for i := range claimed {
		d := &claimed[i]
		switch {
		case !takes:
			unwanted = append(unwanted, d.ID)
		case sha256.Sum256(d.Event.Body) != d.Event.SHA256:
			damaged = append(damaged, d)
		default:
			l.hold(weight(d.Event))
			l.engine.metrics.queued.Inc()
			if l.behind.joins(d) {
				l.queue.push(d, false)
				l.start()
			}
		}
	}
	l.hold(0)
	l.engine.queuedBytes.Add(-l.claimRoom)
	l.claimRoom = 0
	l.fillLater(l.engine.now())
	return unwanted, damaged
}

// giveBack returns leases to the table, where they are due now, whoever looks next.
func (l *lane) giveBack(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := l.engine.release(ids)
	l.noteDue(l.engine.now())
	return err
}

// lookDue learns when the table has something for a lane that is new or whose destination changed.
func (l *lane) lookDue(ctx context.Context) error {
	at, ok, err := l.engine.opts.Store.NextDue(ctx, l.id)
	if err != nil {
		l.noteDue(l.engine.now()) // a claim finds out
		return err
	}
	if ok {
		l.noteDue(at)
	}
	l.mu.Lock()
	for range l.queue.len() { // a destination that was resumed
		l.start()
	}
	l.mu.Unlock()
	return nil
}
