package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// This file serves destinations of type pull, whose lanes have no workers: a delivery leaves the lane's queue for a
// call of Pull, and its attempt is a lease (lease.go). A lane claims as many deliveries as the calls that wait want.
// While nobody waits, its queue is empty and nothing is claimed.

// MaxPulls is how many calls of Pull wait at a time, for all destinations together.
const MaxPulls = 1000

// errManyPull says that as many pulls wait as may.
var errManyPull = &bellhop.Error{Code: bellhop.CodeUnavailable, RetryAfter: 5 * time.Second,
	Message: "as many pulls wait for deliveries as may: end one of them, or try again later"}

// pulls are what a lane of type pull has in place of workers. The lane's mu guards all of it, and the pulls.
type pulls struct {
	waiting []*pull           // the one that has waited longest is the first
	leases  map[string]*lease // by the id of the delivery
	emptied chan struct{}     // closed once leases is empty; nil unless the engine stops
}

// A pull is a call of Pull that waits.
type pull struct {
	max   int
	got   []*lease      // the attempts that it may make
	hasty bool          // it has waited long enough, but for a claim that is under way
	ready chan struct{} // holds one: got is not empty, or there is no reason to wait any more
}

func (p *pull) wake() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// wakeAll wakes all pulls, because the lane has stopped.
func (x *pulls) wakeAll() {
	for _, p := range x.waiting {
		p.wake()
	}
}

// wakeHasty wakes the pulls that waited for a claim, because it has ended.
func (x *pulls) wakeHasty() {
	for _, p := range x.waiting {
		if p.hasty {
			p.wake()
		}
	}
}

// Pull leases deliveries of a destination of type pull that are due: at most want.Max, and at most
// bellhop.MaxPullBytes of bodies, but the first in any case. If there is none it waits for one, and returns none once
// want.Wait has passed or the engine halts. Calls that wait share what comes, and those that have waited longer are
// served first. The error is that of ctx, bellhop.CodeUnavailable if too many wait, or bellhop.CodeNotFound.
func (e *Engine) Pull(ctx context.Context, destinationID string, want bellhop.Pull) ([]bellhop.Lease, error) {
	l := e.lanes.Load().byID[destinationID]
	if l == nil || l.pulls == nil {
		return nil, bellhop.NotFound("destination", destinationID)
	}
	defer e.pulling.Add(-1)
	if e.pulling.Add(1) > MaxPulls {
		return nil, errManyPull
	}
	e.metrics.pullsWaiting.Inc()
	defer e.metrics.pullsWaiting.Dec()
	for until := time.Now().Add(want.Wait); ; {
		got := l.await(ctx, want.Max, time.Until(until))
		leases := l.hand(ctx, got)
		switch {
		case ctx.Err() != nil:
			e.PutBack(destinationID, leases)
			return nil, ctx.Err()
		case len(got) == 0 || len(leases) > 0: // otherwise none of them could be rendered
			return leases, nil
		}
	}
}

// claimTime bounds how long a pull waits for a claim, beyond its own time.
const claimTime = 2 * time.Second

// await returns the attempts that a pull may make now, after it has waited for one.
func (l *lane) await(ctx context.Context, most int, wait time.Duration) []*lease {
	p := &pull{max: most, ready: make(chan struct{}, 1)}
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		return nil
	}
	l.pulls.waiting = append(l.pulls.waiting, p)
	l.serve()
	l.claimIfDue(l.engine.now())
	l.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-p.ready:
	case <-ctx.Done():
	case <-timer.C:
		if l.hurry(p) {
			timer.Reset(claimTime)
			select {
			case <-p.ready:
			case <-ctx.Done():
			case <-timer.C:
			}
		}
	}
	return l.leave(p)
}

// hurry makes p wait for nothing but the claim under way. It reports false if there is none.
func (l *lane) hurry(p *pull) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.hasty = true
	return l.claiming
}

