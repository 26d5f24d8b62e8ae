package blob

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// newFolder returns an empty folder.
func newFolder(t *testing.T) place {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data", "files")
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return place{f, func(name, text string) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
		if err != nil {
			t.Error(err)
		}
	}, func() []string { return filesIn(t, dir) }}
}

// filesIn lists what is in the folder of files dir: no empty folders but its own, and nothing that others can read.
func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && d.Type()&fs.ModeSymlink == 0 && runtime.GOOS != "windows" {
			t.Errorf("%s can be read by others: %v", name, info.Mode())
		}
		switch {
		case !d.IsDir():
			names = append(names, strings.TrimPrefix(filepath.ToSlash(name), "."))
		case name != "." && name != partialFolder:
			list, err := os.ReadDir(path)
			if len(list) == 0 || err != nil {
				t.Errorf("%s is empty: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestFolderRefused: a folder that cannot be used is refused with what to do.
func TestFolderRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(path, want string) {
		t.Helper()
		f, err := OpenFolder(path)
		if err == nil {
			err = f.Check(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	refused(file, "name another folder with --files")
	refused(filepath.Join(file, "below"), "name another folder with --files")
	link := filepath.Join(dir, "linked")
	if err := errors.Join(os.Mkdir(link, 0o700), os.Symlink(dir, filepath.Join(link, partialFolder))); err != nil {
		t.Fatal(err)
	}
	refused(link, "symlink")
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		return // this user may write everywhere
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	refused(closed, "give it to the user that the server runs as")
	refused(filepath.Join(closed, "below"), "give it to the user that the server runs as")
}

// TestPartialOfFolder: the durable bytes of a partial file can be read in a folder.
func TestPartialOfFolder(t *testing.T) {
	t.Parallel()
	p := newFolder(t)
	f := newFile("a")
	if got := p.read(t, f, 0); got != "" {
		t.Errorf("before the first byte: %q", got)
	}
	f = p.add(t, f, "durable")
	p.add(t, f, ", and not known")
	if got := p.read(t, f, 3); got != "able" {
		t.Errorf("read %q", got)
	}
}

// TestSymlinks: no symlink is followed, neither to a place outside nor to one within the folder, and what it points at
// stays.
func TestSymlinks(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]struct{ from, to string }{
		"the bytes of a partial file": {partialFolder + "/fil_1", "outside"},
		"the name":                    {"dir/a", "outside"},
		"a folder, outwards":          {"dir", ".."},
		"a folder, inwards":           {"dir", "theirs"},
		"a loop":                      {"dir", "dir"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFolder(t)
			dir := p.Storage.(*Folder).dir
			outside := filepath.Join(filepath.Dir(dir), "outside")
			target := outside
			if link.to != "outside" {
				target = link.to
			}
			p.put("theirs/a", "theirs")
			path := filepath.Join(dir, link.from)
			err := errors.Join(os.WriteFile(outside, []byte("secret"), 0o600), os.MkdirAll(filepath.Dir(path), 0o700),
				os.Symlink(target, path))
			if err != nil {
				t.Fatal(err)
			}
			f := newFile("dir/a")
			f.Size = int64(len("secret"))
			if w, err := p.Append(t.Context(), f); err == nil {
				t.Error("it is appended to")
				w.Close()
			}
			f.Size = 0
			if w, err := p.Append(t.Context(), f); err == nil { // it takes the place of the symlink
				_, err = io.WriteString(w, "123456")
				if err = errors.Join(err, w.Close()); err != nil {
					t.Error(err)
				}
			}
			f.Size = 6
			if err := p.Finish(t.Context(), f); err == nil && strings.HasPrefix(link.from, "dir") {
				t.Error("it is finished")
			}
			f.Whole = true
			r, err := p.Open(t.Context(), f)
			if err == nil {
				b, _ := io.ReadAll(r)
				if r.Close(); string(b) != "123456" {
					t.Errorf("it is read: %q", b)
				}
			}
			if err := p.Remove(t.Context(), f); err != nil {
				t.Errorf("remove: %v", err)
			}
			for path, want := range map[string]string{outside: "secret", filepath.Join(dir, "theirs/a"): "theirs"} {
				if got, err := os.ReadFile(path); string(got) != want {
					t.Errorf("%s is %q: %v", path, got, err)
				}
			}
		})
	}
}

// TestSymlinkRace: while somebody puts symlinks to the outside in the place of folders and files, nothing outside is
// written, changed or removed.
func TestSymlinkRace(t *testing.T) {
	t.Parallel()
	p := newFolder(t)
	dir := p.Storage.(*Folder).dir
	outside := filepath.Join(filepath.Dir(dir), "outside")
	if err := errors.Join(os.Mkdir(outside, 0o700), os.WriteFile(filepath.Join(outside, "a"), []byte("secret"), 0o600),
		os.WriteFile(filepath.Join(outside, "fil_1"), []byte("secret"), 0o600)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var attacker sync.WaitGroup
	attacker.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			at, to := filepath.Join(dir, "dir"), outside
			if i%2 == 1 {
				at, to = filepath.Join(dir, partialFolder, "fil_1"), filepath.Join(outside, "fil_1")
			}
			os.RemoveAll(at)
			os.Symlink(to, at)
			os.Remove(at)
		}
	})
	for range 300 {
		f := newFile("dir/a")
		if w, err := p.Append(t.Context(), f); err == nil {
			io.WriteString(w, "written")
			w.Sync(t.Context())
			w.Close()
			f.Size = int64(len("written"))
		}
		if w, err := p.Append(t.Context(), f); err == nil {
			io.WriteString(w, "more")
			w.Close()
		}
		p.Finish(t.Context(), f)
		f.Whole = true
		if r, err := p.Open(t.Context(), f); err == nil {
			if b, _ := io.ReadAll(r); strings.Contains(string(b), "secret") {
				t.Error("the outside was read")
			}
			r.Close()
		}
		p.Remove(t.Context(), f)
	}
	close(stop)
	attacker.Wait()
	list, err := os.ReadDir(outside)
	if err != nil || len(list) != 2 {
		t.Errorf("outside there are %v: %v", list, err)
	}
	for _, name := range []string{"a", "fil_1"} {
		if b, err := os.ReadFile(filepath.Join(outside, name)); string(b) != "secret" {
			t.Errorf("outside %s is %q: %v", name, b, err)
		}
	}
}

// A narrow disk has room for so many bytes.
type narrow struct {
	*os.File
	room *int64
}

func (n narrow) Write(p []byte) (int, error) {
	fit := min(int64(len(p)), *n.room)
	m, err := n.File.Write(p[:fit])
	*n.room -= int64(m)
	if err == nil && m < len(p) {
		err = &fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}
	}
	return m, err
}

// TestFullDisk: a full disk is told from other errors, what fits is kept, and the file goes on when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	p := newFolder(t)
	room := int64(7)
	p.Storage.(*Folder).wrap = func(f *os.File) writeSyncer { return narrow{f, &room} }
	f := newFile("a")
	w, err := p.Append(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.WriteString(w, "0123456789")
	if n != 7 || !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("wrote %d: %v", n, err)
	}
	if _, err = w.Sync(t.Context()); err != nil {
		t.Errorf("synced: %v", err)
	}
	f.Size = 7
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	room = 100
	f = p.finish(t, p.add(t, f, "789"))
	if got := p.read(t, f, 0); got != "0123456789" {
		t.Errorf("read %q", got)
	}
	for _, quota := range []error{syscall.EDQUOT, syscall.ENOSPC} {
		if !errors.Is(fullOr(&fs.PathError{Err: quota}), ErrFull) {
			t.Errorf("%v is not full", quota)
		}
	}
	if errors.Is(fullOr(syscall.EIO), ErrFull) {
		t.Error("EIO is full")
	}
}
