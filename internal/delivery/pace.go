package delivery

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A pace says when a lane may begin its next attempt: as often as the destination's rate allows, and not while it
// asked to be left alone. One that does not answer at all is slowed, so that it costs next to nothing and a
// backlog's attempts are not burnt on it; one attempt at a time finds out whether it is back.
type pace struct {
	silent int // attempts in a row without any answer
	until  time.Time
	rest   time.Time // until when the destination asked to be left alone
	bucket bucket
}

const (
	silentBefore = 16 // attempts without an answer before the lane slows
	minHold      = 50 * time.Millisecond
	maxHold      = 5 * time.Second
)

// note takes in an attempt. Any answer, good or bad, ends the slowing.
func (p *pace) note(answered bool, now time.Time) {
	if answered {
		p.silent, p.until = 0, time.Time{}
		return
	}
	p.silent++
	if over := p.silent - silentBefore; over >= 0 {
		p.until = now.Add(min(maxHold, minHold<<min(over, 10)))
	}
}

// ready returns when the next attempt may begin: now, or later.
func (p *pace) ready(rate bellhop.Rate, now time.Time) time.Time {
	at := now
	if p.silent >= silentBefore && p.until.After(at) {
		at = p.until
	}
	if p.rest.After(at) {
		at = p.rest
	}
	if !rate.IsZero() {
		if token := p.bucket.ready(rate, now); token.After(at) {
			at = token
		}
	}
	return at
}

// concurrency is how many attempts may be under way where the destination allows n.
func (p *pace) concurrency(n int) int {
	if p.silent >= silentBefore {
		return 1
	}
	return n
}
