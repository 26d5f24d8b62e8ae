package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// Whichever operation a disk fails at, the store acknowledges nothing more, says which file it is about, and has
// lost nothing that it had acknowledged.
func TestDiskErrors(t *testing.T) {
	for _, c := range []struct {
		op    diskOp
		times int
	}{{opSync, 60}, {opWrite, 60}, {opTruncate, 3}} {
		t.Run(string(c.op), func(t *testing.T) {
			seed := seed(t)
			for n := 1; n <= c.times; n++ {
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					diskError(t, seed+uint64(n), fault{op: c.op, nth: n, kept: float64(n%3) / 2})
				})
			}
		})
	}
}

func diskError(t *testing.T, seed uint64, f fault) {
	h := newHouse(t, "")
	d := newDisk(t, seed)
	s, err := h.open(d)
	if err != nil {
		t.Fatal(err)
	}
	d.set(f)
	h.ledger.load(s, seed, 2, 2000)
	if !closed(s.Failed()) {
		t.Fatal("the senders were turned away or are done, but the store has not failed")
	}
	if err := s.Err(); !strings.Contains(fmt.Sprint(err), s.Path()) {
		t.Errorf("Err: %v, want the file's name", err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("it is ready")
	}
	for range 3 {
		if err := h.ledger.send(s, newRandom(seed)); !errors.Is(err, store.ErrUnknown) {
			t.Errorf("accept: %v, want %v", err, store.ErrUnknown)
		}
	}
	s.Close()
	h.examine(d, 0.5)
}

// A disk that has no room for one write fails what that write was of, all of it, and nothing else.
func TestDiskFullOnce(t *testing.T) {
	seed := seed(t)
	for n := 1; n <= 60; n++ {
		var full error = sqlite3.FULL
		if n%2 == 0 {
			full = &fs.PathError{Op: "write", Path: store.FileName, Err: syscall.ENOSPC} // what os.File says
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) { fullOnce(t, seed+uint64(n), fault{op: opWrite, nth: n, err: full}) })
	}
}

func fullOnce(t *testing.T, seed uint64, f fault) {
	h := newHouse(t, "")
	d := newDisk(t, seed)
	s, err := h.open(d)
	if err != nil {
		t.Fatal(err)
	}
	fired := d.set(f)
	for !closed(fired) {
		h.ledger.load(s, seed, 4, 10)
	}
	h.ledger.load(s, seed, 4, 2)
	if err := s.Err(); err != nil {
		t.Errorf("a full disk was taken for a broken one: %v", err)
	}
	if err := errors.Join(s.Ready(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
	h.examine(d, 0)
}

// Opening fails as a whole, whichever operation fails, and can be tried again: on a new folder, and on one that a
// crash has left.
func TestDiskErrorOnOpen(t *testing.T) {
	seed := seed(t)
	left := newHouse(t, "")
	d := newDisk(t, seed)
	s, err := left.open(d)
	if err != nil {
		t.Fatal(err)
	}
	left.ledger.load(s, seed, 4, 10)
	crashed := readFolder(t, d.powerCut(t, left.dir, 1))
	s.Close()
	step := 1
	if underRace {
		step = 4
	}
	for name, files := range map[string]images{"new": nil, "crashed": crashed} {
		for _, op := range []diskOp{opSync, opWrite, opTruncate} {
			t.Run(name+" "+string(op), func(t *testing.T) {
				for n := 1; failOpening(t, files, left.ledger, fault{op: op, nth: n, kept: float64(n%3) / 2}); n += step {
				}
			})
		}
	}
}

// failOpening opens the store of files with f, and again without. It reports whether f struck.
func failOpening(t *testing.T, files images, l *ledger, f fault) bool {
	h := &house{T: t, dir: t.TempDir(), ledger: l}
	writeFolder(t, h.dir, files)
	d := newDisk(t, uint64(f.nth))
	fired := d.set(f)
	s, err := h.open(d)
	if err == nil {
		s.Close()
	} else if path := filepath.Join(h.dir, store.FileName); !strings.Contains(err.Error(), path) {
		t.Errorf("%v: does not name %s", err, path)
	}
	if !closed(fired) {
		return false
	}
	if files == nil {
		h.ledger = &ledger{}
	}
	h.examine(d, 0.5)
	return true
}

// examine compares what is left after a power cut with what was acknowledged.
func (h *house) examine(d *disk, kept float64) {
	h.Helper()
	h.dir = d.powerCut(h, h.dir, kept)
	s, err := h.open(newDisk(h, 0))
	if err != nil {
		h.Fatal(err)
	}
	lost, wrong := h.ledger.check(s)
	if len(lost)+len(wrong) > 0 {
		h.Errorf("lost %d: %q; wrong: %q", len(lost), lost, wrong)
	}
	if err := s.Close(); err != nil {
		h.Error(err)
	}
}
