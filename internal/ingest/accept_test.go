package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/delivery"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestAccepted: one event is that event, with what the door knows of it, and no request beside it.
func TestAccepted(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for status, want := range map[int]int{0: 202, 200: 200, 204: 204} {
		r := newRig(t)
		r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
			if req.Method != "PUT" || req.Target != "/in/src?a=b%20c" || req.Header.Get("X-One") != "1" || req.RemoteAddr != "192.0.2.1:1234" {
				t.Errorf("the provider sees %+v", req)
			}
			return provider.Receipt{Status: status, Events: []bellhop.Event{{Type: "stub.event", Subject: "s", ProviderID: "p", Time: at, ContentType: "text/x", Body: req.Body,
				SourceID: "src_forged", Source: "forged", Header: bellhop.Header("Forged: 1\n"), SHA256: [32]byte{1}}}}, nil
		}
		before := time.Now()
		w := r.send("PUT", "/in/src?a=b%20c", strings.NewReader("hello"), "X-One", "1")
		if w.Code != want || w.Body.Len() != 0 {
			t.Errorf("answered %d %s, want %d", w.Code, w.Body, want)
		}
		ev, err := r.store.Event(t.Context(), r.events()[0].ID)
		if err != nil || ev.SourceID != "src_src" || ev.Source != "src" || ev.Type != "stub.event" || ev.Subject != "s" || ev.ProviderID != "p" || !ev.Time.Equal(at) ||
			ev.ContentType != "text/x" || string(ev.Body) != "hello" || ev.SHA256 != sha256.Sum256([]byte("hello")) || string(ev.Header) != "X-One: 1\n" ||
			ev.ReceivedAt.Before(before.Truncate(time.Microsecond)) || ev.ReceivedAt.After(time.Now()) {
			t.Errorf("stored: %+v %v", ev, err)
		}
		if len(r.requests()) != 0 || r.lanes.matched.Load() != 1 || r.lanes.delivered.Load() != 1 || r.lanes.forgotten.Load() != 0 {
			t.Error("a request is kept too, or the lanes were not told once")
		}
	}
}

// TestBatch: many events of one request are stored each by itself, and the request once, as it came.
func TestBatch(t *testing.T) {
	r := newRig(t)
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		receipt := provider.Receipt{Status: 200}
		for item := range strings.SplitSeq(string(req.Body), ",") {
			receipt.Events = append(receipt.Events, event([]byte(item)))
		}
		return receipt, nil
	}
	if w := r.send("POST", "/in/src?code=s3cret", strings.NewReader("a,b,c"), "Authorization", "s3cret"); w.Code != 200 {
		t.Fatal(w.Code)
	}
	list := r.events()
	if len(list) != 3 {
		t.Fatalf("%d events", len(list))
	}
	for i, want := range []string{"c", "b", "a"} {
		if ev, err := r.store.Event(t.Context(), list[i].ID); err != nil || string(ev.Body) != want || ev.SHA256 != sha256.Sum256([]byte(want)) {
			t.Errorf("%s: %+v %v", want, ev, err)
		}
	}
	if got := r.onlyRequest(); got.Outcome != bellhop.RequestAccepted || got.Status != 200 || got.Events != 3 || string(got.Body) != "a,b,c" || got.Reason != "" ||
		got.Target != "/in/src?code=…" || len(got.Header) != 0 {
		t.Errorf("on record: %+v", got)
	}
}

