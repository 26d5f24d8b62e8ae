package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// A followed keeps what a client of the stream has got: each item in short.
type followed struct {
	mu  sync.Mutex // guards all
	all []string
}

// follow follows the stream of r until it stops, and returns once it has begun.
func (r *running) follow(f client.StreamFilter) *followed {
	r.t.Helper()
	return r.followBy(client.New(r.URL(), r.opts.AdminKey, nil), f, "")
}

// followBy is follow with a client, after a position.
func (r *running) followBy(by *client.Client, f client.StreamFilter, after string) *followed {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	kept := &followed{}
	var done sync.WaitGroup
	done.Go(func() {
		for item, err := range by.Stream(ctx, f, after) {
			if err == nil {
				kept.add(item)
			}
		}
	})
	r.t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	poll(r.t, "a stream", func() bool { return kept.has("live") })
	return kept
}

func (f *followed) add(item client.StreamItem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := item.Kind
	switch {
	case item.Event != nil:
		text += fmt.Sprintf(" %s %s %d %d", item.Event.Type, item.Event.Source, item.Event.BodyBytes,
			item.Event.Deliveries)
	case item.Request != nil:
		text += " " + item.Request.Source + " " + item.Request.Reason
	case item.Attempt != nil:
		a := item.Attempt
		text += fmt.Sprintf(" %s %s %d %s %s", a.Destination, a.State, a.Status, a.Type, a.Source)
	case item.Change != nil:
		text += " " + item.Change.Name + " " + item.Change.Action + " " + item.Change.State
	}
	f.all = append(f.all, text)
}

func (f *followed) has(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, each := range f.all {
		if each == text {
			return true
		}
	}
	return false
}

func (f *followed) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.all, "\n")
}

// TestStreamOfServer: the stream of a whole server tells of events, refused requests, attempts, and changes of nouns
// by anybody, and only of those that are changes.
func TestStreamOfServer(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone) // which disables the destination
	}))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	kept := r.follow(client.StreamFilter{})
	changes := r.follow(client.StreamFilter{Kinds: []string{"destination.changed"}, Outcomes: []string{"deleted"}})

	r.source("inbox")
	do := func(status int, method, path, body string) {
		t.Helper()
		got, answer := r.call(method, path, body)
		if got != status {
			t.Fatalf("%s %s: %d %s", method, path, got, answer)
		}
	}
	do(201, "POST", "/api/v1/destinations", `{"name":"all","url":"`+receiver.URL+`","settings":{"format":"raw"}}`)
	do(200, "PATCH", "/api/v1/destinations/all", `{"timeout":"2s"}`)
	do(200, "PATCH", "/api/v1/sources/inbox", `{"max_body_bytes":100}`)
	do(202, "POST", "/in/inbox", `{"a":1}`)
	do(413, "POST", "/in/inbox", strings.Repeat("x", 200))
	do(404, "POST", "/in/nobody", `{}`)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the stream had\n%s", kept)
		}
	})
	poll(t, "a disabled destination", func() bool { return kept.has("destination.changed all updated disabled") })
	do(204, "DELETE", "/api/v1/destinations/all", "")
	do(204, "DELETE", "/api/v1/sources/inbox", "")
	for _, want := range []string{
		"source.changed inbox created ", "destination.changed all created active", "destination.changed all " +
			"updated active",
		"source.changed inbox updated ", "event.accepted generic.received inbox 7 1", "request.refused inbox " +
			"too_large",
		"request.refused  unknown_source", "delivery.attempted all dead 410 generic.received inbox",
		"destination.changed all deleted ", "source.changed inbox deleted ",
	} {
		poll(t, want, func() bool { return kept.has(want) })
	}
	poll(t, "the deletion alone", func() bool { return changes.has("destination.changed all deleted ") })
	if got := changes.String(); got != "live\ndestination.changed all deleted " {
		t.Errorf("the deletion alone: %s", got)
	}
}

// TestStreamEndsWithServer: a stream does not hold up the stop of a server.
func TestStreamEndsWithServer(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	r := run(t, options(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
	r.follow(client.StreamFilter{})
	err := r.stop()
	if err != nil || strings.Contains(log.String(), "request.interrupted") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// A lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex // guards the buffer
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
