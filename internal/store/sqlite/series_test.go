package sqlite

import (
	"reflect"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestSeriesIsKept: the counts are the same before and after they are saved and after a restart, a step of saving is
// bounded, and each step of spans has them all.
func TestSeriesIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 11, 30, 10, 59, 30, 0, time.UTC)
	change := func(o *Options) {
		o.sync, o.Now = "off", func() time.Time { return now }
		o.Elapsed = func() time.Duration { return now.Sub(epoch) }
	}
	s := reopen(t, dir, change)
	source, destination := populate(t, s)
	owe(t, s, source, destination, 5, func(int) int64 { return 0 })
	now = now.Add(time.Minute)
	owe(t, s, source, destination, 2, func(int) int64 { return 0 })
	for n := range sweepStep {
		s.tally.add(now, sideSource, int64(1000+n), "", 1, 0)
	}
	read := func(step time.Duration) (counts []int64) {
		t.Helper()
		until := now.Truncate(step).Add(step)
		got, err := s.Series(t.Context(), bellhop.SeriesQuery{Step: step, Since: until.Add(-2 * step), Until: until})
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range got.Spans {
			counts = append(counts, span.Accepted)
		}
		return counts
	}
	check := func(when string) {
		t.Helper()
		for _, step := range bellhop.SeriesSteps {
			got := read(step.Length)
			if want := []int64{5, 2 + sweepStep}; !reflect.DeepEqual(got, want) {
				t.Errorf("%s, in steps of %v: %v, want %v", when, step.Length, got, want)
			}
		}
	}
	// Before the counts are saved they are known by the minute. Longer spans have them all the same.
	check("in memory")
	more, err := s.saveSeries()
	if err != nil || !more {
		t.Fatalf("%t, %v", more, err)
	}
	check("half saved")
	for more {
		if more, err = s.saveSeries(); err != nil {
			t.Fatal(err)
		}
	}
	check("saved")
	s.tally.add(now, sideSource, everyNoun, "", 0, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, dir, change)
	check("after a restart")
	got, err := s.Series(t.Context(), bellhop.SeriesQuery{Step: time.Minute, Since: now.Truncate(time.Minute),
		Until: now.Truncate(time.Minute).Add(time.Minute)})
	if err != nil || got.Spans[0].Refused != 1 {
		t.Errorf("what was counted last before the stop: %+v, %v", got.Spans, err)
	}

	rows := func() (n int64) {
		t.Helper()
		err := s.do(func(c *conn) (err error) {
			n, err = c.number("SELECT count(*) FROM series")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := rows()
	for _, c := range []struct {
		after time.Duration
		some  bool
	}{{4 * time.Hour, true}, {45 * time.Hour, true}, {29 * 24 * time.Hour, false}} {
		now = now.Add(c.after)
		for more := true; more; {
			if more, err = s.deleteOldSeries(); err != nil {
				t.Fatal(err)
			}
		}
		left := rows()
		if left >= before || c.some != (left > 0) {
			t.Errorf("after %v more %d rows are left of %d", c.after, left, before)
		}
		before = left
	}
}

// BenchmarkTally measures what counting costs an event.
func BenchmarkTally(b *testing.B) {
	var t tally
	now := time.Now()
	for b.Loop() {
		t.add(now, sideSource, 7, "", 1, 0)
	}
}
