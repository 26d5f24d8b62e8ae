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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/graph"
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
			lower: {"a", "b"}, "Cache-Control": {"public"}, "Content-Type": {"text/html"}}},
			"text/plain; charset=utf-8"},
	} {
		r := newRig(t)
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) {
			return provider.Receipt{Reply: &c.reply}, nil
		}
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

// TestTooManyHandshakes: a handshake beyond the budget is answered 429 and on record. An event is accepted meanwhile.
func TestTooManyHandshakes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := newRig(t, func(o *Options) { o.Env.Now = func() time.Time { return now } })
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		if req.Method == "GET" {
			return provider.Receipt{Reply: &provider.Reply{Status: 200, Body: []byte("token")}}, nil
		}
		return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
	}
	for range handshakesPerMinute {
		r.door.handshakes.admit("src_src", "192.0.2.1:99", now) // the address of the rig's requests
	}
	w := r.send("GET", "/in/src", nil)
	if w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Body.String() != "{\"error\":\"too many "+
		"requests\"}\n" {
		t.Errorf("one more: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if got := r.onlyRequest(); got.Reason != "handshake_rate" || got.Status != 429 {
		t.Errorf("on record: %+v", got)
	}
	if w := r.send("POST", "/in/src", strings.NewReader("hello")); w.Code != 202 {
		t.Errorf("an event: %d", w.Code)
	}
	now = now.Add(time.Second)
	if w := r.send("GET", "/in/src", nil); w.Code != 200 || w.Body.String() != "token" {
		t.Errorf("a second later: %d", w.Code)
	}
}

// TestHandshakeBudget: one address gets as many handshakes as any provider makes, then 429 until time passes. Another
// address and another source get theirs meanwhile, so that nobody uses up the handshakes of a provider.
func TestHandshakeBudget(t *testing.T) {
	t.Parallel()
	l, now := newHandshakeLimits(), time.Now()
	const attacker, honest = "[2001:db8::1]:1", "192.0.2.1:1"
	for i := range handshakesPerMinute {
		if !l.admit("src_1", attacker, now) {
			t.Fatalf("number %d is refused", i)
		}
	}
	if l.admit("src_1", attacker, now) || l.admit("src_1", "[2001:db8::2]:5", now) {
		t.Error("one more is answered")
	}
	if !l.admit("src_1", honest, now) || !l.admit("src_2", attacker, now) {
		t.Error("another sender or source is refused")
	}
	now = now.Add(time.Second)
	answered := 0
	for range handshakesPerMinute {
		if l.admit("src_1", attacker, now) {
			answered++
		}
	}
	if answered != handshakesPerMinute/60 {
		t.Errorf("%d a second later", answered)
	}
	for i := range 2 * maxHandshakeCounters {
		l.admit("src_1", fmt.Sprintf("10.1.%d.%d:1", i/256, i%256), now)
	}
	if n := len(l.buckets); n > maxHandshakeCounters {
		t.Errorf("%d counters are kept", n)
	}
}

// A watcher is the Subscriptions of a door that notes the handshakes of which it is told.
type watcher struct {
	Subscriptions
	mu   sync.Mutex
	told []string // mu guards it
}

func (w *watcher) Of(string) provider.Subscribed { return noSubscriptions{} }
func (w *watcher) Clock(string) *atomic.Int64    { return nil }
func (w *watcher) Handshake(sourceID string, _ time.Time, status int, refused string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprint(sourceID, " ", status, " ", refused))
}

type noSubscriptions struct{ provider.Subscribed }

func (noSubscriptions) Any() bool { return false }

// TestRefusedHandshake: the subscriptions of a source are told of each handshake that is refused, wherever its source
// has the secret and whatever refuses it; and of no other refused request, even if its query has a secret.
func TestRefusedHandshake(t *testing.T) {
	t.Parallel()
	seen := &watcher{}
	r := newRig(t, func(o *Options) {
		o.Subscriptions = seen
		o.Providers = append(o.Providers, eventgrid.Provider{}, graph.Provider{})
	})
	now := time.Now()
	sources := []bellhop.Source{
		{Name: "header", Provider: "eventgrid",
			Settings: []byte(`{"header":"X-Key","header_secret":"hush-hush-hush"}`)},
		{Name: "query", Provider: "eventgrid", Settings: []byte(`{"query_secret":"hush-hush-hush"}`)},
		{Name: "unopened", Provider: "eventgrid", Settings: []byte(`{"odd":1}`)},
		{Name: "off", Provider: "eventgrid", Settings: []byte(`{"query_secret":"hush-hush-hush"}`), Disabled: true},
		{Name: "graph", Provider: "graph", Settings: []byte(`{"client_state":"0123456789abcdef"}`)},
	}
	for i := range sources {
		sources[i].ID, sources[i].CreatedAt = "src_"+sources[i].Name, now
	}
	if err := r.door.SetSources(sources); err == nil || !strings.Contains(err.Error(), "src_unopened") {
		t.Fatalf("the settings of src_unopened are taken: %v", err)
	}
	validation :=
		`[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"7"}}]`
	for _, c := range []struct {
		name, method, target, header, value, body string
		want                                      string
	}{
		{"without the header secret", "POST", "/in/header", "Aeg-Event-Type", "SubscriptionValidation", validation,
			"src_header 401 signature_missing"},
		{"in other letter case", "POST", "/in/header", "Aeg-Event-Type", "subscriptionvalidation", validation,
			"src_header 401 signature_missing"},
		{"a notification without the header secret", "POST", "/in/header", "Aeg-Event-Type", "Notification", "[]", ""},
		{"without the query secret", "POST", "/in/query", "Aeg-Event-Type", "SubscriptionValidation", validation,
			"src_query 401 signature_missing"},
		{"a notification with a wrong query secret", "POST", "/in/query?code=wrong", "Aeg-Event-Type", "Notification",
			"[]", ""},
		{"of another origin", "OPTIONS", "/in/query?code=wrong", "Webhook-Request-Origin", "example.com", "",
			"src_query 405 method"},
		{"OPTIONS of a browser", "OPTIONS", "/in/query", "Origin", "https://example.com", "", ""},
		{"at a source that cannot be opened", "POST", "/in/unopened", "Aeg-Event-Type", "SubscriptionValidation",
			validation, "src_unopened 503 unavailable"},
		{"at a disabled source", "POST", "/in/off", "Aeg-Event-Type", "SubscriptionValidation", validation,
			"src_off 404 disabled"},
		{"a token twice", "POST", "/in/graph?validationToken=a&validationtoken=b", "", "", "",
			"src_graph 400 malformed_body"},
		{"a notification that is no JSON", "POST", "/in/graph?a=b", "", "", "{", ""},
	} {
		seen.told = nil
		req := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		r.door.ServeHTTP(w, req)
		if w.Code < 400 {
			t.Errorf("%s: it is answered %d", c.name, w.Code)
		}
		if got := strings.Join(seen.told, ", "); got != c.want {
			t.Errorf("%s: %q was told, want %q; answered %d %s", c.name, got, c.want, w.Code, w.Body)
		}
	}
}
