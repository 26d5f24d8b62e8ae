package sqlite

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestSequence shows that numbers only grow, whatever the clock does, and that none is before the time at which
// it was made.
func TestSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q sequence
		now, last := epoch, int64(-1)
		for _, step := range rapid.SliceOfN(rapid.Int64Range(-1e9, 1e9), 1, 200).Draw(t, "steps in microseconds") {
			now = now.Add(time.Duration(step) * time.Microsecond)
			n := q.next(now)
			if n <= last || n < firstOf(now) {
				t.Fatalf("%d at %v comes after %d", n, now, last)
			}
			last = n
		}
	})
}
