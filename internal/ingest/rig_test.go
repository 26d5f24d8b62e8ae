package ingest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/delivery"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A stub is a provider that makes one event of each request, unless receive is set.
type stub struct {
	receive func(*provider.Request) (provider.Receipt, error)
	secret  []string
	opened  atomic.Int64
}

func (s *stub) Info() provider.Info { return provider.Info{Name: "stub"} }

func (s *stub) Open(_ provider.Env, settings json.RawMessage) (provider.Receiver, error) {
	s.opened.Add(1)
	if string(settings) != `{}` {
		return nil, bellhop.Invalid("odd", "unknown setting")
	}
	return s, nil
}

func (s *stub) SecretHeaders() []string { return s.secret }

func (s *stub) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	if s.receive != nil {
		return s.receive(req)
	}
	return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
}

func event(body []byte) bellhop.Event {
	return bellhop.Event{Type: "stub.event", ContentType: "text/plain", Body: body}
}

// A rig is a door with a real store and a real engine.
type rig struct {
	t     testing.TB
	stub  *stub
	door  *Door
	store *sqlite.Store
	lanes *lanes
	gate  *match.Gate // of the engine; it has one slot
}

// newRig makes a door with the source "src" and the disabled source "off".
func newRig(t testing.TB, change ...func(*Options)) *rig {
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	keys, err := store.LoadKeyRing(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(sqlite.Options{Dir: dir, Options: store.Options{Keys: keys, Now: time.Now, Rand: rand.Reader,
		Logger: log}})
	if err != nil {
		t.Fatal(err)
	}
	client := egress.New(egress.Config{})
	opener := outbound.New(outbound.Options{Client: client, Env: provider.Env{Now: time.Now}, Logger: log})
	gate := match.NewGate(1)
	engine := delivery.New(delivery.Options{Store: s, Opener: opener, CutOff: client.Close, Now: time.Now, Logger: log,
		Gate: gate})
	t.Cleanup(func() {
		engine.Stop(context.Background())
		client.Close()
		s.Close()
	})
	r := &rig{t: t, stub: &stub{}, store: s, lanes: &lanes{Lanes: engine}, gate: gate}
	opts := Options{Store: s, Lanes: r.lanes, Providers: []provider.Provider{r.stub}, Env: provider.Env{Now: time.Now},
		Logger: log}
	for _, f := range change {
		f(&opts)
	}
	r.door = New(opts)
	r.sources(bellhop.Source{Name: "src"}, bellhop.Source{Name: "off", Disabled: true})
	return r
}

// sources stores new sources, and opens all that are stored.
func (r *rig) sources(list ...bellhop.Source) {
	r.t.Helper()
	for _, src := range list {
		src.ID, src.Provider, src.CreatedAt, src.UpdatedAt = "src_"+src.Name, "stub", time.Now(), time.Now()
		if src.Settings == nil {
			src.Settings = []byte(`{}`)
		}
		if err := r.store.CreateSource(r.t.Context(), src); err != nil {
			r.t.Fatal(err)
		}
	}
	r.reopen()
}

// reopen gives the door the sources of the store.
func (r *rig) reopen() {
	r.t.Helper()
	all, _, err := r.store.Sources(r.t.Context(), bellhop.SourceFilter{}, bellhop.Page{})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.door.SetSources(all); err != nil {
		r.t.Fatal(err)
	}
}

// lanes counts the calls of the engine.
type lanes struct {
	Lanes
	matched, delivered, forgotten atomic.Int64
}

func (l *lanes) Match(ctx context.Context, events []bellhop.Event) ([]bellhop.NewDelivery, error) {
	l.matched.Add(1)
	return l.Lanes.Match(ctx, events)
}

func (l *lanes) Deliver(events []bellhop.Event, deliveries []bellhop.NewDelivery) {
	l.delivered.Add(1)
	l.Lanes.Deliver(events, deliveries)
}

func (l *lanes) Unreserve(events []bellhop.Event, deliveries []bellhop.NewDelivery) {
	l.forgotten.Add(1)
	l.Lanes.Unreserve(events, deliveries)
}

// send calls the door without a socket.
func (r *rig) send(method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.door.ServeHTTP(w, req)
	return w
}

// requests returns the recorded requests, whole, newest first.
func (r *rig) requests() (whole []bellhop.Request) {
	r.t.Helper()
	if err := r.store.Release(r.t.Context(), nil); err != nil { // returns after earlier notes are stored
		r.t.Fatal(err)
	}
	list, _, err := r.store.Requests(r.t.Context(), bellhop.RequestFilter{}, bellhop.Page{Limit: bellhop.MaxPage})
	for _, short := range list {
		req, failed := r.store.Request(r.t.Context(), short.ID)
		if failed != nil {
			err = failed
		}
		whole = append(whole, req)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return whole
}

// onlyRequest returns the recorded request, of which there must be one.
func (r *rig) onlyRequest() bellhop.Request {
	r.t.Helper()
	list := r.requests()
	if len(list) != 1 {
		r.t.Fatalf("%d requests on record", len(list))
	}
	return list[0]
}

// events returns the stored events, newest first.
func (r *rig) events() []bellhop.Event {
	r.t.Helper()
	list, _, err := r.store.Events(r.t.Context(), bellhop.EventFilter{}, bellhop.Page{Limit: bellhop.MaxPage})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// wantInert checks the headers that keep a browser from using an answer.
func wantInert(t testing.TB, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; sandbox"} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
