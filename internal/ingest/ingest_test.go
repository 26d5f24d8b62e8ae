package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/delivery"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestAccepted: a request with one event is stored as that event, with the fields that the door sets, and without
// a request.
func TestAccepted(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for status, want := range map[int]int{0: 202, 200: 200, 204: 204} {
		r := newRig(t)
		r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
			if req.Method != "PUT" || req.Target != "/in/src?a=b%20c" || req.Header.Get("X-One") != "1" ||
				req.RemoteAddr != "192.0.2.1:1234" {
				t.Errorf("the provider sees %+v", req)
			}
			ev := bellhop.Event{Type: "stub.event", Subject: "s", ProviderID: "p", Time: at, ContentType: "text/x",
				Body: req.Body, SourceID: "src_forged", Source: "forged", Header: bellhop.Header("Forged: 1\n"),
				SHA256: [32]byte{1}}
			return provider.Receipt{Status: status, Events: []bellhop.Event{ev}}, nil
		}
		before := time.Now()
		w := r.send("PUT", "/in/src?a=b%20c", strings.NewReader("hello"), "X-One", "1")
		if w.Code != want || w.Body.Len() != 0 {
			t.Errorf("answered %d %s, want %d", w.Code, w.Body, want)
		}
		ev, err := r.store.Event(t.Context(), r.events()[0].ID)
		if err != nil || ev.SourceID != "src_src" || ev.Source != "src" || ev.Type != "stub.event" ||
			ev.Subject != "s" || ev.ProviderID != "p" || !ev.Time.Equal(at) || ev.ContentType != "text/x" ||
			string(ev.Body) != "hello" || ev.SHA256 != sha256.Sum256([]byte("hello")) ||
			string(ev.Header) != "X-One: 1\n" || ev.ReceivedAt.Before(before.Truncate(time.Microsecond)) ||
			ev.ReceivedAt.After(time.Now()) {
			t.Errorf("stored: %+v %v", ev, err)
		}
		if len(r.requests()) != 0 || r.lanes.matched.Load() != 1 || r.lanes.delivered.Load() != 1 ||
			r.lanes.forgotten.Load() != 0 {
			t.Error("a request is stored as well, or the lanes were not called once each")
		}
	}
}

// TestBatch: the events of a batch are stored one by one, and the request once, as it came.
func TestBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		receipt := provider.Receipt{Status: 200}
		for item := range strings.SplitSeq(string(req.Body), ",") {
			receipt.Events = append(receipt.Events, event([]byte(item)))
		}
		return receipt, nil
	}
	if w := r.send("POST", "/in/src?code=s3cret", strings.NewReader("a,b,c"), "Authorization",
		"s3cret"); w.Code != 200 {
		t.Fatal(w.Code)
	}
	list := r.events()
	if len(list) != 3 {
		t.Fatalf("%d events", len(list))
	}
	for i, want := range []string{"c", "b", "a"} {
		if ev, err := r.store.Event(t.Context(), list[i].ID); err != nil || string(ev.Body) != want ||
			ev.SHA256 != sha256.Sum256([]byte(want)) {
			t.Errorf("%s: %+v %v", want, ev, err)
		}
	}
	if got := r.onlyRequest(); got.Outcome != bellhop.RequestAccepted || got.Status != 200 || got.Events != 3 ||
		string(got.Body) != "a,b,c" || got.Reason != "" ||
		got.Target != "/in/src?code=…" || len(got.Header) != 0 {
		t.Errorf("on record: %+v", got)
	}
}

