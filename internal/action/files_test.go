package action

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/blob"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A filesRig is the files of a store and a folder, with a clock that the test moves.
type filesRig struct {
	*Files
	t           *testing.T
	store       store.Store
	folder      *blob.Folder
	dir         string
	logged      *bytes.Buffer
	registry    *prometheus.Registry
	event       string
	destination string

	mu sync.Mutex // guards now
	at time.Time
}

func (r *filesRig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

func (r *filesRig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = r.at.Add(d)
}

func newFilesRig(t *testing.T, change ...func(*FilesOptions)) *filesRig {
	t.Helper()
	r := &filesRig{t: t, dir: filepath.Join(t.TempDir(), "files"), at: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	begin := r.at
	keys, err := store.ParseKeyRing(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	r.store, err = sqlite.Open(sqlite.Options{Dir: t.TempDir(), Options: store.Options{Keys: keys, Now: r.now,
		Elapsed: func() time.Duration { return r.now().Sub(begin) }, Rand: rand.Reader,
		Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	if r.folder, err = blob.OpenFolder(r.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.folder.Close() })
	r.destination = r.newDestination("recordings")
	r.event = r.newEvent()
	r.restart(change...)
	return r
}

// restart makes the files anew, as a start of the server does.
func (r *filesRig) restart(change ...func(*FilesOptions)) {
	r.logged, r.registry = new(bytes.Buffer), prometheus.NewRegistry()
	o := FilesOptions{Store: r.store, Storage: r.folder, Now: r.now, Rand: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(r.logged, nil)), Metrics: r.registry}
	for _, f := range change {
		f(&o)
	}
	r.Files = NewFiles(o)
}

func (r *filesRig) newDestination(name string) (id string) {
	r.t.Helper()
	d := bellhop.Destination{ID: bellhop.NewID(bellhop.PrefixDestination, rand.Reader), Name: name,
		Type:     "acs.download",
		Settings: []byte("{}"), Timeout: time.Second, Concurrency: 1, State: bellhop.DestinationActive,
		Retry: bellhop.Retry{Schedule: bellhop.Schedule{time.Minute}}, CreatedAt: r.now(), UpdatedAt: r.now()}
	if err := r.store.CreateDestination(r.t.Context(), d); err != nil {
		r.t.Fatal(err)
	}
	return d.ID
}

func (r *filesRig) newEvent() (id string) {
	r.t.Helper()
	events := []bellhop.Event{{SourceID: bellhop.SourceAPIID, Type: "t", ReceivedAt: r.now(), Body: []byte("{}"),
		SHA256: sha256.Sum256([]byte("{}"))}}
	if _, err := r.store.Accept(r.t.Context(), nil, events, nil); err != nil {
		r.t.Fatal(err)
	}
	return events[0].ID
}

// file is what an action asks for.
func (r *filesRig) file(name string) bellhop.File {
	return bellhop.File{Name: name, EventID: r.event, DestinationID: r.destination, Total: -1,
		ContentType: "video/mp4"}
}

func (r *filesRig) begin(name string) bellhop.File {
	r.t.Helper()
	f, err := r.Begin(r.t.Context(), r.file(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

// append appends text to a file.
func (r *filesRig) append(f bellhop.File, text string) {
	r.t.Helper()
	size, err := r.Append(r.t.Context(), f.ID, f.Size, strings.NewReader(text))
	if err != nil || size != f.Size+int64(len(text)) {
		r.t.Fatalf("appended up to %d: %v", size, err)
	}
}

// keep makes a whole file.
func (r *filesRig) keep(name, text string) bellhop.File {
	r.t.Helper()
	f := r.begin(name)
	r.append(f, text)
	f, err := r.Finish(r.t.Context(), f.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return f
}

func (r *filesRig) read(id string) string {
	r.t.Helper()
	body, err := r.Open(r.t.Context(), id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

func (r *filesRig) refused(what string, err error, code bellhop.Code, words ...string) {
	r.t.Helper()
	if e := (*bellhop.Error)(nil); !errors.As(err, &e) || e.Code != code {
		r.t.Errorf("%s: %v, want an error of code %s", what, err, code)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			r.t.Errorf("%s: %v does not say %q", what, err, word)
		}
	}
}

// names lists the files in the folder.
func (r *filesRig) names() string {
	r.t.Helper()
	var names []string
	err := r.folder.Walk(r.t.Context(), func(entries []blob.Entry) error {
		for _, e := range entries {
			if e.ID != "" {
				e.Name = "partial"
			}
			names = append(names, e.Name)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Join(names, " ")
}

// TestFiles: a file is kept in several calls, and is whole with its hash.
func TestFiles(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t, func(o *FilesOptions) { o.Retention = time.Hour })
	f := r.begin("call-1/0.mp4")
	if f.State != bellhop.FilePartial || f.Size != 0 || f.Destination != "recordings" ||
		f.Source != bellhop.SourceAPI {
		t.Errorf("begun: %+v", f)
	}
	r.append(f, "hello, ")
	r.restart(func(o *FilesOptions) { o.Retention = time.Hour })
	f = r.begin("call-1/0.mp4")
	r.append(f, "world")
	if got := r.read(f.ID); got != "hello, world" {
		t.Errorf("partial: %q", got)
	}
	r.pass(time.Minute)
	for range 2 {
		whole, err := r.Finish(t.Context(), f.ID)
		sum := sha256.Sum256([]byte("hello, world"))
		if err != nil || whole.State != bellhop.FileWhole || whole.SHA256 != hex.EncodeToString(sum[:]) ||
			whole.Size != 12 || !whole.ExpiresAt.Equal(r.now().Add(time.Hour)) {
			t.Errorf("finished: %+v %v", whole, err)
		}
	}
	if again := r.begin("call-1/0.mp4"); again.State != bellhop.FileWhole || again.ID != f.ID {
		t.Errorf("begun again: %+v", again)
	}
	if got := r.read(f.ID) + " " + r.names(); got != "hello, world call-1/0.mp4" {
		t.Error(got)
	}
	body, err := r.Open(t.Context(), f.ID, 7)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(body); string(rest) != "world" || body.Close() != nil {
		t.Errorf("from 7 on: %q %v", rest, err)
	}
	line := r.logged.String()
	for _, want := range []string{"msg=file.finished", "file=call-1/0.mp4", "destination=recordings", "bytes=12",
		"event_id=" + r.event} {
		if !strings.Contains(line, want) {
			t.Errorf("the log lacks %s: %s", want, line)
		}
	}
}

// TestEmptyFile: a file without bytes is a file.
func TestEmptyFile(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.keep("written", "")
	g, err := r.Finish(t.Context(), r.begin("unwritten").ID)
	if err != nil || r.read(f.ID)+r.read(g.ID) != "" || f.SHA256 != g.SHA256 || len(f.SHA256) != 64 {
		t.Errorf("%+v %+v %v", f, g, err)
	}
}

// TestBeginRefused: a name belongs to one delivery, and must be one that can be used.
func TestBeginRefused(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	kept := r.keep("a/b", "x")
	begin := func(f bellhop.File) error {
		_, err := r.Begin(t.Context(), f)
		return err
	}
	other := r.file("a/b")
	other.EventID = r.newEvent()
	r.refused("another event", begin(other), bellhop.CodeConflict, kept.ID, "recordings", r.event, "layout")
	other = r.file("a/b")
	other.DestinationID = r.newDestination("second")
	r.refused("another destination", begin(other), bellhop.CodeConflict, kept.ID)
	for _, name := range []string{"", "../a", "/etc/passwd", "a\x00b", "con", strings.Repeat("n", 300), "a/\u202eb"} {
		r.refused("the name "+name, begin(r.file(name)), bellhop.CodeInvalid, "name")
	}
	other = r.file("c")
	other.EventID = "evt_unknown"
	r.refused("no event", begin(other), bellhop.CodeNotFound, "event")

	if err := os.WriteFile(filepath.Join(r.dir, "theirs"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.refused("the name of a file that is not ours", begin(r.file("theirs")), bellhop.CodeConflict,
		"of no file", "move")
	if _, err := r.store.File(t.Context(), "theirs"); err == nil {
		t.Error("a file is left")
	}
	long := r.file("d")
	long.ContentType = strings.Repeat("x", 300)
	if f, err := r.Begin(t.Context(), long); err != nil || f.ContentType != "" {
		t.Errorf("a long content type: %+v %v", f, err)
	}
}

// TestAppendRefused: bytes go where a file ends, one writer at a time, until it is whole.
func TestAppendRefused(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.begin("a")
	r.append(f, "1234")
	size, err := r.Append(t.Context(), f.ID, 3, strings.NewReader("x"))
	r.refused("before the end", err, bellhop.CodeConflict, "4 durable bytes")
	if size != 4 {
		t.Errorf("the size is %d", size)
	}
	_, err = r.Append(t.Context(), f.ID, 5, strings.NewReader("x"))
	r.refused("behind the end", err, bellhop.CodeConflict, "4 durable bytes")
	_, err = r.Append(t.Context(), "fil_unknown", 0, strings.NewReader("x"))
	r.refused("no file", err, bellhop.CodeNotFound)

	pipe, feed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := r.Append(t.Context(), f.ID, 4, pipe)
		done <- err
	}()
	if _, err := feed.Write([]byte("5")); err != nil { // it is being written now
		t.Fatal(err)
	}
	_, err = r.Append(t.Context(), f.ID, 4, strings.NewReader("x"))
	r.refused("a second writer", err, bellhop.CodeConflict, "being written")
	_, err = r.Finish(t.Context(), f.ID)
	r.refused("finished meanwhile", err, bellhop.CodeConflict, "being written")
	r.refused("deleted meanwhile", r.Delete(t.Context(), f.ID), bellhop.CodeConflict, "cancel")
	feed.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(t.Context(), f.ID); err != nil {
		t.Fatal(err)
	}
	size, err = r.Append(t.Context(), f.ID, 5, strings.NewReader("x"))
	r.refused("a whole file", err, bellhop.CodeConflict, "whole")
	if size != 5 || r.read(f.ID) != "12345" {
		t.Errorf("%d %q", size, r.read(f.ID))
	}
	_, err = r.Open(t.Context(), f.ID, 6)
	r.refused("opened behind the end", err, bellhop.CodeInvalid, "5 bytes")
}

// TestAppendAnew: offset 0 empties a file, and the hash is that of the new bytes.
func TestAppendAnew(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.begin("a")
	r.append(f, "old and long")
	r.append(f, "new")
	f, err := r.Finish(t.Context(), f.ID)
	sum := sha256.Sum256([]byte("new"))
	if err != nil || f.SHA256 != hex.EncodeToString(sum[:]) || r.read(f.ID) != "new" {
		t.Errorf("%+v %v", f, err)
	}
}

// TestAnnouncedTotal: a file is whole only with as many bytes as were announced.
func TestAnnouncedTotal(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.file("a")
	f.Total = 5
	f, err := r.Begin(t.Context(), f)
	if err != nil || f.Total != 5 {
		t.Fatal(f, err)
	}
	r.append(f, "1234")
	_, err = r.Finish(t.Context(), f.ID)
	r.refused("too few", err, bellhop.CodeConflict, "4 of the 5 bytes")
	f = r.begin("a")
	r.append(f, "5")
	if _, err := r.Finish(t.Context(), f.ID); err != nil {
		t.Error(err)
	}
}

// A breaking reader returns bytes, and then an error.
type breaking struct {
	io.Reader
	err error
}

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

// TestCutReader: what came before a connection broke, or the attempt ended, is kept.
func TestCutReader(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.begin("a")
	broken := errors.New("connection reset")
	size, err := r.Append(t.Context(), f.ID, 0, breaking{strings.NewReader("0123"), broken})
	if size != 4 || err != broken {
		t.Errorf("%d %v", size, err)
	}
	// an end of the connection that is wrapped is not the end of the file
	size, err = r.Append(t.Context(), f.ID, 4, breaking{strings.NewReader("45"), fmt.Errorf("read: %w", io.EOF)})
	if size != 6 || err == nil {
		t.Errorf("%d %v", size, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	size, err = r.Append(ctx, f.ID, 6, strings.NewReader("6789"))
	if size != 10 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d %v", size, err)
	}
	if got := r.read(f.ID); got != "0123456789" {
		t.Error(got)
	}
}

// TestSavedOnTheWay: in a folder at no time more than 16 MiB of a file are not durable, so that a crash costs no more
// than that.
func TestSavedOnTheWay(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.begin("a")
	pipe, feed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := r.Append(t.Context(), f.ID, 0, pipe)
		done <- err
	}()
	sum := sha256.New()
	source := io.TeeReader(mathrand.NewChaCha8([32]byte{2}), sum)
	const most = 16<<20 + copyBytes // that may not be durable, and that were read and are not yet written
	const size = 3*most + 1000
	if _, err := io.CopyN(feed, source, size); err != nil {
		t.Fatal(err)
	}
	if got := r.begin("a").Size; got < size-most {
		t.Errorf("saved on the way: %d of %d", got, size)
	}
	feed.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	whole, err := r.Finish(t.Context(), f.ID)
	if err != nil || whole.Size != size || whole.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		t.Errorf("%+v %v", whole, err)
	}
	if got := testutil.ToFloat64(r.metrics.written); got != float64(whole.Size) {
		t.Errorf("%v bytes were written", got)
	}
}

// A faulty storage fails, or ends the process, at one of its calls: before or after its effect.
type faulty struct {
	blob.Storage
	at    *int // calls until the fault
	fault func() error
}

// crash is the panic that stands for the end of the process.
type crash struct{}

func (f faulty) hit() error {
	*f.at--
	if *f.at == 0 {
		return f.fault()
	}
	return nil
}

func (f faulty) Append(ctx context.Context, of blob.File) (blob.Writer, error) {
	if err := f.hit(); err != nil {
		return nil, err
	}
	w, err := f.Storage.Append(ctx, of)
	return faultyWriter{w, f}, errors.Join(err, f.hit())
}

func (f faulty) Finish(ctx context.Context, of blob.File) error {
	if err := f.hit(); err != nil {
		return err
	}
	err := f.Storage.Finish(ctx, of)
	return errors.Join(err, f.hit())
}

func (f faulty) Remove(ctx context.Context, of blob.File) error {
	if err := f.hit(); err != nil {
		return err
	}
	err := f.Storage.Remove(ctx, of)
	return errors.Join(err, f.hit())
}

type faultyWriter struct {
	blob.Writer
	f faulty
}

func (w faultyWriter) Write(p []byte) (int, error) {
	if err := w.f.hit(); err != nil {
		return 0, err
	}
	n, err := w.Writer.Write(p)
	return n, errors.Join(err, w.f.hit())
}

func (w faultyWriter) Sync(ctx context.Context) (string, error) {
	if err := w.f.hit(); err != nil {
		return "", err
	}
	upload, err := w.Writer.Sync(ctx)
	return upload, errors.Join(err, w.f.hit())
}

// TestCrashes: the process ends, or the storage fails, before or after any call of the storage. The next attempts make
// the file whole, with the right bytes, or delete it.
func TestCrashes(t *testing.T) {
	t.Parallel()
	const text = "0123456789"
	attempt := func(k *Files, r *filesRig) (err error) {
		defer func() {
			if p := recover(); p != nil {
				if _, ok := p.(crash); !ok {
					panic(p)
				}
				err = errors.New("crashed")
			}
		}()
		f, err := k.Begin(r.t.Context(), r.file("dir/a"))
		if err != nil {
			return err
		}
		for f.Size < int64(len(text)) && f.State == bellhop.FilePartial && err == nil {
			f.Size, err = k.Append(r.t.Context(), f.ID, f.Size,
				strings.NewReader(text[f.Size:min(len(text), int(f.Size)+4)]))
		}
		if err == nil {
			_, err = k.Finish(r.t.Context(), f.ID)
		}
		return err
	}
	for kind, fault := range map[string]func() error{
		"crash": func() error { panic(crash{}) },
		"error": func() error { return errors.New("the disk hiccups") },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				r := newFilesRig(t)
				left := n
				r.restart(func(o *FilesOptions) { o.Storage = faulty{r.folder, &left, fault} })
				err := attempt(r.Files, r)
				r.restart()
				if again := attempt(r.Files, r); again != nil {
					t.Fatalf("at call %d: %v, then %v", n, err, again)
				}
				f, readErr := r.store.File(t.Context(), "dir/a")
				sum := sha256.Sum256([]byte(text))
				if readErr != nil || f.SHA256 != hex.EncodeToString(sum[:]) || r.read(f.ID) != text ||
					r.names() != "dir/a" {
					t.Errorf("at call %d: %+v %v, there are %s", n, f, readErr, r.names())
				}
				left = 1 + n%2 // its deletion is cut off before or after the bytes are gone
				r.restart(func(o *FilesOptions) { o.Storage = faulty{r.folder, &left, fault} })
				func() {
					defer func() { recover() }()
					if err := r.Delete(t.Context(), f.ID); err != nil {
						t.Errorf("deleted: %v", err)
					}
				}()
				if _, err := r.store.File(t.Context(), f.ID); err == nil {
					t.Error("a file that is being deleted is shown")
				}
				r.restart()
				r.sweep(t.Context())
				if list, _, err := r.store.DoomedFiles(t.Context(), 0, 10); len(list) > 0 || err != nil ||
					r.names() != "" {
					t.Errorf("after the sweep there are %v and %s: %v", list, r.names(), err)
				}
				if err == nil {
					break
				}
			}
		})
	}
}

// TestStorageFull: a full storage is told from other errors, what fits is kept, and the file goes on when there is
// room.
func TestStorageFull(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	left := 5 // the second Write
	r.restart(func(o *FilesOptions) {
		o.Storage = faulty{r.folder, &left, func() error { return fmt.Errorf("%w: quota", blob.ErrFull) }}
	})
	f := r.begin("a")
	first := strings.Repeat("f", writeBytes)
	size, err := r.Append(t.Context(), f.ID, 0, strings.NewReader(first+"second"))
	if size != writeBytes || !errors.Is(err, provider.ErrStorageFull) || !strings.Contains(err.Error(), "quota") {
		t.Errorf("%d %v", size, err)
	}
	f = r.begin("a")
	r.append(f, "second")
	if _, err := r.Finish(t.Context(), f.ID); err != nil || r.read(f.ID) != first+"second" {
		t.Error(err)
	}
}

// TestLostBytes: a partial file whose bytes somebody removed begins anew, and says so.
func TestLostBytes(t *testing.T) {
	t.Parallel()
	for what, harm := range map[string]func(path string) error{
		"removed":   os.Remove,
		"shortened": func(path string) error { return os.Truncate(path, 3) },
	} {
		r := newFilesRig(t)
		f := r.begin("a")
		r.append(f, "0123456789")
		if err := harm(filepath.Join(r.dir, ".partial", f.ID)); err != nil {
			t.Fatal(err)
		}
		size, err := r.Append(t.Context(), f.ID, 10, strings.NewReader("x"))
		r.refused(what, err, bellhop.CodeConflict, "begins anew")
		if again := r.begin("a"); size != 0 || again.Size != 0 || again.ID != f.ID {
			t.Errorf("%s: %d %+v", what, size, again)
		}
		if !strings.Contains(r.logged.String(), "file.lost") {
			t.Errorf("%s: the log has %s", what, r.logged)
		}
		f.Size = 0
		r.append(f, "anew")
		if err := harm(filepath.Join(r.dir, ".partial", f.ID)); err != nil {
			t.Fatal(err)
		}
		_, err = r.Finish(t.Context(), f.ID)
		r.refused(what+" before it was finished", err, bellhop.CodeConflict, "begins anew")
	}
}

// TestDelete: a file is gone for everybody at once, and its name is free.
func TestDelete(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	f := r.keep("dir/a", "x")
	r.refused("no file", r.Delete(t.Context(), "b"), bellhop.CodeNotFound)
	if err := r.Remove(t.Context(), "fil_unknown"); err != nil {
		t.Error(err)
	}
	if err := r.Delete(t.Context(), "dir/a"); err != nil {
		t.Fatal(err)
	}
	if r.names() != "" || !strings.Contains(r.logged.String(), "reason=asked") {
		t.Errorf("there are %s; %s", r.names(), r.logged)
	}
	other := r.file("dir/a")
	other.EventID = r.newEvent()
	if g, err := r.Begin(t.Context(), other); err != nil || g.ID == f.ID {
		t.Errorf("%+v %v", g, err)
	}
}

// TestDeleteLater: while a storage cannot be reached, a file is deleted for everybody, its bytes go later, and its
// name is free once they are gone.
func TestDeleteLater(t *testing.T) {
	t.Parallel()
	r := newFilesRig(t)
	r.keep("a", "x")
	left := 1
	r.restart(func(o *FilesOptions) {
		o.Storage = faulty{r.folder, &left, func() error { return blob.ErrUnreachable }}
	})
	if err := r.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if r.names() != "a" || !strings.Contains(r.logged.String(), "file.undeleted") {
		t.Errorf("there are %s; %s", r.names(), r.logged)
	}
	left = 1
	other := r.file("a")
	other.EventID = r.newEvent()
	if _, err := r.Begin(t.Context(), other); err == nil {
		t.Error("its name is free")
	}
	if _, err := r.Begin(t.Context(), other); err != nil {
		t.Errorf("when the storage is back: %v", err)
	}
}
