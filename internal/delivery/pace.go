package delivery

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A pace says when a lane may begin its next attempt: as often as the destination's rate allows, not while it asked to be left
// alone, and hardly ever while it keeps failing.
type pace struct {
	breaker breaker
	rest    time.Time // until when the destination asked to be left alone
	bucket  bucket
}

// longHold is from how long on a lane that may begin nothing keeps nothing in memory.
const longHold = 5 * time.Second

// pause returns when the next attempt may begin as far as anything but the rate is concerned: now, or later.
func (p *pace) pause(now time.Time) time.Time {
	at := p.breaker.ready(now)
	if p.rest.After(at) {
		return p.rest
	}
	return at
}

// ready returns when the next attempt may begin: now, or later.
func (p *pace) ready(rate bellhop.Rate, now time.Time) time.Time {
	at := p.pause(now)
	if token := p.bucket.ready(rate, now); token.After(at) {
		return token
	}
	return at
}
