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
	case l.len() > 0 && l.engine.queuedBytes.Load() >= maxQueuedBytes: // the same
	case l.dueAt.After(now):
		l.arm(l.dueAt, now)
	case l.pace.pause(now).After(now): // nothing is begun anyway; what is due stays in the table
		l.arm(l.pace.pause(now), now)
	default:
		l.claiming = true
		l.engine.attempts.Add(1)
		go l.fill()
	}
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
	claimed, err := l.claim(l.claimRoom())
	unwanted, damaged := l.take(claimed, l.dueAfter(claimed, err))
	for _, d := range damaged {
		l.engine.bury(d)
	}
	l.giveBack(unwanted)
}

// claimRoom forgets when something is due, which the claim that follows finds out, and returns for how many deliveries, of how
// many bytes, there is room. Whoever notes a time from here on is not overruled by take.
func (l *lane) claimRoom() (n int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dueAt = time.Time{}
	left := min(maxQueuedBytes-l.engine.queuedBytes.Load(), maxLaneBytes-l.bytes, claimBytes)
	return min(claimLimit, max(1, l.claimable())), max(left, minClaimBytes)
}

// claimable is for how many deliveries of the table there is room: they may have half of the lane. The caller holds mu.
func (l *lane) claimable() int {
	room := max(1, l.room())
	claimed := l.len() - l.queue.fresh
	return min(max(1, room/2)-claimed, room-l.len()-l.reserved)
}

// claim leases up to n of the deliveries that are due. The room for their bodies is taken before it is known how much of
// it is needed: all lanes may be claiming at once.
func (l *lane) claim(n int, bytes int64) ([]bellhop.Delivery, error) {
	l.engine.queuedBytes.Add(bytes)
	defer l.engine.queuedBytes.Add(-bytes)
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
