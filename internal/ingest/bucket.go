package ingest

import "time"

// A bucket is a token bucket. The zero bucket is full when it is used first. Its owner's lock guards it.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// take takes a token and reports whether there was one. The bucket gains perSecond tokens a second, up to burst.
func (b *bucket) take(now time.Time, perSecond, burst float64) bool {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+max(0, now.Sub(b.at).Seconds())*perSecond)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
