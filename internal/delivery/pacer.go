package delivery

import (
	"math"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A pacer says when a lane may begin its next attempt: at the destination's rate, not during a rest that it
// asked for, and rarely while it keeps failing. Its lane's mu guards it.
type pacer struct {
	breaker breaker
	rest    time.Time // until when the destination asked for no requests
	bucket  bucket
	reason  string // what was wrong with the last attempt that delays later ones; "" if there was none
	parked  string // id of what the lane rests for: a connection, or its own destination; "" if it is nothing

	short      int       // attempts in a row for which this machine was short of a resource
	shortUntil time.Time // when the next attempt after them may begin
}

// longPause is the pause from which on a lane that may begin no attempt keeps no deliveries in memory.
const longPause = 5 * time.Second

// pause returns when the next attempt may begin, apart from the rate: now, or later.
func (p *pacer) pause(now time.Time) time.Time {
	at := p.breaker.ready(now)
	for _, later := range []time.Time{p.rest, p.shortUntil} {
		if later.After(at) {
			at = later
		}
	}
	return at
}

// hold returns why no attempt may begin, or only a probe; zero if attempts begin as usual.
func (p *pacer) hold(now time.Time) bellhop.Hold {
	at := p.pause(now)
	switch {
	case p.parked != "": // a person says when
		return bellhop.Hold{Reason: p.reason}
	case !p.breaker.open && !at.After(now):
		return bellhop.Hold{}
	}
	return bellhop.Hold{Reason: p.reason, NextAt: at}
}

// How long a parked lane rests, unless Engine.Return says sooner that this is over.
const (
	// parkedRest is the rest while a connection is signed out. It is long, because the attempt after it has little
	// hope.
	parkedRest = 10 * time.Minute
	// unattendedRest is the rest while nobody listens. It is as good as endless: who listens does so in this process,
	// so that no attempt has to find out. A look would also put the oldest delivery behind the others.
	unattendedRest = 365 * 24 * time.Hour
)

// park makes the lane rest until what has that id is back, or for rest.
func (p *pacer) park(id, reason string, now time.Time, rest time.Duration) {
	p.parked, p.rest, p.reason = id, now.Add(rest), reason
}

// unpark ends the rest of a parked lane.
func (p *pacer) unpark() {
	if p.parked != "" {
		p.parked, p.rest, p.reason = "", time.Time{}, ""
	}
}

// concurrency returns how many attempts may be under way if the destination allows n: while the lane is parked, one
// finds out whether the connection is back.
func (p *pacer) concurrency(n int) int {
	if p.parked != "" {
		return 1
	}
	return p.breaker.concurrency(n)
}

// noteShort notes whether this machine was short of a resource for an attempt that ended at now.
func (p *pacer) noteShort(short bool, now time.Time, random float64) {
	if !short {
		p.short, p.shortUntil = 0, time.Time{}
		return
	}
	p.shortUntil = now.Add(shortWait(minHold, longPause, p.short, random))
	p.short++
}

// ready returns when the next attempt may begin: now, or later.
func (p *pacer) ready(rate bellhop.Rate, now time.Time) time.Time {
	at := p.pause(now)
	if token := p.bucket.ready(rate, now); token.After(at) {
		return token
	}
	return at
}

// A breaker holds back a destination that keeps failing. While it is open, single attempts, further and further
// apart, probe whether the destination is back. When one succeeds, the destination gets one attempt at a time,
// then two, four, and so on up to its concurrency.
type breaker struct {
	failures int       // failed attempts in a row
	since    time.Time // when the first of them ended
	answered bool      // one of them got a reply
	open     bool
	openedAt time.Time // or when this process began, if the breaker was open before
	probes   int       // probes that failed since then
	until    time.Time // when the next probe may begin
	ramp     int       // attempts at a time after it closed; 0 is the destination's concurrency
	steps    int       // successes at this ramp
}

const (
	minHold = 50 * time.Millisecond // before the first probe; doubled by each probe that fails
	maxHold = time.Minute

	// observed is for how long this process must see a destination fail before it is disabled: that it failed days
	// ago, before the server was stopped, is not enough.
	observed = time.Hour
)

// restoredBreaker returns the breaker of a destination at the start. If the breaker was open when the process
// before ended, it is open, and a probe is due.
func restoredBreaker(d *bellhop.Destination, now time.Time) breaker {
	if d.FailingSince.IsZero() || d.Breaker.Failures == 0 {
		return breaker{}
	}
	return breaker{failures: d.Breaker.Failures, since: d.FailingSince, open: true, openedAt: now}
}

// failingSince returns since when the destination has been failing; zero while the breaker is closed.
func (b *breaker) failingSince() time.Time {
	if b.open {
		return b.since
	}
	return time.Time{}
}

// succeed notes an attempt that delivered.
func (b *breaker) succeed() {
	if b.open {
		*b = breaker{ramp: 1}
		return
	}
	b.failures, b.since = 0, time.Time{}
	if b.ramp == 0 {
		return
	}
	b.steps++
	if b.steps >= b.ramp {
		b.ramp, b.steps = 2*b.ramp, 0
	}
	if b.ramp >= bellhop.MaxConcurrency {
		b.ramp = 0
	}
}

// fail notes an attempt that failed, and reports whether the destination has failed for so long that it is
// to be disabled. probe says that the attempt began while the breaker was open: attempts that were under way
// when it opened do not delay the next probe. answered says that there was a reply. random is in [0, 1).
func (b *breaker) fail(rules bellhop.Breaker, probe, answered bool, now time.Time, random float64) (gaveUp bool) {
	if rules.Failures == 0 {
		*b = breaker{}
		return false
	}
	b.failures++
	if b.failures == 1 {
		b.since, b.answered = now, false
	}
	b.answered = b.answered || answered
	switch {
	case !b.open && b.failures >= rules.Failures && (!b.answered || now.Sub(b.since) >= rules.For):
		b.open, b.openedAt, b.probes = true, now, 0
		b.delayProbe(now, random)
	case b.open && probe:
		b.probes++
		b.delayProbe(now, random)
	}
	return b.open && rules.DisableAfter > 0 && now.Sub(b.since) >= rules.DisableAfter &&
		now.Sub(b.openedAt) >= min(observed, rules.DisableAfter)
}

// delayProbe sets when the next probe may begin. The jitter keeps destinations that failed together from being
// probed together.
func (b *breaker) delayProbe(now time.Time, random float64) {
	wait := float64(min(maxHold, minHold<<min(b.probes, 20)))
	b.until = now.Add(time.Duration(wait + wait*bellhop.Jitter*(2*random-1)))
}

// ready returns when the next attempt may begin: now, or later.
func (b *breaker) ready(now time.Time) time.Time {
	if b.open && b.until.After(now) {
		return b.until
	}
	return now
}

// concurrency returns how many attempts may be under way if the destination allows n.
func (b *breaker) concurrency(n int) int {
	switch {
	case b.open:
		return 1
	case b.ramp > 0:
		return min(b.ramp, n)
	}
	return n
}

// A bucket is a token bucket: it holds as many tokens as may be spent at once, and fills at the rate. The zero
// bucket is full. It is not safe for concurrent use.
type bucket struct {
	spent float64 // missing tokens
	at    time.Time
}

// ready returns when the next token can be taken: now, or later.
func (b *bucket) ready(r bellhop.Rate, now time.Time) time.Time {
	if r.IsZero() {
		return now
	}
	b.fill(r, now)
	missing := b.spent + 1 - float64(r.Burst)
	if missing <= 0 {
		return now
	}
	return now.Add(time.Duration(math.Ceil(missing / r.PerSecond * float64(time.Second))))
}

// left returns how many tokens can be taken now.
func (b *bucket) left(r bellhop.Rate, now time.Time) int {
	b.fill(r, now)
	return int(float64(r.Burst) - b.spent)
}

// take takes a token; ready must have returned now.
func (b *bucket) take(r bellhop.Rate, now time.Time) {
	if r.IsZero() {
		return
	}
	b.fill(r, now)
	b.spent++
}

// giveBack returns a token that was taken for an attempt which sent nothing.
func (b *bucket) giveBack() { b.spent = max(0, b.spent-1) }

// fill adds the tokens for the time that has passed. Tokens spent at a rate of a larger burst do not count at
// this one.
func (b *bucket) fill(r bellhop.Rate, now time.Time) {
	b.spent = min(b.spent, float64(r.Burst))
	if passed := now.Sub(b.at); b.spent > 0 && passed > 0 {
		b.spent = max(0, b.spent-passed.Seconds()*r.PerSecond)
	}
	b.at = now
}
