package doctor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// found returns a check that finds something at once.
func found(name string, f Finding) Check {
	return Check{Name: name, Title: strings.ToUpper(name), Run: func(context.Context) Finding { return f }}
}

// shown returns the results of a report as "name state: message".
func shown(r Report) (lines []string) {
	for _, result := range r.Results {
		lines = append(lines, result.Name+" "+string(result.State)+": "+result.Message)
	}
	return lines
}

// TestRun: results come in the order of the checks, and the worst of them is the state of all. A skipped one does not
// count.
func TestRun(t *testing.T) {
	ok, skipped := found("a", Finding{State: OK, Message: "fine"}), found("b", Skip("not here", ""))
	warning, failed := found("c", Finding{State: Warning}), found("d", Finding{State: Failed, Remedy: "mend it"})
	for _, c := range []struct {
		checks []Check
		want   State
	}{
		{nil, OK}, {[]Check{ok, skipped}, OK}, {[]Check{warning, ok}, Warning}, {[]Check{failed, warning, ok}, Failed},
	} {
		report, err := New(c.checks, time.Second, time.Now, slog.New(slog.DiscardHandler)).Run(t.Context())
		if err != nil || report.State != c.want || len(report.Results) != len(c.checks) {
			t.Errorf("%+v %v, want %s", report, err, c.want)
		}
	}
	report, err := New([]Check{ok, failed}, time.Second, time.Now, slog.New(slog.DiscardHandler)).Run(t.Context())
	if want := []string{"a ok: fine", "d failed: "}; err != nil || !slices.Equal(shown(report), want) ||
		report.Results[1].Remedy != "mend it" || report.Results[0].Title != "A" {
		t.Errorf("%+v %v", report, err)
	}
}

// TestSlowChecks: a check that does not end is reported when the time is over, without waiting for it; it is not begun
// again before it has ended. The others have their results.
func TestSlowChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var begun atomic.Int32
		d := New([]Check{
			{Name: "hangs", Run: func(context.Context) Finding {
				begun.Add(1)
				<-hang
				return Finding{State: OK, Message: "at last"}
			}},
			{Name: "waits", Run: func(ctx context.Context) Finding {
				<-ctx.Done()
				return Finding{State: Warning, Message: ctx.Err().Error()}
			}},
			found("quick", Finding{State: OK, Message: "fine"}),
		}, 5*time.Second, time.Now, slog.New(slog.DiscardHandler))
		report, err := d.Run(t.Context())
		want := []string{"hangs failed: it did not end within 5s", "waits warning: context deadline exceeded",
			"quick ok: fine"}
		if err != nil || !slices.Equal(shown(report), want) || report.Took != 5500*time.Millisecond {
			t.Errorf("%q after %s, %v", shown(report), report.Took, err)
		}
		report, err = d.Run(t.Context())
		if err != nil || begun.Load() != 1 ||
			report.Results[0].Message != "the check that began 5 s ago has not ended" {
			t.Errorf("begun %d times: %q %v", begun.Load(), shown(report), err)
		}
		close(hang)
		synctest.Wait()
		report, err = d.Run(t.Context())
		if err != nil || begun.Load() != 2 || report.Results[0].Message != "at last" {
			t.Errorf("begun %d times: %q %v", begun.Load(), shown(report), err)
		}
	})
}

// TestTurns: one run is under way at a time, and a caller who goes away does not wait.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most := 0, 0
		d := New([]Check{{Name: "a", Run: func(ctx context.Context) Finding {
			running++
			most = max(most, running)
			time.Sleep(time.Second)
			running--
			return Finding{State: OK}
		}}}, 5*time.Second, time.Now, slog.New(slog.DiscardHandler))
		ended := make(chan error, 3)
		for range 2 {
			go func() {
				_, err := d.Run(t.Context())
				ended <- err
			}()
		}
		synctest.Wait()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Run(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("%v for a caller who has gone", err)
		}
		if err := errors.Join(<-ended, <-ended); err != nil || most != 1 {
			t.Errorf("%v, %d at a time", err, most)
		}
	})
}

// TestPanic: a check that panics is a finding, and its cause is in the log alone.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	d := New([]Check{{Name: "a", Run: func(context.Context) Finding { panic("secret cause") }}}, time.Second, time.Now,
		slog.New(slog.NewTextHandler(&log, nil)))
	report, err := d.Run(t.Context())
	if err != nil || report.State != Failed || strings.Contains(report.Results[0].Message, "secret cause") ||
		!strings.Contains(log.String(), "secret cause") || !strings.Contains(log.String(), "check=a") {
		t.Errorf("%+v %v\n%s", report, err, &log)
	}
}
