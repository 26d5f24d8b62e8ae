package delivery

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A breaker holds a destination back that keeps failing: one attempt at a time, further and further apart, finds out whether
// it is back. Once it is, it gets one attempt at a time, then two, then four, until it has as many as it allows.
type breaker struct {
	failures int       // attempts in a row that failed
	since    time.Time // when the first of them ended
	answered bool      // there was an answer to one of them, a bad one
	open     bool      // the destination is held back
	openedAt time.Time // or when this process began, if it was held back before
	probes   int       // that failed since then
	until    time.Time // when the next one may begin
	ramp     int       // attempts at a time while it comes back; 0 is as many as it allows
	steps    int       // successes at this many
}

const (
	minHold = 50 * time.Millisecond // before the first probe; each that fails doubles it
	maxHold = time.Minute

	// observed is for how long a failure is looked at before it disables: that it failed before we were off for days is not enough.
	observed = time.Hour
)

// restored is the breaker of a destination that was held back when the process before ended: a probe comes first.
func restored(d *bellhop.Destination, now time.Time) breaker {
	if d.FailingSince.IsZero() || d.Breaker.Failures == 0 {
		return breaker{}
	}
	return breaker{failures: d.Breaker.Failures, since: d.FailingSince, open: true, openedAt: now}
}

// failingSince is since when the destination fails so that it is held back; zero while it is not.
func (b *breaker) failingSince() time.Time {
	if b.open {
		return b.since
	}
	return time.Time{}
}

// succeed takes in an attempt that delivered.
func (b *breaker) succeed() {
	if b.open {
		*b = breaker{ramp: 1}
		return
	}
	b.failures, b.since = 0, time.Time{}
	if b.ramp == 0 {
		return
	}
	if b.steps++; b.steps >= b.ramp {
		b.ramp, b.steps = 2*b.ramp, 0
	}
	if b.ramp >= bellhop.MaxConcurrency {
		b.ramp = 0
	}
}

// fail takes in an attempt that did not deliver, and reports whether the destination has failed for so long that it is to be
// disabled. probe is that it was begun while the breaker was open: those under way as it opened put nothing off. answered is
// that there was a reply, a bad one. random is in [0, 1).
func (b *breaker) fail(rules bellhop.Breaker, probe, answered bool, now time.Time, random float64) (gaveUp bool) {
	if rules.Failures == 0 {
		*b = breaker{}
		return false
	}
	if b.failures++; b.failures == 1 {
		b.since, b.answered = now, false
	}
	b.answered = b.answered || answered
	switch {
	case !b.open && b.failures >= rules.Failures && (!b.answered || now.Sub(b.since) >= rules.For):
		b.open, b.openedAt, b.probes = true, now, 0
		b.hold(now, random)
	case b.open && probe:
		b.probes++
		b.hold(now, random)
	}
	return b.open && rules.DisableAfter > 0 && now.Sub(b.since) >= rules.DisableAfter && now.Sub(b.openedAt) >= min(observed, rules.DisableAfter)
}

// hold puts the next probe off. Destinations that went away together are not all asked at once.
func (b *breaker) hold(now time.Time, random float64) {
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

// concurrency is how many attempts may be under way where the destination allows n.
func (b *breaker) concurrency(n int) int {
	switch {
	case b.open:
		return 1
	case b.ramp > 0:
		return min(b.ramp, n)
	}
	return n
}
