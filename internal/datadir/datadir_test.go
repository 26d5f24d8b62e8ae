package datadir

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func open(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestOpen: one process owns a folder at a time, and the folder is for its owner alone.
func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if InUse(dir) {
		t.Error("in use before there is a folder")
	}
	f := open(t, dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 || !f.Created() {
		t.Errorf("%v %v, created: %v", info, err, f.Created())
	}
	if !InUse(dir) {
		t.Error("not in use while it is open")
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), dir+" is in use by another bellhop") {
		t.Errorf("opened twice: %v", err)
	}
	if err := f.Close(); err != nil || InUse(dir) {
		t.Errorf("closed: %v, in use: %v", err, InUse(dir))
	}
	if again := open(t, dir); again.Created() {
		t.Error("the second process created the folder")
	}
}

// TestCreateSyncsParents: the parent of each new folder is synced, from the outermost, and no other folder is.
func TestCreateSyncsParents(t *testing.T) {
	base := t.TempDir()
	var synced []string
	sync := func(dir string) error {
		synced = append(synced, dir)
		return nil
	}
	for _, c := range []struct {
		dir     string
		created bool
		synced  []string
	}{
		{"a/b/c", true, []string{".", "a", "a/b"}},
		{"a/b/c", false, nil},
		{"a/b/d/", true, []string{"a/b"}},
	} {
		synced = nil
		created, err := create(base+"/"+c.dir, sync)
		for i, dir := range synced {
			synced[i], _ = filepath.Rel(base, dir)
		}
		if err != nil || created != c.created || !slices.Equal(synced, c.synced) {
			t.Errorf("%s: %v %v, synced %q, want %q", c.dir, created, err, synced, c.synced)
		}
	}
	if _, err := create(filepath.Join(base, "e"),
		func(string) error { return io.ErrShortWrite }); err != io.ErrShortWrite {
		t.Errorf("a parent that cannot be synced: %v", err)
	}
	t.Chdir(base)
	synced = nil
	if created, err := create("f", sync); err != nil || !created || !slices.Equal(synced, []string{"."}) {
		t.Errorf("a relative folder: %v %v, synced %q", created, err, synced)
	}
}

// TestAdminKey: the key is made once; a given key is not written.
func TestAdminKey(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if key, err := f.AdminKey("a key of our own choice", nil); err != nil || key != "a key of our own choice" {
		t.Errorf("given: %q %v", key, err)
	}
	if _, err := os.Stat(filepath.Join(dir, AdminKeyFile)); err == nil {
		t.Error("a given key was written")
	}
	random := bytes.NewReader(make([]byte, 32))
	made, err := f.AdminKey("", random)
	if err != nil || made != "bhk_"+strings.Repeat("A", 43) {
		t.Errorf("made: %q %v", made, err)
	}
	if again, err := f.AdminKey("", random); err != nil || again != made {
		t.Errorf("read: %q %v, want %q", again, err, made)
	}
	if _, err := f.AdminKey("123456789012345", nil); err == nil ||
		!strings.Contains(err.Error(), "BELLHOP_ADMIN_KEY") {
		t.Errorf("a short key: %v", err)
	}
}

