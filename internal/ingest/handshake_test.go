package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestHandshake: the reply of a handshake is sent byte for byte, is inert in a browser, and is on record. It is
// not an event.
func TestHandshake(t *testing.T) {
	t.Parallel()
	lower := strings.ToLower("Webhook-Allowed-Origin")
	for _, c := range []struct {
		name        string
		reply       provider.Reply
		contentType string
	}{
		{"text", provider.Reply{Status: 200, Body: []byte("<b>token</b> & more\n")}, "text/plain; charset=utf-8"},
		{"JSON", provider.Reply{Status: 200, ContentType: "application/json", Body: []byte(`{"challenge":"x"}`)},
			"application/json"},
		{"headers", provider.Reply{Status: 204, Header: map[string][]string{
			lower: {"a", "b"}, "Cache-Control": {"public"}, "Content-Type": {"text/html"}}}, "text/plain; charset=utf-8"},
	} {
		r := newRig(t)
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{Reply: &c.reply}, nil }
		w := r.send("GET", "/in/src?validationToken=s3cret", strings.NewReader("asked"))
		if w.Code != c.reply.Status || w.Body.String() != string(c.reply.Body) {
			t.Errorf("%s: %d %q", c.name, w.Code, w.Body)
		}
		wantInert(t, w.Header())
		if got := w.Header()["Content-Type"]; len(got) != 1 || got[0] != c.contentType {
			t.Errorf("%s: content type %q", c.name, got)
		}
		if want := c.reply.Header[lower]; fmt.Sprint(w.Header()["Webhook-Allowed-Origin"]) != fmt.Sprint(want) {
			t.Errorf("%s: %v", c.name, w.Header())
		}
		got := r.onlyRequest()
		if got.Outcome != bellhop.RequestHandshake || got.Status != c.reply.Status || got.Reason != "handshake" ||
			got.Method != "GET" || got.Target != "/in/src?validationToken=…" || got.Events != 0 {
			t.Errorf("%s: on record: %+v", c.name, got)
		}
		if len(r.events()) != 0 || r.lanes.matched.Load() != 0 {
			t.Errorf("%s: an event is stored", c.name)
		}
	}
}

// TestHandshakeOnTheWire: the answer has a Content-Length and no header beyond those of the door.
func TestHandshakeOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
		return provider.Receipt{Reply: &provider.Reply{Status: 200, Body: []byte("token")}}, nil
	}
	s := httptest.NewServer(r.door)
	defer s.Close()
	reply, err := s.Client().Post(s.URL+"/in/src", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.ContentLength != 5 || reply.Header.Get("Set-Cookie") != "" || len(reply.Header["Content-Type"]) != 1 {
		t.Errorf("%d %v", reply.ContentLength, reply.Header)
	}
}

// TestHandshakeThen: the call after a reply does not delay the reply, is bounded, and is on record with its outcome.
func TestHandshakeThen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	finish := make(chan error)
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
		return provider.Receipt{Reply: &provider.Reply{Status: 200, Then: func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("no deadline")
			}
			return <-finish
		}}}, nil
	}
	for range maxAfterReply + 1 {
		if w := r.send("POST", "/in/src", nil); w.Code != 200 {
			t.Errorf("answered %d", w.Code)
		}
	}
	if got := r.onlyRequest(); got.Reason != "unconfirmed" || !strings.Contains(got.Detail, "too many") {
		t.Errorf("one too many: %+v", got)
	}
	for range maxAfterReply - 1 {
		finish <- nil
	}
	finish <- &url.Error{Op: "Get", URL: "https://h.example/?key=s3cret", Err: errors.New("refused")}
	if err := r.door.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]int{}
	for _, kept := range r.requests() {
		outcomes[kept.Reason+": "+kept.Detail]++
	}
	want := map[string]int{
		"handshake: and confirmed by a call to the provider":                        maxAfterReply - 1,
		"unconfirmed: the call that confirms it failed: refused":                    1,
		"unconfirmed: the call that confirms it failed: " + errTooManyCalls.Error(): 1,
	}
	if !maps.Equal(outcomes, want) {
		t.Errorf("on record: %v", outcomes)
	}
}

// TestPanicInHandshake: a panic of the call that confirms a handshake is logged likewise, and leaves the handshake
// unconfirmed.
func TestPanicInHandshake(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newRig(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
		return provider.Receipt{Reply: &provider.Reply{Status: 200,
			Then: func(context.Context) error { panic("what is this") }}}, nil
	}
	if w := r.send("POST", "/in/src", nil); w.Code != 200 {
		t.Errorf("answered %d", w.Code)
	}
	if err := r.door.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.onlyRequest(); got.Reason != "unconfirmed" || !strings.Contains(got.Detail, errPanic.Error()) {
		t.Errorf("on record: %+v", got)
	}
	wantPanicLogged(t, log.String())
}
