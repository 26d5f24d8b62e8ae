package action

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// This file has downloads leave the door and the deliveries their rate. A download whose bytes are always there takes
// as much processor and disk as it gets. So downloads rest the longer, the more events come in; while none come in,
// they do not rest at all.

// Bounds of rests.
const (
	restBytes   = 512 << 10              // that a download reads between two rests
	restCount   = 100 * time.Millisecond // between two looks at how many events have come in
	restPer     = 100.0                  // events a second for which a download rests as long as it works
	restAtMost  = 23.0                   // times as long as it works, however many events come in
	longestRest = time.Second
)

// The rests of a server say how long its downloads rest.
type rests struct {
	accepted func() int64 // events that have come in since the start
	active   atomic.Int64 // downloads under way

	mu    sync.Mutex // guards the fields below
	at    time.Time  // of the latest look
	count int64      // accepted at that look
	rate  float64    // events a second before it
}

// factor returns how many times as long as it has worked a download rests. If many events come in, all downloads
// together work a twenty-fourth of the time.
func (r *rests) factor(now time.Time) float64 {
	if r.accepted == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() {
		r.at, r.count = now, r.accepted()
	}
	if passed := now.Sub(r.at); passed >= restCount {
		count := r.accepted()
		r.rate = float64(count-r.count) / passed.Seconds()
		r.at, r.count = now, count
	}
	return min(restAtMost, r.rate/restPer) * float64(max(1, r.active.Load()))
}

// A resting is how one download rests. One goroutine uses it.
type resting struct {
	*rests
	ctx    context.Context
	bytes  int           // read since the last rest
	worked time.Duration // since then, without the time that the bytes were waited for
	left   time.Time     // when the last Read returned
}

// begin is called before bytes are read.
func (r *resting) begin() {
	now := time.Now()
	if !r.left.IsZero() {
		r.worked += now.Sub(r.left)
	}
	if r.bytes < restBytes {
		return
	}
	runtime.Gosched() // what is ready goes on, also without a rest
	rest := min(longestRest, time.Duration(float64(r.worked)*r.factor(now)))
	r.bytes, r.worked = 0, 0
	if rest < time.Millisecond {
		return
	}
	wait := time.NewTimer(rest)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.ctx.Done():
	}
}

// end is called after n bytes were read.
func (r *resting) end(n int) { r.bytes, r.left = r.bytes+n, time.Now() }
