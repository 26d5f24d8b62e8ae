package delivery

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A lane is one destination's queue and the attempts under way for it. Workers are goroutines that come with
// work and go when there is none, so an idle destination costs a few hundred bytes.
type lane struct {
	id          string
	engine      *Engine
	destination atomic.Pointer[destination]

	complainedAt atomic.Int64 // when a failing match was last logged, in seconds
	matchError   matchError

	mu        sync.Mutex
	queue     fifo
	behind    behind // what waits for another of its key
	bytes     int64  // of what is promised, queued or being attempted
	beyond    bool   // it holds one delivery though memory is full
	reserved  int    // places promised to what is being accepted
	active    int    // workers
	stopped   bool   // takes and begins nothing more
	claiming  bool
	claimRoom int64       // taken for the bodies that a claim under way brings
	dueAt     time.Time   // when the table next has something for us; zero if nothing is known of
	timer     *time.Timer // fires at dueAt, or when the lane is no longer held; nil until first needed
	wakeAt    time.Time   // when timer fires; zero if it will not
	pace      pace
	alarm     alarm

	warned  time.Time  // about which end of the destination's time was warned; of Run alone
	keeping sync.Mutex // held while the table is told whether the destination fails
	kept    time.Time  // since when it does, as the table knows; mu guards it
	told    bool       // that was announced; keeping guards it, and toldAt
	toldAt  time.Time
}

func newLane(e *Engine, id string) *lane { return &lane{id: id, engine: e} }

// weight is what an event takes in memory, about: its bytes and its fields.
func weight(ev *bellhop.Event) int64 { return int64(len(ev.Body)+len(ev.Header)) + 512 }

// hold counts bytes that the lane has from now on; of fewer than none, that it has no longer. The caller holds mu.
func (l *lane) hold(bytes int64) {
	l.bytes += bytes
	l.engine.queuedBytes.Add(bytes)
	if l.bytes == 0 && l.beyond && !l.claiming {
		l.beyond = false
		l.engine.beyond.Add(-1)
	}
}

// len is how many deliveries wait in the lane. The caller holds mu.
func (l *lane) len() int { return l.queue.len() + l.behind.n }

// reserve promises a place to a delivery, of an event of that weight, that is about to be accepted. While the table
// has something due, half of the lane is for that and half for what is new, so that neither waits for the end of the other. What
// goes in order has no place: only the table knows what it waits for.
func (l *lane) reserve(size int64) bool {
	dst := l.destination.Load()
	if dst.State != bellhop.DestinationActive || dst.ordered {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	room, taken := l.room(), l.len()+l.reserved
	if l.claiming || !l.dueAt.IsZero() && !l.dueAt.After(l.engine.now()) {
		room, taken = room/2, l.queue.fresh+l.reserved
	}
	if l.stopped || taken >= room || l.bytes > 0 && l.bytes+size > maxLaneBytes {
		return false
	}
	if l.hold(size); l.engine.queuedBytes.Load() > maxQueuedBytes {
		l.hold(-size)
		return false
	}
	l.reserved++
	return true
}

// unreserve gives back the place promised to what was not accepted.
func (l *lane) unreserve(size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold(-size)
	l.reserved--
	if !l.dueAt.IsZero() {
		l.fillLater(l.engine.now()) // for which there was no room, perhaps
	}
}

// room is how many deliveries the lane may hold: as many as its rate lets out within some seconds. What has to wait longer
// does so in the table, where it takes no memory, and can be cancelled. The caller holds mu.
func (l *lane) room() int {
	dst := l.destination.Load()
	together := max(1, dst.Batch.MaxEvents)
	switch rate := dst.limit; {
	case l.heldForLong():
		return 0
	case l.pace.breaker.open:
		return together // to find out
	case rate.IsZero():
		return max(laneLength, min(maxLaneLength, 2*together*dst.Concurrency))
	default:
		return min(laneLength, (2+rate.Burst+int(rate.PerSecond*longHold.Seconds()))*together)
	}
}

// heldForLong reports whether nothing may begin for long, since the destination keeps failing or asked for it. The caller
// holds mu.
func (l *lane) heldForLong() bool {
	now := l.engine.now()
	return l.pace.pause(now).Sub(now) > longHold
}

// takes reports whether the lane takes deliveries: not once it is stopped, nor while its destination is not active, or
// is held for long. The caller holds mu.
func (l *lane) takes() bool {
	return !l.stopped && l.destination.Load().State == bellhop.DestinationActive && !l.heldForLong()
}

// push takes a delivery into the place reserved for it.
func (l *lane) push(d *bellhop.Delivery) {
	l.mu.Lock()
	l.reserved--
	if !l.takes() {
		l.hold(-weight(d.Event))
		l.mu.Unlock()
		l.giveBack([]string{d.ID})
		return
	}
	l.queue.push(d, true)
	l.engine.metrics.queued.Inc()
	l.start()
	l.mu.Unlock()
}

// start adds a worker if there is work and one more is allowed. The caller holds mu.
func (l *lane) start() {
	dst := l.destination.Load()
	if l.stopped || l.queue.len() == 0 || l.active >= l.pace.breaker.concurrency(dst.Concurrency) || dst.State != bellhop.DestinationActive {
		return
	}
	now := l.engine.now()
	if at := l.ready(dst, now); at.After(now) {
		l.arm(at, now)
		return
	}
	if !l.engine.gate.enter(l, l.active) {
		return
	}
	l.active++
	l.engine.attempts.Add(1)
	go l.work()
}

// takeTurn is start for the gate, at which the lane waited. It reports whether a worker was added.
func (l *lane) takeTurn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.active
	l.start()
	return l.active > before
}

