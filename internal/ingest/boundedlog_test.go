package ingest

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefusalLogBounded: a flood of refusals at one source writes a burst of lines, one line a second, and every ten
// seconds how many were left out. A refusal at another source meanwhile has its line, and so has a fault.
func TestRefusalLogBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newBoundedLog(slog.New(slog.NewTextHandler(&out, nil)), time.Now)
		lines := func(part string) int { return strings.Count(out.String(), part) }
		const flood = 3000
		for range flood {
			l.write(slog.LevelInfo, "request.refused", "src_flooded", "flooded", "reason", "signature_mismatch")
		}
		if n := lines("source_id=src_flooded"); n != sourceLinesBurst {
			t.Errorf("%d lines of %d at once, want %d", n, flood, sourceLinesBurst)
		}
		l.write(slog.LevelInfo, "request.refused", "src_quiet", "quiet")
		l.write(slog.LevelWarn, "request.refused", "src_flooded", "flooded", "reason", "unavailable")
		if lines("source_id=src_quiet") != 1 || lines("level=WARN") != 1 {
			t.Errorf("the flood hides others:\n%s", &out)
		}
		for range 9 {
			time.Sleep(time.Second)
			l.write(slog.LevelInfo, "request.refused", "src_flooded", "flooded")
			l.write(slog.LevelInfo, "request.refused", "src_flooded", "flooded")
		}
		time.Sleep(summaryEvery)
		synctest.Wait()
		want := fmt.Sprintf("msg=request.unlogged component=ingest source_id=src_flooded source=flooded lines=%d",
			flood-sourceLinesBurst+9)
		if n := lines("msg=request.refused component=ingest source_id=src_flooded"); n != sourceLinesBurst+9+1 {
			t.Errorf("%d lines", n)
		}
		if lines(want) != 1 || lines("request.unlogged") != 1 {
			t.Errorf("want %s in\n%s", want, &out)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if lines("request.unlogged") != 1 {
			t.Error("a summary of nothing")
		}
	})
}

// TestRefusalLogOfManySources: the lines about all sources together are bounded too, and so are their summaries. Stop
// writes the last summary.
func TestRefusalLogOfManySources(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := newBoundedLog(slog.New(slog.NewTextHandler(&out, nil)), time.Now)
		const sources, each = 500, 3
		for i := range sources * each {
			l.write(slog.LevelInfo, "request.refused", fmt.Sprint("src_", i%sources), fmt.Sprint(i%sources))
		}
		if n := strings.Count(out.String(), "request.refused"); n != linesPerSecond {
			t.Errorf("%d lines at once, want %d", n, linesPerSecond)
		}
		l.stop()
		out.WriteString("the end")
		var total int
		summaries := 0
		for line := range strings.Lines(out.String()) {
			if _, after, ok := strings.Cut(line, " lines="); ok {
				var n int
				fmt.Sscan(after, &n)
				total += n
				summaries++
			}
		}
		if summaries != maxSummaries+1 || total != sources*each-linesPerSecond {
			t.Errorf("%d summaries of %d lines, want %d of %d", summaries, total, maxSummaries+1,
				sources*each-linesPerSecond)
		}
	})
}

// TestRefusalsAreLoggedWithinBounds: the log of a door in a flood of forgeries, of unknown names and of unconfirmed
// handshakes is bounded; all are counted.
func TestRefusalsAreLoggedWithinBounds(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Now()
	r := newRig(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&out, nil))
		o.Env.Now = func() time.Time { return now }
	})
	const flood = 200
	for range flood {
		r.send("POST", "/in/src?"+strings.Repeat("&", maxParameters), nil)
		r.send("POST", "/in/nobody", nil)
	}
	if n := strings.Count(out.String(), "request.refused"); n != 2*sourceLinesBurst {
		t.Errorf("%d lines, want %d", n, 2*sourceLinesBurst)
	}
	r.door.Stop(t.Context())
	for _, want := range []string{`source_id=src_src source=src lines=190`, `source_id="" source="" lines=190`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, &out)
		}
	}
	if stats, err := r.store.Stats(t.Context()); err != nil || stats.RequestsRefused != 2*flood {
		t.Errorf("counted: %+v %v", stats, err)
	}
}
