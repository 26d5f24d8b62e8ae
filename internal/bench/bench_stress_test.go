//go:build stress

package bench

import (
	"testing"
	"time"
)

// TestStressComparisonFaults: where Bellhop is compared with itself a repeat is a fault, and held deliveries may be
// lost too.
func TestStressComparisonFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault, against string
		change         func(o *Options)
		verdict        string
	}{
		{"twice", "fanout", func(o *Options) { o.Fanout = 2 },
			"80 deliveries arrived twice or where nobody wanted them, in 2 of 2 runs"},
		{"half", "batch", func(o *Options) { o.Batch = 20 },
			"200 deliveries of accepted events never arrived, in 2 of 2 runs"},
		{"half", "outage", func(o *Options) { o.Backlog, o.Rate = 300, 1000 },
			"150 deliveries of accepted events never arrived, in 1 of 2 runs"},
		{"forget", "hanging", func(o *Options) { o.Destinations, o.Rate = 100, 1000 },
			"20 deliveries of accepted events never arrived, in 1 of 2 runs"},
	} {
		t.Run(c.fault+" "+c.against, func(t *testing.T) {
			t.Parallel()
			o := small(t, c.fault)
			o.Against, o.Fanout, o.patience = c.against, 0, 4*time.Second
			c.change(&o)
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Err(); err == nil || err.Error() != c.verdict {
				t.Error(err)
			}
		})
	}
}
