package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/internal/stream"
	"github.com/bellhop-gateway/bellhop/provider"
)

const (
	testKey = "bhk_right"
	// canary is every secret of every test. No answer and no log may hold it.
	canary = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnk="
)

var testNow = time.Date(2026, 11, 22, 10, 30, 0, 123_000_000, time.FixedZone("", 3600))

// A rig is an API over a fake, with its log.
type rig struct {
	*fake
	t       *testing.T
	handler http.Handler
	hub     *stream.Hub // of the stream; stopped, so that each stream ends at once
	logged  *bytes.Buffer
	now     time.Time
	clock   func() time.Time // of the catalog; nil is now

	principal auth.Principal // of the request that changed something last
}

func newRig(t *testing.T) *rig {
	r := &rig{fake: new(fake), t: t, logged: new(bytes.Buffer), now: testNow}
	providers := []provider.Provider{lock{}, deaf{}, shy{}}
	logger := slog.New(slog.NewTextHandler(r.logged, nil))
	r.hub = stream.New(stream.Options{Mark: r.NewestMark, Render: WriteNote, Now: time.Now, MaxListeners: 1})
	r.hub.Stop()
	r.handler = New(Options{
		Stream: r.hub, Desk: desk{r.fake}, Puller: new(hands),
		Store: r.fake, Providers: providers, Connections: links{r.fake}, Subscriptions: keeper{r.fake},
		Files: keptFiles{r.fake}, Keys: keyRing{r.fake}, SignInLink: r.signInLink,
		PortalLinks: gates{r.fake},
		Connectors:  []provider.Connector{crm{}}, Actions: []provider.Action{chore{}},
		HTTPSettings: httpSettings,
		Latencies:    func() bellhop.Latencies { return r.latencies },
		MatchError:   func(string) bellhop.MatchError { return r.matchError },
		Hold:         func(string) bellhop.Hold { return r.hold },
		Troubled:     func() []string { return []string{"dst_1"} },
		Catalog: catalog.New(catalog.Options{
			Store: r.fake, Opener: r.fake, Engine: r.fake, Publisher: r.fake, Verifier: r.fake, Sampler: r.fake,
			PublicURL: "https://hooks.example.com", Repairer: r.fake, Providers: providers,
			Actions:    []provider.Action{chore{}},
			Connectors: []provider.Connector{crm{}}, Connections: r.fake, Subscriptions: keeper{r.fake},
			Keys: keyRing{r.fake},
			Env:  provider.Env{Now: r.time},
			Changed: func(ctx context.Context) error {
				r.changes++
				r.principal, _ = auth.FromContext(ctx)
				return nil
			},
			CallbackURL: "https://hooks.example.com" + AgreePath, Logger: logger,
		}),
		Serve: fakeServe{}, Checkup: fakeCheckup, Operations: &fakeOperations{of: r.fake},
		Auth: auth.NewAdminKey(testKey), PublicURL: "https://hooks.example.com/", Version: "1.2.3", Logger: logger,
	})
	return r
}

// again empties the rig for a test that asks for many routes: to make the API takes longer than to call it.
func (r *rig) again(t *testing.T) {
	r.t, r.principal, *r.fake = t, auth.Principal{}, fake{}
	r.logged.Reset()
}

// time is the clock of the catalog.
func (r *rig) time() time.Time {
	if r.clock != nil {
		return r.clock()
	}
	return r.now
}

// testSecretTimes has every secret that fill stores.
var testSecretTimes = bellhop.SecretTimes{"settings.key": testNow, "settings.secret": testNow,
	"settings.headers.X-Key": testNow, "access.password": testNow}