// TestBatchInParts: items that are refused do not keep their neighbours out, and are on record with their reasons.
func TestBatchInParts(t *testing.T) {
	for _, c := range []struct {
		name    string
		receipt provider.Receipt
		status  int
		events  int
		reason  string
		detail  string
	}{
		{"two of three", provider.Receipt{Events: []bellhop.Event{event([]byte("b"))}, Refused: []provider.ItemError{{Index: 0, Err: provider.ErrForbidden}, {Index: 2, Err: fmt.Errorf("odd: %w", provider.ErrBody)}}},
			202, 1, "forbidden", "item 0: not the expected account or state; item 2: odd: malformed body"},
		{"all", provider.Receipt{Status: 200, Refused: []provider.ItemError{{Index: 0, Err: signature.ErrMismatch}}}, 200, 0, "signature_mismatch", "item 0: signature does not match"},
	} {
		r := newRig(t)
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return c.receipt, nil }
		if w := r.send("POST", "/in/src", strings.NewReader("a,b,c")); w.Code != c.status {
			t.Errorf("%s: answered %d", c.name, w.Code)
		}
		outcome := bellhop.RequestPartial
		if c.events == 0 {
			outcome = bellhop.RequestRefused
		}
		if got := r.onlyRequest(); got.Outcome != outcome || got.Status != c.status || got.Events != c.events || got.Reason != c.reason || got.Detail != c.detail ||
			string(got.Body) != "a,b,c" {
			t.Errorf("%s: on record: %+v", c.name, got)
		}
		if n := len(r.events()); n != c.events {
			t.Errorf("%s: %d events", c.name, n)
		}
	}
}

// TestEmptyBatch: a request that carries nothing is answered well and leaves nothing.
func TestEmptyBatch(t *testing.T) {
	r := newRig(t)
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{Status: 200}, nil }
	if w := r.send("POST", "/in/src", strings.NewReader("[]")); w.Code != 200 {
		t.Error(w.Code)
	}
	if len(r.events()) != 0 || len(r.requests()) != 0 || r.lanes.matched.Load() != 0 {
		t.Error("something is kept")
	}
}

// TestDuplicates: a repeat is answered as the first time, and stored once.
func TestDuplicates(t *testing.T) {
	r := newRig(t)
	r.sources(bellhop.Source{Name: "other"})
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		ev := event(req.Body)
		ev.ProviderID = "p-1"
		return provider.Receipt{Status: 200, Events: []bellhop.Event{ev}}, nil
	}
	for _, body := range []string{"first", "second"} {
		for _, target := range []string{"/in/src", "/in/other"} {
			if w := r.send("POST", target, strings.NewReader(body)); w.Code != 200 {
				t.Errorf("%s to %s: %d", body, target, w.Code)
			}
		}
	}
	list := r.events()
	if len(list) != 2 {
		t.Fatalf("%d events, want one of each source", len(list))
	}
	for _, short := range list {
		if ev, err := r.store.Event(t.Context(), short.ID); err != nil || string(ev.Body) != "first" {
			t.Errorf("stored: %s %v", ev.Body, err)
		}
	}
}

// failing is a store that cannot take anything.
type failing struct {
	Store
	err error
}

func (f failing) Accept(context.Context, *bellhop.Request, []bellhop.Event, []bellhop.NewDelivery) (bellhop.Accepted, error) {
	return bellhop.Accepted{}, f.err
}

// TestStorageFails: nothing is acknowledged that is not stored, and no room is kept for it.
func TestStorageFails(t *testing.T) {
	for _, err := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown, errors.New("odd")} {
		r := newRig(t, func(o *Options) { o.Store = failing{o.Store, err} })
		w := r.send("POST", "/in/src", strings.NewReader("hello"))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != "{\"error\":\"try again later\"}\n" {
			t.Errorf("%v: %d %v %s", err, w.Code, w.Header(), w.Body)
		}
		if r.lanes.forgotten.Load() != 1 || r.lanes.delivered.Load() != 0 || r.door.inFlight.Load() != 0 {
			t.Errorf("%v: the room is kept", err)
		}
		if got := r.onlyRequest(); got.Reason != "unavailable" || got.Status != 503 {
			t.Errorf("%v: on record: %+v", err, got)
		}
		if _, _, failed := r.door.Publish(t.Context(), event([]byte("x"))); !errors.Is(failed, err) || r.lanes.forgotten.Load() != 2 {
			t.Errorf("%v: published: %v", err, failed)
		}
	}
}

