package connection

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

// A clock moves only when a test moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A faultyStore fails to settle while failing is set.
type faultyStore struct {
	*sqlite.Store
	mu      sync.Mutex
	failing error
}

func (s *faultyStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

func (s *faultyStore) SettleConnection(ctx context.Context, o bellhop.ConnectionOutcome) (bool, error) {
	s.mu.Lock()
	err := s.failing
	s.mu.Unlock()
	if err != nil {
		return false, err
	}
	return s.Store.SettleConnection(ctx, o)
}

// A rig is a Manager with a store, before stand-ins of Entra and Graph.
type rig struct {
	*testing.T
	*Manager
	clock    *clock
	store    *faultyStore
	host     *emulator.Host
	entra    *entra.System
	base     string // of the stand-ins
	logged   *bytes.Buffer
	announce []bellhop.Event
	pages    *httptest.Server
	mu       sync.Mutex // guards announce
}

func newRig(t *testing.T, opts entra.Options) *rig {
	t.Helper()
	r := &rig{T: t, clock: &clock{at: time.Now().Truncate(time.Second)}, logged: new(bytes.Buffer)}
	r.host = emulator.New(emulator.Options{Now: r.clock.now})
	t.Cleanup(r.host.Close)
	opts.Key = emulatortest.Key()
	r.entra = entra.New(r.host, opts)
	r.host.Add(r.entra, graph.New(r.host, r.entra, graph.Options{}))
	server := httptest.NewServer(r.host)
	t.Cleanup(server.Close)
	r.base = server.URL
	ring, err := store.ParseKeyRing(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := sqlite.Open(sqlite.Options{Dir: t.TempDir(), Options: store.Options{Keys: ring, Now: r.clock.now,
		Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	r.store = &faultyStore{Store: opened}
	r.pages = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.Manager.Handler().ServeHTTP(w, q)
	}))
	t.Cleanup(r.pages.Close)
	r.start()
	return r
}

// syncWriter is a bytes.Buffer for several goroutines.
type syncWriter struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (w *syncWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

// start makes a Manager, as at the start of a server. An earlier one is abandoned, as by a crash.
func (r *rig) start() {
	r.Helper()
	client := egress.New(egress.Config{AllowPrivate: true})
	m := New(Options{Store: r.store, Connectors: all.Connectors(), PublicURL: r.pages.URL,
		Env: provider.Env{Now: r.clock.now, Rand: rand.Reader, Client: client.HTTP(),
			Logger: slog.New(slog.NewTextHandler(&syncWriter{b: r.logged},
				&slog.HandlerOptions{Level: slog.LevelDebug}))},
		Announce: func(_ context.Context, ev bellhop.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.announce = append(r.announce, ev)
			return nil
		}})
	r.Cleanup(func() {
		if err := m.Stop(context.Background()); err != nil {
			r.Error(err)
		}
		client.Close()
	})
	r.Manager = m
}

// create stores a connection and has its tokens asked for. members are further settings, or others; nil removes one.
func (r *rig) create(name, kind string, members map[string]any) bellhop.Connection {
	r.Helper()
	settings := map[string]any{"tenant": "contoso.com", "client_id": entra.DefaultClient,
		"client_secret": entra.DefaultSecret, "authority": r.base, "api_url": r.base}
	if kind == "oauth2" || kind == "acs" {
		settings = map[string]any{}
	}
	for name, value := range members {
		settings[name] = value
		if value == nil {
			delete(settings, name)
		}
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		r.Fatal(err)
	}
	at := bellhop.StoredTime(r.clock.now())
	c := bellhop.Connection{ID: bellhop.NewID(bellhop.PrefixConnection, rand.Reader), Name: name, Provider: kind,
		Settings: raw, State: bellhop.ConnectionFailing, CreatedAt: at, UpdatedAt: at}
	if err := r.store.CreateConnection(r.Context(), c); err != nil {
		r.Fatal(err)
	}
	r.Changed(r.Context(), c.ID)
	return r.read(name)
}

// update changes settings of a stored connection.
func (r *rig) update(name string, members map[string]any) bellhop.Connection {
	r.Helper()
	c := r.read(name)
	settings := map[string]any{}
	json.Unmarshal(c.Settings, &settings)
	for name, value := range members {
		settings[name] = value
	}
	c.Settings, _ = json.Marshal(settings)
	r.clock.pass(time.Second)
	c.UpdatedAt = bellhop.StoredTime(r.clock.now())
	if _, err := r.store.UpdateConnection(r.Context(), c); err != nil {
		r.Fatal(err)
	}
	r.Changed(r.Context(), c.ID)
	return r.read(name)
}

func (r *rig) read(name string) bellhop.Connection {
	r.Helper()
	c, err := r.store.Connection(r.Context(), name)
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// want checks the state of a connection, and that its reason contains a text.
func (r *rig) want(c bellhop.Connection, state bellhop.ConnectionState, reason string) {
	r.Helper()
	if c.State != state || !strings.Contains(c.Reason, reason) || reason == "" && c.Reason != "" {
		r.Errorf("connection %s is %s: %q, want %s: %q", c.Name, c.State, c.Reason, state, reason)
	}
}

// call makes one call in the name of a connection, and returns the status or the error.
func (r *rig) call(name string) (int, error) {
	r.Helper()
	api, err := r.API(r.Context(), name)
	if err != nil {
		r.Fatal(err)
	}
	answer, err := api.Do(r.Context(), provider.Call{Method: http.MethodGet, Path: "/v1.0/subscriptions"})
	return answer.Status, err
}

// works checks that a call succeeds.
func (r *rig) works(name string) {
	r.Helper()
	if status, err := r.call(name); err != nil || status != http.StatusOK {
		r.Errorf("a call by %s: %d, %v", name, status, err)
	}
}

// refused checks that a call fails with an error of that kind, whose text contains a text.
func (r *rig) refused(name string, kind provider.APIErrorKind, text string) *provider.APIError {
	r.Helper()
	status, err := r.call(name)
	var e *provider.APIError
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Error(), text) {
		r.Fatalf("a call by %s: %d, %v, want an error of kind %s: %q", name, status, err, kind, text)
	}
	return e
}

// calls returns the calls that the stand-ins got at paths that contain a text.
func (r *rig) calls(path string) (list []emulator.Call) {
	for _, c := range r.host.Calls() {
		if strings.Contains(c.URL, path) {
			list = append(list, c)
		}
	}
	return list
}

// tokenRequests returns how many requests for tokens there were.
func (r *rig) tokenRequests() int { return len(r.calls("/token")) }

// stored returns the tokens of a connection as they are stored.
func (r *rig) stored(name string) tokens {
	r.Helper()
	raw, err := r.store.ConnectionTokens(r.Context(), r.read(name).ID)
	if err != nil {
		r.Fatal(err)
	}
	var t tokens
	if raw != nil {
		if err := json.Unmarshal(raw, &t); err != nil {
			r.Fatal(err)
		}
	}
	return t
}

// replace stores other tokens of a connection, as a crash may have left them.
func (r *rig) replace(name string, change func(t *tokens)) {
	r.Helper()
	t := r.stored(name)
	change(&t)
	c := r.read(name)
	_, err := r.store.Store.SettleConnection(r.Context(), bellhop.ConnectionOutcome{ID: c.ID, Version: c.UpdatedAt,
		State: c.State, Reason: c.Reason, Account: c.Account, ExpiresAt: c.ExpiresAt, Tokens: t.write()})
	if err != nil {
		r.Fatal(err)
	}
}

// signedOutEvents returns how many connections were announced as signed out.
func (r *rig) signedOutEvents() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.announce)
}

// A browser opens pages, with cookies, and follows no redirect by itself.
type browser struct {
	*rig
	client *http.Client
}

func (r *rig) browser() *browser {
	r.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.Fatal(err)
	}
	return &browser{r, &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// open gets a page, and returns its status, its text, and where it leads.
func (b *browser) open(to string) (status int, text, location string) {
	b.Helper()
	resp, err := b.client.Get(to)
	return b.finish(resp, err)
}

func (b *browser) post(to string, form url.Values) (status int, text, location string) {
	b.Helper()
	resp, err := b.client.PostForm(to, form)
	return b.finish(resp, err)
}

func (b *browser) finish(resp *http.Response, err error) (int, string, string) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Request.URL.String(), b.pages.URL) &&
		!strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		b.Errorf("a page has no policy: %v", resp.Header)
	}
	return resp.StatusCode, text.String(), resp.Header.Get("Location")
}

var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// toAuthority opens the start page and pushes its button. It returns the URL of the authority's page.
func (b *browser) toAuthority(start string) string {
	b.Helper()
	status, text, _ := b.open(start)
	m := ticketField.FindStringSubmatch(text)
	if status != http.StatusOK || m == nil || !strings.Contains(text, b.RedirectURI()) {
		b.Fatalf("the start page: %d %s", status, text)
	}
	u, err := url.Parse(start)
	if err != nil {
		b.Fatal(err)
	}
	u.RawQuery = ""
	status, text, location := b.post(u.String(), url.Values{"ticket": {m[1]}})
	if status != http.StatusSeeOther {
		b.Fatalf("the button: %d %s", status, text)
	}
	return location
}

// signIn signs in to a connection by a browser, and returns the text of the last page.
func (b *browser) signIn(name string) string {
	b.Helper()
	login, err := b.Begin(b.Context(), name, false)
	if err != nil {
		b.Fatal(err)
	}
	_, _, back := b.open(b.toAuthority(login.URL))
	status, text, _ := b.open(back)
	if status != http.StatusOK || !strings.Contains(text, "Signed in") {
		b.Fatalf("the callback: %d %s", status, text)
	}
	return text
}
