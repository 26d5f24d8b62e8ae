package bench

import (
	"strings"
	"testing"
	"time"
)

// TestComparisons runs each of those of Bellhop with itself once, reduced.
func TestComparisons(t *testing.T) {
	for against, c := range map[string]struct {
		change         func(o *Options)
		first, second  string // sides
		events         int64  // accepted in the first
		both           int64  // delivered in the first
		troubled, owed int64  // events beside them in the second, and those of them that were not delivered
	}{
		"where":   {func(o *Options) { o.Fanout, o.Where = 2, defaultWhere }, "source", "where", 200, 400, 0, 0},
		"fanout":  {func(o *Options) { o.Fanout = 3 }, "1", "3", 200, 200, 0, 0},
		"batch":   {func(o *Options) { o.Batch = 20 }, "1", "20", 200, 200, 0, 0},
		"hanging": {func(o *Options) { o.Rate, o.Destinations = 1000, 100 }, "answers", "hangs", 220, 220, 20, 20},
		"outage":  {func(o *Options) { o.Rate, o.Backlog, o.Delay = 1000, 300, time.Millisecond }, "none", "300", 200, 200, 300, 0},
	} {
		t.Run(against, func(t *testing.T) {
			o := small(t, "")
			o.Against, o.Fanout, o.patience = against, 0, 3*time.Second
			c.change(&o)
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			first, second := r.Runs[0], r.Runs[1]
			if err := r.Err(); err != nil || first.Side != c.first || second.Side != c.second {
				t.Error(err, first.Side, second.Side)
			}
			if first.Accepted != c.events || first.Delivered != c.both || second.Accepted < c.troubled || second.Pending != c.owed {
				t.Errorf("%+v\n%+v", first, second)
			}
			checkFigures(t, against, first.Figures, second.Figures)
			if !strings.Contains(r.Verdict(), find(against).verdict(r)) {
				t.Error(r.Verdict())
			}
			leavesNothing(t, o.Dir)
		})
	}
}

// checkFigures looks at those that only one comparison has.
func checkFigures(t *testing.T, against string, first, second Figures) {
	t.Helper()
	switch against {
	case "fanout":
		if second.DeliveredPerSecond < 2*second.AcceptedPerSecond {
			t.Errorf("%+v", second)
		}
	case "batch":
		if first.PerRequest != 1 || second.PerRequest != 20 || second.EndToEndP99 != 0 {
			t.Errorf("%v and %v events a request", first.PerRequest, second.PerRequest)
		}
	case "hanging":
		if second.AtOnce != 20 || second.Connections < 21 || second.EndToEndP99 <= 0 {
			t.Errorf("%+v", second)
		}
	case "outage":
		if second.Drain <= 0 || second.DrainsPerSecond <= 0 || second.AtOnce < 1 || second.EndToEndP99 <= 0 || first.Drain != 0 {
			t.Errorf("%+v", second)
		}
	}
}

// TestComparisonFaults: beside itself Bellhop has no reason to deliver twice, and what was held back may get lost too.
func TestComparisonFaults(t *testing.T) {
	for _, c := range []struct {
		fault, against string
		change         func(o *Options)
		verdict        string
	}{
		{"twice", "fanout", func(o *Options) { o.Fanout = 2 }, "80 deliveries arrived twice or where nobody wanted them, in 2 of 2 runs"},
		{"half", "batch", func(o *Options) { o.Batch = 20 }, "200 deliveries of accepted events never arrived, in 2 of 2 runs"},
		{"half", "outage", func(o *Options) { o.Backlog, o.Rate = 300, 1000 }, "150 deliveries of accepted events never arrived, in 1 of 2 runs"},
		{"forget", "hanging", func(o *Options) { o.Destinations, o.Rate = 100, 1000 }, "20 deliveries of accepted events never arrived, in 1 of 2 runs"},
	} {
		t.Run(c.fault+" "+c.against, func(t *testing.T) {
			o := small(t, c.fault)
			o.Against, o.Fanout, o.patience = c.against, 0, time.Second
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