// ready returns when the next attempt may begin: now, or later. The caller holds mu.
func (l *lane) ready(dst *destination, now time.Time) time.Time {
	at := l.pace.ready(dst.limit, now)
	if full := dst.batching.ready(&l.queue, l.behind.n, now); full.After(at) {
		return full
	}
	return at
}

// work makes attempts until none is left to make.
func (l *lane) work() {
	defer l.engine.attempts.Done()
	defer l.engine.gate.leave()
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

// next appends to batch the delivery that has waited longest, or as many as go together. It appends none, and the caller
// is no longer a worker, when there is none or the lane is to make fewer attempts. probe is that the destination is held back, and
// the attempt to find out whether it is there again. made is that the caller has made an attempt: it had its turn, where others wait.
func (l *lane) next(batch []*bellhop.Delivery, made bool) (_ []*bellhop.Delivery, probe bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dst := l.destination.Load()
	now := l.engine.now()
	if !l.dueAt.IsZero() {
		l.fillLater(now)
	}
	at := l.ready(dst, now)
	held := at.After(now)
	turn := made && l.engine.gate.starved.Load()
	if l.stopped || held || turn || l.queue.len() == 0 || l.active > l.pace.breaker.concurrency(dst.Concurrency) || dst.State != bellhop.DestinationActive {
		l.active--
		if held && !l.stopped && l.queue.len() > 0 {
			l.arm(at, now)
		} else if turn {
			l.start()
		}
		return nil, false
	}
	l.pace.bucket.take(dst.limit, now)
	for range dst.batching.fill(&l.queue) {
		batch = append(batch, l.queue.pop())
	}
	if dst.Batch.MaxEvents > len(batch) && l.behind.n > 0 {
		batch = dst.batching.follow(batch, &l.behind)
	}
	l.engine.metrics.queued.Sub(float64(len(batch)))
	l.start() // one more worker, where there were fewer for a while
	return batch, l.pace.breaker.open
}

// setDestination makes the lane deliver to dst from now on. One that is elsewhere, or was stopped meanwhile, begins afresh:
// that the one before failed says nothing of it. Of any change it is found out at once whether it helps. A wish for rest holds for
// as long as the URL does.
func (l *lane) setDestination(dst *destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.destination.Swap(dst)
	if before != nil && before.Match.Where != dst.Match.Where {
		l.matchError.forget()
	}
	switch {
	case before == nil:
		l.pace.breaker, l.kept, l.told = restored(&dst.Destination, l.engine.now()), dst.FailingSince, true
	case before.URL != dst.URL || before.State != dst.State:
		rest := l.pace.rest
		if before.URL != dst.URL {
			rest = time.Time{} // which the one before asked for
		}
		l.pace, l.kept = pace{bucket: l.pace.bucket, rest: rest}, dst.FailingSince
	default:
		l.pace.breaker.until = time.Time{}
	}
}

// stop makes the lane begin nothing more and returns the ids of what it had queued.
func (l *lane) stop() (ids []string) {
	l.mu.Lock()
	l.stopped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	return l.drain()
}

// suspend makes the lane begin nothing more until its destination, which is still dst, is set again.
func (l *lane) suspend(dst *destination) (resume func(), ok bool) {
	off := *dst
	off.State = bellhop.DestinationDisabled
	resume = func() {
		l.destination.CompareAndSwap(&off, dst)
		l.wake()
	}
	return resume, dst.State == bellhop.DestinationActive && l.destination.CompareAndSwap(dst, &off)
}

// drain empties the queue and returns the ids of what was in it.
func (l *lane) drain() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.empty()
}

// empty is drain for who holds mu.
func (l *lane) empty() (ids []string) {
	waiting := l.behind.drain()
	for l.queue.len() > 0 {
		d := l.queue.pop()
		l.behind.idle(d.Key)
		waiting = append(waiting, d)
	}
	for _, d := range waiting {
		l.hold(-weight(d.Event))
		ids = append(ids, d.ID)
	}
	l.engine.metrics.queued.Sub(float64(len(ids)))
	return ids
}