// fill stores one of every noun.
func (r *rig) fill() {
	r.sources = []bellhop.Source{{
		ID: "src_1", Name: "media", Provider: "lock",
		Settings:  json.RawMessage(`{"key":"` + canary + `","account_id":"a1"}`),
		CreatedAt: testNow, UpdatedAt: testNow, SecretsAt: testSecretTimes,
	}}
	r.destinations = []bellhop.Destination{{
		ID: "dst_1", Name: "billing", Type: "http", URL: "https://billing.example.com/",
		State: bellhop.DestinationActive,
		Settings: json.RawMessage(`{"format":"standard","secret":"` + canary + `","headers":{"X-Key":"` + canary +
			`"}}`),
		Timeout: time.Second, Concurrency: 3,
		Retry:     bellhop.Retry{Schedule: bellhop.Schedule{time.Minute, 2 * time.Hour}},
		CreatedAt: testNow, UpdatedAt: testNow, SecretsAt: testSecretTimes,
	}}
	r.subscriptions = []bellhop.Subscription{{
		ID: "sub_1", Name: "calendar", Provider: "crm", SourceID: "src_1", ConnectionID: "con_1", Resource: "/me",
		ChangeTypes: []string{"created"}, Settings: json.RawMessage("{}"), State: bellhop.SubscriptionActive,
		RemoteID: "r1", URL: "https://hooks.example.com/in/media", ExpiresAt: testNow, CreatedAt: testNow,
		UpdatedAt: testNow,
		Secrets:   bellhop.SubscriptionSecrets{ClientState: canary},
	}}
	r.connections = []bellhop.Connection{{
		ID: "con_1", Name: "work", Provider: "crm", State: bellhop.ConnectionReady,
		Settings:  json.RawMessage(`{"secret":"` + canary + `","api_url":"https://crm.example.com"}`),
		CreatedAt: testNow, UpdatedAt: testNow, SecretsAt: testSecretTimes,
	}}
	body := []byte(`{"a": [1]}`)
	r.events = []bellhop.Event{{
		ID: "evt_1", SourceID: "src_1", Source: "media", Type: "x.y", ReceivedAt: testNow,
		ContentType: "application/json",
		Header:      bellhop.Header("X-One: 1\n"), Body: body,
	}}
	failed := bellhop.Attempt{DeliveryID: "dlv_1", Number: 1, StartedAt: testNow, Duration: 1500 * time.Microsecond,
		Status: 500, Error: "status", Reply: []byte("no\xff")}
	r.deliveries = []bellhop.Delivery{{
		ID: "dlv_1", EventID: "evt_1", DestinationID: "dst_1", State: bellhop.DeliveryPending, Attempts: 1,
		NextAt: testNow,
		Last:   &failed,
	}}
	r.attempts = []bellhop.Attempt{failed}
	r.requests = []bellhop.Request{{
		ID: "req_1", SourceID: "src_1", Source: "media", Outcome: bellhop.RequestRefused, Status: 401,
		Reason: "signature_mismatch",
		Method: "POST",
		Target: "/in/media", Body: []byte("hello"), BodyBytes: 5, ReceivedAt: testNow,
	}}
	r.files = []bellhop.File{{
		ID: "fil_1", Name: "call-1/0.mp4", State: bellhop.FileWhole, Size: 10, Total: -1,
		SHA256:      strings.Repeat("0a", 32),
		ContentType: "video/mp4", Source: "media", EventID: "evt_1", DestinationID: "dst_1", Destination: "billing",
		CreatedAt: testNow, UpdatedAt: testNow,
	}, {
		ID: "fil_2", Name: "call-1/1.mp4", State: bellhop.FilePartial, Size: 4, Total: 9, Source: "media",
		EventID:       "evt_1",
		DestinationID: "dst_1", Destination: "billing", CreatedAt: testNow, UpdatedAt: testNow, DueAt: testNow,
	}}
	r.keys = []bellhop.Key{{
		ID: "key_1", Name: "reader", Scope: bellhop.ScopeRead, Hash: bellhop.HashKey(canary), CreatedAt: testNow,
	}}
	r.portalLinks = []bellhop.PortalLink{{ID: "plk_1", Tenant: "acme", Rights: bellhop.PortalRead, Key: "shop",
		CreatedAt: testNow, OpenUntil: testNow.Add(5 * time.Minute), ExpiresAt: testNow.Add(time.Hour)}}
	r.tenants = []bellhop.Tenant{{
		ID: "ten_1", Name: "acme", CreatedAt: testNow, UpdatedAt: testNow,
		Limits: bellhop.TenantLimits{Events: bellhop.PerSecond(10), Destinations: 2},
	}}
	r.repairs = []bellhop.Repair{{
		ID: "rpr_1", Kind: bellhop.RepairReplay, State: bellhop.RepairRunning, Rate: 200, LookedAt: 3, Changed: 2,
		Skipped: 1,
		Filter:  bellhop.RepairFilter{SourceIDs: []string{"src_1"}, Type: "x.*", Since: testNow}, PositionAt: testNow,
		CreatedAt: testNow, UpdatedAt: testNow, StartsAt: testNow,
	}}
}

