package subscription_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	emuams "github.com/bellhop-gateway/bellhop/emulator/ams"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	emugrid "github.com/bellhop-gateway/bellhop/emulator/eventgrid"
	emugraph "github.com/bellhop-gateway/bellhop/emulator/graph"
	emuoutlook "github.com/bellhop-gateway/bellhop/emulator/outlook"
	emusharepoint "github.com/bellhop-gateway/bellhop/emulator/sharepoint"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
	"github.com/bellhop-gateway/bellhop/internal/subscription"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

var providers = []provider.Provider{graph.Provider{}, outlook.Provider{}, sharepoint.Provider{},
	ams.Provider{}, eventgrid.Provider{}}

// appID is the id of an application that can get tokens with its secret. Calls without a token are taken too.
const appID = "24d3b144-21ae-4080-943f-7067b395b913"

// A rig is a gateway's room of subscriptions, its store and its door, and the stand-ins of the providers, all within
// one process and one synctest bubble: time passes only when all of them wait.
type rig struct {
	skew atomic.Int64 // of the server's wall clock: a time.Duration

	*testing.T
	ctx     context.Context
	host    *emulator.Host
	store   quickStore
	manager *subscription.Manager
	public  string
	stop    func()
	fills   bool // gaps are filled, and what comes is stored

	lookEvery time.Duration // as in the options of the manager

	mu      sync.Mutex // guards the fields below
	sources []bellhop.Source
	down    bool // the door does not answer
	events  []bellhop.Event
	refused []string
	arrived []bellhop.Event                       // what the door accepted
	mangle  func(provider.Answer) provider.Answer // what a proxy makes of the provider's answers
	token   string                                // of calls at the providers; "" is none
	refusal string                                // the door refuses each handshake with this code
	lost    string                                // the answer of the next POST at this path is lost
	refuse  func(provider.Call) error             // why the connection makes no call; nil, or nil of it, lets it
	saveGap func(bellhop.Gap) error               // why the store takes no gap
	saveNew func(store func() error) error        // stores a new or a wider gap; nil just stores it
}

// A quickStore is the store without a commit for every five minutes that pass: they would be most of a test's time.
type quickStore struct {
	*sqlite.Store
	alive *time.Time // only one goroutine at a time uses it
	rig   *rig
}

// SaveGap fails if the test says so.
func (s quickStore) SaveGap(ctx context.Context, gap bellhop.Gap, cursor bellhop.Cursor) error {
	s.rig.mu.Lock()
	fails := s.rig.saveGap
	s.rig.mu.Unlock()
	if fails != nil {
		if err := fails(gap); err != nil {
			return err
		}
	}
	return s.Store.SaveGap(ctx, gap, cursor)
}

// SaveSubscription lets the test decide how a gap is stored.
func (s quickStore) SaveSubscription(ctx context.Context, sub bellhop.Subscription,
	note bellhop.SubscriptionNote) error {
	s.rig.mu.Lock()
	save := s.rig.saveNew
	s.rig.mu.Unlock()
	store := func() error { return s.Store.SaveSubscription(ctx, sub, note) }
	if save == nil || note.Gap == nil {
		return store()
	}
	return save(store)
}

// Alive keeps the time in memory.
func (s quickStore) Alive(_ context.Context, at time.Time) (before time.Time, err error) {
	before, *s.alive = *s.alive, at
	return before, nil
}

// bubble runs a test in a synctest bubble with a rig whose source "calendar" is one of Graph.
func bubble(t *testing.T, test func(r *rig), change ...func(r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for _, f := range change {
			f(r)
		}
		r.start()
		defer r.close()
		test(r)
	})
}

// calmly has the manager look at the clock each ten minutes when nothing is due, in a test of many days.
func calmly(r *rig) { r.lookEvery = 10 * time.Minute }

