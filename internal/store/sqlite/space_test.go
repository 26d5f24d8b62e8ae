package sqlite

import (
	"context"
	"crypto/sha256"
	"os"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestSpaceIsGivenBack shows that the database becomes smaller after retention, in steps of bounded size, that the
// events that are left stay whole when their pages are moved, and that without an event it is about as small as new.
func TestSpaceIsGivenBack(t *testing.T) {
	t.Parallel()
	now, dir := epoch.AddDate(2, 0, 0), t.TempDir()
	set := func(o *Options) {
		o.sync, o.Retain, o.Now = "off", time.Hour, func() time.Time { return now }
		o.Elapsed = func() time.Duration { return now.Sub(epoch) }
	}
	s := reopen(t, dir, set)
	size := func() int64 {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(s.Path())
		if err != nil {
			t.Fatal(err)
		}
		s = reopen(t, dir, set)
		return info.Size()
	}
	source, _ := populate(t, s)
	empty := size()

	random := newRandom(7)
	fill := func(n int) (ids []string) {
		t.Helper()
		for i := range n {
			body := make([]byte, i%7*5000) // within a page, and in chains of up to four further ones
			for j := range body {
				body[j] = byte(random.Uint32())
			}
			events := []bellhop.Event{{SourceID: source, Type: "x", ReceivedAt: now, Body: body,
				SHA256: sha256.Sum256(body)}}
			if _, err := s.Accept(t.Context(), nil, events, nil); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, events[0].ID)
		}
		return ids
	}
	const old = 640
	fill(old)
	now = now.Add(2 * time.Hour)
	young := fill(old / 10)
	full := size()
	if full < 20*empty {
		t.Fatalf("the database has %d bytes, and %d without an event: too few events for this test", full, empty)
	}

	if err := s.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	left := size()
	if most := empty + (full-empty)/11*2; left > most {
		t.Errorf("with a tenth of its events the database has %d bytes, want at most %d of %d", left, most, full)
	}
	for _, id := range young {
		if _, err := s.Event(t.Context(), id); err != nil { // compares the body with its checksum
			t.Error(err)
		}
	}
	err := s.do(func(c *conn) error {
		if n, err := c.number(
			"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"); err != nil ||
			n > 0 {
			t.Errorf("%d faults in the database: %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	now = now.Add(2 * time.Hour)
	for from, more := int64(0), true; more; {
		if from, more, err = s.deleteOld(from); err != nil {
			t.Fatal(err)
		}
	}
	pages := func() (n int64) {
		t.Helper()
		err := s.do(func(c *conn) (err error) {
			n, err = c.number("PRAGMA page_count")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for more := true; more; {
		before := pages()
		if more, err = s.giveBackSpace(); err != nil {
			t.Fatal(err)
		}
		if gone := before - pages(); gone > spaceStep+1 || more && gone == 0 { // and a page of the map of pages
			t.Errorf("a step took %d pages off, want 1 to %d", gone, spaceStep)
		}
	}
	if left := size(); left > empty*5/4 {
		t.Errorf("without an event the database has %d bytes, and had %d when it was new", left, empty)
	}
}

// TestNewDatabase shows that a new database has the pages and the way to give space back that DESIGN.md names. SQLite
// ignores either setting, without a word, when it comes too late.
func TestNewDatabase(t *testing.T) {
	t.Parallel()
	s := open(t)
	for pragma, want := range map[string]int64{"page_size": 8192, "auto_vacuum": 2 /* incremental */} {
		err := s.do(func(c *conn) error {
			got, err := c.number("PRAGMA " + pragma)
			if err == nil && got != want {
				t.Errorf("%s of a new database is %d, want %d", pragma, got, want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
