//go:build unix

package datadir

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenRefuses: a server does not use a folder that others may write to, or whose files are links or folders. It
// says what to do, and writes nothing into the target of a link.
func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(dir string) error
		want    string
		mend    func(dir string) error
	}{
		{"the group may write", func(dir string) error { return os.Chmod(dir, 0o770) }, "chmod 700",
			func(dir string) error { return os.Chmod(dir, 0o750) }},
		{"all may write", func(dir string) error { return os.Chmod(dir, 0o707) }, "chmod 700",
			func(dir string) error { return os.Chmod(dir, 0o705) }},
		{"sticky", func(dir string) error { return os.Chmod(dir, 0o777|fs.ModeSticky) }, "chmod 700",
			func(dir string) error { return os.Chmod(dir, 0o700) }},
	} {
		dir := t.TempDir()
		if err := c.prepare(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", c.name, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) > 0 {
			t.Errorf("%s: made %v", c.name, entries)
		}
		if err := c.mend(dir); err != nil {
			t.Fatal(err)
		}
		open(t, dir)
	}
	for _, name := range ownFiles {
		dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
		if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		for _, kind := range []string{"a symlink", "a symlink to nothing", "a folder"} {
			var err error
			switch kind {
			case "a symlink":
				err = os.Symlink(target, path)
			case "a symlink to nothing":
				err = os.Symlink(target+".none", path)
			default:
				err = os.Mkdir(path, 0o700)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), path) ||
				!strings.Contains(err.Error(),
					"remove it") {
				t.Errorf("%s is %s: %v", name, kind, err)
			}
			os.Remove(path)
		}
		if text, err := os.ReadFile(target); err != nil || string(text) != "precious" {
			t.Errorf("%s: the target is %q %v", name, text, err)
		}
		if _, err := os.Lstat(target + ".none"); err == nil {
			t.Errorf("%s: the target was made", name)
		}
		open(t, dir)
	}
}

// TestOwner: a server uses its own folders, and as root those of others too. A client believes its own and those of
// root, and as root those of others that it names.
func TestOwner(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if err := f.WriteServer(Server{URL: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	me := os.Geteuid()
	if err := errors.Join(checkForServer(dir, me), checkForServer(dir, 0), checkForClient(dir, me, false),
		checkForClient(dir, 0, true)); err != nil {
		t.Error(err)
	}
	if err := checkForServer(dir, 4711); err == nil || !strings.Contains(err.Error(), "runs as user 4711") {
		t.Errorf("a server of another user: %v", err)
	}
	// A folder that is not root's is needed to be refused by other clients.
	if me != 0 {
		for _, named := range []bool{false, true} {
			if err := checkForClient(dir, 4711, named); err == nil || !strings.Contains(err.Error(), "another user") {
				t.Errorf("a client of another user, named %v: %v", named, err)
			}
		}
		if err := checkForClient(dir, 0, false); err == nil {
			t.Error("root believes a folder that it only happens to be beside")
		}
		return
	}
	if err := errors.Join(os.Lchown(filepath.Join(dir, ServerFile), 4711, -1), os.Lchown(dir, 4711, -1)); err != nil {
		t.Skip(err)
	}
	if err := checkForClient(dir, 0, false); err == nil || !strings.Contains(err.Error(), "another user (4711)") {
		t.Errorf("root believes a folder that it only happens to be beside: %v", err)
	}
	if err := errors.Join(checkForClient(dir, 0, true), checkForClient(dir, 4711, false)); err != nil {
		t.Error(err)
	}
	if err := checkForClient(dir, 4712, true); err == nil {
		t.Error("another user believes it")
	}
	if _, err := ReadServer(dir, false); !errors.Is(err, ErrUntrusted) {
		t.Errorf("read: %v", err)
	}
}

// TestReadServerDistrusts: a client does not believe what others may have written, and says why.
func TestReadServerDistrusts(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(dir, file string) error
		want    string
	}{
		{"a folder for all", func(dir, _ string) error { return os.Chmod(dir, 0o777) }, "other users can write to"},
		{"a file for all", func(_, file string) error { return os.Chmod(file, 0o666) }, "other users can write to"},
		{"a symlink", func(_, file string) error {
			return errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file))
		}, "is a symlink"},
		{"a key that is a symlink", func(dir, _ string) error {
			return os.Symlink("/etc/passwd", filepath.Join(dir, AdminKeyFile))
		}, "is a symlink"},
		{"another machine", func(_, file string) error {
			return os.WriteFile(file, []byte(`{"url":"http://198.51.100.7:8080"}`), 0o600)
		}, "not on this machine"},
		{"a name", func(_, file string) error {
			return os.WriteFile(file, []byte(`{"url":"http://example.com:8080"}`), 0o600)
		}, "not on this machine"},
	} {
		dir := t.TempDir()
		f := open(t, dir)
		if err := f.WriteServer(Server{URL: "http://127.0.0.1:8080"}); err != nil {
			t.Fatal(err)
		}
		if s, err := ReadServer(dir, false); err != nil || s.URL == "" {
			t.Errorf("%s: before: %v %v", c.name, s, err)
		}
		if err := c.prepare(dir, filepath.Join(dir, ServerFile)); err != nil {
			t.Fatal(err)
		}
		for _, named := range []bool{false, true} {
			s, err := ReadServer(dir, named)
			if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), c.want) || s != (Server{}) {
				t.Errorf("%s: %v %v", c.name, s, err)
			}
		}
	}
}

// TestCheckURL: only addresses of this machine are those of its servers.
func TestCheckURL(t *testing.T) {
	local := func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(192, 0, 2, 7), Mask: net.CIDRMask(24, 32)},
			&net.IPNet{IP: net.ParseIP("2001:db8::7"), Mask: net.CIDRMask(64, 128)}}, nil
	}
	for rawURL, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://192.0.2.7:1": true,
		"http://[2001:db8::7]:1": true,
		"http://192.0.2.8:1":     false, "http://example.com": false, "": false, "https://127.0.0.1:1": false,
		"http://":                      false,
		"http://127.0.0.1.example.com": false, "http://[::1": false,
	} {
		if err := checkURL(rawURL, local); (err == nil) != want {
			t.Errorf("%s: %v", rawURL, err)
		}
	}
}

// TestWriteFile: a file is replaced whole. A leftover of a crash, and a symlink in its place, are replaced too.
func TestWriteFile(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	path := filepath.Join(dir, "f")
	err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, path),
		os.WriteFile(path+".new", []byte("half"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(dir, "f", "whole"); err != nil {
		t.Fatal(err)
	}
	if text, err := readFile(dir, "f"); err != nil || string(text) != "whole" {
		t.Errorf("%q %v", text, err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if text, _ := os.ReadFile(target); string(text) != "precious" {
		t.Errorf("the target is %q", text)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if text, err := readFile(dir, "link"); err == nil {
		t.Errorf("read through a symlink: %q", text)
	}
}
