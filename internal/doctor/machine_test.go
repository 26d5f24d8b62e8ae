package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// expect compares a finding with a state and a part of its message. What needs a person says what to do.
func expect(t *testing.T, what string, f Finding, state State, message string) {
	t.Helper()
	if f.State != state || !strings.Contains(f.Message, message) {
		t.Errorf("%s: %s %q, want %s %q", what, f.State, f.Message, state, message)
	}
	if (f.State == Warning || f.State == Failed) && f.Remedy == "" {
		t.Errorf("%s: %q says not what to do", what, f.Message)
	}
}

func TestDisk(t *testing.T) {
	for _, c := range []struct {
		free     uint64
		database int64
		state    State
		message  string
	}{
		{100 << 30, 1 << 30, OK, "100 GiB of 200 GiB are free; the database has 1.0 GiB"},
		{3 << 30, 4 << 30, Warning, "a copy of it does not fit"},
		{900 << 20, 1 << 20, Warning, "900 MiB of 200 GiB are free; the database has 1.0 MiB"},
		{200 << 20, 1 << 20, Failed, "answered 503"},
		{0, -1, Failed, "0.0 MiB of"},
	} {
		expect(t, c.message, judgeDisk(c.free, 200<<30, c.database), c.state, c.message)
	}
	if f := Disk(t.TempDir(), 0); f.Message == "" || !strings.Contains(f.Message, "are free") {
		t.Errorf("a folder: %+v", f)
	}
	expect(t, "no folder", Disk(filepath.Join(t.TempDir(), "none"), 0), Failed, "cannot be checked")
}

func TestSync(t *testing.T) {
	ms := func(list ...int) (took []time.Duration) {
		for _, n := range list {
			took = append(took, time.Duration(n)*time.Millisecond)
		}
		return took
	}
	expect(t, "fast", judgeSync(ms(1, 2, 3, 900)), OK, "a sync takes 3ms (the middle of 4), at most 900ms")
	expect(t, "slow", judgeSync(ms(20, 30, 40)), Warning, "30ms")
	expect(t, "bad", judgeSync(ms(200, 300, 1400)), Failed, "300ms (the middle of 3), at most 1.4s")
	expect(t, "none", judgeSync(nil), Skipped, "no time")

	dir := t.TempDir()
	if f := Sync(t.Context(), dir); !strings.Contains(f.Message, "a sync takes") {
		t.Errorf("%+v", f)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	expect(t, "without time", Sync(ended, dir), Skipped, "no time")
	none := filepath.Join(dir, "none")
	f := Sync(t.Context(), none)
	expect(t, "no folder", f, Failed, "cannot be written")
	if strings.Contains(f.Message, none) {
		t.Errorf("%q has the name of a file that is of no use", f.Message)
	}
}

func TestDescriptors(t *testing.T) {
	expect(t, "enough", Descriptors(Files{Granted: 100_000, Needed: 30_000, Open: 50}), OK,
		"100000 files may be open, 50 are")
	expect(t, "fewer than asked for", Descriptors(Files{Granted: 20_000, Needed: 30_000}), Warning,
		"need 30000, so the server allows fewer")
	expect(t, "few", Descriptors(Files{Granted: 1024, Open: 50}), Warning, "1024 files may be open, 50 are: that "+
		"is few")
	expect(t, "nearly all", Descriptors(Files{Granted: 1024, Needed: 1000, Open: 1000}), Failed, "1000 are")
	expect(t, "unknown", Descriptors(Files{Granted: 9000, Needed: 1000, Open: -1}), OK, "9000 files may be open")
	expect(t, "no limit", Descriptors(Files{Needed: 30_000}), Skipped, "does not say")
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	told := func(off, ago time.Duration) Time {
		return Time{Now: now, Started: now, Host: "graph.example.com", Theirs: now.Add(-ago - off),
			HeldAt: now.Add(-ago)}
	}
	for what, c := range map[string]struct {
		t       Time
		state   State
		message string
	}{
		"as a provider says": {told(2*time.Second, time.Minute), OK, "within some seconds of that of " +
			"graph.example.com"},
		"a little ahead": {told(20*time.Second, time.Minute), Warning, "20 s ahead of that of graph.example.com"},
		"far behind":     {told(-5*time.Minute, time.Minute), Failed, "5 min behind that of graph.example.com"},
		"told long ago":  {told(5*time.Minute, 2*time.Hour), Skipped, "no provider has told the time"},
		"kept":           {Time{Now: now, Started: now, Kept: true, Known: true}, OK, "a time service keeps it"},
		"not kept":       {Time{Now: now, Started: now, Known: true}, Skipped, "does not know of a time service"},
		"not known":      {Time{Now: now, Started: now}, Skipped, "does not say whether"},
		"an event ahead": {Time{Now: now, Started: now, Newest: now.Add(2 * time.Hour), Kept: true, Known: true},
			Failed, "2 h ahead"},
		"an event of just now": {Time{Now: now, Started: now, Newest: now.Add(time.Second), Kept: true, Known: true},
			OK, ""},
	} {
		expect(t, what, Clock(c.t), c.state, c.message)
	}
	// The monotonic clock goes on while the other is set.
	started := time.Now()
	set := started.Add(time.Minute)
	if f := Clock(Time{Now: set, Started: started, Kept: true, Known: true}); f.State != OK {
		t.Errorf("both clocks went on: %+v", f)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	expect(t, "good", Folder(dir, func(string) error { return nil }), OK, "for their owner alone")
	f := Folder(dir, func(string) error { return errors.New("other users can write to /d: chmod 700 it") })
	expect(t, "open", f, Failed, "other users can write to /d")
	if f.Remedy != "chmod 700 it" {
		t.Errorf("%+v", f)
	}
	expect(t, "broken", Folder(dir, func(string) error { return os.ErrPermission }), Failed, "permission denied")
}

func TestDatabase(t *testing.T) {
	answer := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	expect(t, "good", Database(t.Context(), answer(nil)), OK, "takes writes")
	expect(t, "broken", Database(t.Context(), answer(errors.New("disk I/O error"))), Failed, "disk I/O error")
	f := Database(t.Context(), answer(&bellhop.Error{Code: bellhop.CodeUnavailable,
		Message: "storage is full: make room where the data folder is"}))
	expect(t, "full", f, Failed, "storage is full")
	if f.Remedy != "make room where the data folder is" {
		t.Errorf("%+v", f)
	}
}
