package bench

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	o := small(t, "")
	o.Runs, o.Fanout, o.Sign = 2, 3, true
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, run := range r.Runs {
		order = append(order, run.Side)
		if run.Accepted != 200 || run.Refused != 0 || run.Delivered != 600 || run.Duplicates != 0 || run.Lost != 0 || run.Unwanted != 0 {
			t.Errorf("%+v", run)
		}
		if run.AcceptedPerSecond <= 0 || run.DeliveredPerSecond <= 0 || run.AcceptP99 < run.AcceptP50 || run.EndToEndP50 <= 0 || run.CPU <= 0 {
			t.Errorf("%+v", run.Figures)
		}
		if run.PeakMemory <= 0 != run.WholeLifeCPU {
			t.Errorf("peak memory %f, whole life %t: both come from /proc", run.PeakMemory, run.WholeLifeCPU)
		}
	}
	if got := strings.Join(order, " "); got != "relay bellhop relay bellhop" || r.Runs[1].Run != 1 || r.Runs[2].Run != 2 {
		t.Error(got, r.Runs)
	}
	if r.Err() != nil || r.Ratio.DeliveredPerSecond <= 0 {
		t.Error(r.Err(), r.Ratio)
	}
	if said := o.Progress.(*strings.Builder).String(); strings.Count(said, "200 accepted         600 delivered of 200 events\n") != 4 || !strings.Contains(said, "run 4/4 bellhop") {
		t.Error(said)
	}
	leavesNothing(t, o.Dir)
}

// TestFaults looks at what is told of a gateway that fails. The relay before it does not.
func TestFaults(t *testing.T) {
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
			o := small(t, c.fault)
			o.Fanout, o.patience = 2, 1500*time.Millisecond
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := r.Runs[1]
			if got.Accepted != c.accepted || got.Refused != 200-c.accepted || got.Duplicates != c.duplicates || got.Lost != c.lost ||
				got.Delivered != 2*c.accepted-c.lost {
				t.Errorf("%+v", got)
			}
			if err := r.Err(); err == nil && c.verdict != "" || err != nil && err.Error() != c.verdict {
				t.Error(err)
			}
			leavesNothing(t, o.Dir)
		})
	}
}

func TestRunFails(t *testing.T) {
	for fault, want := range map[string]string{
		"die":        "the disk is on fire",
		"refuse all": `run 2/2 bellhop: it accepted nothing: 503 {"error":"try again later"}`,
	} {
		t.Run(fault, func(t *testing.T) {
			o := small(t, fault)
			if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
				t.Error(err)
			}
			leavesNothing(t, o.Dir)
		})
	}
	t.Run("no program", func(t *testing.T) {
		o := small(t, "")
		o.Program = "/does/not/exist"
		if _, err := Run(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		leavesNothing(t, o.Dir)
	})
}

func TestInterrupted(t *testing.T) {
	o := small(t, "")
	o.Rate = 1 // takes minutes
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s to stop", took)
	}
	leavesNothing(t, o.Dir)
}

func leavesNothing(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

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
		{"relay", func(o *Options) { o.Events = MaxEvents + 1 }, "--events: use a number from 1 to 10,000,000, not 10000001"},
		{"relay", func(o *Options) { o.Connections = 4097 }, "--connections: use a number from 1 to 4,096, not 4097"},
		{"relay", func(o *Options) { o.Size = 63 }, "--size: use a number from 64 to 1,048,576, not 63"},
		{"relay", func(o *Options) { o.Runs = -1 }, "--runs: use a number from 1 to 100, not -1"},
		{"relay", func(o *Options) { o.Rate = -5 }, "--rate: use a number from 0 to 1,000,000, not -5"},
		{"relay", func(o *Options) { o.Fanout = 65 }, "--fanout: use a number from 1 to 64, not 65"},
		{"relay", func(o *Options) { o.Against = "nothing" }, `--against: there is no comparison "nothing"; there are relay, where, fanout, batch, hanging, outage`},
		{"relay", func(o *Options) { o.Backlog = 5 }, "--backlog: does nothing with --against relay; leave it out"},
		{"relay", func(o *Options) { o.Where = "true" }, "--where: does nothing with --against relay; leave it out"},
		{"relay", func(o *Options) { o.Delay = 1 }, "--delay: does nothing with --against relay; leave it out"},
		{"where", func(o *Options) { o.Where = " " }, `--where: write an expression that is true for every event, such as "data.kind == 'bench'"`},
		{"fanout", func(o *Options) { o.Fanout = 1 }, "--fanout: use a number from 2 to 64, not 1"},
		{"batch", func(o *Options) { o.Batch = 1001 }, "--batch: use a number from 2 to 1,000, not 1001"},
		{"batch", func(o *Options) { o.Sign = true }, "--sign: does nothing with --against batch; leave it out"},
		{"hanging", func(o *Options) { o.Destinations = 99 }, "--destinations: use a number from 100 to 20,000, not 99"},
		{"hanging", func(o *Options) { o.Rate = 0 }, "--rate: use a number from 1 to 1,000,000, not 0"},
		{"outage", func(o *Options) { o.Delay = 2 * time.Second }, "--delay: use a length of time from 0s to 1s, not 2s"},
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

func defaults(t *testing.T, against string) Options {
	t.Helper()
	o, err := Defaults(against)
	if err != nil {
		t.Fatal(err)
	}
	return o
}
