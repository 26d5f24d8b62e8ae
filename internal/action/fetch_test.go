package action

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
)

// A bench is the world of an action in a test: an API whose answers the test sets, and a door that keeps what is
// published.
type bench struct {
	testing.TB
	mu        sync.Mutex
	answer    provider.Answer
	err       error
	calls     []provider.Call
	published []bellhop.Event
	refusal   error // of the door
	clock     *stopwatch
	client    *http.Client
	log       strings.Builder
}

func newBench(t testing.TB) *bench {
	return &bench{TB: t, clock: newStopwatch(), answer: provider.Answer{Status: http.StatusOK,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		Body:   []byte(`{"id":"1","@odata.etag":"W/1"}`)}}
}

func (b *bench) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, call)
	return b.answer, b.err
}

func (b *bench) now() time.Time { return b.clock.wall }

func (b *bench) env() provider.ActionEnv {
	return provider.ActionEnv{
		Env: provider.Env{Now: b.now, Rand: rand.Reader, Client: b.client,
			Logger: slog.New(slog.NewTextHandler(&b.log, nil))},
		Publish: func(_ context.Context, cause *bellhop.Event, ev bellhop.Event) (string, error) {
			if b.refusal != nil {
				return "", b.refusal
			}
			for i, p := range b.published {
				if p.ProviderID == ev.ProviderID {
					return fmt.Sprintf("evt_made%d", i), nil
				}
			}
			b.published = append(b.published, ev)
			return fmt.Sprintf("evt_made%d", len(b.published)-1), nil
		},
		Connection: func(_ context.Context, name string) (provider.Connection, error) {
			kind, ok := map[string]string{"work": "graph", "site": "sharepoint", "any": "oauth2"}[name]
			if !ok {
				return provider.Connection{}, bellhop.NotFound("connection", name)
			}
			return provider.Connection{ID: "con_" + name, Name: name, Provider: kind, API: b,
					BaseURL: func(context.Context) (*url.URL, error) {
						return url.Parse("https://api.example.com/v1")
					}},
				nil
		},
	}
}

func (b *bench) newCalls() *Calls {
	return NewCalls(CallsOptions{Now: b.now, Random: func() float64 { return 0 }})
}

// open opens a destination that must be good. Its folds go by the clock of the bench.
func (b *bench) open(x provider.Action, settings string) provider.Performer {
	b.Helper()
	p, err := x.OpenAction(b.env(), bellhop.Destination{ID: "dst_1", Name: "fetch", Settings: []byte(settings)})
	if err != nil {
		b.Fatal(err)
	}
	switch p := p.(type) {
	case *fetcher:
		p.folds.clock = b.clock.read
	case *httpFetcher:
		p.folds.clock = b.clock.read
	}
	return p
}

// fetcher opens a destination of type graph.fetch.
func (b *bench) fetcher() provider.Performer {
	return b.open(Fetch{Provider: graph.Provider{}, Calls: b.newCalls()}, `{"connection":"work"}`)
}

// notice returns a notification about a message, which came in now.
func (b *bench) notice(change, resource string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_cause", Type: "graph." + change, ReceivedAt: b.now(),
		Body: fmt.Appendf(nil, `{"changeType":%q,"resource":%q}`, change, resource)}
}

var attempt = provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1}

// leftOut reports whether the destination of p gets no delivery of an event that an action made.
func leftOut(p provider.Performer, ev *bellhop.Event) bool {
	s, ok := p.(provider.Selector)
	return ok && s.LeavesOut(ev)
}

