package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRun measures the relay and the fake, and accounts for every event.
func TestRun(t *testing.T) {
	t.Parallel()
	o := small(t, "")
	o.Runs, o.Fanout, o.Sign = 2, 3, true
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, run := range r.Runs {
		order = append(order, run.Side)
		if run.Accepted != 200 || run.Refused != 0 || run.Delivered != 600 || run.Duplicates != 0 || run.Lost != 0 ||
			run.Unwanted != 0 {
			t.Errorf("%+v", run)
		}
		if run.AcceptedPerSecond <= 0 || run.DeliveredPerSecond <= 0 || run.AcceptP99 < run.AcceptP50 ||
			run.EndToEndP50 <= 0 || run.CPU <= 0 {
			t.Errorf("%+v", run.Figures)
		}
		if run.PeakMemory <= 0 != run.WholeLifeCPU {
			t.Errorf("peak memory %f, whole life %t: both come from /proc", run.PeakMemory, run.WholeLifeCPU)
		}
	}
	if got := strings.Join(order, " "); got != "relay bellhop relay bellhop" || r.Runs[1].Run != 1 ||
		r.Runs[2].Run != 2 {
		t.Error(got, r.Runs)
	}
	if r.Err() != nil || r.Ratio.DeliveredPerSecond <= 0 {
		t.Error(r.Err(), r.Ratio)
	}
	if said := o.Progress.(*strings.Builder).String(); strings.Count(said,
		"200 accepted         600 delivered of 200 events\n") != 4 || !strings.Contains(said, "run 4/4 bellhop") {
		t.Error(said)
	}
	leavesNothing(t, o.Dir)
}

// TestFaults: the report tells of the faults of a gateway. The relay before it has none.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault                      string
		accepted, duplicates, lost int64
		verdict                    string
	}{
		{"lose", 200, 0, 20, "20 deliveries of accepted events never arrived, in 1 of 2 runs"},
		{"twice", 200, 40, 0, ""},
		{"refuse", 150, 0, 0, ""},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			o := small(t, c.fault)
			o.Fanout, o.patience = 2, 5*time.Second
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := r.Runs[1]
			if got.Accepted != c.accepted || got.Refused != 200-c.accepted || got.Duplicates != c.duplicates ||
				got.Lost != c.lost || got.Delivered != 2*c.accepted-c.lost {
				t.Errorf("%+v", got)
			}
			if err := r.Err(); err == nil && c.verdict != "" || err != nil && err.Error() != c.verdict {
				t.Error(err)
			}
			leavesNothing(t, o.Dir)
		})
	}
}

// TestRunFails: Run returns the reason why a gateway cannot be measured.
func TestRunFails(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]string{
		"die":        "the disk is on fire",
		"refuse all": `run 2/2 bellhop: it accepted nothing: 503 {"error":"try again later"}`,
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			o := small(t, fault)
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
				t.Error(err)
			}
			leavesNothing(t, o.Dir)
		})
	}
	t.Run("no program", func(t *testing.T) {
		t.Parallel()
		o := small(t, "")
		o.Program = "/does/not/exist"
		if _, err := Run(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		leavesNothing(t, o.Dir)
	})
}

// TestInterrupted: Run ends when its context does, long before all events are posted.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	o := small(t, "")
	o.Rate = 1 // takes minutes
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if said := o.Progress.(*strings.Builder).String(); strings.Contains(said, "200 accepted") {
		t.Errorf("it posted all events first: %s", said)
	}
	leavesNothing(t, o.Dir)
}

