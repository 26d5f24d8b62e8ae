package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
)

// options returns the options of a server in its own folder, at a free port.
func options(t testing.TB, change ...func(*Options)) Options {
	t.Helper()
	cfg, err := config.Load("", func(string) string { return "" },
		map[string]string{"listen": "127.0.0.1:0", "data": filepath.Join(t.TempDir(), "data")})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Config: cfg, Providers: []provider.Provider{generic.Provider{}}, Version: "test",
		Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&opts)
	}
	return opts
}

// A running is a server in Run.
type running struct {
	*App
	t     testing.TB
	end   context.CancelFunc
	ended chan error
}

// run starts a server, which ends with the test. It calls change before the server runs.
func run(t testing.TB, opts Options, change ...func(*App)) *running {
	t.Helper()
	a, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(a)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{App: a, t: t, end: cancel, ended: make(chan error, 1)}
	go func() {
		r.ended <- a.Run(ctx)
		close(r.ended)
	}()
	t.Cleanup(func() { r.stop() })
	return r
}

// stop tells the server to stop, and returns the error of Run.
func (r *running) stop() error { return <-r.stopping() }

// stopping tells the server to stop, and returns the channel that gets the error of Run.
func (r *running) stopping() <-chan error {
	r.end()
	return r.ended
}

// call makes a request with the admin key.
func (r *running) call(method, path, body string) (int, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.opts.AdminKey)
	reply, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		r.t.Fatal(err)
	}
	defer reply.Body.Close()
	b, err := io.ReadAll(reply.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply.StatusCode, string(b)
}

// source creates a source that accepts every request.
func (r *running) source(name string) {
	r.t.Helper()
	if code, body := r.call("POST", "/api/v1/sources",
		`{"name":"`+name+`","provider":"generic","settings":{"scheme":"none"}}`); code != 201 {
		r.t.Fatalf("source %s: %d %s", name, code, body)
	}
}

// poll waits until done holds, and fails after a generous deadline. It asks less often as it waits longer, because
// done may be a request.
func poll(t testing.TB, what string, done func() bool) {
	t.Helper()
	pause := time.Millisecond
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(pause) {
		pause = min(pause*5/4, 50*time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatalf("there is not %s", what)
		}
	}
}