// TestFetch: what a notification names is fetched and published, once for each state of it.
func TestFetch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fetcher()
	done := f.Perform(t.Context(), b.notice("updated", "me/messages/1"), attempt)
	if done.Error != "" || string(done.Reply) != `{"event":"evt_made0","type":"graph.fetched"}` ||
		len(b.published) != 1 {
		t.Fatalf("%+v %s", done, done.Reply)
	}
	ev := b.published[0]
	if ev.Type != "graph.fetched" || ev.Subject != "me/messages/1" || string(ev.Body) != string(b.answer.Body) ||
		ev.ContentType != "application/json; charset=utf-8" || !strings.HasPrefix(ev.ProviderID,
		"dst_1|fetched|me/messages/1|") {
		t.Errorf("%+v", ev)
	}
	if len(b.calls) != 1 || b.calls[0].Path != "/v1.0/me/messages/1" || b.calls[0].Method != http.MethodGet {
		t.Errorf("%+v", b.calls)
	}
	b.clock.pass(2 * time.Second)
	if done = f.Perform(t.Context(), b.notice("updated", "me/messages/1"), attempt); len(b.published) != 1 ||
		string(done.Reply) != `{"event":"evt_made0","type":"graph.fetched"}` {
		t.Errorf("the same state again: %d events, %+v", len(b.published), done)
	}
	b.answer.Body = []byte(`{"id":"1","@odata.etag":"W/2"}`)
	b.clock.pass(2 * time.Second)
	f.Perform(t.Context(), b.notice("updated", "me/messages/1"), attempt)
	b.answer.Body = []byte(`{"id":"1"}`) // without an ETag
	b.clock.pass(2 * time.Second)
	f.Perform(t.Context(), b.notice("updated", "me/messages/1"), attempt)
	if len(b.published) != 3 || len(b.calls) != 4 {
		t.Errorf("%d events, %d calls", len(b.published), len(b.calls))
	}
	for _, want := range []string{"msg=action.called", "action=graph.fetch", "outcome=fetched", "event_id=evt_cause",
		"published_id=evt_made0", "delivery_id=dlv_1", "connection_id=con_work", "status=200"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log has no %s: %s", want, b.log.String())
		}
	}
	if strings.Contains(b.log.String(), "messages/1") {
		t.Error("the log has the resource")
	}
}

// TestFetchFolds: a second event about a resource waits for the next fetch, and one that came in before a fetch
// began is served by it.
func TestFetchFolds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fetcher()
	early := b.notice("updated", "me/messages/1")
	b.clock.pass(10 * time.Millisecond)
	f.Perform(t.Context(), b.notice("updated", "me/messages/1"), attempt)
	b.clock.pass(10 * time.Millisecond)
	late := b.notice("updated", "me/messages/1")
	done := f.Perform(t.Context(), late, attempt)
	if want := b.now().Add(990 * time.Millisecond); !done.Continue.Equal(want) || done.Error != "" {
		t.Errorf("%+v, want it to continue at %v", done, want)
	}
	if done = f.Perform(t.Context(), early, attempt); string(done.Reply) != `{"served_by":"evt_made0"}` ||
		len(b.calls) != 1 {
		t.Errorf("%+v %s, %d calls", done, done.Reply, len(b.calls))
	}
	if done = f.Perform(t.Context(), b.notice("updated", "me/messages/2"), attempt); done.Error != "" ||
		len(b.calls) != 2 {
		t.Errorf("another resource: %+v, %d calls", done, len(b.calls))
	}
}

// TestFetchGone: what was deleted, by the notification or by the API, is a result and no failure.
func TestFetchGone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fetcher()
	deleted := b.notice("deleted", "me/messages/1")
	for range 2 { // a repeat of the attempt publishes nothing more
		if done := f.Perform(t.Context(), deleted, attempt); done.Error != "" || len(b.calls) != 0 {
			t.Fatalf("%+v, %d calls", done, len(b.calls))
		}
	}
	b.answer = provider.Answer{Status: http.StatusNotFound,
		Body: []byte(`{"error":{"code":"ErrorItemNotFound","message":"x"}}`)}
	updated := b.notice("updated", "me/messages/1")
	updated.ID = "evt_other"
	if done := f.Perform(t.Context(), updated,
		attempt); string(done.Reply) != `{"event":"evt_made1","type":"graph.gone"}` {
		t.Errorf("%+v %s", done, done.Reply)
	}
	want := []string{`{"resource":"me/messages/1","reason":"deleted"}`,
		`{"resource":"me/messages/1","reason":"not_found"}`}
	for i, ev := range b.published {
		if ev.Type != "graph.gone" || string(ev.Body) != want[i] || ev.Subject != "me/messages/1" {
			t.Errorf("%+v", ev)
		}
	}
	if len(b.published) != 2 {
		t.Errorf("%d events", len(b.published))
	}
}

