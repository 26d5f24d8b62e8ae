package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// A recordedFile writes down what is done with it.
type recordedFile struct {
	vfs.File
	done []string
	full bool // the next write finds no room
}

func (f *recordedFile) WriteAt(b []byte, at int64) (int, error) {
	f.done = append(f.done, fmt.Sprintf("write %s at %d", b, at))
	if f.full {
		f.full = false
		return 0, syscall.ENOSPC
	}
	return len(b), nil
}

func (f *recordedFile) ReadAt(b []byte, at int64) (int, error) {
	f.done = append(f.done, fmt.Sprintf("read %d at %d", len(b), at))
	return len(b), nil
}

func (f *recordedFile) Sync(vfs.SyncFlag) error { f.done = append(f.done, "sync"); return nil }
func (f *recordedFile) Truncate(n int64) error {
	f.done = append(f.done, fmt.Sprintf("truncate %d", n))
	return nil
}
func (f *recordedFile) Size() (int64, error) { f.done = append(f.done, "size"); return 0, nil }
func (f *recordedFile) Close() error         { f.done = append(f.done, "close"); return nil }

// TestGatheredWrites shows that writes which follow one another become one write, and that everything else that is
// done with the file comes after the writes before it.
func TestGatheredWrites(t *testing.T) {
	t.Parallel()
	below := &recordedFile{}
	f := &file{File: below, gathers: true}
	write := func(text string, at int64) {
		t.Helper()
		if n, err := f.WriteAt([]byte(text), at); err != nil || n != len(text) {
			t.Fatalf("a write returned %d, %v", n, err)
		}
	}
	write("ab", 0)
	write("cd", 2)
	f.Sync(0)
	write("x", 10) // a gap
	write("y", 12)
	write("z", 11) // back
	f.ReadAt(make([]byte, 3), 0)
	write("1", 3)
	f.Truncate(7)
	write("2", 3)
	f.Size()
	write("3", 3)
	write(strings.Repeat("4", maxGathered), 4)
	write("5", 4+maxGathered)
	f.Close()
	long := "write " + strings.Repeat("4", maxGathered) + " at 4"
	want := []string{"write abcd at 0", "sync", "write x at 10", "write y at 12", "write z at 11", "read 3 at 0",
		"write 1 at 3",
		"truncate 7", "write 2 at 3", "size", "write 3 at 3", long, fmt.Sprint("write 5 at ", 4+maxGathered), "close"}
	if !slices.Equal(below.done, want) {
		t.Errorf("done: %.300q\nwant: %.300q", below.done, want)
	}
}

// TestGatheredWriteFails shows that a write without room fails the sync that it waited for as a full disk does, is not
// tried again, and leaves the file usable. A file that does not gather fails at once.
func TestGatheredWriteFails(t *testing.T) {
	t.Parallel()
	below := &recordedFile{full: true}
	f := &file{File: below, gathers: true}
	if _, err := f.WriteAt([]byte("ab"), 0); err != nil {
		t.Fatalf("a write that waits failed: %v", err)
	}
	if err := f.Sync(0); !isFullCode(err) {
		t.Errorf("the sync returned %v, want FULL", err)
	}
	if err := f.Sync(0); err != nil {
		t.Errorf("the next sync returned %v", err)
	}
	if want := []string{"write ab at 0", "sync"}; !slices.Equal(below.done, want) {
		t.Errorf("done: %q, want %q", below.done, want)
	}
	f = &file{File: &recordedFile{full: true}}
	if _, err := f.WriteAt([]byte("ab"), 0); !isFullCode(err) {
		t.Errorf("a write returned %v, want FULL", err)
	}
}

// isFullCode reports whether err is what the driver takes for SQLITE_FULL.
func isFullCode(err error) bool {
	return err != nil && err.Error() == vfs.SystemError(syscall.ENOSPC, sqlite3.FULL).Error()
}
