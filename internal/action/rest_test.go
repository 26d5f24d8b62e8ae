package action

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRests: a download rests the longer, the more events come in, and the more downloads there are; but not while it
// waits for its own bytes, and not at all while no events come in.
func TestRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events int64
		r := &rests{accepted: func() int64 { return events }}
		d := &resting{rests: r, ctx: t.Context()}
		// rested returns how long the download rests after it has worked so long, and has waited for its bytes as
		// long.
		rested := func(worked time.Duration, came int64) time.Duration {
			d.begin() // the time before the first Read is no work
			time.Sleep(time.Second)
			events += came
			d.end(restBytes)
			time.Sleep(worked)
			begun := time.Now()
			d.begin()
			d.end(0)
			return time.Since(begun)
		}
		rested(0, 0)
		for _, c := range []struct {
			downloads, events int64
			want              time.Duration
		}{
			{1, 0, 0}, {1, 100, 10 * time.Millisecond}, {1, 1000, 100 * time.Millisecond},
			{1, 100_000, 230 * time.Millisecond},
			{2, 100, 20 * time.Millisecond}, {100, 100_000, longestRest}, {1, 0, 0},
		} {
			r.active.Store(c.downloads)
			got := rested(10*time.Millisecond, c.events)
			if off := got - c.want; off > c.want/4 || -off > c.want/4 {
				t.Errorf("%d downloads, %d events a second: %v, want %v", c.downloads, c.events, got, c.want)
			}
		}
		r.active.Store(100)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		d.ctx = ctx
		if got := rested(10*time.Millisecond, 100_000); got > 500*time.Millisecond {
			t.Errorf("it rests for %v after its attempt has ended", got)
		}
		if got := (&rests{}).factor(time.Now()); got != 0 {
			t.Errorf("without a count it is %v", got)
		}
	})
}