// TestFetchWithoutCall: events that are none to fetch for are skipped, resources elsewhere are refused for good, and a
// notification that has the resource in it is published without a call.
func TestFetchWithoutCall(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fetcher()
	made := b.notice("updated", "me/messages/1")
	made.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_0"}}, nil)
	for _, ev := range []*bellhop.Event{made, b.notice("lifecycle.missed", "me/messages"),
		b.notice("fetched", "me/messages/1")} {
		if done := f.Perform(t.Context(), ev, attempt); !done.Skip ||
			!strings.HasPrefix(done.Detail, "graph.fetch: it ") {
			t.Errorf("%s: %+v", ev.Type, done)
		}
	}
	if !leftOut(f, made) {
		t.Error("there is a delivery of an event that an action made")
	}
	for _, resource := range []string{"https://evil.example.com/x", "//evil.example.com/x", "me/../x", "me/%2e%2e/x"} {
		done := f.Perform(t.Context(), b.notice("updated", resource), attempt)
		if done.Error != "invalid" || !done.Final || !strings.Contains(done.Detail, "never called") ||
			strings.Contains(done.Detail, "evil") {
			t.Errorf("%s: %+v", resource, done)
		}
	}
	rich := b.notice("created", "me/messages/1")
	rich.Body = []byte(`{"resource":"me/messages/1","content":{"id":"1","subject":"Lens"}}`)
	if done := f.Perform(t.Context(), rich, attempt); done.Error != "" || len(b.published) != 1 ||
		string(b.published[0].Body) != `{"id":"1","subject":"Lens"}` ||
		b.published[0].ContentType != "application/json" {
		t.Errorf("%+v, %+v", done, b.published)
	}
	if len(b.calls) != 0 {
		t.Errorf("%d calls", len(b.calls))
	}
}

// TestFetchFailures: what each failure of a call means for the delivery.
func TestFetchFailures(t *testing.T) {
	t.Parallel()
	answers := func(status int, body string) provider.Answer {
		return provider.Answer{Status: status, Body: []byte(body)}
	}
	for name, c := range map[string]struct {
		answer provider.Answer
		err    error
		error  string
		final  bool
		parked string
		detail string
		wait   time.Duration
	}{
		"no answer": {err: &provider.APIError{Kind: provider.APITemporary, Message: "host did not answer"},
			error: "temporary", detail: "host did not answer"},
		"an error of the API": {answer: answers(500, "oops"), error: "temporary", detail: "500"},
		"signed out": {err: &provider.APIError{Kind: provider.APISignedOut,
			Message: "connection work is signed out: the sign-in was revoked: bellhop connections login work"},
			parked: "con_work",
			detail: "connection work is signed out: the sign-in was revoked: bellhop connections login work"},
		"signed out just now": {err: &provider.APIError{Kind: provider.APISignedOut,
			Message: "connection work: login.example.com answered 400 (invalid_client)", Remedy: "check the secret"},
			parked: "con_work",
			detail: "connection work is signed out: login.example.com answered 400 (invalid_client): check the " +
				"secret; more by: bellhop connections show work"},
		"a token that the API refuses": {answer: answers(401,
			`{"error":{"code":"InvalidAuthenticationToken","message":"no"}}`), error: "refused",
			detail: "sign in again"},
		"no permission": {answer: answers(403, `{"error":{"code":"ErrorAccessDenied","message":"no"}}`),
			error:  "forbidden",
			detail: "permission Mail.Read "},
		"a page":             {answer: answers(200, "<html>"), error: "foreign", detail: "proxy"},
		"a truncated answer": {answer: answers(200, `{"id":"1","subj`), error: "foreign", detail: "cut off"},
		"a redirect":         {answer: answers(302, ""), error: "foreign", detail: "redirect"},
		"too large": {err: &provider.APIError{Kind: provider.APIForeign, Status: 200,
			Message: "host sent an answer that is too long"}, error: "foreign", detail: "too long"},
		"another host": {err: &provider.APIError{Kind: provider.APIInvalid, Message: "the call leads to another host"},
			error: "invalid", final: true, detail: "another host"},
		"a malformed id": {answer: answers(400, `{"error":{"code":"ErrorInvalidIdMalformed","message":"bad"}}`),
			error: "invalid", final: true, detail: "ErrorInvalidIdMalformed"},
		"throttled": {answer: provider.Answer{Status: 429, Header: http.Header{"Retry-After": {"30"}},
			Body: []byte(`{}`)},
			wait: 30 * time.Second},
		"throttled by the minute": {answer: provider.Answer{Status: 429,
			Header: http.Header{"Retry-After": {"30"}, "Ratelimit-Reset": {"45"}}}, wait: 45 * time.Second},
		"throttled without a time": {answer: answers(429, ""), wait: 2 * time.Second},
		"overloaded": {answer: provider.Answer{Status: 503, Header: http.Header{"Retry-After": {"10"}}},
			wait: 10 * time.Second},
		"overloaded without a time": {answer: answers(503, ""), error: "temporary", detail: "503"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.answer, b.err = c.answer, c.err
			done := b.fetcher().Perform(t.Context(), b.notice("updated", "me/messages/1"), attempt)
			var wait time.Duration
			if !done.Continue.IsZero() {
				wait = done.Continue.Sub(b.now())
			}
			if done.Error != c.error || done.Final != c.final || done.Parked != c.parked || wait != c.wait ||
				done.Skip || done.Cut ||
				c.detail != "" && !strings.Contains(done.Detail, c.detail) ||
				len(b.published) != 0 {
				t.Errorf("%+v, waits %v", done, wait)
			}
			if c.parked != "" && done.Detail != c.detail {
				t.Errorf("detail %q, want %q", done.Detail, c.detail)
			}
		})
	}
}

