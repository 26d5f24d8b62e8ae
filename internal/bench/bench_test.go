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
		order = append(order, run.Gateway)
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
	if err := Defaults().Check(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(o *Options)
		want   string
	}{
		{func(o *Options) { o.Events = 0 }, "--events: use a number from 1 to 10,000,000, not 0"},
		{func(o *Options) { o.Events = MaxEvents + 1 }, "--events: use a number from 1 to 10,000,000, not 10000001"},
		{func(o *Options) { o.Connections = 4097 }, "--connections: use a number from 1 to 4,096, not 4097"},
		{func(o *Options) { o.Size = 63 }, "--size: use a number from 64 to 1,048,576, not 63"},
		{func(o *Options) { o.Runs = -1 }, "--runs: use a number from 1 to 100, not -1"},
		{func(o *Options) { o.Rate = -5 }, "--rate: use a number from 0 to 1,000,000, not -5"},
		{func(o *Options) { o.Fanout = 65 }, "--fanout: use a number from 1 to 64, not 65"},
	} {
		o := Defaults()
		c.change(&o)
		if err := o.Check(); err == nil || err.Error() != c.want {
			t.Errorf("%v, not %s", err, c.want)
		}
		if _, err := Run(t.Context(), o); err == nil {
			t.Error("ran all the same: " + c.want)
		}
	}
}
