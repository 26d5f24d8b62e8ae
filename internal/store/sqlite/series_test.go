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
	now := time.Date(2026, 11, 30, 23, 59, 30, 0, time.UTC)
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
	}{{4 * time.Hour, true}, {45 * time.Hour, true}, {29 * 24 * time.Hour, true},
		{24 * time.Hour, false}} {
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

// TestSeriesSums: the sum of a noun is that of its spans, wherever a period begins and ends within an hour or a day.
func TestSeriesSums(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 17, 43, 0, 0, time.UTC)
	s := open(t, func(o *Options) {
		o.sync, o.Now = "off", func() time.Time { return now }
	})
	source, _ := populate(t, s)
	n, _ := s.sources.get(source)
	for minutes := range 32 * 24 * 60 / 7 {
		s.tally.add(now.Add(-time.Duration(7*minutes)*time.Minute), sideSource, n, "", int64(1+minutes%13), 0)
	}
	for more, err := true, error(nil); more; {
		if more, err = s.saveSeries(); err != nil {
			t.Fatal(err)
		}
	}
	for _, period := range []time.Duration{time.Minute, 9 * time.Minute, time.Hour, 179 * time.Minute, 5 * time.Hour,
		24 * time.Hour, 47 * time.Hour, 50 * time.Hour, 100 * time.Hour, bellhop.MaxSeries} {
		q := bellhop.SeriesQuery{Step: bellhop.StepOf(period)}
		q.Until = now.Truncate(q.Step).Add(q.Step)
		q.Since = q.Until.Add(-period).Truncate(q.Step)
		got, err := s.Series(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, span := range got.Spans {
			sum += span.Accepted
		}
		if sum == 0 || len(got.Sources) != 1 || got.Sources[0].Accepted != sum {
			t.Errorf("%v: %d in spans, sources %+v", period, sum, got.Sources)
		}
		q.SourceIDs = []string{source}
		alone, err := s.Series(t.Context(), q)
		if err != nil || !reflect.DeepEqual(alone.Spans, got.Spans) {
			t.Errorf("%v: the source alone has other counts; %v", period, err)
		}
	}
}

// TestTallyIsBounded: while nothing can be saved, the counts of nouns stop at a bound, and those of all go on.
func TestTallyIsBounded(t *testing.T) {
	var y tally
	now, all := epoch, int64(0)
	const events, minute = maxTally + 5000, 500
	for n := range events {
		if n%minute == 0 {
			now = now.Add(time.Minute)
		}
		y.add(now, sideSource, int64(1+n), "", 1, 0)
	}
	for key, c := range y.counts {
		if key.noun == everyNoun {
			all += c.good
		}
	}
	if all != events || len(y.counts) > maxTally+events/minute {
		t.Errorf("%d keys, %d in all", len(y.counts), all)
	}
}

// BenchmarkSeries measures what the overview reads, with as many sources and destinations as are counted one by one
// and 10,000 destinations.
func BenchmarkSeries(b *testing.B) {
	s := open(b, func(o *Options) { o.sync = "off" })
	populate(b, s)
	until := time.Date(2026, 11, 30, 17, 43, 0, 0, time.UTC)
	err := s.do(func(c *conn) error {
		for i := range 10_000 {
			err := c.exec(`INSERT INTO destinations (id, name, type, url, settings, access, match, timeout, concurrency,
				rate, batch, order_by, retry, breaker, expires_at, handshake, granted, state, state_reason,
				failing_since, created_at, updated_at, secrets_at, tenant, tenants)
				SELECT 'dst_' || ?1, 'd' || ?1, type, url, settings, access, match, timeout, concurrency,
				rate, batch, order_by, retry, breaker, expires_at, handshake, granted, state, state_reason,
				failing_since, created_at, updated_at, secrets_at, tenant, tenants FROM destinations WHERE n = 1`, i)
			if err != nil {
				return err
			}
		}
		for _, step := range bellhop.SeriesSteps {
			for at := until.Add(-step.Kept).Truncate(step.Length); at.Before(until); at = at.Add(step.Length) {
				err := c.exec(`WITH RECURSIVE d (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM d WHERE n < 1000)
					INSERT INTO series (step, side, at, noun, tenant, good, bad)
					SELECT ?, side, ?, d.n, '', 100, 1 FROM d, (SELECT 0 AS side UNION SELECT 1)`,
					int64(step.Length/time.Second), at)
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, period := range []time.Duration{time.Hour, 24 * time.Hour, bellhop.MaxSeries} {
		b.Run(period.String(), func(b *testing.B) {
			q := bellhop.SeriesQuery{Step: bellhop.StepOf(period)}
			q.Until = until.Truncate(q.Step).Add(q.Step)
			q.Since = q.Until.Add(-period)
			for b.Loop() {
				got, err := s.Series(b.Context(), q)
				if err != nil || got.Spans[1].Delivered != 100 {
					b.Fatal(got.Spans[1], err)
				}
			}
		})
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
