package ingest

import "time"

// A bucket is a token bucket. The zero bucket is full when it is used first. Its owner's lock guards it.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// take takes a token and reports whether there was one. The bucket gains perSecond tokens a second, up to burst.
func (b *bucket) take(now time.Time, perSecond, burst float64) bool {
	return b.takeMany(now, 1, perSecond, burst)
}

// takeMany is take for n tokens. For more than burst of them the bucket has to be full; it is in debt afterwards, and
// gives none until that is paid.
func (b *bucket) takeMany(now time.Time, n int, perSecond, burst float64) bool {
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+max(0, now.Sub(b.at).Seconds())*perSecond)
	}
	b.at = now
	if b.tokens < min(float64(n), burst) {
		return false
	}
	b.tokens -= float64(n)
	return true
}