// TestReplaceAdminKey: the new key is accepted before it is in the file. If it cannot be written, the old one stays.
func TestReplaceAdminKey(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	first, err := f.AdminKey("", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	inFile := func() string {
		t.Helper()
		key, err := ReadAdminKey(dir)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	var made string
	err = f.ReplaceAdminKey(rand.Reader, func(key string) {
		made = key
		if got := inFile(); got != first {
			t.Errorf("the file has %q before %q is accepted", got, key)
		}
	})
	if err != nil || len(made) != len(first) || made == first || inFile() != made {
		t.Errorf("%q %q %v", made, inFile(), err)
	}
	info, err := os.Stat(filepath.Join(dir, AdminKeyFile))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if err := os.MkdirAll(filepath.Join(dir, AdminKeyFile+".new", "in-the-way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.ReplaceAdminKey(rand.Reader, func(string) {}); err == nil || inFile() != made {
		t.Errorf("%q %v", inFile(), err)
	}
	none := func(string) { t.Error("a key without randomness") }
	if err := f.ReplaceAdminKey(bytes.NewReader(nil), none); err == nil {
		t.Error("no error without randomness")
	}
}

// TestAdminKeyFile: the key is read as editors of every system save it, by the server and by its clients, and refused
// in words otherwise.
func TestAdminKeyFile(t *testing.T) {
	const key = "bhk_0123456789abcdef"
	wide := func(text string) string {
		var b strings.Builder
		for _, c := range text {
			b.Write([]byte{byte(c), byte(c >> 8)})
		}
		return b.String()
	}
	for what, c := range map[string]struct{ content, err string }{
		"as it is":              {key + "\n", ""},
		"with CR LF":            {key + "\r\n", ""},
		"with a mark":           {"\ufeff" + key, ""},
		"blanks around":         {" \t" + key + " \n\n", ""},
		"UTF-16":                {wide("\ufeff" + key + "\r\n"), ""},
		"UTF-16 without a mark": {wide(key), "save it as UTF-8"},
		"Latin 1":               {key + "\xe9", "save it as UTF-8"},
		"two lines":             {key + "\n" + key, "line break"},
		"short":                 {"bhk_0123\n", "fewer than 16 characters"},
		"empty":                 {"\n", "fewer than 16 characters"},
	} {
		dir := t.TempDir()
		f := open(t, dir)
		if err := os.WriteFile(filepath.Join(dir, AdminKeyFile), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := f.AdminKey("", nil)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "bhk_") {
				t.Errorf("%s: %v, want %q", what, err, c.err)
			}
			continue
		}
		client, clientErr := ReadAdminKey(dir)
		if err != nil || clientErr != nil || got != key || client != key {
			t.Errorf("%s: the server reads %q (%v), a client %q (%v)", what, got, err, client, clientErr)
		}
	}
	if got, err := open(t, t.TempDir()).AdminKey("\ufeff"+key+"\r\n", nil); err != nil || got != key {
		t.Errorf("from the variable: %q %v", got, err)
	}
}

// TestServerFile: the file of a server counts while the server owns the folder.
func TestServerFile(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if s, err := ReadServer(dir, false); err != nil || s != (Server{}) {
		t.Errorf("before it is written: %v %v", s, err)
	}
	want := Server{URL: "http://127.0.0.1:8080", PID: 7}
	if err := f.WriteServer(want); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir,
		ServerFile)); string(text) != `{"url":"http://127.0.0.1:8080","pid":7}`+"\n" {
		t.Errorf("%s %v", text, err)
	}
	if s, err := ReadServer(dir, false); err != nil || s != want {
		t.Errorf("%v %v", s, err)
	}
	f.Close()
	if s, err := ReadServer(dir, false); err != nil || s != (Server{}) {
		t.Errorf("of a server that died: %v %v", s, err)
	}
	open(t, dir)
	os.WriteFile(filepath.Join(dir, ServerFile), []byte("{"), 0o600)
	if _, err := ReadServer(dir, false); err == nil || !strings.Contains(err.Error(), ServerFile) {
		t.Errorf("a broken file: %v", err)
	}
}

// TestRemoveServerElsewhere: a folder that has the name of ours by now keeps its file.
func TestRemoveServerElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	f := open(t, dir)
	if err := f.WriteServer(Server{URL: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Skip("this system moves no folder that is in use:", err)
	}
	other := open(t, dir)
	if err := other.WriteServer(Server{URL: "http://127.0.0.1:2"}); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveServer(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, ServerFile)); err != nil {
		t.Errorf("the file of the other server: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir+".moved", ServerFile)); !os.IsNotExist(err) {
		t.Errorf("our own file: %v", err)
	}
	if err := f.RemoveServer(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}