// TestBatchInParts: a refused item does not keep its neighbours out, and is on record with its reason.
func TestBatchInParts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		receipt provider.Receipt
		status  int
		events  int
		reason  string
		detail  string
	}{
		{"two of three", provider.Receipt{Events: []bellhop.Event{event([]byte("b"))}, Refused: []provider.ItemError{
			{Index: 0, Err: provider.ErrForbidden}, {Index: 2, Err: fmt.Errorf("odd: %w", provider.ErrBody)}}},
			202, 1, "forbidden", "item 0: not the expected account or state; item 2: odd: malformed body"},
		{"all", provider.Receipt{Status: 200, Refused: []provider.ItemError{{Index: 0, Err: signature.ErrMismatch}}},
			200, 0, "signature_mismatch", "item 0: signature does not match"},
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
		if got := r.onlyRequest(); got.Outcome != outcome || got.Status != c.status || got.Events != c.events ||
			got.Reason != c.reason || got.Detail != c.detail ||
			string(got.Body) != "a,b,c" {
			t.Errorf("%s: on record: %+v", c.name, got)
		}
		if n := len(r.events()); n != c.events {
			t.Errorf("%s: %d events", c.name, n)
		}
	}
}

// TestEmptyBatch: a request without events is answered 2xx and stores nothing.
func TestEmptyBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{Status: 200}, nil }
	if w := r.send("POST", "/in/src", strings.NewReader("[]")); w.Code != 200 {
		t.Error(w.Code)
	}
	if len(r.events()) != 0 || len(r.requests()) != 0 || r.lanes.matched.Load() != 0 {
		t.Error("something is stored")
	}
}

// TestDuplicates: a repeat gets the same answer as the first request, and is stored once.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.sources(bellhop.Source{Name: "other"})
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		ev := event(req.Body)
		ev.ProviderID = "p-1"
		return provider.Receipt{Status: 200, Events: []bellhop.Event{ev}}, nil
	}
	for _, body := range []string{"first", "first"} {
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

// failing is a store whose Accept fails.
type failing struct {
	Store
	err error
}

func (f failing) Accept(context.Context, *bellhop.Request, []bellhop.Event, []bellhop.NewDelivery) (bellhop.Accepted,
	error) {
	return bellhop.Accepted{}, f.err
}

// TestStorageFails: if the events cannot be stored, the request is not acknowledged and the places in the lanes
// are given back.
func TestStorageFails(t *testing.T) {
	t.Parallel()
	for _, err := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown, errors.New("odd")} {
		r := newRig(t, func(o *Options) { o.Store = failing{o.Store, err} })
		w := r.send("POST", "/in/src", strings.NewReader("hello"))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != "{\"error\":\"try again "+
			"later\"}\n" {
			t.Errorf("%v: %d %v %s", err, w.Code, w.Header(), w.Body)
		}
		if r.lanes.forgotten.Load() != 1 || r.lanes.delivered.Load() != 0 || r.door.budget.inUse() != 0 {
			t.Errorf("%v: the places are not given back", err)
		}
		if got := r.onlyRequest(); got.Reason != "unavailable" || got.Status != 503 {
			t.Errorf("%v: on record: %+v", err, got)
		}
		if _, _, failed := r.door.Publish(t.Context(), event([]byte("x"))); !errors.Is(failed, err) ||
			r.lanes.forgotten.Load() != 2 {
			t.Errorf("%v: published: %v", err, failed)
		}
	}
}

