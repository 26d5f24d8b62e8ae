//go:build unix

package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestHandOver: what root makes in the folder of another user belongs to that user.
func TestHandOver(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	want := os.Geteuid()
	if want == 0 {
		want = 12345
		if err := os.Chown(dir, want, want); err != nil {
			t.Skip("root may not change owners here:", err)
		}
	}
	if err := HandOver(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if owner, _ := ownerOf(info); owner != want {
		t.Errorf("user %d has it, want %d", owner, want)
	}
}
