package sqlite

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestSweepAfterAJump shows that the sweep deletes nothing because of its age until the clock has been steady for an
// hour, whichever way it jumped, and that a start trusts the clock if the newest event is of the last hour.
func TestSweepAfterAJump(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	const minute = time.Minute
	for _, c := range []struct {
		name    string
		does    func(pass, set func(time.Duration), restart func())
		deletes bool
	}{
		{"time passes", func(pass, set func(time.Duration), _ func()) { pass(2 * time.Hour) }, true},
		{"a jump ahead", func(pass, set func(time.Duration), _ func()) { set(year) }, false},
		{"a jump ahead, and less than an hour", func(pass, set func(time.Duration), _ func()) {
			set(year)
			pass(59 * minute)
		}, false},
		{"a jump ahead, and an hour", func(pass, set func(time.Duration), _ func()) {
			set(year)
			pass(61 * minute)
		}, true},
		{"ahead and back", func(pass, set func(time.Duration), _ func()) {
			set(year)
			pass(4 * time.Second)
			set(-year)
			pass(59 * minute)
		}, false},
		{"less than a minute", func(pass, set func(time.Duration), _ func()) {
			pass(59*minute + 30*time.Second)
			set(50 * time.Second)
		}, true},
		{"a start soon after", func(pass, _ func(time.Duration), restart func()) {
			pass(61 * minute)
			restart()
		}, false},
		{"a start, and an hour", func(pass, _ func(time.Duration), restart func()) {
			pass(61 * minute)
			restart()
			pass(61 * minute)
		}, true},
		{"a start with a clock ahead", func(_, set func(time.Duration), restart func()) {
			set(year)
			restart()
		}, false},
		{"a start with a clock behind", func(pass, set func(time.Duration), restart func()) {
			pass(30 * minute)
			set(-year)
			restart()
			set(year)
			pass(45 * minute)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now, elapsed, dir := epoch.AddDate(2, 0, 0), time.Duration(0), t.TempDir()
			options := func(o *Options) {
				o.sync, o.Retain, o.Now = "off", time.Hour, func() time.Time { return now }
				o.Elapsed = func() time.Duration { return elapsed }
			}
			s := reopen(t, dir, options)
			source, _ := populate(t, s)
			if _, err := s.Accept(t.Context(), nil, []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: now}},
				nil); err != nil {
				t.Fatal(err)
			}
			sweep := func() {
				t.Helper()
				if err := s.sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c.does(func(d time.Duration) { now, elapsed = now.Add(d), elapsed+d }, func(d time.Duration) {
				now = now.Add(d)
				sweep() // which sees the jump
			}, func() {
				s.Close()
				elapsed = 0
				s = reopen(t, dir, options)
			})
			sweep()
			st, err := s.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if deleted := st.Events == 0; deleted != c.deletes {
				t.Errorf("the event was deleted: %v, want %v", deleted, c.deletes)
			}
		})
	}
}