// leavesNothing checks that a folder is empty.
func leavesNothing(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCheck: an option that is out of bounds or without effect is refused, by the name of its flag.
func TestCheck(t *testing.T) {
	for _, name := range Comparisons() {
		if err := defaults(t, name).Check(); err != nil {
			t.Error(name, err)
		}
	}
	for _, c := range []struct {
		against string
		change  func(o *Options)
		want    string
	}{
		{"relay", func(o *Options) { o.Events = 0 }, "--events: use a number from 1 to 10,000,000, not 0"},
		{"relay", func(o *Options) { o.Events = MaxEvents + 1 },
			"--events: use a number from 1 to 10,000,000, not 10000001"},
		{"relay", func(o *Options) { o.Connections = 4097 }, "--connections: use a number from 1 to 4,096, not 4097"},
		{"relay", func(o *Options) { o.Size = 63 }, "--size: use a number from 64 to 1,048,576, not 63"},
		{"relay", func(o *Options) { o.Runs = -1 }, "--runs: use a number from 1 to 100, not -1"},
		{"relay", func(o *Options) { o.Rate = -5 }, "--rate: use a number from 0 to 1,000,000, not -5"},
		{"relay", func(o *Options) { o.Fanout = 65 }, "--fanout: use a number from 1 to 64, not 65"},
		{"relay", func(o *Options) { o.Against = "nothing" },
			`--against: there is no comparison "nothing"; there are relay, where, fanout, batch, hanging, outage`},
		{"relay", func(o *Options) { o.Backlog = 5 }, "--backlog: does nothing with --against relay; leave it out"},
		{"relay", func(o *Options) { o.Where = "true" }, "--where: does nothing with --against relay; leave it out"},
		{"relay", func(o *Options) { o.Delay = 1 }, "--delay: does nothing with --against relay; leave it out"},
		{"where", func(o *Options) { o.Where = " " },
			`--where: write an expression that is true for every event, such as "data.kind == 'bench'"`},
		{"fanout", func(o *Options) { o.Fanout = 1 }, "--fanout: use a number from 2 to 64, not 1"},
		{"batch", func(o *Options) { o.Batch = 1001 }, "--batch: use a number from 2 to 1,000, not 1001"},
		{"batch", func(o *Options) { o.Sign = true }, "--sign: does nothing with --against batch; leave it out"},
		{"hanging", func(o *Options) {
			o.Destinations = 99
		}, "--destinations: use a number from 100 to 20,000, not 99"},
		{"hanging", func(o *Options) { o.Rate = 0 }, "--rate: use a number from 1 to 1,000,000, not 0"},
		{"outage", func(o *Options) {
			o.Delay = 2 * time.Second
		}, "--delay: use a length of time from 0s to 1s, not 2s"},
	} {
		o := defaults(t, c.against)
		c.change(&o)
		if err := o.Check(); err == nil || err.Error() != c.want {
			t.Errorf("%v, not %s", err, c.want)
		}
		if _, err := Run(t.Context(), o); err == nil {
			t.Error("ran all the same: " + c.want)
		}
	}
}

// defaults returns the default options of a comparison.
func defaults(t *testing.T, against string) Options {
	t.Helper()
	o, err := Defaults(against)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestComparisons runs once, with few events, each comparison of Bellhop with itself.
func TestComparisons(t *testing.T) {
	t.Parallel()
	for against, c := range map[string]struct {
		change         func(o *Options)
		first, second  string // sides
		events         int64  // accepted in the first
		both           int64  // delivered in the first
		troubled, owed int64  // events beside them in the second, and how many of these were not delivered
	}{
		"where":   {func(o *Options) { o.Fanout, o.Where = 2, defaultWhere }, "source", "where", 200, 400, 0, 0},
		"fanout":  {func(o *Options) { o.Fanout = 3 }, "1", "3", 200, 200, 0, 0},
		"batch":   {func(o *Options) { o.Batch = 20 }, "1", "20", 200, 200, 0, 0},
		"hanging": {func(o *Options) { o.Rate, o.Destinations = 1000, 100 }, "answers", "hangs", 220, 220, 20, 20},
		"outage": {func(o *Options) { o.Rate, o.Backlog, o.Delay = 1000, 300, time.Millisecond }, "none", "300",
			200, 200, 300, 0},
	} {
		t.Run(against, func(t *testing.T) {
			t.Parallel()
			o := small(t, "")
			// A busy machine may delay attempts beyond their timeout again and again.
			o.Against, o.Fanout, o.patience = against, 0, 8*time.Minute
			c.change(&o)
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			first, second := r.Runs[0], r.Runs[1]
			if err := r.Err(); err != nil || first.Side != c.first || second.Side != c.second {
				t.Error(err, first.Side, second.Side)
			}
			if first.Accepted != c.events || first.Delivered != c.both || second.Accepted < c.troubled ||
				second.Pending != c.owed {
				t.Errorf("%+v\n%+v", first, second)
			}
			checkFigures(t, against, first, second)
			if !strings.Contains(r.Verdict(), find(against).verdict(r)) {
				t.Error(r.Verdict())
			}
			leavesNothing(t, o.Dir)
		})
	}
}

// checkFigures checks the figures that only one comparison has.
func checkFigures(t *testing.T, against string, first, second Result) {
	t.Helper()
	switch against {
	case "fanout":
		if second.Delivered != 3*second.Accepted || second.DeliveredPerSecond <= 0 {
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
		if second.Drain <= 0 || second.DrainsPerSecond <= 0 || second.AtOnce < 1 || second.EndToEndP99 <= 0 ||
			first.Drain != 0 {
			t.Errorf("%+v", second)
		}
	}
}

func TestExamine(t *testing.T) {
	dir := t.TempDir()
	f, err := examine(dir)
	if err != nil || f.Path != dir || f.SyncMS <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := examine(filepath.Join(dir, "none")); !os.IsNotExist(err) && err == nil {
		t.Error("examined a folder that is not there")
	}
	leavesNothing(t, dir)
}

func TestPeakIn(t *testing.T) {
	if got, ok := peakIn([]byte("Name:\tx\nVmHWM:\t   2024 kB\nVmRSS:\t 1 kB\n")); !ok || got != 2024<<10 {
		t.Error(got, ok)
	}
	for _, status := range []string{"", "Name:\tx\n", "Name:\tx\nVmHWM:"} {
		if _, ok := peakIn([]byte(status)); ok {
			t.Errorf("%q", status)
		}
	}
}
