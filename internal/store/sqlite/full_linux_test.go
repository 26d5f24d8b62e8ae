package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"golang.org/x/sys/unix"
)

// TestFullFileSystem fills a real file system and gives it room again.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("this user may not mount a file system to fill: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	rig := &crashRig{T: t, dir: dir, ledger: &ledger{sent: map[uint64]*entry{}, recorded: map[string]bool{}}}
	s := reopen(t, dir)
	rig.ledger.source, rig.ledger.destination = populate(t, s)
	random := newRandom(1)
	for !errors.Is(s.Ready(t.Context()), store.ErrFull) { // small transactions may still fit when large ones do not
		if err := rig.ledger.send(s, random); err != nil && !errors.Is(err, store.ErrFull) {
			t.Fatalf("full: %v, %v, want %v", err, s.Err(), store.ErrFull)
		}
	}
	if err := errors.Join(os.Remove(ballast), s.Ready(t.Context()), rig.ledger.send(s, random),
		s.Close()); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if lost, wrong := rig.ledger.check(reopen(t, dir)); len(lost)+len(wrong) > 0 {
		t.Errorf("lost %q, wrong %q", lost, wrong)
	}
}