// TestPanic: a provider that panics on a request affects no other request. The panic is logged once, with its stack and
// source.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		if string(req.Body) == "bad" {
			panic("what is this")
		}
		return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
	}
	w := r.send("POST", "/in/src", strings.NewReader("bad"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || r.door.inFlight.Load() != 0 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := r.send("POST", "/in/src", strings.NewReader("good")); w.Code != 202 {
		t.Errorf("the next one: %d", w.Code)
	}
	if got := r.onlyRequest(); got.Reason != "internal" || len(r.events()) != 1 {
		t.Errorf("on record: %+v", got)
	}
	wantPanicLogged(t, log.String())
}

// TestPanicInHandshake: a panic of the call that confirms a handshake is logged likewise, and leaves the handshake
// unconfirmed.
func TestPanicInHandshake(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
		return provider.Receipt{Reply: &provider.Reply{Status: 200, Then: func(context.Context) error { panic("what is this") }}}, nil
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

// wantPanicLogged checks that the log tells of one panic of the stub, whole.
func wantPanicLogged(t *testing.T, log string) {
	t.Helper()
	if strings.Count(log, "provider.panicked") != 1 {
		t.Errorf("not logged once: %s", log)
	}
	for _, part := range []string{`panic="what is this"`, "source_id=src_src", "provider=stub", "stack=", "ingest.TestPanic"} {
		if !strings.Contains(log, part) {
			t.Errorf("%s is not in the log: %s", part, log)
		}
	}
}

// TestHops: what has gone through too many gateways goes in circles and ends here.
func TestHops(t *testing.T) {
	for hops, want := range map[string]int{"": 202, "0": 202, "1": 202, "7": 202, "8": 508, "9": 508, "99": 508, "-1": 508, "x": 508, "1e1": 508} {
		r := newRig(t)
		w := r.send("POST", "/in/src", strings.NewReader("hello"), "bellhop-hops", hops)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", hops, w.Code, want)
		}
		if want == 508 && (r.onlyRequest().Reason != "loop" || len(r.events()) != 0 || w.Body.String() != "{\"error\":\"too many hops\"}\n") {
			t.Errorf("%q: %s, %+v", hops, w.Body, r.onlyRequest())
		}
	}
}

// TestHandshake: a proof of ours is given byte for byte, made inert, and on record. It is no event.
func TestHandshake(t *testing.T) {
	lower := strings.ToLower("Webhook-Allowed-Origin")
	for _, c := range []struct {
		name        string
		reply       provider.Reply
		contentType string
	}{
		{"text", provider.Reply{Status: 200, Body: []byte("<b>token</b> & more\n")}, "text/plain; charset=utf-8"},
		{"JSON", provider.Reply{Status: 200, ContentType: "application/json", Body: []byte(`{"challenge":"x"}`)}, "application/json"},
		{"headers", provider.Reply{Status: 204, Header: map[string][]string{lower: {"a", "b"}, "Cache-Control": {"public"}, "Content-Type": {"text/html"}}}, "text/plain; charset=utf-8"},
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
		if got.Outcome != bellhop.RequestHandshake || got.Status != c.reply.Status || got.Reason != "handshake" || got.Method != "GET" || got.Target != "/in/src?validationToken=…" || got.Events != 0 {
			t.Errorf("%s: on record: %+v", c.name, got)
		}
		if len(r.events()) != 0 || r.lanes.matched.Load() != 0 {
			t.Errorf("%s: an event", c.name)
		}
	}
}

// TestHandshakeOnTheWire: the length is said, and nothing is added.
func TestHandshakeOnTheWire(t *testing.T) {
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

// TestHandshakeThen: what a reply is followed by does not hold it up, is bounded, and is on record with its outcome.
func TestHandshakeThen(t *testing.T) {
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
	for range maxLater + 1 {
		if w := r.send("POST", "/in/src", nil); w.Code != 200 {
			t.Errorf("answered %d", w.Code)
		}
	}
	if got := r.onlyRequest(); got.Reason != "unconfirmed" || !strings.Contains(got.Detail, "too many") {
		t.Errorf("one too many: %+v", got)
	}
	for range maxLater - 1 {
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
		"handshake: and confirmed by a call to the provider":                 maxLater - 1,
		"unconfirmed: the call that confirms it failed: refused":             1,
		"unconfirmed: the call that confirms it failed: " + errLater.Error(): 1,
	}
	if !maps.Equal(outcomes, want) {
		t.Errorf("on record: %v", outcomes)
	}
}

// TestPublish: an event of the API belongs to the API's source, and is folded by its id as any other.
func TestPublish(t *testing.T) {
	r := newRig(t)
	ev := bellhop.Event{Type: "order.paid", Subject: "order/1", ProviderID: "key-1", Tenant: "acme", ContentType: "application/json", Body: []byte(`{}`), SourceID: "src_forged"}
	first, repeat, err := r.door.Publish(t.Context(), ev)
	if err != nil || repeat || first.ID == "" || first.SourceID != "src_api" || first.Source != bellhop.SourceAPI || first.SHA256 != sha256.Sum256([]byte(`{}`)) || first.ReceivedAt.IsZero() {
		t.Fatalf("%+v %v %v", first, repeat, err)
	}
	again, repeat, err := r.door.Publish(t.Context(), ev)
	if err != nil || !repeat || again.ID != first.ID {
		t.Errorf("again: %+v %v %v", again, repeat, err)
	}
	stored, err := r.store.Event(t.Context(), first.ID)
	if err != nil || stored.Type != "order.paid" || stored.Tenant != "acme" || stored.Source != bellhop.SourceAPI || len(r.events()) != 1 {
		t.Errorf("stored: %+v %v", stored, err)
	}
	if w := r.send("POST", "/in/api", strings.NewReader("x")); w.Code != 404 {
		t.Errorf("the API has a URL at the door: %d", w.Code)
	}
}

// TestPublishTo: an event for one destination needs that to be there; nothing is kept of one that is for nobody.
func TestPublishTo(t *testing.T) {
	r := newRig(t)
	var e *bellhop.Error
	if _, _, err := r.door.PublishTo(t.Context(), event([]byte("x")), "dst_none"); !errors.As(err, &e) || e.Code != bellhop.CodeNotFound {
		t.Errorf("%v", err)
	}
	if len(r.events()) != 0 {
		t.Error("kept for nobody")
	}
	d := bellhop.Destination{ID: "dst_1", Name: "one", Type: bellhop.TypeHTTP, URL: "https://example.com", Settings: []byte(`{"format":"raw"}`), Match: bellhop.Match{Types: []string{"nothing"}},
		Timeout: time.Second, Concurrency: 1, State: bellhop.DestinationPaused, CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if err := r.store.CreateDestination(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := r.lanes.Lanes.(*delivery.Engine).SetDestinations(t.Context(), []bellhop.Destination{d}); err != nil {
		t.Fatal(err)
	}
	ev, id, err := r.door.PublishTo(t.Context(), event([]byte("x")), "dst_1")
	if err != nil || ev.SourceID != bellhop.SourceAPIID {
		t.Fatalf("%+v %v", ev, err)
	}
	got, err := r.store.Delivery(t.Context(), id)
	if err != nil || got.EventID != ev.ID || got.DestinationID != "dst_1" || got.State != bellhop.DeliveryPending {
		t.Errorf("%+v %v", got, err)
	}
}

// TestPublishCaused: an event that an action publishes belongs to the source of its cause and is linked to it. Repeats are folded, and a chain
// of causes ends.
func TestPublishCaused(t *testing.T) {
	r := newRig(t)
	cause, _, err := r.door.Publish(t.Context(), event([]byte("cause")))
	if err != nil {
		t.Fatal(err)
	}
	made := event([]byte("made"))
	made.ProviderID = "once"
	id, err := r.door.PublishCaused(t.Context(), &cause, made)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.store.Event(t.Context(), id)
	if err != nil || got.SourceID != cause.SourceID || got.Header.Get(bellhop.CauseHeader) != cause.ID || bellhop.Hops(got.Header) != 1 || string(got.Body) != "made" {
		t.Errorf("%+v %v", got, err)
	}
	if again, err := r.door.PublishCaused(t.Context(), &cause, made); err != nil || again != id {
		t.Errorf("a repeat is %s, %v, want %s", again, err, id)
	}
	next := got
	for range bellhop.MaxHops - 2 {
		id, err := r.door.PublishCaused(t.Context(), &next, event([]byte("more")))
		if err != nil {
			t.Fatal(err)
		}
		if next, err = r.store.Event(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.door.PublishCaused(t.Context(), &next, event([]byte("too many"))); !errors.Is(err, errLoop) {
		t.Errorf("beyond the last hop: %v", err)
	}
}
