package delivery

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// noteDue takes note that the table has a delivery for the lane that is due at t.
func (l *lane) noteDue(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	if l.dueAt.IsZero() || t.Before(l.dueAt) {
		l.dueAt = t
	}
	l.claimIfDue(l.engine.now())
}

// claimIfDue starts a claim if a delivery is due and there is room. If the delivery is due later, it sets the
// timer. If there is no room, the workers call it again as they drain the lane. The caller holds mu.
func (l *lane) claimIfDue(now time.Time) {
	switch {
	case l.stopped || !l.engine.begun.Load() || l.claiming || l.dueAt.IsZero() ||
		l.destination.Load().State != bellhop.DestinationActive:
	case l.claimable() < l.room()/4 || l.claimable() < 1: // no room
	case l.waiting() > 0 && l.engine.memoryFull(): // no room
	case l.dueAt.After(now):
		l.setTimer(l.dueAt, now)
	case l.pacer.pause(now).After(now): // no attempt may begin yet: due deliveries stay in the table
		l.setTimer(l.pacer.pause(now), now)
	case l.pulls != nil && l.pacer.ready(l.destination.Load().limit, now).After(now): // the same, because of the rate
		l.setTimer(l.pacer.ready(l.destination.Load().limit, now), now)
	case !l.setRoomAside() && !l.overcommit():
		if l.bytes == 0 { // there is no worker that would call again
			l.setTimer(now.Add(overcommitBackoff), now)
		}
	default:
		l.claiming = true
		l.engine.attempts.Add(1)
		go l.claim()
	}
}

// memoryFull reports whether the bodies in all lanes take all of the room.
func (e *Engine) memoryFull() bool { return e.queuedBytes.Load() >= e.bytes.queued }

// setRoomAside sets room aside for the bodies of a claim, before their size is known, because all lanes may be
// claiming at the same time. It takes a part of the room that is left, so that other lanes find some too. It
// reports whether there was any. The caller holds mu.
func (l *lane) setRoomAside() bool {
	bounds := &l.engine.bytes
	left := min(bounds.queued-l.engine.queuedBytes.Load(), bounds.lane-l.bytes)
	if left < bounds.minClaim {
		return false
	}
	room := min(bounds.claim, max(bounds.minClaim, left/16))
	if l.engine.queuedBytes.Add(room) > bounds.queued {
		l.engine.queuedBytes.Add(-room)
		return false
	}
	l.claimRoom = room
	return true
}

// overcommit reports whether the lane, which is empty, may claim one delivery although memory is full. So no
// lane waits for the room of another, and all of them together exceed the bound by a few bodies at most. The
// caller holds mu.
func (l *lane) overcommit() bool {
	if l.bytes > 0 || l.overcommitted {
		return false
	}
	if l.engine.overcommitted.Add(1) > maxOvercommitted {
		l.engine.overcommitted.Add(-1)
		return false
	}
	l.overcommitted = true
	return true
}

// setTimer has wake called at t, or sooner if the timer is set for an earlier time already. The caller holds mu.
func (l *lane) setTimer(t, now time.Time) {
	if l.wakeAt.After(now) && !t.Before(l.wakeAt) { // a wakeAt in the past is from before the clock was set
		return
	}
	l.wakeAt = t
	if l.timer == nil {
		l.timer = time.AfterFunc(t.Sub(now), l.wake)
		return
	}
	l.timer.Reset(t.Sub(now))
}

// wake starts a worker and a claim, if there is work for them.
func (l *lane) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeAt = time.Time{}
	l.start()
	l.claimIfDue(l.engine.now())
}

// claimable is for how many deliveries of the table there is room. They may take half of the lane. The caller
// holds mu.
func (l *lane) claimable() int {
	if l.pulls != nil {
		return l.room() - l.queue.len() - l.reserved
	}
	room := max(1, l.room())
	claimed := l.waiting() - l.queue.fresh
	return min(max(1, room/2)-claimed, room-l.waiting()-l.reserved)
}