func newRig(t *testing.T) *rig {
	r := &rig{T: t, ctx: t.Context(), public: "https://hooks.example.com"}
	for _, s := range [][3]string{{"calendar", "graph", `{"subscriptions_only":true}`},
		{"mailbox", "outlook", `{"subscriptions_only":true}`}, {"lists", "sharepoint", `{"subscriptions_only":true}`},
		{"media", "ams", `{"signing_key":"` + firstKey + `"}`},
		{"grid", "eventgrid", `{"query_secret":"s3cret-of-the-url"}`}} {
		r.sources = append(r.sources, bellhop.Source{ID: "src_" + s[0], Name: s[0], Provider: s[1],
			Settings: []byte(s[2]), CreatedAt: time.Now(), UpdatedAt: time.Now()})
	}
	r.host = emulator.New(emulator.Options{Client: &http.Client{Transport: r}})
	tokens := entra.New(r.host, entra.Options{Key: emulatortest.Key(),
		Clients: []entra.Client{{ID: appID, Secret: entra.DefaultSecret}}})
	r.host.Add(tokens, emugraph.New(r.host, tokens, emugraph.Options{AnyToken: true}),
		emuoutlook.New(r.host, tokens, emuoutlook.Options{AnyToken: true}),
		emusharepoint.New(r.host, tokens, emusharepoint.Options{AnyToken: true}),
		emuams.New(r.host, tokens, emuams.Options{AnyToken: true, Key: emulatortest.Key()}),
		emugrid.New(r.host, tokens, emugrid.Options{AnyToken: true}))
	keys, err := store.ParseKeyRing(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)))
	r.must(err)
	r.store.alive, r.store.rig = &time.Time{}, r
	r.store.Store, err = sqlite.Open(sqlite.Options{Dir: t.TempDir(), Options: store.Options{Keys: keys, Now: time.Now,
		Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}})
	r.must(err)
	for _, src := range r.sources {
		r.must(r.store.CreateSource(r.ctx, src))
	}
	return r
}

// start starts a Manager on the store, as a start of the gateway does.
func (r *rig) start() {
	r.Helper()
	o := subscription.Options{Store: r.store, Connections: r, Providers: providers,
		PublicURL: r.public, Announce: r.announce, Now: r.now, Rand: rand.Reader, LookEvery: r.lookEvery,
		Jitter: mathrand.New(mathrand.NewPCG(1, 2)), Logger: slog.New(slog.DiscardHandler)}
	if r.fills {
		o.PublishCaughtUp = r.caughtUp
	}
	m := subscription.New(o)
	r.mu.Lock()
	r.manager = m // a notification may be on its way
	r.mu.Unlock()
	r.manager.SetSources(r.list())
	r.must(r.manager.Load(r.ctx))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.manager.Run(ctx) }()
	r.stop = func() {
		cancel()
		r.must(<-ended)
	}
}

// now is the wall clock of the server, which a test sets by skew. The clocks of the providers stay right.
func (r *rig) now() time.Time { return time.Now().Add(time.Duration(r.skew.Load())) }

func (r *rig) close() {
	r.stop()
	r.host.Close()
	r.must(r.store.Close())
}

func (r *rig) list() []bellhop.Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]bellhop.Source{}, r.sources...)
}

func (r *rig) announce(_ context.Context, ev bellhop.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, before := range r.events {
		if ev.ProviderID != "" && before.ProviderID == ev.ProviderID {
			return nil
		}
	}
	r.events = append(r.events, ev)
	return nil
}

// announced returns the events of that type so far.
func (r *rig) announced(kind string) (list []bellhop.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ev := range r.events {
		if ev.Type == kind {
			list = append(list, ev)
		}
	}
	return list
}

// API makes the calls of a connection at the stand-ins, without a network.
func (r *rig) API(_ context.Context, id string) (provider.API, error) {
	if id != "con_1" {
		return nil, bellhop.NotFound("connection", id)
	}
	return r, nil
}

