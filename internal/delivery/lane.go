package delivery

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A lane is one destination's queue and the attempts under way for it. Its workers are goroutines that start
// when there is work and end when there is none, so an idle destination costs a few hundred bytes.
//
// Locks: Engine.mu is taken before mu, and persisting before mu; the limiter's lock is taken
// while mu is held, and matchError's is independent. mu is never held during a call of the store, of a target, or of
// Announce.
type lane struct {
	id         string
	engine     *Engine
	matchError matchError // has a lock of its own

	// destination is read without a lock. It is replaced under mu, and by suspend with a compare-and-swap.
	destination atomic.Pointer[destination]

	mu            sync.Mutex // guards the fields from here to persisted
	queue         fifo
	keys          keyQueues // deliveries that wait for another one of their key
	bytes         int64     // of the deliveries reserved, queued or being attempted
	overcommitted bool      // the lane holds one delivery although memory is full
	reserved      int       // places of deliveries that are being accepted
	active        int       // workers
	stopped       bool      // no more deliveries are taken or attempted
	claiming      bool      // a claim is under way
	claimRoom     int64     // bytes set aside for the bodies of that claim
	dueAt         time.Time // when the table next has a delivery for the lane; zero if that is not known
	timer         *time.Timer
	wakeAt        time.Time // when timer calls wake; zero if it will not
	pacer         pacer
	deaths        deaths
	pulls         *pulls    // of a destination of type pull, in place of workers; setDestination sets it once
	persisted     time.Time // since when the destination is failing, as the table has it

	persisting   sync.Mutex // serializes persistFailing, and guards the two fields below
	announced    bool       // that the destination is failing was announced
	announcedAt  time.Time
	warnedExpiry time.Time // the ExpiresAt whose warning was announced; only Run uses it
}

func newLane(e *Engine, id string) *lane { return &lane{id: id, engine: e} }

// name returns the destination's name, for log lines.
func (l *lane) name() string { return l.destination.Load().Name }

// weight is about how much memory an event takes: its bytes and its fields.
func weight(ev *bellhop.Event) int64 { return int64(len(ev.Body)+len(ev.Header)) + 512 }

// addBytes adds n, which may be negative, to the bytes that the lane holds in memory. The caller holds mu.
func (l *lane) addBytes(n int64) {
	l.bytes += n
	l.engine.queuedBytes.Add(n)
	if l.bytes == 0 && l.overcommitted && !l.claiming {
		l.overcommitted = false
		l.engine.overcommitted.Add(-1)
	}
}

// waiting is how many deliveries wait in the lane. The caller holds mu.
func (l *lane) waiting() int { return l.queue.len() + l.keys.n }

