package delivery

import (
	"context"
	"crypto/sha256"
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

	mu       sync.Mutex
	queue    fifo
	reserved int  // places promised to what is being accepted
	active   int  // workers
	stopped  bool // takes and begins nothing more
	claiming bool
	dueAt    time.Time   // when the table next has something for us; zero if nothing is known of
	timer    *time.Timer // fires at dueAt, or when the lane is no longer held; nil until first needed
	wakeAt   time.Time   // when timer fires; zero if it will not
	pace     pace
}

func newLane(e *Engine, id string) *lane { return &lane{id: id, engine: e} }

// weight is what an event takes in memory, about: its bytes and its fields.
func weight(ev *bellhop.Event) int64 { return int64(len(ev.Body)+len(ev.Header)) + 512 }

// reserve promises a place to a delivery, of an event of that weight, that is about to be accepted. While the table
// has something due, half of the lane is kept for that, so that what came first is not overtaken for ever.
func (l *lane) reserve(size int64) bool {
	if l.destination.Load().State != bellhop.DestinationActive {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	room := l.room()
	if l.claiming || !l.dueAt.IsZero() && !l.dueAt.After(l.engine.now()) {
		room /= 2
	}
	if l.stopped || l.queue.len()+l.reserved >= room {
		return false
	}
	if l.engine.queuedBytes.Add(size) > maxQueuedBytes {
		l.engine.queuedBytes.Add(-size)
		return false
	}
	l.reserved++
	return true
}

// room is how many deliveries the lane may hold: as many as its rate lets out within some seconds. What has to wait longer
// does so in the table, where it takes no memory, and can be cancelled. The caller holds mu.
func (l *lane) room() int {
	dst := l.destination.Load()
	rate := dst.limit
	switch {
	case l.resting():
		return 0
	case rate.IsZero():
		return laneLength
	}
	return min(laneLength, (2+rate.Burst+int(rate.PerSecond*maxHold.Seconds()))*max(1, dst.batching.MaxEvents))
}

// resting reports whether the destination asked to be left alone for long. The caller holds mu.
func (l *lane) resting() bool {
	return !l.pace.rest.IsZero() && l.pace.rest.Sub(l.engine.now()) > maxHold
}

// takes reports whether the lane takes deliveries: not once it is stopped, nor while its destination is not active, or
// rests for long. The caller holds mu.
func (l *lane) takes() bool {
	return !l.stopped && l.destination.Load().State == bellhop.DestinationActive && !l.resting()
}

// push takes a delivery into the place reserved for it.
func (l *lane) push(d *bellhop.Delivery) {
	l.mu.Lock()
	l.reserved--
	if !l.takes() {
		l.mu.Unlock()
		l.engine.queuedBytes.Add(-weight(d.Event))
		l.giveBack([]string{d.ID})
		return
	}
	l.queue.push(d)
	l.engine.metrics.queued.Inc()
	l.start()
	l.mu.Unlock()
}

// start adds a worker if there is work and one more is allowed. The caller holds mu.
func (l *lane) start() {
	dst := l.destination.Load()
	if l.stopped || l.queue.len() == 0 || l.active >= l.pace.concurrency(dst.Concurrency) || dst.State != bellhop.DestinationActive {
		return
	}
	now := l.engine.now()
	if at := l.ready(dst, now); at.After(now) {
		l.arm(at, now)
		return
	}
	l.active++
	l.engine.attempts.Add(1)
	go l.work()
}

// ready returns when the next attempt may begin: now, or later. The caller holds mu.
func (l *lane) ready(dst *destination, now time.Time) time.Time {
	at := l.pace.ready(dst.limit, now)
	if full := dst.batching.ready(&l.queue, now); full.After(at) {
		return full
	}
	return at
}

// work makes attempts until none is left to make.
func (l *lane) work() {
	defer l.engine.attempts.Done()
	var batch []*bellhop.Delivery
	for batch = l.next(batch); len(batch) > 0; batch = l.next(batch[:0]) {
		got := l.engine.attempt(l, batch)
		for i, d := range batch {
			l.engine.queuedBytes.Add(-weight(d.Event))
			batch[i] = nil
		}
		l.mu.Lock()
		if got.unsent {
			l.pace.bucket.giveBack()
		} else {
			l.pace.note(got.answered, l.engine.now())
		}
		l.mu.Unlock()
	}
}

// next appends to batch the delivery that has waited longest, or as many as go together. It appends none, and the caller
// is no longer a worker, when there is none or the lane is to make fewer attempts.
func (l *lane) next(batch []*bellhop.Delivery) []*bellhop.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	dst := l.destination.Load()
	now := l.engine.now()
	if !l.dueAt.IsZero() && l.queue.len() <= l.room()/2 {
		l.fillLater(now)
	}
	at := l.ready(dst, now)
	held := at.After(now)
	if l.stopped || held || l.queue.len() == 0 || l.active > l.pace.concurrency(dst.Concurrency) || dst.State != bellhop.DestinationActive {
		l.active--
		if held && !l.stopped && l.queue.len() > 0 {
			l.arm(at, now)
		}
		return nil
	}
	l.pace.bucket.take(dst.limit, now)
	n := dst.batching.fill(&l.queue)
	for range n {
		batch = append(batch, l.queue.pop())
	}
	l.engine.metrics.queued.Sub(float64(n))
	l.start() // one more worker, where there were fewer for a while
	return batch
}