// TestFetchUnpublished: a result that cannot be stored fails the attempt, and the next attempt fetches again.
func TestFetchUnpublished(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fetcher()
	ev := b.notice("updated", "me/messages/1")
	b.refusal = errors.New("disk full: secret path")
	if done := f.Perform(t.Context(), ev, attempt); done.Error != "publish" || done.Final ||
		strings.Contains(done.Detail, "secret") {
		t.Errorf("%+v", done)
	}
	b.refusal = nil
	b.clock.pass(time.Second)
	if done := f.Perform(t.Context(), ev, attempt); done.Error != "" || len(b.published) != 1 || len(b.calls) != 2 {
		t.Errorf("%+v, %d events, %d calls", done, len(b.published), len(b.calls))
	}
	ev.Header = bellhop.NewHeader(http.Header{bellhop.HopsHeader: {"7"}}, nil)
	b.clock.pass(2 * time.Second)
	ev.ReceivedAt = b.now()
	if done := f.Perform(t.Context(), ev, attempt); done.Error != "publish" || !done.Final ||
		!strings.Contains(done.Detail, "caused one another") {
		t.Errorf("%+v", done)
	}
}

// TestFetchCut: an attempt whose time is over during its call is one that was cut off.
func TestFetchCut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.err = &provider.APIError{Kind: provider.APITemporary, Message: "given up"}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done := b.fetcher().Perform(ctx, b.notice("updated", "me/messages/1"), attempt); !done.Cut {
		t.Errorf("%+v", done)
	}
}

// TestFetchSettings: a destination that cannot work is refused, with the setting at fault and what to write instead.
func TestFetchSettings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	x := Fetch{Provider: graph.Provider{}, Calls: b.newCalls()}
	for settings, want := range map[string]string{
		`{}`: "settings.connection: required: the name of a connection",
		`{"connection":"none"}`: "settings.connection: there is no such connection; create it: " +
			"bellhop connections create",
		`{"connection":"site"}`: "settings.connection: is one of provider sharepoint; " +
			"name one of provider graph",
		`{"connection":"work","fold":"2h"}`:    "settings.fold: use a length of time",
		`{"connection":"work","fold":"-1s"}`:   "settings.fold: use a length of time",
		`{"connection":"work","body":"plain"}`: "settings.body: ",
		`{"connection":"work","colour":"red"}`: "settings.colour: unknown setting",
	} {
		_, err := x.OpenAction(b.env(), bellhop.Destination{Settings: []byte(settings)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", settings, err, want)
		}
	}
	bare := b.env()
	bare.Connection = nil
	if _, err := x.OpenAction(bare, bellhop.Destination{Settings: []byte(`{"connection":"work"}`)}); err == nil ||
		!strings.Contains(err.Error(), "no connections") {
		t.Error(err)
	}
	bare.Publish = nil
	if _, err := x.OpenAction(bare, bellhop.Destination{}); err == nil || !strings.HasPrefix(err.Error(), "type: ") {
		t.Error(err)
	}
	info := x.Info()
	if info.Name != "graph.fetch" || info.SendSettings[0].Name != "connection" || !info.SendSettings[0].Required {
		t.Errorf("%+v", info)
	}
	if list := Fetches([]provider.Provider{graph.Provider{}}, b.newCalls()); len(list) != 1 ||
		list[0].Info().Name != "graph.fetch" {
		t.Errorf("%+v", list)
	}
}