// reserve reserves a place for a delivery that is about to be accepted, of an event of that weight, and reports
// whether there was one. While the table has due deliveries, new ones get only half of the lane: so neither kind
// waits until all of the other kind are sent. Ordered deliveries get no place: only the table knows which
// others they wait for.
func (l *lane) reserve(weight int64) bool {
	dst := l.destination.Load()
	if dst.State != bellhop.DestinationActive || dst.ordered {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pulls != nil && !l.pullsFresh() {
		return false
	}
	room, taken := l.room(), l.waiting()+l.reserved
	if l.claiming || !l.dueAt.IsZero() && !l.dueAt.After(l.engine.now()) {
		room, taken = room/2, l.queue.fresh+l.reserved
	}
	if l.stopped || taken >= room || l.bytes > 0 && l.bytes+weight > l.engine.bytes.lane {
		return false
	}
	l.addBytes(weight)
	if l.engine.queuedBytes.Load() > l.engine.bytes.queued {
		l.addBytes(-weight)
		return false
	}
	l.reserved++
	return true
}

// unreserve gives back the place of a delivery that was not accepted.
func (l *lane) unreserve(weight int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addBytes(-weight)
	l.reserved--
	if !l.dueAt.IsZero() { // a claim may have waited for the room
		l.claimIfDue(l.engine.now())
	}
}

// room is how many deliveries the lane may hold: as many as its rate lets out within some seconds. Deliveries
// that have to wait longer do so in the table, where they take no memory and can be cancelled. The caller holds
// mu.
func (l *lane) room() int {
	dst := l.destination.Load()
	together := max(1, dst.Batch.MaxEvents)
	switch rate := dst.limit; {
	case l.pulls != nil:
		return l.wanted(dst)
	case l.pausedForLong():
		return 0
	case l.pacer.breaker.open || l.pacer.parked != "":
		return together // for a probe
	case rate.IsZero():
		return max(laneLength, min(maxLaneLength, 2*together*dst.Concurrency))
	default:
		return min(laneLength, (2+rate.Burst+int(rate.PerSecond*longPause.Seconds()))*together)
	}
}

// pausedForLong reports whether no attempt may begin for more than longPause, because the destination keeps
// failing or asked for it. The caller holds mu.
func (l *lane) pausedForLong() bool {
	now := l.engine.now()
	return l.pacer.pause(now).Sub(now) > longPause
}

// accepting reports whether the lane takes deliveries into its queue. The caller holds mu.
func (l *lane) accepting() bool {
	return !l.stopped && l.destination.Load().State == bellhop.DestinationActive && !l.pausedForLong() &&
		(l.pulls == nil || len(l.pulls.waiting) > 0)
}

// push queues a delivery in the place reserved for it.
func (l *lane) push(d *bellhop.Delivery) {
	l.mu.Lock()
	l.reserved--
	if !l.accepting() {
		l.addBytes(-weight(d.Event))
		l.mu.Unlock()
		l.giveBack([]string{d.ID})
		return
	}
	l.queue.push(d, true)
	l.engine.metrics.queued.Inc()
	l.start()
	l.mu.Unlock()
}

// start starts a worker if there is work and one more is allowed; of type pull it serves those who wait. The caller
// holds mu.
func (l *lane) start() {
	if l.pulls != nil {
		l.serve()
		return
	}
	dst := l.destination.Load()
	if l.stopped || !l.engine.begun.Load() || l.queue.len() == 0 ||
		l.active >= l.pacer.concurrency(dst.Concurrency) || dst.State != bellhop.DestinationActive {
		return
	}
	now := l.engine.now()
	if at := l.ready(dst, now); at.After(now) {
		l.setTimer(at, now)
		return
	}
	if !l.engine.limiter.enter(l, l.active) {
		return
	}
	l.active++
	l.engine.attempts.Add(1)
	go l.work()
}

// startWaiting is start for the limiter, at which the lane waited. It reports whether a worker was started.
func (l *lane) startWaiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.active
	l.start()
	return l.active > before
}

// resume starts as many workers as there is work for, and claims.
func (l *lane) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range l.queue.len() {
		l.start()
	}
	l.claimIfDue(l.engine.now())
}

// returned ends the rest of a lane that is parked for something with that id, and reports whether it was.
func (l *lane) returned(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pacer.parked != id {
		return false
	}
	l.pacer.unpark()
	return true
}

// ready returns when the next attempt may begin: now, or later. The caller holds mu.
func (l *lane) ready(dst *destination, now time.Time) time.Time {
	at := l.pacer.ready(dst.limit, now)
	if full := dst.batching.ready(&l.queue, l.keys.n, now); full.After(at) {
		return full
	}
	return at
}

// work makes attempts until there are none to make.
func (l *lane) work() {
	defer l.engine.attempts.Done()
	defer l.engine.limiter.leave()
	var batch []*bellhop.Delivery
	for made := false; ; made = true {
		var probe bool
		if batch, probe = l.next(batch[:0], made); len(batch) == 0 {
			return
		}
		l.finish(batch, l.engine.attempt(l, batch, probe))
		clear(batch)
	}
}