// TestPanic: a provider that panics on a request affects no other request. The panic is logged once, with its
// stack and source.
func TestPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newRig(t, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		if string(req.Body) == "bad" {
			panic("what is this")
		}
		return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
	}
	w := r.send("POST", "/in/src", strings.NewReader("bad"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || r.door.budget.inUse() != 0 {
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

// wantPanicLogged checks that the log tells of one panic of the stub, whole.
func wantPanicLogged(t *testing.T, log string) {
	t.Helper()
	if strings.Count(log, "provider.panicked") != 1 {
		t.Errorf("not logged once: %s", log)
	}
	for _, part := range []string{`panic="what is this"`, "source_id=src_src", "source=src", "provider=stub", "stack=",
		"ingest.TestPanic"} {
		if !strings.Contains(log, part) {
			t.Errorf("%s is not in the log: %s", part, log)
		}
	}
}

// TestHops: a request that has passed through too many gateways is going in circles, and is refused.
func TestHops(t *testing.T) {
	t.Parallel()
	for hops, want := range map[string]int{"": 202, "0": 202, "1": 202, "7": 202,
		"8": 508, "9": 508, "99": 508, "-1": 508, "x": 508, "1e1": 508} {
		r := newRig(t)
		w := r.send("POST", "/in/src", strings.NewReader("hello"), "bellhop-hops", hops)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", hops, w.Code, want)
		}
		if want == 508 && (r.onlyRequest().Reason != "loop" || len(r.events()) != 0 ||
			w.Body.String() != "{\"error\":\"too many hops\"}\n") {
			t.Errorf("%q: %s, %+v", hops, w.Body, r.onlyRequest())
		}
	}
}

// TestNoSuchSource: an unknown source, a disabled source and a path that only resembles a source's get the same
// answer, and none is redirected.
func TestNoSuchSource(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := r.send("POST", "/in/nobody", strings.NewReader("hello"))
	if first.Code != 404 || first.Body.String() != "{\"error\":\"no such source\"}\n" {
		t.Fatalf("%d %s", first.Code, first.Body)
	}
	wantInert(t, first.Header())
	for _, target := range []string{"/in/off", "/in/src_off", "/in/", "/in", "/", "//in/src", "/in//src", "/in/src//",
		"/in/src/x", "/in/./src", "/in/x/../src", "/in/src/../off", "/in/src%2f", "/in/sr%63", "/in/%73rc",
		"/in/src;x", "/in/src%3fa=b",
		"/in/SRC", "/IN/src", "/in/src%00", "/in/src%20", "/in/src.", "/in/api", "/in/src_api", "/../in/src"} {
		for _, method := range []string{"POST", "GET", "OPTIONS"} {
			w := r.send(method, target, strings.NewReader("hello"))
			if w.Code != first.Code || w.Body.String() != first.Body.String() ||
				!reflect.DeepEqual(w.Header(), first.Header()) {
				t.Errorf("%s %s: %d %v %s", method, target, w.Code, w.Header(), w.Body)
			}
		}
	}
	if len(r.events()) != 0 {
		t.Error("an event is stored")
	}
	for _, target := range []string{"/in/src", "/in/src/", "/in/src/?a=b", "/in/src_src", "/in/src_src/",
		"/in/src?a=b", "/in/src?", "http://other.example/in/src"} {
		if w := r.send("POST", target, strings.NewReader("hello")); w.Code != 202 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

// TestNotOpened: a source with settings that its provider refuses, or without a provider, answers 503 until it is
// mended.
func TestNotOpened(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	err := r.door.SetSources([]bellhop.Source{
		{ID: "src_src", Name: "src", Provider: "stub", Settings: []byte(`{"odd":1}`)},
		{ID: "src_2", Name: "other", Provider: "nobody", Settings: []byte(`{}`)},
		{ID: "src_3", Name: "well", Provider: "stub", Settings: []byte(`{}`)},
	})
	if err == nil || !strings.Contains(err.Error(), "src_src (src): odd") ||
		!strings.Contains(err.Error(), `src_2 (other): there is no provider "nobody"`) {
		t.Errorf("reported: %v", err)
	}
	for target, want := range map[string]int{"/in/src": 503, "/in/src_src": 503, "/in/other": 503} {
		if w := r.send("POST", target, strings.NewReader("hello")); w.Code != want ||
			w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	r.reopen()
	if w := r.send("POST", "/in/src", nil); w.Code != 202 {
		t.Errorf("mended: %d", w.Code)
	}
}

// TestReceiversStay: SetSources opens only the sources whose settings changed, because receivers have a memory.
func TestReceiversStay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	opened := func() int { return int(r.stub.opened.Load()) }
	before := opened()
	r.reopen()
	r.sources(bellhop.Source{Name: "new"})
	if n := opened() - before; n != 1 {
		t.Errorf("%d were opened, want the new one", n)
	}
	src := bellhop.Source{ID: "src_src", Name: "renamed", Provider: "stub", Settings: []byte(`{}`), MaxBodyBytes: 1}
	if err := r.door.SetSources([]bellhop.Source{src}); err != nil || opened()-before != 1 {
		t.Errorf("opened for a new name: %v", err)
	}
	if w := r.send("POST", "/in/renamed", strings.NewReader("too long")); w.Code != 413 {
		t.Errorf("the new limit is not in force: %d", w.Code)
	}
	src.Settings = []byte(`{ }`)
	r.door.SetSources([]bellhop.Source{src})
	if opened()-before != 2 {
		t.Error("not opened for new settings")
	}
}

// TestPublish: an event of the API belongs to the API's source, and a repeat of its ProviderID is recognized.
func TestPublish(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ev := bellhop.Event{Type: "order.paid", Subject: "order/1", ProviderID: "key-1", Tenant: "acme",
		ContentType: "application/json", Body: []byte(`{}`), SourceID: "src_forged"}
	first, repeat, err := r.door.Publish(t.Context(), ev)
	if err != nil || repeat || first.ID == "" || first.SourceID != "src_api" || first.Source != bellhop.SourceAPI ||
		first.SHA256 != sha256.Sum256([]byte(`{}`)) || first.ReceivedAt.IsZero() {
		t.Fatalf("%+v %v %v", first, repeat, err)
	}
	for _, body := range []string{`{}`, `{"another":1}`} { // the caller compares the events
		ev.Body = []byte(body)
		again, repeat, err := r.door.Publish(t.Context(), ev)
		if err != nil || !repeat || again.ID != first.ID {
			t.Errorf("again, with %s: %+v %v %v", body, again, repeat, err)
		}
	}
	stored, err := r.store.Event(t.Context(), first.ID)
	if err != nil || stored.Type != "order.paid" || stored.Tenant != "acme" || stored.Source != bellhop.SourceAPI ||
		len(r.events()) != 1 {
		t.Errorf("stored: %+v %v", stored, err)
	}
	if w := r.send("POST", "/in/api", strings.NewReader("x")); w.Code != 404 {
		t.Errorf("the API has a URL at the door: %d", w.Code)
	}
}

// TestPublishTo: PublishTo stores an event for one destination, and nothing if the destination does not exist.
func TestPublishTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var e *bellhop.Error
	if _, _, err := r.door.PublishTo(t.Context(), event([]byte("x")), "dst_none"); !errors.As(err, &e) ||
		e.Code != bellhop.CodeNotFound {
		t.Errorf("%v", err)
	}
	if len(r.events()) != 0 {
		t.Error("stored although there is no destination")
	}
	d := bellhop.Destination{ID: "dst_1", Name: "one", Type: bellhop.TypeHTTP, URL: "https://example.com",
		Settings: []byte(`{"format":"raw"}`), Match: bellhop.Match{Types: []string{"nothing"}},
		Timeout: time.Second, Concurrency: 1, State: bellhop.DestinationPaused, CreatedAt: time.Now(),
		UpdatedAt: time.Now()}
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

// TestPublishCaused: an event that an action publishes belongs to the source of its cause and is linked to it.
// Repeats are folded, and a chain of causes ends.
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
	if err != nil || got.SourceID != cause.SourceID || got.Header.Get(bellhop.CauseHeader) != cause.ID ||
		bellhop.Hops(got.Header) != 1 || string(got.Body) != "made" {
		t.Errorf("%+v %v", got, err)
	}
	for _, body := range []string{"made", "made at another time"} {
		made.Body = []byte(body)
		if again, err := r.door.PublishCaused(t.Context(), &cause, made); err != nil || again != id {
			t.Errorf("a repeat with the body %q is %s, %v, want %s", body, again, err, id)
		}
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

// TestPublishCaughtUp: events that a provider told afterwards belong to their source and name the gap, in one commit.
// Repeats are folded, and a source that was deleted meanwhile takes none.
func TestPublishCaughtUp(t *testing.T) {
	r := newRig(t)
	told := func(ids ...string) (events []bellhop.Event) {
		for _, id := range ids {
			ev := event([]byte(id))
			ev.ProviderID = id
			events = append(events, ev)
		}
		return events
	}
	for _, tt := range []struct {
		events []bellhop.Event
		want   int // stored
	}{{told("a", "b"), 2}, {told("b", "c"), 1}, {told("a", "b", "c"), 0}} {
		if n, err := r.door.PublishCaughtUp(t.Context(), "src_src", "gap_1", tt.events); err != nil || n != tt.want {
			t.Errorf("%d stored, %v, want %d", n, err, tt.want)
		}
	}
	list := r.events()
	for _, ev := range list {
		if ev.SourceID != "src_src" || ev.Source != "src" || ev.Header.Get(bellhop.CaughtUpHeader) != "gap_1" {
			t.Errorf("%+v", ev)
		}
	}
	if len(list) != 3 {
		t.Errorf("%d events", len(list))
	}
	var known *bellhop.Error
	_, err := r.door.PublishCaughtUp(t.Context(), "src_gone", "gap_1", told("d"))
	if !errors.As(err, &known) || known.Code != bellhop.CodeNotFound {
		t.Errorf("a source that is not there: %v", err)
	}
}

// BenchmarkServe accepts events of 1 KiB with a real store, and without sockets, signatures or destinations. Many
// requests run at a time and share commits, as they do when the disk is the bottleneck.
func BenchmarkServe(b *testing.B) {
	r := newRig(b)
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		return provider.Receipt{Events: []bellhop.Event{{Type: "stub.event", ContentType: "application/json",
			Body: req.Body}}}, nil
	}
	body := bytes.Repeat([]byte("x"), 1<<10)
	b.SetParallelism(32)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := httptest.NewRequest("POST", "/in/src", bytes.NewReader(body))
			req.Header["Content-Type"] = []string{"application/json"}
			req.Header["User-Agent"] = []string{"bench"}
			w := httptest.NewRecorder()
			r.door.ServeHTTP(w, req)
			if w.Code != 202 {
				b.Fatal(w.Code)
			}
		}
	})
}

// TestExpressionsAreBusy: while a large body is being decoded for ever, as the expressions of destinations need it,
// further large bodies are answered 503 and leave nothing behind. Meanwhile a small one to another source is stored.
func TestExpressionsAreBusy(t *testing.T) {
	r := newRig(t)
	r.sources(bellhop.Source{Name: "other"})
	where := bellhop.Destination{ID: "dst_where", Name: "where", Type: bellhop.TypeHTTP, URL: "https://example.com/",
		State: bellhop.DestinationPaused, Settings: []byte(`{"format":"raw"}`),
		Match: bellhop.Match{Where: `data.a == 1`}, Timeout: time.Second, Concurrency: 1,
		Retry: bellhop.Retry{Schedule: bellhop.ScheduleDefault}, Breaker: bellhop.DefaultBreaker,
		CreatedAt: time.Now(), UpdatedAt: time.Now()}
	if err := r.store.CreateDestination(t.Context(), where); err != nil {
		t.Fatal(err)
	}
	engine := r.lanes.Lanes.(*delivery.Engine)
	if err := engine.SetDestinations(t.Context(), []bellhop.Destination{where}); err != nil {
		t.Fatal(err)
	}
	if err := r.gate.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	large := `{"a":1,"text":"` + strings.Repeat("x", match.LargeBody) + `"}`
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() {
			w := r.send("POST", "/in/src", strings.NewReader(large))
			if w.Code != 503 || w.Header().Get("Retry-After") == "" {
				t.Errorf("large: %d %v", w.Code, w.Header())
			}
		})
	}
	for range 20 {
		if w := r.send("POST", "/in/other", strings.NewReader(`{"b":1}`)); w.Code != 202 {
			t.Errorf("small: %d", w.Code)
		}
	}
	senders.Wait()
	if n := len(r.events()); n != 20 {
		t.Errorf("%d events are stored", n)
	}
	for _, req := range r.requests() {
		if req.Reason != "busy" || req.Status != 503 {
			t.Errorf("on record: %+v", req)
		}
	}
	r.gate.Leave()
	if w := r.send("POST", "/in/src", strings.NewReader(large)); w.Code != 202 {
		t.Errorf("afterwards: %d", w.Code)
	}
}
