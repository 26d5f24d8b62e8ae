package delivery

import (
	"math"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A bucket keeps something to a rate: it holds as many tokens as may be spent at once, and fills again at the rate.
// The zero bucket is full. It is not safe for concurrent use.
type bucket struct {
	spent float64 // tokens missing
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

// take takes a token, for which ready is to have said now.
func (b *bucket) take(r bellhop.Rate, now time.Time) {
	if r.IsZero() {
		return
	}
	b.fill(r, now)
	b.spent++
}

// giveBack gives back a token that was taken for nothing.
func (b *bucket) giveBack() { b.spent = max(0, b.spent-1) }

// fill lets time pass. What was spent at another rate, of a larger burst, is no debt at this one.
func (b *bucket) fill(r bellhop.Rate, now time.Time) {
	b.spent = min(b.spent, float64(r.Burst))
	if passed := now.Sub(b.at); b.spent > 0 && passed > 0 {
		b.spent = max(0, b.spent-passed.Seconds()*r.PerSecond)
	}
	b.at = now
}