// next appends to batch the delivery that has waited longest, or as many as go together. It appends nothing if the
// queue is empty or the lane has too many workers; then the caller stops being a worker. probe
// reports that the breaker is open, so that the attempt finds out whether the destination is back. made says
// that the caller has made an attempt before: it ends if other lanes wait for their turn.
func (l *lane) next(batch []*bellhop.Delivery, made bool) (_ []*bellhop.Delivery, probe bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dst := l.destination.Load()
	now := l.engine.now()
	if !l.dueAt.IsZero() {
		l.claimIfDue(now)
	}
	at := l.ready(dst, now)
	early := at.After(now)
	yields := made && l.engine.limiter.starved.Load()
	if l.stopped || early || yields || l.queue.len() == 0 || l.active > l.pacer.concurrency(dst.Concurrency) ||
		dst.State != bellhop.DestinationActive {
		l.active--
		if early && !l.stopped && l.queue.len() > 0 {
			l.setTimer(at, now)
		} else if yields {
			l.start()
		}
		return nil, false
	}
	l.pacer.bucket.take(dst.limit, now)
	for range dst.batching.fill(&l.queue) {
		batch = append(batch, l.queue.pop())
	}
	if dst.Batch.MaxEvents > len(batch) && l.keys.n > 0 {
		batch = dst.batching.follow(batch, &l.keys)
	}
	l.engine.metrics.queued.Sub(float64(len(batch)))
	l.start() // another worker, if there were fewer than allowed
	return batch, l.pacer.breaker.open
}

// finish applies the result of the attempt of batch to the lane.
func (l *lane) finish(batch []*bellhop.Delivery, a lesson) {
	l.mu.Lock()
	for _, d := range batch {
		l.addBytes(-weight(d.Event))
	}
	wasParked := l.pacer.parked
	gaveUp := l.learn(a)
	parks := l.pacer.parked != "" && wasParked == ""
	back := l.advanceKeys(batch)
	if l.pausedForLong() {
		back = append(back, l.empty()...)
	}
	if a.unmade {
		for _, d := range batch {
			back = append(back, d.ID)
		}
	}
	turned := !l.stopped && l.destination.Load().State == bellhop.DestinationActive &&
		!l.pacer.breaker.failingSince().Equal(l.persisted)
	l.mu.Unlock()
	l.giveBack(back)
	if parks && a.parked == l.id {
		l.engine.opts.Logger.Info("destination.unattended", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "reason", a.detail)
	} else if parks {
		l.engine.opts.Logger.Warn("destination.parked", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "connection_id", a.parked, "reason", a.detail)
	}
	if gaveUp {
		l.engine.disable(l, a.dst, "it has failed for "+a.dst.Breaker.DisableAfter.String()+"; the last attempt: "+
			a.detail)
	} else if turned {
		l.persistFailing(a)
	}
}

// learn updates the pacer after an attempt. It reports whether the destination has failed for so long that it
// is to be disabled. The caller holds mu.
func (l *lane) learn(a lesson) (gaveUp bool) {
	if a.unsent {
		l.pacer.bucket.giveBack()
	}
	if l.destination.Load() != a.dst { // the destination changed during the attempt: ignore its result
		return false
	}
	switch {
	case a.parked == "" && a.unsent: // it says nothing about the connection
	case a.parked == "":
		l.pacer.unpark()
	case a.returns == l.engine.returns.Load(): // otherwise the connection may have come back meanwhile
		rest := parkedRest
		if a.parked == l.id {
			rest = unattendedRest
		}
		l.pacer.park(a.parked, a.detail, l.engine.now(), rest)
	}
	if a.short || l.pacer.short > 0 {
		l.pacer.noteShort(a.short, l.engine.now(), l.engine.opts.Random())
	}
	if a.rest.After(l.pacer.rest) {
		l.pacer.rest = a.rest
	}
	if a.fails || a.short || !a.rest.IsZero() {
		l.pacer.reason = a.detail
	}
	switch {
	case a.delivered(), a.alive() && l.pacer.breaker.open:
		l.pacer.breaker.succeed()
	case a.fails:
		return l.pacer.breaker.fail(a.dst.Breaker, a.probe, a.answered, l.engine.now(), l.engine.opts.Random())
	}
	return false
}

// advanceKeys queues the next delivery of each key of batch. If a delivery of the key is to be attempted again,
// the others of the key have to wait in the table behind it: advanceKeys returns their ids. The caller holds
// mu.
func (l *lane) advanceKeys(batch []*bellhop.Delivery) (back []string) {
	if !l.keys.any() {
		return nil
	}
	again := map[int64]bool{}
	for _, d := range batch {
		if d.Key != 0 {
			again[d.Key] = again[d.Key] || d.State == bellhop.DeliveryPending || d.State == bellhop.DeliveryLeased
		}
	}
	for key, blocked := range again {
		if blocked {
			for _, d := range l.keys.remove(key) {
				l.addBytes(-weight(d.Event))
				l.engine.metrics.queued.Dec()
				back = append(back, d.ID)
			}
		} else if next := l.keys.pop(key); next != nil {
			l.queue.push(next, false)
			l.start()
		} else { // the table may have more deliveries of the key
			l.dueAt = l.engine.now()
			l.claimIfDue(l.dueAt)
		}
	}
	return back
}

