package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// now is the time of every test.
var now = time.Date(2026, 11, 30, 15, 30, 0, 0, time.UTC)

// at returns a time before now.
func at(ago time.Duration) client.Time { return client.Time{Time: now.Add(-ago)} }

// A rig is the pages over an API that answers from a table, with sessions in memory.
type rig struct {
	*server
	t       *testing.T
	handler http.Handler
	api     *fakeAPI
	people  *fakeSessions
	visits  *fakePortals
	logged  *bytes.Buffer
}

// newRig returns pages at localhost, where the token of each role is its name.
func newRig(t *testing.T, change ...func(*Options)) *rig {
	r := &rig{t: t, api: &fakeAPI{answers: map[string]any{}}, logged: new(bytes.Buffer), people: &fakeSessions{
		people: map[string]Person{
			"viewer":   {Name: "reader", Role: viewer, Ends: now.Add(time.Hour)},
			"operator": {Name: "ops", Role: operator, Ends: now.Add(time.Hour)},
			"admin":    {Name: "admin", Role: admin, Ends: now.Add(time.Hour)},
			"acme":     {Name: "customer", Role: operator, Tenant: "acme", Ends: now.Add(time.Hour)},
		}, links: map[string]string{"good": "operator"}}}
	r.visits = newFakePortals(r.people)
	o := Options{API: client.Over(r.api), Sessions: r.people, Portals: r.visits, URL: "http://127.0.0.1:8080",
		APIURL: "https://hooks.example.com", ConfigFile: func(cfg client.Config) map[string]any {
			return map[string]any{"retain": cfg.Settings["retain"], "sources": cfg.Sources}
		},
		Now: func() time.Time { return now }, Rand: zeros{}, Logger: slog.New(slog.NewTextHandler(r.logged, nil))}
	for _, f := range change {
		f(&o)
	}
	r.server = newServer(o)
	r.handler = r.guard(http.HandlerFunc(r.route))
	return r
}

// zeros are the random bytes of tests.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// do sends a request with a session and headers "Name: value". A body is that of a form of our own pages.
func (r *rig) do(method, path, token string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	request := httptest.NewRequest(method, path, body)
	request.Host = "127.0.0.1:8080"
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if token != "" {
		name := plainCookie
		if strings.HasPrefix(path, PortalRoot) {
			name = plainPortalCookie
		}
		request.AddCookie(&http.Cookie{Name: name, Value: token})
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
		if value == "" {
			request.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	return w
}

// get gets a page as somebody, which must be of that status.
func (r *rig) get(path, token string, status int) string {
	r.t.Helper()
	w := r.do("GET", path, token, nil)
	if w.Code != status {
		r.t.Fatalf("%s: %d, want %d: %s %s", path, w.Code, status, w.Body, r.logged)
	}
	return w.Body.String()
}

// A fakeAPI answers each "METHOD /path" below /api/v1 with the JSON of a value: an error becomes a problem.
type fakeAPI struct {
	mu      sync.Mutex // guards the fields below
	answers map[string]any
	calls   []string // "METHOD /path?query body" of those that change something, and of lists
}

// set answers a call with a value from now on.
func (f *fakeAPI) set(call string, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[call] = value
}

// called returns the calls so far.
func (f *fakeAPI) called() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, "\n")
}

// listOf is the answer of a list.
type listOf struct {
	Data       any         `json:"data"`
	Next       *string     `json:"next"`
	Incomplete bool        `json:"incomplete,omitempty"`
	SearchedTo client.Time `json:"searched_to,omitzero"`
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	call := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1")
	f.mu.Lock()
	f.calls = append(f.calls, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/api/v1")+" "+
		string(body)))
	answer, ok := f.answers[call+"?"+r.URL.RawQuery]
	if !ok {
		answer, ok = f.answers[call]
	}
	f.mu.Unlock()
	w.Header().Set(client.Header, client.APIVersion)
	if !ok {
		answer = &client.Error{Status: 404, Code: "not_found", Detail: "there is none with this id"}
	}
	switch answer := answer.(type) {
	case *client.Error:
		w.WriteHeader(answer.Status)
		json.NewEncoder(w).Encode(client.Problem{Code: answer.Code, Detail: answer.Detail, Errors: answer.Errors})
	case []byte:
		w.Write(answer)
	case ranged:
		w.Header().Set("ETag", `"`+testFile.SHA256+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(answer)))
	case http.HandlerFunc:
		answer(w, r)
	default:
		json.NewEncoder(w).Encode(answer)
	}
}

