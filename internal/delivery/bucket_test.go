package delivery

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"pgregory.net/rapid"
)

// Whatever is taken when, no window of time sees more than the burst and what the rate allows in it, and whoever
// waits for ready gets the whole rate.
func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := bellhop.Rate{PerSecond: rapid.Float64Range(bellhop.MinRate, 1000).Draw(t, "rate"), Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		start := time.Unix(1_800_000_000, 0)
		now := start
		var b bucket
		var taken []time.Time
		for range 200 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*float64(time.Second)/r.PerSecond)).Draw(t, "pause")))
			if rapid.Bool().Draw(t, "wait") {
				now = b.ready(r, now)
			}
			if !b.ready(r, now).After(now) {
				b.take(r, now)
				taken = append(taken, now)
			}
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				if allowed := float64(r.Burst) + taken[j].Sub(taken[i]).Seconds()*r.PerSecond + 1e-6; float64(j-i+1) > allowed {
					t.Fatalf("%d within %v at %+v", j-i+1, taken[j].Sub(taken[i]), r)
				}
			}
		}
	})
	var b bucket
	r := bellhop.Rate{PerSecond: 2, Burst: 3}
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []time.Duration{0, 0, 0, 500, 1000, 1500} {
		at := b.ready(r, now.Add(time.Duration(max(0, i-3))*500*time.Millisecond))
		if got := at.Sub(now); got != want*time.Millisecond {
			t.Errorf("token %d is ready after %v, want %v ms", i, got, int(want))
		}
		b.take(r, at)
	}
}

// What was spent of a large burst does not hold back for years at a small one; a token given back can be taken again.
func TestBucketOfAnotherRate(t *testing.T) {
	var b bucket
	now := time.Unix(1_800_000_000, 0)
	for range 1000 {
		b.take(bellhop.Rate{PerSecond: 100, Burst: 1000}, now)
	}
	slow := bellhop.Rate{PerSecond: 1, Burst: 1}
	if wait := b.ready(slow, now).Sub(now); wait != time.Second {
		t.Errorf("ready after %v", wait)
	}
	b.giveBack()
	if b.ready(slow, now).After(now) {
		t.Error("a token that was given back is not there")
	}
}