// Do is the API of the connection.
func (r *rig) Do(ctx context.Context, call provider.Call) (answer provider.Answer, err error) {
	defer func() {
		if recover() != nil { // the stand-in closed the connection
			err = &provider.APIError{Kind: provider.APITemporary, Message: "connection closed", MaybeDone: true}
		}
	}()
	path, isMedia := call.Path, strings.HasPrefix(call.Path, "/NotificationEndPoints") ||
		strings.HasPrefix(call.Path, "/GetProtectionKey")
	if isMedia { // below the base URL of an account
		path = "/api" + path
	}
	target, err := url.Parse(path)
	if err != nil || target.Host != "" && target.Host != "stand-in.example" {
		return answer, &provider.APIError{Kind: provider.APIInvalid, Message: "the call leads to another host"}
	}
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse != nil {
		if err := refuse(call); err != nil {
			return answer, err
		}
	}
	req := httptest.NewRequestWithContext(ctx, call.Method, "http://stand-in.example"+target.RequestURI(),
		bytes.NewReader(call.Body))
	for name, values := range call.Header {
		req.Header[name] = values
	}
	if isMedia {
		req.Header.Set("X-Ms-Version", "2.19")
	}
	r.mu.Lock()
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	r.mu.Unlock()
	w := httptest.NewRecorder()
	r.host.ServeHTTP(w, req)
	answer = provider.Answer{Status: w.Code, Header: w.Result().Header, Body: w.Body.Bytes()}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mangle != nil {
		answer = r.mangle(answer)
	}
	if r.lost != "" && call.Method == http.MethodPost && call.Path == r.lost {
		r.lost = ""
		return answer, &provider.APIError{Kind: provider.APITemporary, Message: "connection closed", MaybeDone: true}
	}
	return answer, nil
}

// RoundTrip is the door: the stand-ins post to it.
func (r *rig) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	down := r.down
	r.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	header := http.Header{}
	for name, values := range req.Header { // as net/http reads them
		header[http.CanonicalHeaderKey(name)] = values
	}
	req = req.Clone(req.Context())
	req.Header = header
	w := httptest.NewRecorder()
	r.receive(w, req, body)
	return w.Result(), nil
}

func (r *rig) receive(w http.ResponseWriter, req *http.Request, body []byte) {
	r.mu.Lock()
	manager := r.manager
	r.mu.Unlock()
	for _, src := range r.list() {
		if req.URL.Path != "/in/"+src.Name || !strings.HasPrefix(req.URL.String(), r.public) {
			continue
		}
		p, _ := provider.SubscriberOf(providers, src.Provider)
		receiver, err := p.Open(provider.Env{Now: time.Now, Rand: rand.Reader, Subscribed: manager.Of(src.ID)},
			src.Settings)
		r.must(err)
		receipt, err := receiver.Receive(req.Context(), &provider.Request{Method: req.Method,
			Target: req.URL.RequestURI(),
			Header: req.Header, Body: body, ReceivedAt: time.Now()})
		switch {
		case err != nil:
			r.note(err.Error())
			w.WriteHeader(http.StatusForbidden)
		case receipt.Reply != nil && r.refusal != "":
			w.WriteHeader(http.StatusForbidden)
			manager.Handshake(src.ID, time.Now(), http.StatusForbidden, r.refusal)
		case receipt.Reply != nil:
			w.WriteHeader(receipt.Reply.Status)
			w.Write(receipt.Reply.Body)
			manager.Handshake(src.ID, time.Now(), receipt.Reply.Status, "")
		default:
			for _, item := range receipt.Refused {
				r.note(item.Err.Error())
			}
			if clock := manager.Clock(src.ID); clock != nil && len(receipt.Events) > 0 {
				clock.Store(time.Now().UnixMicro())
			}
			if r.fills {
				r.accept(src, receipt.Events)
			}
			manager.Heard(src.ID, receipt.Heard, time.Now())
			r.mu.Lock()
			r.arrived = append(r.arrived, receipt.Events...)
			r.mu.Unlock()
			w.WriteHeader(http.StatusOK)
		}
		return
	}
	w.WriteHeader(http.StatusNotFound)
}