// ranged is the answer with bytes of which a part can be asked for.
type ranged string

// fakeSessions are sessions in memory, by token. The key of each is "bhk_" and the token.
type fakeSessions struct {
	mu     sync.Mutex // guards the fields below
	people map[string]Person
	links  map[string]string
	err    error
}

func (f *fakeSessions) SignIn(_ context.Context, key, _ string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := strings.TrimPrefix(key, "bhk_")
	if _, ok := f.people[token]; !ok && f.err == nil {
		return "", &client.Error{Status: 401, Code: "unauthorized", Detail: "the API key is not accepted"}
	}
	return token, f.err
}

func (f *fakeSessions) Spend(_ context.Context, link, _ string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := f.links[link]
	delete(f.links, link)
	if token == "" {
		return "", &client.Error{Status: 401, Code: "unauthorized", Detail: "this link was used before"}
	}
	return token, f.err
}

func (f *fakeSessions) Find(ctx context.Context, token string) (context.Context, Person, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.people[token]
	if !ok && f.err == nil {
		return ctx, p, &client.Error{Status: 401, Code: "unauthorized", Detail: "this session has ended"}
	}
	return ctx, p, f.err
}

func (f *fakeSessions) Check(ctx context.Context, token string) error {
	_, _, err := f.Find(ctx, token)
	return err
}

func (f *fakeSessions) SignOut(_ context.Context, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.people, token)
	return f.err
}

