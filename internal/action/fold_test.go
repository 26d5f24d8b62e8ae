package action

import (
	"fmt"
	"testing"
	"time"
)

// A stopwatch is a clock that moves only when a test moves it, and whose wall clock can be set.
type stopwatch struct {
	instant
}

func newStopwatch() *stopwatch {
	return &stopwatch{instant{wall: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}}
}

func (s *stopwatch) pass(d time.Duration) { s.wall, s.steady = s.wall.Add(d), s.steady+d }

func (s *stopwatch) set(d time.Duration) { s.wall = s.wall.Add(d) }

func (s *stopwatch) read() instant { return s.instant }

// wantTurn checks the turn of an event about a resource.
func wantTurn(t *testing.T, what string, got, want turn) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// TestFolds: an event that came in before a fetch of its resource began is served by that fetch. One that came in
// later waits for the next fetch, which begins no earlier than the fold after the one before, and not while that
// is under way.
func TestFolds(t *testing.T) {
	t.Parallel()
	s := newStopwatch()
	f := &folds{clock: s.read, every: time.Second}
	start := s.wall
	at := func(d time.Duration) time.Time { return start.Add(d) }
	wantTurn(t, "the first", f.begin("a", at(-time.Hour)), turn{begins: true})
	wantTurn(t, "one that it will serve", f.begin("a", at(-time.Hour)), turn{after: leastWait})
	wantTurn(t, "one that it will not", f.begin("a", at(0)), turn{after: time.Second})
	wantTurn(t, "another resource", f.begin("b", at(0)), turn{begins: true})
	s.pass(950 * time.Millisecond)
	wantTurn(t, "while it is under way", f.begin("a", at(-time.Hour)), turn{after: 950 * time.Millisecond})
	wantTurn(t, "while it is under way", f.begin("a", at(0)), turn{after: 950 * time.Millisecond})
	s.pass(1550 * time.Millisecond)
	wantTurn(t, "while it takes long", f.begin("a", at(0)), turn{after: 2500 * time.Millisecond})
	f.end("a", "evt_1", true)
	wantTurn(t, "an earlier one", f.begin("a", at(-time.Millisecond)), turn{served: "evt_1"})
	wantTurn(t, "a later one", f.begin("a", at(time.Millisecond)), turn{begins: true})
	f.end("a", "", true)
	s.pass(400 * time.Millisecond)
	wantTurn(t, "after a failure", f.begin("a", at(time.Millisecond)), turn{after: 600 * time.Millisecond})
	wantTurn(t, "an earlier one after a failure", f.begin("a", at(-time.Millisecond)), turn{served: "evt_1"})
	s.pass(time.Second)
	wantTurn(t, "the next one", f.begin("a", at(time.Millisecond)), turn{begins: true})
	f.end("a", "", false)
	wantTurn(t, "after one without a call", f.begin("a", at(time.Millisecond)), turn{begins: true})
	f.end("b", "", false)
	wantTurn(t, "after a first one without a call", f.begin("b", at(time.Millisecond)), turn{begins: true})

	off := &folds{clock: s.read}
	for range 3 {
		wantTurn(t, "without folding", off.begin("a", at(-time.Hour)), turn{begins: true})
		off.end("a", "evt_1", true)
	}
}

// TestFoldsWhenTheClockIsSet: a clock that was set makes no event look older than a fetch that does not serve it.
func TestFoldsWhenTheClockIsSet(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{-time.Hour, -500 * time.Millisecond, -10 * time.Microsecond, 0, time.Hour} {
		s := newStopwatch()
		f := &folds{clock: s.read, every: time.Millisecond}
		f.begin("a", s.wall)
		f.end("a", "evt_1", true)
		s.pass(time.Second / 4)
		s.set(step)
		wantTurn(t, step.String(), f.begin("a", s.wall), turn{begins: true}) // it came in after the fetch
	}
}

// TestFoldsAreBounded: however many resources there are, some thousand are remembered, and one whose fetch is
// under way is never forgotten.
func TestFoldsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStopwatch()
	f := &folds{clock: s.read, every: time.Second}
	f.begin("busy", s.wall)
	for i := range 3 * maxFolds {
		name := fmt.Sprint(i)
		wantTurn(t, name, f.begin(name, s.wall), turn{begins: true})
		f.end(name, "evt_1", true)
		s.pass(time.Millisecond)
	}
	if len(f.list) > maxFolds || f.list["busy"] == nil {
		t.Errorf("%d resources, busy: %v", len(f.list), f.list["busy"])
	}
}
