package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// TestFirstRun: a server needs no preparation, and only its owner can read the files that it makes.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	opts := options(t)
	r := run(t, opts)
	if !r.FirstRun() {
		t.Error("not the first run")
	}
	r.source("src")
	if code, _ := r.call("POST", "/in/src", "hello"); code != 202 {
		t.Errorf("an event: %d", code)
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(opts.Config.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if strings.HasSuffix(path, "-wal") || strings.HasSuffix(path, "-shm") {
			return nil // the database's own, which the folder protects
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700 | fs.ModeDir
		}
		if err == nil && info.Mode() != want {
			t.Errorf("%s: %v, want %v", path, info.Mode(), want)
		}
		seen[d.Name()] = true
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{datadir.AdminKeyFile, datadir.MasterKeyFile, "bellhop.db", datadir.ServerFile} {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
	key := r.opts.AdminKey
	if err := r.stop(); err != nil {
		t.Error(err)
	}

	again := run(t, opts)
	if again.FirstRun() || again.opts.AdminKey != key || len(key) < 40 {
		t.Errorf("the second run: first: %v, key of %d characters", again.FirstRun(), len(key))
	}
	if code, body := again.call("GET", "/api/v1/events", ""); code != 200 || !strings.Contains(body, "src") {
		t.Errorf("events: %d %s", code, body)
	}
}

// TestSecondInstance: one process owns a data folder. A second one fails with that reason and does no harm.
func TestSecondInstance(t *testing.T) {
	t.Parallel()
	opts := options(t)
	first := run(t, opts)
	_, err := New(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), opts.Config.Data+" is in use by another bellhop") ||
		!strings.Contains(err.Error(), "--data") {
		t.Fatalf("the second: %v", err)
	}
	if code, _ := first.call("GET", "/readyz", ""); code != 200 {
		t.Errorf("the first: %d", code)
	}
	if _, err := os.Stat(filepath.Join(opts.Config.Data, datadir.ServerFile)); err != nil {
		t.Error(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(opts.Config.Data, datadir.ServerFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", datadir.ServerFile, err)
	}
	if err := run(t, opts).stop(); err != nil {
		t.Errorf("once the first has stopped: %v", err)
	}
}

// TestNewFails: an error of New says what to do, and New gives up everything that it has opened.
func TestNewFails(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name    string
		prepare func(*Options)
		want    string
		mend    func(*Options)
	}{
		{"address taken", func(o *Options) { o.Config.Listen = taken.Addr().String() }, "--listen",
			func(o *Options) { o.Config.Listen = "127.0.0.1:0" }},
		{"not an address", func(o *Options) { o.Config.Listen = "nowhere" }, "--listen",
			func(o *Options) { o.Config.Listen = "127.0.0.1:0" }},
		{"a file for a folder", func(o *Options) { write(t, o.Config.Data, "x", 0o600) }, "data folder",
			func(o *Options) { os.Remove(o.Config.Data) }},
		{"admin key for all to read",
			func(o *Options) {
				keyFile(t, o, datadir.AdminKeyFile, strings.Repeat("k", 40),
					0o644)
			}, "chmod 600", func(o *Options) { os.Chmod(filepath.Join(o.Config.Data, datadir.AdminKeyFile), 0o600) }},
		{"admin key for the group", func(o *Options) {
			keyFile(t, o, datadir.AdminKeyFile, strings.Repeat("k", 40), 0o640)
		},
			datadir.AdminKeyFile, func(o *Options) {
				os.Chmod(filepath.Join(o.Config.Data, datadir.AdminKeyFile), 0o400)
			}},
		{"short admin key", func(o *Options) { keyFile(t, o, datadir.AdminKeyFile, " 123456789012345 \n", 0o600) },
			"fewer than 16 characters", func(o *Options) {
				os.Remove(filepath.Join(o.Config.Data, datadir.AdminKeyFile))
			}},
		{"empty admin key", func(o *Options) {
			keyFile(t, o, datadir.AdminKeyFile, "", 0o600)
		}, "fewer than 16 characters",
			func(o *Options) { o.AdminKey = "1234567890123456" }},
		{"short key in the environment", func(o *Options) { o.AdminKey = "123456789012345" }, "BELLHOP_ADMIN_KEY",
			func(o *Options) { o.AdminKey = "" }},
		{"master key for all to read", func(o *Options) {
			keyFile(t, o, datadir.MasterKeyFile, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0o604)
		}, "chmod 600", func(o *Options) { os.Chmod(filepath.Join(o.Config.Data, datadir.MasterKeyFile), 0o600) }},
		{"broken master key", func(o *Options) { keyFile(t, o, datadir.MasterKeyFile, "s3cret\n", 0o600) }, "line 1",
			func(o *Options) { os.Remove(filepath.Join(o.Config.Data, datadir.MasterKeyFile)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := options(t, c.prepare)
			a, err := New(t.Context(), opts)
			if err == nil || a != nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), "s3cret") ||
				strings.Contains(err.Error(), "12345678") {
				t.Fatalf("%v, want something about %s", err, c.want)
			}
			c.mend(&opts)
			if err := run(t, opts).stop(); err != nil {
				t.Errorf("mended: %v", err)
			}
		})
	}
}

// TestMasterKeyFile: the data folder and the store mean the same file.
func TestMasterKeyFile(t *testing.T) {
	t.Parallel()
	if datadir.MasterKeyFile != store.KeyFileName {
		t.Errorf("%s and %s", datadir.MasterKeyFile, store.KeyFileName)
	}
}

func keyFile(t *testing.T, o *Options, name, text string, mode fs.FileMode) {
	if err := os.MkdirAll(o.Config.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(o.Config.Data, name), text, mode)
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// TestAdminKey: a given key is used, and is not written to a file.
func TestAdminKey(t *testing.T) {
	t.Parallel()
	opts := options(t, func(o *Options) { o.AdminKey = "a key of our own choice" })
	r := run(t, opts)
	if code, _ := r.call("GET", "/api/v1/sources", ""); code != 200 {
		t.Errorf("with it: %d", code)
	}
	r.opts.AdminKey = "a key of our own choicE"
	if code, _ := r.call("GET", "/api/v1/sources", ""); code != 401 {
		t.Errorf("with another: %d", code)
	}
	if _, err := os.Stat(filepath.Join(opts.Config.Data, datadir.AdminKeyFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file: %v", err)
	}
}

// TestNothingBeforeRun: New and reloads send nothing, although a delivery is due; Run sends it.
func TestNothingBeforeRun(t *testing.T) {
	t.Parallel()
	var answered atomic.Int64 // requests so far
	var ready atomic.Bool     // whether the receiver answers 200
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered.Add(1)
		if !ready.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer receiver.Close()
	opts := options(t, func(o *Options) { o.Config.AllowPrivate = true })
	first := run(t, opts)
	destination := `{"name":"d","url":"` + receiver.URL +
		`","settings":{"format":"raw"},"retry":{"schedule":["1ms","1ms","100ms","1s"]}}`
	if code, body := first.call("POST", "/api/v1/destinations", destination); code != 201 {
		t.Fatalf("destination: %d %s", code, body)
	}
	if code, body := first.call("POST", "/api/v1/events", `{"type":"t","data":1}`); code != 202 {
		t.Fatalf("event: %d %s", code, body)
	}
	poll(t, "the first attempt", func() bool { return answered.Load() > 0 })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	before := answered.Load()
	ready.Store(true)
	a, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := a.store.Deliveries(t.Context(), bellhop.DeliveryFilter{}, bellhop.Page{})
	if err != nil || len(list) != 1 || list[0].State != bellhop.DeliveryPending {
		t.Fatalf("%+v %v", list, err)
	}
	poll(t, "the time when the delivery is due", func() bool { return time.Now().After(list[0].NextAt) })
	for range 10 {
		if err := a.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.engine.Wake(list[0].DestinationID)
	}
	if n := answered.Load(); n != before {
		t.Errorf("%d requests before Run", n-before)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	poll(t, "a request after Run", func() bool { return answered.Load() > before })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStop: a stopping server says so, accepts no new connection, and answers the requests that have begun.
func TestStop(t *testing.T) {
	t.Parallel()
	opts := options(t)
	r := run(t, opts)
	r.source("src")
	c := r.begin("/in/src", "hello")
	if code := r.readyz(); code != 200 {
		t.Errorf("ready before: %d", code)
	}
	r.end()
	<-r.draining
	if code := r.readyz(); code != 503 {
		t.Errorf("ready while stopping: %d", code)
	}
	if _, err := fmt.Fprint(c, "hello"); err != nil {
		t.Fatal(err)
	}
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || reply.StatusCode != 202 {
		t.Errorf("what was under way: %v %v", reply, err)
	}
	if err := r.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if c, err := net.Dial("tcp", r.front.Addr().String()); err == nil {
		c.Close()
		t.Error("still listening")
	}
	if code, body := run(t, opts).call("GET", "/api/v1/stats", ""); code != 200 ||
		!strings.Contains(body, `"events":1`) {
		t.Errorf("afterwards: %d %s", code, body)
	}
}

// TestStopInTime: a request that does not end is cut off, and the stop succeeds.
func TestStopInTime(t *testing.T) {
	t.Parallel()
	opts := options(t, func(o *Options) { o.Config.ShutdownTimeout = 100 * time.Millisecond })
	r := run(t, opts)
	r.source("src")
	r.begin("/in/src", "hello")
	select {
	case err := <-r.stopping():
		if err != nil {
			t.Errorf("stop: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the stop waits for the request")
	}
	if err := run(t, opts).stop(); err != nil {
		t.Errorf("the next: %v", err)
	}
}

// TestStopDoesNotHang: background work or a step that does not end, as when a disk hangs, does not keep the
// server from stopping. The stop says what it waited for, and gives up nothing that is still in use.
func TestStopDoesNotHang(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	for _, c := range []struct {
		name    string
		prepare func(a *App)
		want    string
		inUse   bool
	}{
		{"background work", func(a *App) { a.background.Go(func() { <-hang }) },
			"stop background work: has not ended in time", false},
		{"a cleanup", func(a *App) {
			a.undoLater("disk", func(context.Context) error {
				<-hang
				return nil
			})
		}, "stop disk: has not ended in time", true},
	} {
		opts := options(t, func(o *Options) { o.Config.ShutdownTimeout = 10 * time.Millisecond })
		r := run(t, opts, func(a *App) {
			a.grace = 500 * time.Millisecond
			c.prepare(a)
		})
		select {
		case err := <-r.stopping():
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: the stop hangs", c.name)
		}
		if got := datadir.InUse(opts.Config.Data); got != c.inUse {
			t.Errorf("%s: the folder is in use: %v", c.name, got)
		}
	}
}

// begin sends a request without its body, and returns when the server waits for the body.
func (r *running) begin(path, body string) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.front.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", path,
		len(body))
	answer := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	if _, err := c.Read(answer); err != nil || !strings.Contains(string(answer), "100 Continue") {
		r.t.Fatalf("%s %v", answer, err)
	}
	return c
}

// readyz calls the handler directly, because a stopping server accepts no connection.
func (r *running) readyz() int {
	w := httptest.NewRecorder()
	r.front.server.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Code == 503 && w.Header().Get("Retry-After") == "" {
		r.t.Error("no Retry-After")
	}
	return w.Code
}
