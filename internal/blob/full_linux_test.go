package blob

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullFileSystem fills a real file system and gives it room again.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("this user may not mount a file system to fill: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	p := place{Storage: folder}
	whole := someBytes(900 << 10)
	f := newFile("a")
	w, err := p.Append(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.WriteString(w, whole)
	if !errors.Is(err, ErrFull) || n == 0 {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	f.Size = int64(n)
	_, err = w.Sync(t.Context())
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := folder.Check(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("the check of a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	f = p.finish(t, p.add(t, f, whole[f.Size:]))
	if p.read(t, f, 0) != whole {
		t.Error("with room again, it has other bytes")
	}
}