// Nouns of the tests.
var (
	testAttempts = []client.Attempt{
		{Number: 1, StartedAt: at(50 * time.Minute), DurationMS: 31.4, Status: 500, Error: "status",
			Detail: "answered 500 Internal Server Error", Reply: "db down\nline two"},
		{Number: 2, StartedAt: at(49 * time.Minute), DurationMS: 5000.2, Error: "timeout",
			Detail: "no answer within 5s"},
		{Number: 3, StartedAt: at(20 * time.Minute), DurationMS: 0.4, Status: 200, ReplyBase64: "/wAB"},
	}
	testEvent = client.Event{ID: "evt_1", Type: "invoice.paid", Subject: "invoices/17", Source: "media",
		SourceID:   "src_1",
		ProviderID: "p-1", Tenant: "acme", Time: at(time.Hour), ReceivedAt: at(51 * time.Minute),
		ContentType: "application/json", BodyBytes: 31, BodySHA256: strings.Repeat("ab", 32), ConflictsWith: "evt_0",
		CausedBy:       "evt_00",
		DeliveryCounts: map[string]int{"dead": 1, "pending": 1}}
	testBody   = []byte(`{"id":17,"amount":1204.50,"paid":true}`)
	testDetail = client.EventDetail{Event: testEvent, Headers: map[string][]string{"User-Agent": {"curl/8"},
		"X-Two": {"a", "b"}}, Data: testBody, CaughtUp: "gap_1"}
	testDelivery = client.Delivery{ID: "dlv_1", EventID: "evt_1", DestinationID: "dst_1", Destination: "billing",
		State: "dead", Attempts: 3, CreatedAt: at(51 * time.Minute), UpdatedAt: at(20 * time.Minute),
		Last: &testAttempts[1]}
	testPending = client.Delivery{ID: "dlv_2", EventID: "evt_1", DestinationID: "dst_2", Destination: "archive",
		State: "pending", NextAt: client.Time{Time: now.Add(time.Minute)}, CreatedAt: at(51 * time.Minute),
		UpdatedAt: at(51 * time.Minute)}
	testDestination = client.Destination{ID: "dst_1", Name: "billing", Type: "http", State: "active",
		FailingSince: at(time.Hour)}
	testPaused  = client.Destination{ID: "dst_2", Name: "archive", Type: "http", State: "paused"}
	testRequest = client.Request{ID: "req_1", Source: "media", SourceID: "src_1", Outcome: "refused", Status: 401,
		Reason: "signature_mismatch", Detail: "ams: the signature differs", Method: "POST", Target: "/in/media",
		RemoteAddr: "192.0.2.7:1234", BodyBytes: 31, ReceivedAt: at(10 * time.Minute)}
	testUnknown = client.Request{ID: "req_2", RequestName: "nobody", Outcome: "refused", Status: 404,
		Reason: "unknown_source", Method: "GET", Target: "/in/nobody", RemoteAddr: "192.0.2.8:1",
		ReceivedAt: at(time.Minute)}
	testAudit = []client.AuditEntry{
		{At: at(time.Minute), Key: "ada", KeyID: "key_1", Action: "paused", Noun: "destination", NounID: "dst_1",
			Name: "billing", Tenant: "acme"},
		{At: at(time.Hour), Key: "admin", Action: "deleted", Noun: "source", NounID: "src_9", Name: "old"},
		{At: at(time.Hour), Key: "admin", Action: "replayed", Noun: "event", NounID: "evt_1"},
	}
	testServer = client.ServerInfo{Version: "v1.2.3", Commit: "0123456789abcdef0123", Go: "go1.26.1",
		StartedAt: at(26 * time.Hour), URL: "http://127.0.0.1:8080", PublicURL: "https://hooks.example.com",
		MetricsURL: "http://127.0.0.1:8080/metrics", UIURL: "https://hooks.example.com/ui/", Data: "/var/lib/bellhop",
		AdminKey: "admin.key", Settings: []client.ServerSetting{
			{Name: "listen", Group: "Addresses", Doc: "address and port", Kind: "string", Value: "127.0.0.1:0",
				Default: "127.0.0.1:8080", InUse: "127.0.0.1:41234", Set: true, Changed: true, Origin: "flag",
				Place: "--listen"},
			{Name: "retain", Group: "Storage", Doc: "how long", Kind: "length", Value: "90d", Default: "30d",
				Set:     true,
				Changed: true, Origin: "file", Place: "bellhop.yaml:3"},
			{Name: "ui-roles", Group: "Pages", Doc: "who may do what", Kind: "list", Value: []any{}, Default: []any{},
				Origin: "default"},
			{Name: "ui-oidc-client-secret", Group: "Pages", Doc: "the secret", Kind: "string", Secret: true, Set: true,
				Changed: true, Origin: "environment", Place: "BELLHOP_UI_OIDC_CLIENT_SECRET"},
			{Name: "files-secret-key", Group: "Files", Doc: "of the bucket", Kind: "string", Secret: true, Set: true,
				Value: "env:KEY", Changed: true, Origin: "file", Place: "bellhop.yaml:9"},
			{Name: "max-attempts", Group: "Limits", Doc: "at the same time", Kind: "int", Value: 100, Default: 8192,
				Set: true, Changed: true, Origin: "environment", Place: "BELLHOP_MAX_ATTEMPTS"},
		}}
	testCheckup = client.Checkup{At: at(0), State: "failed", TookMS: 1204.5, Checks: []client.Check{
		{Name: "disk", Title: "Disk", State: "ok", Message: "40 GiB of 80 GiB are free; the database has 5.0 MiB",
			TookMS: 0.2},
		{Name: "clock", Title: "Clock", State: "skipped", Message: "no provider has told the time",
			Remedy: "have the clock kept by NTP", TookMS: 1},
		{Name: "keys", Title: "Keys", State: "warning", Message: "1 key has ended or ends soon",
			Remedy: "make another", TookMS: 0.4,
			Nouns: []client.CheckedNoun{{Noun: "key", ID: "key_1", Name: "ci", Message: "ends in 3 d"}}},
		{Name: "destinations", Title: "Destinations", State: "failed", Message: "1 destination does not take its " +
			"events",
			Remedy: "see the latest attempts", TookMS: 3.5,
			Nouns: []client.CheckedNoun{{Noun: "destination", ID: "dst_1",
				Name: "billing", Message: "fails since 2026-11-30 14:30 UTC"}}},
	}}
	testConfig = client.Config{Settings: client.Settings{"retain": "90d",
		"files-secret-key": map[string]any{"set": true}},
		Sources: []client.NewSource{{Name: "shop", Provider: "generic",
			Settings: client.Settings{"secret": map[string]any{"set": true}}}}}
	testSeries = client.Series{Step: "1m", Since: at(time.Hour), Until: at(0), Data: spans(60, client.Counts{
		Accepted: 120, Refused: 3, Delivered: 240}),
		Sources: []client.NounCounts{{ID: "src_1", Name: "media", Counts: client.Counts{Accepted: 1200, Refused: 9}}},
		Destinations: []client.NounCounts{{ID: "dst_1", Name: "billing", Counts: client.Counts{Delivered: 1100,
			Failed: 30}}}}
	testStats = client.Stats{Sources: 2, Destinations: 3, Events: 1204, DatabaseBytes: 5 << 20, RequestsRefused: 7,
		Deliveries:      map[string]int64{"pending": 1, "dead": 12, "delivered": 1100},
		OldestPendingAt: at(4 * time.Minute),
		Latency: client.Latencies{Since: at(time.Hour), Accept: client.Latency{Count: 1204, P50MS: 2.4, P99MS: 25},
			Attempt: client.Latency{Count: 1100, P50MS: 0.4, P99MS: 1500}},
		NextDueAt: at(-time.Minute)}
)

