package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A watchedWork is a progress whose clock a test moves.
type watchedWork struct {
	*progress
	now time.Time
	out bytes.Buffer
}

// newWork returns work that is shown on a terminal of that width; 0 is none.
func newWork(width int) *watchedWork {
	w := &watchedWork{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	w.progress = newProgress(&env{stderr: &w.out, talkWidth: func() int { return width },
		now: func() time.Time { return w.now }})
	return w
}

// after shows x after a while, and returns what was printed.
func (w *watchedWork) after(d time.Duration, x extent) string {
	w.now = w.now.Add(d)
	w.out.Reset()
	w.show(x)
	return w.out.String()
}

// TestProgressOnATerminal: one line with a bar, the rate and the time that is left, no wider than the terminal.
func TestProgressOnATerminal(t *testing.T) {
	w := newWork(80)
	const mib = 1 << 20
	file := func(n int64) extent {
		return extent{what: "call.mp4", text: "x", done: n * mib, bytes: true, part: float64(n) / 100}
	}
	if got := w.after(0, file(0)); got != "\rcall.mp4  [--------------------]  0%  x" {
		t.Errorf("%q", got)
	}
	if got := w.after(100*time.Millisecond, file(1)); got != "" {
		t.Errorf("too early: %q", got)
	}
	got := w.after(1900*time.Millisecond, file(20))
	if got != "\rcall.mp4  [####----------------]  20%  x  10.0 MiB/s  8s left" {
		t.Errorf("%q", got)
	}
	got = w.after(20*time.Second, file(40)) // the rate is that of the latest time
	if got != "\rcall.mp4  [########------------]  40%  x  1.0 MiB/s  1m0s left" {
		t.Errorf("%q", got)
	}
	got = w.after(time.Second, extent{what: "replay", text: "no whole", done: 42 * mib, part: -1})
	if !strings.HasPrefix(got, "\rreplay  no whole  ") || strings.Contains(got, "left") {
		t.Errorf("%q", got)
	}
	w.out.Reset()
	w.end()
	if got := w.out.String(); strings.Trim(got, " \r") != "" || len(got) < 20 || !strings.HasSuffix(got, " \r") {
		t.Errorf("the line is not erased: %q", got)
	}
	narrow := newWork(30)
	if got := narrow.after(0, file(50)); displayWidth(strings.TrimPrefix(got, "\r")) >= 30 {
		t.Errorf("%q", got)
	}
}

// TestProgressElsewhere: a line every ten seconds.
func TestProgressElsewhere(t *testing.T) {
	w := newWork(0)
	x := extent{what: "replay", text: "7 examined", part: -1}
	for range 9 {
		x.done += 100
		if got := w.after(time.Second, x); got != "" {
			t.Errorf("too early: %q", got)
		}
	}
	x.done, x.part = x.done+100, 0.5
	if got := w.after(time.Second, x); got != "replay: 50%, 7 examined, 100/s\n" {
		t.Errorf("%q", got)
	}
	if got := w.after(time.Second, x); got != "" {
		t.Errorf("too early: %q", got)
	}
	w.say("words")
	w.end()
	if w.out.Len() > 0 {
		t.Errorf("%q", w.out.String())
	}
}

// TestRepairExtent: a repair is as far as the time of its events.
func TestRepairExtent(t *testing.T) {
	at := func(hour int) client.Time { return client.Time{Time: time.Date(2026, 11, 22, hour, 0, 0, 0, time.UTC)} }
	r := client.Repair{Kind: "replay", LookedAt: 10, Changed: 4, CreatedAt: at(20), PositionAt: at(5)}
	for _, c := range []struct {
		name  string
		begun client.Time
		until client.Time
		want  float64
	}{
		{"from the start", at(0), client.Time{}, 0.25},
		{"until a time", at(0), at(10), 0.5},
		{"until a time to come", at(0), at(22), 0.25},
		{"begun just now", at(5), client.Time{}, 0},
		{"unknown", client.Time{}, client.Time{}, -1},
		{"before it began", at(10), at(8), -1},
	} {
		r.Filter.Until = c.until
		x := repairExtent(r, c.begun.Time)
		if x.part != c.want || x.text != "10 examined, 4 changed" || x.done != 10 {
			t.Errorf("%s: %+v", c.name, x)
		}
	}
	r.LookedAt = 0
	if x := repairExtent(r, at(0).Time); x.part != -1 {
		t.Errorf("nothing examined: %+v", x)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 9*time.Second + 900*time.Millisecond: "9s", 127 * time.Second: "2m7s", 3905 * time.Second: "1h5m",
		50 * time.Hour: "2d",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