// An answer is the answer to a request.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// do sends a request with the right key. Each header is a line "Name: value".
func (r *rig) do(method, path, body string, header ...string) answer {
	r.t.Helper()
	return r.send(method, path, body, append(header, "Authorization: Bearer "+testKey)...)
}

func (r *rig) send(method, path, body string, header ...string) answer {
	r.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, path, reader)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, req)
	a := answer{r.t, w.Code, w.Header(), w.Body.String()}
	if strings.Contains(a.body, canary) || strings.Contains(r.logged.String(), canary) {
		r.t.Errorf("%s %s: a secret came out: %s\n%s", method, path, a.body, r.logged)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := a.header.Get(name); got != want {
			r.t.Errorf("%s %s: %s is %q, want %q", method, path, name, got, want)
		}
	}
	if csp := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		r.t.Errorf("%s %s: Content-Security-Policy is %q", method, path, csp)
	}
	return a
}

// is checks the status and returns the body as JSON.
func (a answer) is(status int) map[string]any {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if a.body == "" {
		return nil
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// refused checks that a is a problem of that code with field errors of these paths, in this order.
func (a answer) refused(status int, code bellhop.Code, paths ...string) {
	a.t.Helper()
	p := a.is(status)
	if a.header.Get("Content-Type") != "application/problem+json" || p["code"] != string(code) ||
		p["status"] != float64(status) ||
		p["type"] != "about:blank" || p["title"] != http.StatusText(status) || p["detail"] == "" {
		a.t.Errorf("not the problem %s: %s", code, a.body)
	}
	var got []string
	for _, f := range p["errors"].([]any) {
		got = append(got, f.(map[string]any)["path"].(string))
	}
	if strings.Join(got, " ") != strings.Join(paths, " ") {
		a.t.Errorf("at fault are %q, want %q: %s", got, paths, a.body)
	}
}

// routes lists every route, with a valid body and the status of success.
var routes = []struct {
	method, path, body string
	status             int
}{
	{"GET", "/sources", "", 200},
	{"POST", "/sources", `{"name":"two","provider":"lock","settings":{"key":"` + canary + `"}}`, 201},
	{"GET", "/sources/media", "", 200},
	{"GET", "/sources/src_1", "", 200},
	{"PATCH", "/sources/{id}", `{"disabled":true}`, 200},
	{"DELETE", "/sources/{id}", "", 204},
	{"POST", "/sources/{id}/sample", `{"type":"lock.sample"}`, 200},
	{"POST", "/sources/{id}/rotate-secret", `{"secret":"` + canary + `2"}`, 200},
	{"POST", "/sources/{id}/drop-secret", "", 200},
	{"GET", "/destinations", "", 200},
	{"POST", "/destinations", `{"name":"two","url":"https://two.example.com","settings":{"secret":"` + canary + `"}}`,
		201},
	{"GET", "/destinations/{id}", "", 200},
	{"PATCH", "/destinations/{id}", `{"timeout":"2s"}`, 200},
	{"DELETE", "/destinations/{id}", "", 204},
	{"POST", "/destinations/{id}/pause", "", 200},
	{"POST", "/destinations/{id}/resume", "", 200},
	{"POST", "/destinations/preview", `{"destination":"billing","event":"evt_1"}`, 200},
	{"POST", "/destinations/match", `{"match":{"types":["x.*"],"where":"data.a == 1"}}`, 200},
	{"POST", "/destinations/try", `{"destination":{"url":"https://x.example.com","settings":{"secret":"` + canary +
		`"}},"event":"evt_1"}`, 200},
	{"POST", "/destinations/{id}/test", "", 202},
	{"POST", "/destinations/{id}/rotate-secret", `{"secret":"` + canary + `2"}`, 200},
	{"GET", "/events", "", 200},
	{"POST", "/events", `{"type":"t","data":{}}`, 202},
	{"GET", "/events/{id}", "", 200},
	{"GET", "/events/{id}/chain", "", 200},
	{"GET", "/events/{id}/body", "", 200},
	{"POST", "/events/{id}/replay", "", 202},
	{"POST", "/events/replay", `{"source":"media"}`, 202},
	{"GET", "/deliveries", "", 200},
	{"GET", "/deliveries/{id}", "", 200},
	{"POST", "/deliveries/{id}/retry", "", 200},
	{"POST", "/deliveries/{id}/cancel", "", 200},
	{"POST", "/deliveries/retry", `{"destination":"billing"}`, 202},
	{"POST", "/deliveries/cancel", `{"destination":"billing"}`, 202},
	{"GET", "/repairs", "", 200},
	{"GET", "/repairs/{id}", "", 200},
	{"POST", "/repairs/{id}/cancel", "", 200},
	{"GET", "/requests", "", 200},
	{"GET", "/requests/{id}", "", 200},
	{"POST", "/requests/{id}/verify", `{"secret":"` + canary + `"}`, 200},
	{"GET", "/connections", "", 200},
	{"POST", "/connections", `{"name":"two","provider":"crm","settings":{"secret":"` + canary +
		`","api_url":"https://x"}}`, 201},
	{"GET", "/connections/{id}", "", 200},
	{"PATCH", "/connections/{id}", `{"name":"home"}`, 200},
	{"DELETE", "/connections/{id}", "", 204},
	{"POST", "/connections/{id}/login", "", 200},
	{"POST", "/connections/{id}/test", "", 200},
	{"POST", "/connections/{id}/logout", "", 200},
	{"GET", "/connections/{id}/remote", "", 200},
	{"GET", "/subscriptions", "", 200},
	{"POST", "/subscriptions", `{"name":"two","source":"media","connection":"work","provider":"crm","resource":"/me"}`,
		201},
	{"POST", "/subscriptions/sync", "", 200},
	{"GET", "/subscriptions/{id}", "", 200},
	{"PATCH", "/subscriptions/{id}", `{"name":"home"}`, 200},
	{"DELETE", "/subscriptions/{id}", "", 204},
	{"POST", "/subscriptions/{id}/renew", "", 200},
	{"POST", "/subscriptions/{id}/fill", "{}", 200},
	{"POST", "/subscriptions/{id}/pause", "", 200},
	{"POST", "/subscriptions/{id}/resume", "", 200},
	{"GET", "/subscriptions/{id}/history", "", 200},
	{"GET", "/files", "", 200},
	{"GET", "/files/{id}", "", 200},
	{"GET", "/files/{id}/content", "", 200},
	{"DELETE", "/files/{id}", "", 204},
	{"GET", "/keys", "", 200},
	{"POST", "/keys", `{"name":"ci","scope":"publish"}`, 201},
	{"POST", "/keys/rotate-admin", `{"grace":"1m"}`, 200},
	{"GET", "/keys/{id}", "", 200},
	{"DELETE", "/keys/{id}", "", 204},
	{"POST", "/sign-in-links", "", 201},
	{"GET", "/portal-links", "", 200},
	{"POST", "/portal-links", `{"tenant":"acme","rights":"retry"}`, 201},
	{"GET", "/portal-links/{id}", "", 200},
	{"DELETE", "/portal-links/{id}", "", 204},
	{"GET", "/tenants", "", 200},
	{"POST", "/tenants", `{"name":"globex","limits":{"events":{"per_second":5},"destinations":3}}`, 201},
	{"GET", "/tenants/{id}", "", 200},
	{"PATCH", "/tenants/{id}", `{"limits":{"destinations":3}}`, 200},
	{"DELETE", "/tenants/{id}", "", 204},
	{"GET", "/stream", "", 200},
	{"GET", "/config", "", 200},
	{"POST", "/config/plan", `{"sources":[{"name":"three","provider":"lock","settings":{"key":"` + canary + `"}}]}`,
		200},
	{"POST", "/config/apply", `{"sources":[{"name":"three","provider":"lock","settings":{"key":"` + canary + `"}}]}`,
		200},
	{"POST", "/destinations/{id}/listen", "", 200},
	{"POST", "/deliveries/{id}/answer", `{"token":"t","status":200,"body":"ok"}`, 204},
	{"POST", "/destinations/{id}/pull", `{"max":5,"wait":"1s"}`, 200},
	{"POST", "/deliveries/{id}/ack", `{"token":"t"}`, 204},
	{"POST", "/deliveries/{id}/nack", `{"token":"t","delay":"1m"}`, 204},
	{"POST", "/deliveries/{id}/extend", `{"token":"t"}`, 200},
	{"GET", "/stats", "", 200},
	{"GET", "/series", "", 200},
	{"GET", "/audit", "", 200},
	{"GET", "/settings", "", 200},
	{"GET", "/doctor", "", 200},
	{"GET", "/backup", "", 200},
	{"POST", "/backup", `{"at":"2026-11-22T10:00:00Z","bytes":5,"to":"a disk"}`, 200},
	{"GET", "/backup/archive", "", 200},
	{"GET", "/standby", "", 200},
	{"POST", "/standby/resume", "", 200},
	{"GET", "/log-level", "", 200},
	{"POST", "/log-level", `{"level":"debug"}`, 200},
	{"GET", "/providers", "", 200},
	{"GET", "/destination-types", "", 200},
	{"GET", "/connectors", "", 200},
}

var ids = map[string]string{"sources": "src_1", "destinations": "dst_1", "events": "evt_1", "deliveries": "dlv_1",
	"requests": "req_1", "repairs": "rpr_1", "connections": "con_1", "subscriptions": "sub_1",
	"files": "fil_1", "keys": "key_1", "tenants": "ten_1", "portal-links": "plk_1"}

// concrete returns path below the prefix, with the id of the noun that fill stores.
func concrete(path string) string {
	noun, _, _ := strings.Cut(path[1:], "/")
	if strings.HasSuffix(path, "/listen") {
		return Prefix + "/destinations/" + heardID + "/listen"
	}
	if strings.HasSuffix(path, "/pull") {
		return Prefix + "/destinations/" + pulledID + "/pull"
	}
	return Prefix + strings.ReplaceAll(path, "{id}", ids[noun])
}

// fillFor is fill for a request of an operation: a source is deleted only without pending deliveries, and an old
// secret is dropped only if there is one.
func (r *rig) fillFor(operation string) {
	r.fill()
	switch operation {
	case "DELETE /sources/{id}":
		r.deliveries = nil
	case "POST /sources/{id}/drop-secret":
		r.sources[0].Settings = json.RawMessage(`{"key":["` + canary + `","older"]}`)
	}
}

func TestEveryRouteNeedsTheKey(t *testing.T) {
	r := newRig(t)
	for _, route := range routes {
		t.Run(route.method+route.path, func(t *testing.T) {
			r.again(t)
			r.fillFor(route.method + " " + route.path)
			path := concrete(route.path)
			for _, header := range [][]string{
				nil, {"Authorization: Bearer"}, {"Authorization: Bearer "}, {"Authorization: Bearer wrong"},
				{"Authorization: " +
					testKey},
				{"Authorization: Basic " + testKey}, {"Authorization: Bearer " + testKey + "x"},
				{"Authorization: Bearer " + testKey[1:]},
				{"Authorization: Bearer " + testKey, "Authorization: Bearer " + testKey}, {"X-Api-Key: " + testKey},
			} {
				a := r.send(route.method, path, route.body, header...)
				a.refused(401, bellhop.CodeUnauthorized)
				if a.header.Get("WWW-Authenticate") == "" {
					t.Error("a 401 without WWW-Authenticate")
				}
			}
			if r.changes > 0 || len(r.woken) > 0 {
				t.Error("something changed without a key")
			}
			a := r.do(route.method, path, route.body)
			if a.status != route.status {
				t.Errorf("status %d, want %d: %s", a.status, route.status, a.body)
			}
		})
	}
}

func TestWithoutAKeyNothingIsOpen(t *testing.T) {
	h := New(Options{})
	req := httptest.NewRequest("GET", "/api/v1/sources", nil)
	req.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if w.Code != 401 {
		t.Errorf("status %d", w.Code)
	}
}

// limited refuses every request for a while.
type limited struct{}

func (limited) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{}, &bellhop.Error{Code: bellhop.CodeLimited, Message: "later",
		RetryAfter: 1500 * time.Millisecond}
}

// TestLimited: too many wrong keys are 429 with the time to try again, and end the connection.
func TestLimited(t *testing.T) {
	r := newRig(t)
	r.handler.(*server).Auth = limited{}
	a := r.do("GET", "/api/v1/sources", "")
	a.refused(429, bellhop.CodeLimited)
	if a.header.Get("Retry-After") != "2" || a.header.Get("Connection") != "close" ||
		a.header.Get("WWW-Authenticate") != "" {
		t.Errorf("%v", a.header)
	}
}

// TestTimeToArrive: a handler may take longer than its request may take to arrive: that time limit has ended by then.
func TestTimeToArrive(t *testing.T) {
	for name, c := range map[string]struct {
		path, body string
		header     []string
	}{
		"a body": {"/sources", `{"name":"two","provider":"lock","settings":{"key":"` + canary + `"}}`,
			nil},
		"with a key":           {"/deliveries/retry", `{"destination":"billing"}`, []string{"Idempotency-Key", "k"}},
		"no body":              {"/destinations/dst_1/test", "", nil},
		"no body and a key":    {"/destinations/dst_1/test", "", []string{"Idempotency-Key", "k"}},
		"an empty request":     {"/destinations/dst_1/pause", "", nil},
		"a fill without times": {"/subscriptions/sub_1/fill", "", nil},
	} {
		r := newRig(t)
		r.fill()
		client := &slowClient{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest("POST", Prefix+c.path, strings.NewReader(c.body))
		if c.body == "" {
			req = httptest.NewRequest("POST", Prefix+c.path, nil)
		}
		req.Header.Set("Authorization", "Bearer "+testKey)
		if c.header != nil {
			req.Header.Set(c.header[0], c.header[1])
		}
		r.handler.ServeHTTP(client, req)
		if n := len(client.reading); client.Code/100 != 2 || n == 0 || !client.reading[n-1].IsZero() {
			t.Errorf("%s: %d %s: the deadlines of reading are %v", name, client.Code, client.Body, client.reading)
		}
	}
}

// TestMetricsNeedTheKey: metrics are served with a credential only, and not at all if there are none.
func TestMetricsNeedTheKey(t *testing.T) {
	r := newRig(t)
	r.do("GET", "/metrics", "").refused(404, bellhop.CodeNotFound)
	s := newServer(r.handler.(*server).Options)
	s.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "figures") })
	r.handler = New(s.Options)
	r.send("GET", "/metrics", "").refused(401, bellhop.CodeUnauthorized)
	r.send("GET", "/metrics", "", "Authorization: Bearer wrong").refused(401, bellhop.CodeUnauthorized)
	if a := r.do("GET", "/metrics", ""); a.status != 200 || a.body != "figures" {
		t.Errorf("%d %s", a.status, a.body)
	}
	r.do("POST", "/metrics", "").refused(405, bellhop.CodeMalformed)
}