// spans returns so many minutes until now, in every second one of which as much happened.
func spans(n int, c client.Counts) (list []client.Span) {
	for i := range n {
		span := client.Span{At: at(time.Duration(n-i) * time.Minute)}
		if i%2 == 0 {
			span.Counts = c
		}
		list = append(list, span)
	}
	return list
}

// testOther returns the event of the tests with a change.
func testOther(change func(ev *client.EventDetail)) client.EventDetail {
	ev := testDetail
	change(&ev)
	return ev
}

// fill answers every call with the nouns of the tests.
func (r *rig) fill() {
	defer r.fillNouns()
	for call, value := range map[string]any{
		"GET /stats":        testStats,
		"GET /audit":        listOf{Data: testAudit},
		"GET /series":       testSeries,
		"GET /settings":     testServer,
		"GET /doctor":       testCheckup,
		"GET /standby":      client.Standby{},
		"GET /config":       testConfig,
		"GET /sources":      listOf{Data: []client.Source{{Name: "media"}, {Name: "calls"}}},
		"GET /destinations": listOf{Data: []client.Destination{testDestination, testPaused}},
		"GET /events": listOf{Data: []client.Event{testEvent,
			{ID: "evt_2", Type: "plain", Source: "api", ReceivedAt: at(time.Hour), Sample: true}}},
		"GET /events/evt_1":      testDetail,
		"GET /events/evt_1/body": testBody,
		"GET /events/evt_2": testOther(func(ev *client.EventDetail) {
			ev.ID, ev.Subject, ev.Headers = "evt_2", "invoices/18", map[string][]string{"User-Agent": {"curl/8"}}
		}),
		"GET /events/evt_2/body": []byte(`{"id":18,"amount":1204.50,"paid":true}`),
		"GET /deliveries":        listOf{Data: []client.Delivery{testDelivery, testPending}},
		"GET /deliveries/dlv_1":  client.DeliveryDetail{Delivery: testDelivery, History: testAttempts},
		"GET /deliveries/dlv_2": client.DeliveryDetail{Delivery: testPending,
			History: []client.Attempt{}},
		"GET /requests": listOf{Data: []client.Request{testRequest, testUnknown}},
		"GET /requests/req_1": client.RequestDetail{Request: testRequest, Headers: map[string][]string{"Host": {"h"}},
			Body: `{"a":[1,2]}`},
	} {
		r.api.set(call, value)
	}
}

// empty answers every list with nothing.
func (r *rig) empty() {
	for _, noun := range []string{"sources", "destinations", "audit", "events", "deliveries", "requests", "repairs",
		"connections", "subscriptions", "files", "keys", "tenants", "portal-links"} {
		r.api.set("GET /"+noun, listOf{Data: []int{}})
	}
	r.api.set("GET /stats", client.Stats{})
	r.api.set("GET /standby", client.Standby{})
	r.api.set("GET /series", client.Series{Step: "1m", Data: spans(60, client.Counts{})})
}