// leave ends the wait of p and returns what p got. What nobody waits for any more goes back to the table.
func (l *lane) leave(p *pull) []*lease {
	l.mu.Lock()
	x := l.pulls
	i := slices.Index(x.waiting, p)
	if i >= 0 {
		x.waiting = slices.Delete(x.waiting, i, i+1)
	}
	var back []string
	if len(x.waiting) == 0 {
		back = l.empty()
	}
	l.mu.Unlock()
	l.giveBack(back)
	return p.got
}

// serve gives the deliveries in the queue to the pulls that wait, in equal shares. The caller holds mu.
func (l *lane) serve() {
	x := l.pulls
	for len(x.waiting) > 0 && l.queue.len() > 0 {
		p := x.waiting[0]
		share := (l.queue.len() + len(x.waiting) - 1) / len(x.waiting)
		p.got = l.take(min(p.max, share))
		if len(p.got) == 0 {
			return
		}
		x.waiting = x.waiting[1:]
		p.wake()
	}
}

// take begins attempts for deliveries of the queue: at most n, and as many as rate, breaker and concurrency allow. The
// caller holds mu.
func (l *lane) take(n int) (got []*lease) {
	dst, now, bytes := l.destination.Load(), l.engine.now(), 0
	for len(got) < n && l.queue.len() > 0 {
		at := l.pacer.ready(dst.limit, now)
		if at.After(now) {
			l.setTimer(at, now)
			return got
		}
		bytes += len(l.queue.at(0).Event.Body)
		if l.stopped || !l.engine.begun.Load() || dst.State != bellhop.DestinationActive ||
			l.active >= l.pacer.concurrency(dst.Concurrency) || len(got) > 0 && bytes > bellhop.MaxPullBytes {
			return got
		}
		l.pacer.bucket.take(dst.limit, now)
		l.active++
		l.engine.attempts.Add(1)
		l.engine.metrics.queued.Dec()
		got = append(got, &lease{lane: l, dst: dst, delivery: l.queue.pop(), probe: l.pacer.breaker.open,
			returns: l.engine.returns.Load(), began: now})
	}
	return got
}

// wanted is how many deliveries the pulls that wait can get now. The caller holds mu.
func (l *lane) wanted(dst *destination) int {
	n := 0
	for _, p := range l.pulls.waiting {
		n += p.max
	}
	n = min(n, laneLength, max(0, l.pacer.concurrency(dst.Concurrency)-l.active))
	if !dst.limit.IsZero() {
		n = min(n, max(1, l.pacer.bucket.left(dst.limit, l.engine.now())))
	}
	return n
}

// pullsFresh reports whether a delivery that is being accepted may have a place in the lane: nothing that is due waits
// in the table, and a pull could get it at once. The caller holds mu.
func (l *lane) pullsFresh() bool {
	now := l.engine.now()
	return !l.claiming && (l.dueAt.IsZero() || l.dueAt.After(now)) &&
		!l.pacer.ready(l.destination.Load().limit, now).After(now)
}

// hand renders the deliveries of attempts and leases them. An attempt whose delivery cannot be rendered ends with
// that. Those that do not fit into one answer, and all once ctx has ended, are put back.
func (l *lane) hand(ctx context.Context, got []*lease) (leases []bellhop.Lease) {
	var back []*lease
	room := bellhop.MaxPullBytes
	for _, x := range got {
		if ctx.Err() != nil || room <= 0 {
			back = append(back, x)
			continue
		}
		form, why, ok := x.render(ctx)
		switch {
		case !ok && why.Class == outbound.Cancelled, ok && len(leases) > 0 && len(form.Body) > room:
			back = append(back, x)
		case !ok:
			x.end(why, l.engine.opts.Store.Record)
		default:
			lease, granted := x.grant(form)
			if !granted {
				back = append(back, x)
				continue
			}
			room -= len(form.Body)
			leases = append(leases, lease)
		}
	}
	l.putBack(back)
	return leases
}