// TestShares: an API that asks to wait for one share is asked nothing for it until then, while other shares go on;
// and a share has at most so many calls at a time. What waits comes back at different times.
func TestShares(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := b.newCalls()
	conn := provider.Connection{ID: "con_1"}
	var lanes []*lane
	for range 4 {
		l, _ := c.enter(conn, share{"a", 4})
		lanes = append(lanes, l)
	}
	first, at := c.enter(conn, share{"a", 4})
	_, next := c.enter(conn, share{"a", 4})
	if first != nil || !at.After(b.now()) || !next.After(at) || next.Sub(b.now()) > time.Second {
		t.Errorf("the fifth: %v, %v, %v", first, at, next)
	}
	for name, other := range map[string]share{"another share": {"b", 4}, "any number": {"a", 0}} {
		if l, _ := c.enter(conn, other); l == nil {
			t.Errorf("%s has to wait", name)
		}
	}
	if l, _ := c.enter(provider.Connection{ID: "con_2"}, share{"a", 4}); l == nil {
		t.Error("another connection has to wait")
	}
	lanes[0].until = b.now().Add(time.Hour)
	if l, at := c.enter(conn, share{"a", 0}); l != nil || at.Sub(b.now()) < time.Hour ||
		at.Sub(b.now()) > time.Hour+time.Minute {
		t.Errorf("until then: %v, %v", l, at)
	}
	for i := range 3 * maxLanes {
		if l, _ := c.enter(conn, share{fmt.Sprint(i), 4}); l == nil {
			t.Fatalf("share %d has to wait", i)
		} else if i%2 == 0 {
			l.active--
		}
	}
	if len(c.lanes) > maxLanes {
		t.Errorf("%d shares are remembered", len(c.lanes))
	}
}

// TestStrikes: an API that refuses without naming a time is asked less and less often, and as before once it answers.
func TestStrikes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.answer = provider.Answer{Status: http.StatusTooManyRequests}
	f := b.fetcher()
	var waits []time.Duration
	for i := range 8 {
		done := f.Perform(t.Context(), b.notice("updated", fmt.Sprintf("me/messages/%d", i)), attempt)
		waits = append(waits, done.Continue.Sub(b.now()))
		b.clock.pass(waits[i])
	}
	want := []time.Duration{2, 4, 8, 16, 32, 60, 60, 60}
	for i := range want {
		if waits[i] != want[i]*time.Second {
			t.Errorf("waits %v", waits)
			break
		}
	}
	b.answer = newBench(t).answer
	f.Perform(t.Context(), b.notice("updated", "me/messages/9"), attempt)
	b.answer = provider.Answer{Status: http.StatusTooManyRequests}
	if done := f.Perform(t.Context(), b.notice("updated", "me/messages/10"),
		attempt); done.Continue.Sub(b.now()) != 2*time.Second {
		t.Errorf("%+v", done)
	}
}

// BenchmarkFetch measures what a fetch adds to the API's answer, without the store.
func BenchmarkFetch(b *testing.B) {
	w := newBench(b)
	w.answer.Body = []byte(`{"id":"1","@odata.etag":"W/1","body":"` + strings.Repeat("x", 16<<10) + `"}`)
	env := w.env()
	env.Env.Logger = slog.New(slog.DiscardHandler)
	env.Publish = func(context.Context, *bellhop.Event, bellhop.Event) (string, error) { return "evt_1", nil }
	p, err := Fetch{Provider: graph.Provider{}, Calls: w.newCalls()}.OpenAction(env,
		bellhop.Destination{ID: "dst_1", Settings: []byte(`{"connection":"work","fold":"0s"}`)})
	if err != nil {
		b.Fatal(err)
	}
	ev := w.notice("updated", "Users/1/Messages/2=")
	b.ReportAllocs()
	for b.Loop() {
		w.calls = w.calls[:0]
		if done := p.Perform(b.Context(), ev, attempt); done.Error != "" {
			b.Fatal(done)
		}
	}
}