// restUntil makes the lane begin nothing before until, if its destination is still dst, which asked for it. For
// a long rest it gives back what it holds.
func (l *lane) restUntil(dst *destination, until time.Time) {
	l.mu.Lock()
	if l.destination.Load() != dst {
		l.mu.Unlock()
		return
	}
	if until.After(l.pace.rest) {
		l.pace.rest = until
	}
	long := l.room() == 0
	l.mu.Unlock()
	if long {
		l.giveBack(l.drain())
	}
}

// setDestination makes the lane deliver to dst from now on. One that is elsewhere, or was stopped meanwhile, begins afresh:
// that the one before was silent, or asked for rest, says nothing of it.
func (l *lane) setDestination(dst *destination) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.destination.Swap(dst)
	if before != nil && (before.URL != dst.URL || before.State != dst.State) {
		l.pace = pace{bucket: l.pace.bucket}
	}
}

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
	case l.queue.len()+l.reserved > max(1, l.room())/2: // the workers come back here as they drain it
	case l.queue.len() > 0 && l.engine.queuedBytes.Load() >= maxQueuedBytes: // the same
	case l.dueAt.After(now):
		l.arm(l.dueAt, now)
	case l.pace.ready(bellhop.Rate{}, now).After(now): // nothing is begun anyway; what is due stays in the table
		l.arm(l.pace.ready(bellhop.Rate{}, now), now)
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

// claimRoom forgets when something is due, which the claim that follows finds out, and returns how many deliveries there
// is room for. Whoever notes a time from here on is not overruled by take.
func (l *lane) claimRoom() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dueAt = time.Time{}
	return min(claimLimit, max(1, l.room()-l.queue.len()-l.reserved))
}

// claim leases up to n of the deliveries that are due. The room for their bodies is taken before it is known how much of
// it is needed: all lanes may be claiming at once.
func (l *lane) claim(n int) ([]bellhop.Delivery, error) {
	bytes := min(claimBytes, max(minClaimBytes, maxQueuedBytes-l.engine.queuedBytes.Load()))
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
	for i := range claimed {
		d := &claimed[i]
		switch {
		case !l.takes():
			unwanted = append(unwanted, d.ID)
		case sha256.Sum256(d.Event.Body) != d.Event.SHA256:
			damaged = append(damaged, d)
		default:
			l.engine.queuedBytes.Add(weight(d.Event))
			l.queue.push(d)
			l.engine.metrics.queued.Inc()
			l.start()
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
	for l.queue.len() > 0 {
		d := l.queue.pop()
		l.engine.queuedBytes.Add(-weight(d.Event))
		l.engine.metrics.queued.Dec()
		ids = append(ids, d.ID)
	}
	return ids
}