// persistFailing stores since when the destination has been failing, and announces changes. Callers may race;
// the last one stores the current state. If a destination fails and recovers often, one failure a minute is
// announced, and the recovery from it. If a person turned the breaker off, the destination has not recovered.
func (l *lane) persistFailing(a lesson) {
	l.persisting.Lock()
	defer l.persisting.Unlock()
	l.mu.Lock()
	since, before := l.pacer.breaker.failingSince(), l.persisted
	l.mu.Unlock()
	if since.Equal(before) {
		return
	}
	if err := l.engine.opts.Store.SetFailing(context.Background(), l.id, since); err != nil {
		l.engine.opts.Logger.Error("failing.unkept", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "error", err, "meaning", "a restart would not know; the next attempt tries again")
		return
	}
	l.mu.Lock()
	l.persisted = since
	l.mu.Unlock()
	now := l.engine.now()
	switch {
	case before.IsZero():
		l.engine.opts.Logger.Warn("destination.failing", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "since", since, "reason", a.detail)
		l.announced = now.Sub(l.announcedAt) >= announceEvery
		if l.announced {
			l.announcedAt = now
			l.engine.announce(a.dst, bellhop.TypeDestinationFailing, notice{Reason: a.detail, Since: since})
		}
	case since.IsZero() && a.alive():
		l.engine.opts.Logger.Info("destination.recovered", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "since", before)
		if l.announced {
			l.engine.announce(a.dst, bellhop.TypeDestinationRecovered, notice{Since: before})
		}
	}
}

// setDestination makes the lane deliver to dst from now on. If the URL or the state changed, the breaker starts
// anew: the failures of the former destination say nothing about this one. After any other change a probe is
// due at once. A requested rest ends only when the URL changes.
func (l *lane) setDestination(dst *destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.destination.Swap(dst)
	if dst.Type == bellhop.TypePull && l.pulls == nil {
		l.pulls = &pulls{leases: map[string]*lease{}}
	}
	l.pacer.unpark() // the destination may have another connection
	if before != nil && before.Match.Where != dst.Match.Where {
		l.matchError.reset()
	}
	switch {
	case before == nil:
		l.pacer.breaker, l.persisted, l.announced = restoredBreaker(&dst.Destination, l.engine.now()),
			dst.FailingSince, true
	case before.URL != dst.URL || before.State != dst.State:
		rest := l.pacer.rest
		if before.URL != dst.URL {
			rest = time.Time{}
		}
		l.pacer, l.persisted = pacer{bucket: l.pacer.bucket, rest: rest, reason: l.pacer.reason}, dst.FailingSince
	default:
		l.pacer.breaker.until = time.Time{}
	}
}

// stop makes the lane begin no more attempts and claims, and returns the ids of the deliveries that were queued.
func (l *lane) stop() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.pulls != nil {
		l.pulls.wakeAll()
	}
	return l.empty()
}

// suspend makes the lane begin no more attempts until it gets another destination, or resume is called. ok is
// false if its destination is no longer dst, or is not active.
func (l *lane) suspend(dst *destination) (resume func(), ok bool) {
	off := *dst
	off.State = bellhop.DestinationDisabled
	resume = func() {
		l.destination.CompareAndSwap(&off, dst)
		l.wake()
	}
	return resume, dst.State == bellhop.DestinationActive && l.destination.CompareAndSwap(dst, &off)
}

// drain empties the queue and returns the ids of the deliveries that were in it.
func (l *lane) drain() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.empty()
}

// empty is drain for a caller that holds mu.
func (l *lane) empty() (ids []string) {
	waiting := l.keys.removeAll()
	for l.queue.len() > 0 {
		d := l.queue.pop()
		l.keys.forget(d.Key)
		waiting = append(waiting, d)
	}
	for _, d := range waiting {
		l.addBytes(-weight(d.Event))
		ids = append(ids, d.ID)
	}
	l.engine.metrics.queued.Sub(float64(len(ids)))
	return ids
}