// reader authenticates every request as a principal of one tenant.
type reader struct{}

func (reader) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Name: "reader", Scope: bellhop.ScopeAdmin, Tenant: "acme"}, nil
}

// TestPrincipal: a handler finds the principal of its request, with scope and tenant, in the context. So does
// the code that it calls.
func TestPrincipal(t *testing.T) {
	r := newRig(t)
	r.handler.(*server).Auth = reader{}
	r.send("POST", "/api/v1/sources", `{"name":"media","provider":"lock","settings":{"key":"`+canary+`"}}`).is(201)
	if want := (auth.Principal{Name: "reader", Scope: bellhop.ScopeAdmin, Tenant: "acme"}); r.principal != want {
		t.Errorf("%+v, want %+v", r.principal, want)
	}
}

// TestInside: a call of this process has the principal of its context, with the scope and the tenant of it, and no
// other. A request of the network never has the principal of its context, whatever that carries.
func TestInside(t *testing.T) {
	r := newRig(t)
	call := func(h http.Handler, ctx context.Context, method, path string) int {
		t.Helper()
		w := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(ctx, method, path, nil)
		request.Header.Set("Authorization", "Bearer wrong")
		h.ServeHTTP(w, request)
		return w.Code
	}
	inside := r.handler.(Handler).Inside()
	as := func(scope bellhop.Scope, tenant string) context.Context {
		return auth.NewContext(t.Context(), auth.Principal{Name: "someone", Scope: scope, Tenant: tenant})
	}
	for _, c := range []struct {
		handler http.Handler
		ctx     context.Context
		method  string
		path    string
		want    int
	}{
		{inside, as(bellhop.ScopeRead, ""), "GET", "/api/v1/events", 200},
		{inside, as(bellhop.ScopeRead, ""), "GET", "/api/v1/keys", 403},
		{inside, as(bellhop.ScopeAdmin, ""), "GET", "/api/v1/keys", 200},
		{inside, as(bellhop.ScopeAdmin, "acme"), "GET", "/api/v1/stats", 403},
		{inside, as(bellhop.ScopePublish, ""), "GET", "/api/v1/events", 403},
		{inside, t.Context(), "GET", "/api/v1/events", 401},
		{r.handler, as(bellhop.ScopeAdmin, ""), "GET", "/api/v1/events", 401},
		{r.handler, as(bellhop.ScopeAdmin, ""), "POST", "/api/v1/sign-in-links", 401},
	} {
		if got := call(c.handler, c.ctx, c.method, c.path); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
}

// TestSignInLink: a link is made for the holder of the caller's key, unless the server has no pages.
func TestSignInLink(t *testing.T) {
	r := newRig(t)
	made := r.do("POST", "/api/v1/sign-in-links", "").is(201)
	if made["url"] != "https://hooks.example.com/ui/open/admin" || made["expires_at"] == nil {
		t.Errorf("%v", made)
	}
	s := newServer(r.handler.(*server).Options)
	s.SignInLink = nil
	r.handler = New(s.Options)
	r.do("POST", "/api/v1/sign-in-links", "").refused(409, bellhop.CodeConflict)
}

func TestStoreFailures(t *testing.T) {
	r := newRig(t)
	for _, route := range routes {
		if slices.Contains([]string{"/providers", "/destination-types", "/connectors", "/settings", "/doctor",
			"/log-level"}, route.path) {
			continue
		}
		t.Run(route.method+route.path, func(t *testing.T) {
			r.again(t)
			r.fill()
			r.err = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage cannot take it now"}
			a := r.do(route.method, concrete(route.path), route.body)
			a.refused(503, bellhop.CodeUnavailable)
			if a.header.Get("Retry-After") != "1" {
				t.Error("no Retry-After")
			}
			r.err = io.ErrUnexpectedEOF
			a = r.do(route.method, concrete(route.path), route.body)
			a.refused(500, bellhop.CodeInternal)
			if strings.Contains(a.body, "EOF") || !strings.Contains(r.logged.String(), "unexpected EOF") {
				t.Errorf("the cause belongs into the log alone: %s\n%s", a.body, r.logged)
			}
		})
	}
}

func TestTitles(t *testing.T) {
	for name, want := range map[string]string{"token_url": "Token URL", "client_id": "Client ID", "ca": "CA",
		"scopes": "Scopes", "client_cert": "Client cert"} {
		if got := titleOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
