package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/backup"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// archiveOf returns a backup of a running server.
func (r *running) archiveOf(o client.BackupOptions) []byte {
	r.t.Helper()
	body, err := client.New(r.URL(), r.opts.AdminKey, http.DefaultClient).BackupArchive(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	defer body.Close()
	archive, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return archive
}

// TestRestoredServerWaits shows that a restored server has every event that was acknowledged before its backup began,
// that it accepts events and sends nothing, also after a restart, and that it delivers everything once it is resumed.
func TestRestoredServerWaits(t *testing.T) {
	t.Parallel()
	var received atomic.Int64
	status := atomic.Int64{}
	status.Store(http.StatusServiceUnavailable)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		received.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	defer receiver.Close()
	private := func(o *Options) { o.Config.AllowPrivate = true }
	r := run(t, options(t, private))
	r.source("src")
	if code, body := r.call("POST", "/api/v1/destinations", `{"name":"all","url":"`+receiver.URL+
		`","match":{"sources":["src"]},"settings":{"format":"raw"},"retry":{"schedule":["1h"]}}`); code != 201 {
		t.Fatal(code, body)
	}
	const events, retry = 5, `{"destination":"all","state":"pending"}`
	for range events {
		if code, body := r.call("POST", "/in/src", "an event"); code != 202 {
			t.Fatal(code, body)
		}
	}
	poll(t, "a first attempt of each", func() bool { return received.Load() >= events })
	archive := r.archiveOf(client.BackupOptions{})
	if left, _ := filepath.Glob(filepath.Join(r.opts.Config.Data, copyName+"*")); len(left) > 0 {
		t.Errorf("left in the data folder: %q", left)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "restored")
	done, err := Restore(t.Context(), dir, bytes.NewReader(archive), nil)
	if err != nil || !done.Keys || done.Bellhop != "test" || done.Store == "" {
		t.Fatal(done, err)
	}
	status.Store(http.StatusOK)
	received.Store(0)
	opts := options(t, private, func(o *Options) { o.Config.Data = dir })
	again := run(t, opts)
	standby := func() string {
		_, body := again.call("GET", "/api/v1/standby", "")
		return body
	}
	if body := standby(); !strings.Contains(body, `"on":true`) {
		t.Fatal(body)
	}
	stored, err := again.store.Stats(t.Context())
	if err != nil || stored.Events < events {
		t.Errorf("%d events: %v", stored.Events, err)
	}
	if code, body := again.call("GET", "/readyz", ""); code != 200 {
		t.Error(code, body)
	}
	if code, body := again.call("POST", "/in/src", "a new event"); code != 202 {
		t.Fatal(code, body)
	}
	if code, body := again.call("POST", "/api/v1/deliveries/retry", retry); code >= 300 {
		t.Fatal(code, body)
	}
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	again = run(t, opts)
	if body := standby(); !strings.Contains(body, `"on":true`) {
		t.Errorf("after a restart: %s", body)
	}
	if n := received.Load(); n != 0 {
		t.Fatalf("%d deliveries in standby", n)
	}
	if code, body := again.call("POST", "/api/v1/standby/resume", ""); code != 200 ||
		!strings.Contains(body, `"on":false`) {
		t.Fatal(code, body)
	}
	if code, body := again.call("POST", "/api/v1/deliveries/retry", retry); code >= 300 {
		t.Fatal(code, body)
	}
	poll(t, "everything delivered", func() bool { return received.Load() >= events+1 })
	if code, body := again.call("GET", "/api/v1/audit?noun=server", ""); code != 200 ||
		!strings.Contains(body, `"resumed"`) {
		t.Error(code, body)
	}
}

// TestRestoreRefuses shows what is said about archives that cannot be restored, and that nothing is left behind.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("src")
	whole, noKeys := r.archiveOf(client.BackupOptions{}), r.archiveOf(client.BackupOptions{WithoutKeys: true})
	running := r.opts.Config.Data
	masterKey, err := os.ReadFile(filepath.Join(running, store.KeyFileName))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)/2] ^= 1
	foreign, err := os.ReadFile("testdata/foreign.db")
	if err != nil {
		t.Fatal(err)
	}
	build := func(m backup.Manifest, names ...string) []byte {
		var out bytes.Buffer
		w, err := backup.NewWriter(&out, m)
		for _, name := range names {
			text := "text"
			if m.Store == "foreign" && name == store.FileName {
				text = string(foreign)
			}
			err = errors.Join(err, w.Add(name, int64(len(text)), time.Now(), strings.NewReader(text)))
		}
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	other := "bm90IHRoZSBrZXkgb2YgdGhpcyBzZXJ2ZXIgYXQgYWw=\n"
	for name, c := range map[string]struct {
		archive []byte
		key     []byte
		want    string
	}{
		"cut short":      {whole[:len(whole)-9], nil, "it was cut short: use another copy of it"},
		"changed":        {changed, nil, "it is damaged or was changed: use another copy of it"},
		"twice":          {slices.Concat(whole, whole), nil, "it has more than one archive"},
		"no archive":     {[]byte(strings.Repeat("text", 100)), nil, "it is damaged, or no backup of Bellhop"},
		"a newer schema": {build(backup.Manifest{Schema: 999, Keys: true}), nil, "it has schema 999"},
		"no database":    {build(backup.Manifest{Keys: true}, "master.key"), nil, "it has no bellhop.db"},
		"no SQLite": {build(backup.Manifest{Keys: true}, "bellhop.db", "master.key"), nil,
			"not a database"},
		"a database of others": {build(backup.Manifest{Keys: true, Store: "foreign"}, "bellhop.db", "master.key"), nil,
			"its database is none of Bellhop"},
		"something else":              {build(backup.Manifest{Keys: true}, "run.sh"), nil, `it has "run.sh"`},
		"without keys":                {noKeys, nil, "it was taken without keys: name the file with the master key"},
		"with the key of another":     {noKeys, []byte(other), "its master key does not open its secrets"},
		"with two master keys":        {whole, masterKey, "leave out --master-key"},
		"with a key that is no key":   {noKeys, []byte("secret"), "line 1 is not a Base64 key"},
		"a file with a bad name":      {build(backup.Manifest{Keys: true}, "files/.partial/a"), nil, "cannot be kept"},
		"an empty file":               {nil, nil, "it was cut short"},
		"a manifest and nothing else": {build(backup.Manifest{Keys: true}), nil, "it has no bellhop.db"},
	} {
		base := t.TempDir()
		dir := filepath.Join(base, "made", "too", "new")
		_, err := Restore(t.Context(), dir, bytes.NewReader(c.archive), c.key)
		if err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), restoreFolder) ||
			!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") &&
			name == "with a key that is no key" {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
			t.Errorf("%s: left: %v %v", name, left, err)
		}
	}
	for dir, want := range map[string]string{running: "a server runs in", t.TempDir(): ""} {
		if want == "" {
			want = "is not empty: it has mine"
			if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Restore(t.Context(), dir, bytes.NewReader(whole), nil); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	dir := t.TempDir()
	if _, err := Restore(t.Context(), dir, bytes.NewReader(noKeys), masterKey); err != nil {
		t.Errorf("with the right key, into an empty folder: %v", err)
	}
}

// TestBackupOfStoppedFolder shows that a crash's log is in the backup of a folder, and that the folder stays as it was
// but for the note.
func TestBackupOfStoppedFolder(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("src")
	dir := t.TempDir() // as it is while the server runs: with a log, as after a crash
	for _, name := range []string{store.FileName, store.FileName + "-wal", store.KeyFileName} {
		content, err := os.ReadFile(filepath.Join(r.opts.Config.Data, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var archive bytes.Buffer
	if err := BackupFolder(t.Context(), "test", dir, client.BackupOptions{}, &archive); err != nil {
		t.Fatal(err)
	}
	if err := NoteBackupOf(dir, bellhop.Backup{At: time.Now(), Bytes: 7, To: "a disk"}); err != nil {
		t.Error(err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), restored, &archive, nil); err != nil {
		t.Fatal(err)
	}
	if was, err := ResumeFolder(t.Context(), restored); err != nil || !was {
		t.Errorf("resume: %t, %v", was, err)
	}
	for _, dir := range []string{dir, restored} {
		again := run(t, options(t, func(o *Options) { o.Config.Data = dir }))
		if _, err := again.store.Source(t.Context(), "src"); err != nil {
			t.Error(err)
		}
		if again.InStandby() {
			t.Error("in standby")
		}
		b, err := again.store.LatestBackup(t.Context())
		if noted := b.To == "a disk"; err != nil || noted != (dir != restored) {
			t.Errorf("%+v, %v", b, err)
		}
	}
}

// TestKeepReplacesOnlyFiles: a backup takes the place of a regular file alone, also of one that a symlink leads to.
func TestKeepReplacesOnlyFiles(t *testing.T) {
	t.Parallel()
	var archive bytes.Buffer
	w, err := backup.NewWriter(&archive, backup.Manifest{})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	err = errors.Join(os.WriteFile(in("older"), []byte("older"), 0o600), os.Symlink("older", in("link")),
		os.Symlink("missing", in("dangling")), os.Symlink(os.DevNull, in("null")))
	if err != nil {
		t.Skip("no symlinks:", err)
	}
	keep := func(to string) error {
		_, err := BackupPlace{To: to}.Keep(t.Context(), func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
		}, nil)
		return err
	}
	for to, want := range map[string]string{os.DevNull: "is no regular file, and would be replaced by one: use -",
		in("null"): "is no regular file", in("dangling"): "is a symlink to nothing"} {
		if err := keep(to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", to, err, want)
		}
	}
	if err := keep(in("link")); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(in("older")); err != nil || !bytes.Equal(text, archive.Bytes()) {
		t.Errorf("the file behind the symlink has %d bytes: %v", len(text), err)
	}
	if info, err := os.Lstat(in("link")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the symlink: %v %v", info, err)
	}
}

// TestInterruptedRestore: a restore that was ended leaves nothing; what a killed one has left keeps a server away, and
// goes with the next restore.
func TestInterruptedRestore(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	whole := r.archiveOf(client.BackupOptions{})
	dir := filepath.Join(t.TempDir(), "new")
	ctx, cancel := context.WithCancel(t.Context())
	half := io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), readFunc(func([]byte) (int, error) {
		cancel()
		return 0, io.EOF
	}))
	_, err := Restore(ctx, dir, half, nil)
	if _, statErr := os.Stat(dir); err == nil || !errors.Is(statErr, fs.ErrNotExist) {
		t.Errorf("ended: %v; the folder: %v", err, statErr)
	}
	left := filepath.Join(dir, restoreFolder, store.FileName)
	err = errors.Join(os.MkdirAll(filepath.Dir(left), 0o700), os.WriteFile(left, []byte("half"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	opts := options(t, func(o *Options) { o.Config.Data = dir })
	if _, err := New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "was interrupted") {
		t.Errorf("serve: %v", err)
	}
	if _, err := Restore(t.Context(), dir, bytes.NewReader(whole), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(left)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", restoreFolder, err)
	}
	run(t, opts)
}

type readFunc func(b []byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

// TestBackupOfFilesElsewhere: the backup of the folder of a stopped server has the files that its settings had put
// elsewhere, or says that it has not. A restored folder has its own.
func TestBackupOfFilesElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	r := run(t, options(t, func(o *Options) { o.Config.Files = elsewhere }))
	dir := r.opts.Config.Data
	kept := filepath.Join(elsewhere, "kept")
	if err := errors.Join(r.stop(), os.WriteFile(kept, []byte("kept"), 0o600)); err != nil {
		t.Fatal(err)
	}
	take := func() []byte {
		t.Helper()
		var archive bytes.Buffer
		if err := BackupFolder(t.Context(), "test", dir, client.BackupOptions{}, &archive); err != nil {
			t.Fatal(err)
		}
		return archive.Bytes()
	}
	restored := filepath.Join(t.TempDir(), "restored")
	done, err := Restore(t.Context(), restored, bytes.NewReader(take()), nil)
	if err != nil || done.Kept != 1 || done.Files != filesIncluded {
		t.Errorf("%+v: %v", done, err)
	}
	if place, _, err := sqlite.FolderFiles(t.Context(), restored); err != nil || place != (bellhop.FilesPlace{}) {
		t.Errorf("the restored folder has its files in %+v: %v", place, err)
	}
	s, err := sqlite.Open(sqlite.Options{Dir: dir, Options: store.Options{Keys: keyRing(t, dir), Now: time.Now,
		Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(s.NoteFilesPlace(t.Context(), bellhop.FilesPlace{Bucket: "recordings"}), s.Close())
	if err != nil {
		t.Fatal(err)
	}
	done, err = Restore(t.Context(), filepath.Join(t.TempDir(), "second"), bytes.NewReader(take()), nil)
	if err != nil || done.Kept != 0 || !strings.Contains(done.Files, "in the bucket recordings") {
		t.Errorf("%+v: %v", done, err)
	}
}

func keyRing(t *testing.T, dir string) store.KeyRing {
	t.Helper()
	keys, err := store.LoadKeyRing(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestRestoreForeignManifest: a database that is another one than the manifest says is refused.
func TestRestoreForeignManifest(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	members := map[string]*bytes.Buffer{}
	m, err := backup.Extract(t.Context(), bytes.NewReader(r.archiveOf(client.BackupOptions{})), nil,
		func(name string, _ int64) (io.WriteCloser, error) {
			members[name] = &bytes.Buffer{}
			return writeCloser{members[name]}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	m.Store = "other"
	var archive bytes.Buffer
	w, err := backup.NewWriter(&archive, m)
	for name, content := range members {
		err = errors.Join(err, w.Add(name, int64(content.Len()), time.Now(), content))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Restore(t.Context(), filepath.Join(t.TempDir(), "new"), &archive, nil)
	if err == nil || !strings.Contains(err.Error(), "its database is another one than it says") {
		t.Error(err)
	}
}

type writeCloser struct{ io.Writer }

func (writeCloser) Close() error { return nil }