// claim leases due deliveries and queues them.
func (l *lane) claim() {
	defer l.engine.attempts.Done()
	claimed, err := l.lease()
	unwanted, damaged := l.enqueue(claimed, l.dueAfter(claimed, err))
	for _, d := range damaged {
		l.engine.recordDamaged(l, d)
	}
	l.giveBack(unwanted)
}

// lease leases as many due deliveries as there is room for. It resets dueAt first, which the claim finds out
// anew: a time that is noted meanwhile is kept by enqueue.
func (l *lane) lease() ([]bellhop.Delivery, error) {
	l.mu.Lock()
	l.dueAt = time.Time{}
	n, bytes := min(claimLimit, max(1, l.claimable())), l.claimRoom
	if l.overcommitted {
		n = 1
	}
	l.mu.Unlock()
	return l.engine.opts.Store.Claim(l.engine.ctx, l.id, n, bytes)
}

// dueAfter returns when the table next has a delivery for the lane, after a claim that returned claimed and
// err; zero if it has none.
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
			l.engine.opts.Logger.Warn("claim.failed", "component", "delivery", "destination_id", l.id,
				"destination", l.name(), "error", err, "meaning", "it is tried again in a second")
		}
		return l.engine.now().Add(time.Second)
	case !ok:
		return time.Time{}
	}
	return at
}

// enqueue queues the claimed deliveries, and notes when the next one is due. It returns the ids of those that
// the lane no longer takes, and the deliveries whose event was damaged in storage.
func (l *lane) enqueue(claimed []bellhop.Delivery, dueAt time.Time) (unwanted []string, damaged []*bellhop.Delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claiming = false
	if !dueAt.IsZero() && (l.dueAt.IsZero() || dueAt.Before(l.dueAt)) {
		l.dueAt = dueAt
	}
	// asked once for all: of an ordered run, no later delivery may be taken without the earlier ones
	accepting := l.accepting()
	var heads map[int64]bool // of type pull: the keys whose first delivery has come with this claim
	if l.pulls != nil {
		heads = map[int64]bool{}
	}
	for i := range claimed {
		d := &claimed[i]
		switch {
		case !accepting, heads[d.Key]: // nothing behind a delivery that is pulled can be pulled too
			unwanted = append(unwanted, d.ID)
		case sha256.Sum256(d.Event.Body) != d.Event.SHA256:
			damaged = append(damaged, d)
		default:
			l.addBytes(weight(d.Event))
			l.engine.metrics.queued.Inc()
			if !l.keys.add(d) {
				break
			}
			l.queue.push(d, false)
			if l.pulls == nil {
				l.start()
			} else if d.Key != 0 {
				heads[d.Key] = true
			}
		}
	}
	l.addBytes(0) // ends an overcommitment of a claim that brought nothing
	l.engine.queuedBytes.Add(-l.claimRoom)
	l.claimRoom = 0
	if l.pulls != nil {
		l.serve() // now that all have come
	}
	l.claimIfDue(l.engine.now())
	if l.pulls != nil && !l.claiming {
		l.pulls.wakeHasty()
	}
	return unwanted, damaged
}

// giveBack releases leased deliveries: they are due now in the table, for the next claim.
func (l *lane) giveBack(deliveryIDs []string) error {
	if len(deliveryIDs) == 0 {
		return nil
	}
	err := l.engine.release(deliveryIDs)
	l.noteDue(l.engine.now())
	return err
}

// lookUpDue reads when the table has a delivery for a lane that is new or whose destination changed.
func (l *lane) lookUpDue(ctx context.Context) error {
	at, ok, err := l.engine.opts.Store.NextDue(ctx, l.id)
	if err != nil {
		l.noteDue(l.engine.now()) // a claim finds out
		return err
	}
	if ok {
		l.noteDue(at)
	}
	l.resume() // the destination may have been resumed
	return nil
}