func (r *rig) note(refusal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = append(r.refused, refusal)
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// create creates a subscription to a resource; at Graph unless the resource is one of another system.
func (r *rig) create(name, resource string, changes ...string) bellhop.Subscription {
	r.Helper()
	sub := bellhop.Subscription{ID: "sub_" + name, Name: name, Provider: "graph", SourceID: "src_calendar",
		ConnectionID: "con_1", Resource: resource, ChangeTypes: changes, Settings: []byte("{}"), CreatedAt: time.Now(),
		UpdatedAt: time.Now()}
	switch {
	case resource == "Documents":
		sub.Provider, sub.SourceID = "sharepoint", "src_lists"
	case resource == "Bellhop":
		sub.Provider, sub.SourceID = "ams", "src_media"
	case strings.HasPrefix(resource, "/subscriptions/"):
		sub.Provider, sub.SourceID = "eventgrid", "src_grid"
	case strings.HasPrefix(resource, "me/"):
		sub.Provider, sub.SourceID = "outlook", "src_mailbox"
	}
	got, err := r.manager.Create(r.ctx, sub)
	r.must(err)
	return got
}

// show returns a subscription as it is stored.
func (r *rig) show(name string) bellhop.Subscription {
	r.Helper()
	got, err := r.store.Subscription(r.ctx, name)
	r.must(err)
	return got
}

func (r *rig) wantState(name string, want bellhop.SubscriptionState) bellhop.Subscription {
	r.Helper()
	got := r.show(name)
	if got.State != want {
		r.Fatalf("%s is %s (%s), want %s; history %s", name, got.State, got.Reason, want, r.history(name))
	}
	return got
}

// history returns the calls of a subscription, oldest first, as "create 201 done", separated by commas.
func (r *rig) history(name string) string {
	r.Helper()
	calls, err := r.store.SubscriptionCalls(r.ctx, r.show(name).ID)
	r.must(err)
	var words []string
	for _, c := range calls {
		word := c.What
		if !c.Done {
			word += "!"
		}
		words = append([]string{word}, words...)
	}
	return strings.Join(words, " ")
}

// gaps returns the reasons of a subscription's gaps and how long they are, oldest first.
func (r *rig) gaps(name string) []bellhop.Gap {
	r.Helper()
	gaps, err := r.store.SubscriptionGaps(r.ctx, r.show(name).ID)
	r.must(err)
	return gaps
}

// fault makes a fault of the stand-ins.
func (r *rig) fault(text, system string) {
	r.Helper()
	f, err := emulator.ParseFault(text)
	r.must(err)
	f.System = system
	r.must(r.host.Fault(f))
}

// happen lets something happen in a resource of Graph, and returns how many notifications follow.
func (r *rig) happen(system, resource string) int {
	r.Helper()
	n, err := r.host.Happen(emulator.Event{System: system, Resource: resource, ChangeType: "updated",
		Data: map[string]any{}})
	if err != nil {
		n, err = r.host.Happen(emulator.Event{System: system, Resource: resource, ChangeType: "created",
			Data: map[string]any{"Subject": "x"}})
	}
	r.must(err)
	synctest.Wait()
	return n
}

// remotes returns the ids of the registrations at Graph.
func (r *rig) remotes() (ids []string) {
	r.Helper()
	answer, err := r.Do(r.ctx, provider.Call{Method: http.MethodGet, Path: "/v1.0/subscriptions"})
	r.must(err)
	var page struct {
		Value []struct{ ID string }
	}
	r.must(json.Unmarshal(answer.Body, &page))
	for _, s := range page.Value {
		ids = append(ids, s.ID)
	}
	return ids
}

func (r *rig) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.refused)
}

func emulatorEvent(resource, change string) emulator.Event {
	return emulator.Event{System: "graph", Resource: resource, ChangeType: change}
}
