package action

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

const listID = "8b2f64d1-0c9a-4a57-9d3e-6f5b1e7a2c40"

// A logSystem is the API of a provider with change logs, and the server around the action: what it stores.
type logSystem struct {
	t     *testing.T
	start time.Time
	calls *Calls

	mu        sync.Mutex // guards the fields below
	now       time.Time
	answers   []provider.Answer
	serve     func(call provider.Call) provider.Answer // if it is not nil, in place of answers
	err       error
	asked     []string
	published []bellhop.Event // without repeats
	refusal   error           // of the door
	cursors   map[string]bellhop.Cursor
	unsaved   bool // the store takes no cursor
	log       strings.Builder
}

// Do implements [provider.API].
func (s *logSystem) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	s.mu.Lock()
	s.asked = append(s.asked, call.Path+" "+string(call.Body))
	err, serve := s.err, s.serve
	next := answerOf(200, `{"value":[]}`)
	if err == nil && serve == nil && len(s.answers) > 0 {
		next, s.answers = s.answers[0], s.answers[1:]
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		return provider.Answer{}, err
	case serve != nil:
		return serve(call), nil
	}
	return next, nil
}

func answerOf(status int, body string) provider.Answer {
	return provider.Answer{Status: status, Body: []byte(body), Header: http.Header{"Sprequestguid": {"1"}}}
}

// Cursor implements [provider.Cursors].
func (s *logSystem) Cursor(_ context.Context, owner, key string) (bellhop.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[owner+" "+key], nil
}

// SaveCursor implements [provider.Cursors].
func (s *logSystem) SaveCursor(_ context.Context, owner, key string, c bellhop.Cursor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved {
		return errors.New("disk full")
	}
	s.cursors[owner+" "+key] = c
	return nil
}

func (s *logSystem) publish(_ context.Context, _ *bellhop.Event, ev bellhop.Event) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return "", s.refusal
	}
	if !slices.ContainsFunc(s.published, func(other bellhop.Event) bool { return other.ProviderID == ev.ProviderID }) {
		s.published = append(s.published, ev)
	}
	return "evt_1", nil
}

// clock is the time of the server, which a test moves.
func (s *logSystem) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *logSystem) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Write keeps the log of the action.
func (s *logSystem) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(text)
}

func (s *logSystem) env(kind string) provider.ActionEnv {
	return provider.ActionEnv{
		Env:     provider.Env{Now: s.clock, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(s, nil))},
		Publish: s.publish,
		Cursors: s, Connection: func(context.Context, string) (provider.Connection, error) {
			return provider.Connection{ID: "con_1", Name: "site", Provider: kind, API: s}, nil
		}}
}

// open opens a destination that must be good. Its folds go by the clock of the system.
func (s *logSystem) open(from provider.ChangeReader, settings string) provider.Performer {
	s.t.Helper()
	p, err := Reading{Provider: from, Calls: s.calls}.OpenAction(s.env(from.Info().Name),
		bellhop.Destination{ID: "dst_1", Name: "items", Settings: []byte(settings)})
	if err != nil {
		s.t.Fatal(err)
	}
	p.(*reader).folds.clock = func() instant {
		now := s.clock()
		return instant{now, now.Sub(s.start)}
	}
	return p
}

func newLogSystem(t *testing.T) *logSystem {
	s := &logSystem{t: t, start: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), cursors: map[string]bellhop.Cursor{}}
	s.now = s.start
	s.calls = NewCalls(CallsOptions{Now: s.clock, Random: func() float64 { return 0 }})
	return s
}

func newListSystem(t *testing.T, settings string) (*logSystem, provider.Performer) {
	s := newLogSystem(t)
	return s, s.open(sharepoint.Provider{}, settings)
}

// changed is a notification that came in before now.
func (s *logSystem) changed(before time.Duration) *bellhop.Event {
	return &bellhop.Event{ID: "evt_0", Type: "sharepoint.changed", ReceivedAt: s.clock().Add(-before),
		Body: []byte(`{"resource":"` + listID + `","siteUrl":"/sites/lab"}`)}
}

// entry is a change in the answer of GetChanges.
func entry(kind, item, n string) string {
	return `{"ChangeToken":{"StringValue":"1;3;` + listID + `;639315414000000000;` + n + `"},"ChangeType":` + kind +
		`,"ItemId":` + item + `,"Time":"2026-11-29T09:30:00Z"}`
}

func (s *logSystem) types() []string {
	var types []string
	for _, ev := range s.published {
		types = append(types, strings.TrimPrefix(ev.Type, "sharepoint.item."))
	}
	slices.Sort(types)
	return types
}

// TestChanges shows that the changes of a log are folded by item, that the position is kept, and that a run which
// began after a notification came in serves it too.
func TestChanges(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site"}`)
	s.answers = []provider.Answer{
		answerOf(200, `{"value":[`+strings.Join([]string{entry("1", "1", "1"), entry("2", "1", "2"),
			entry("1", "2", "3"), entry("3", "2", "4"), entry("2", "3", "5"), entry("7", "4", "6"),
			entry("4", "5", "7"), entry("6", "6", "8"), entry("9", "7", "9")}, ",")+`]}`)}
	done := p.Perform(t.Context(), s.changed(time.Second), provider.AttemptInfo{})
	if got := strings.Join(s.types(), " "); done.Error != "" || got != "added deleted moved renamed restored updated" {
		t.Errorf("%+v, %s", done, got)
	}
	if !strings.HasPrefix(s.asked[0], "/sites/lab/_api/web/lists('"+listID+"')/getchanges") {
		t.Errorf("%s", s.asked[0])
	}
	if c := s.cursors["dst_1 "+listID]; !strings.HasSuffix(c.Value, ";639315414000000000;9") {
		t.Errorf("the cursor is %+v", c)
	}
	asked := len(s.asked)
	if done := p.Perform(t.Context(), s.changed(time.Second), provider.AttemptInfo{}); done.Error != "" ||
		len(s.asked) != asked {
		t.Errorf("a notification from before the run: %+v, %d calls", done, len(s.asked)-asked)
	}
	s.pass(time.Minute)
	if done := p.Perform(t.Context(), s.changed(0), provider.AttemptInfo{}); done.Error != "" ||
		!strings.Contains(s.asked[len(s.asked)-1], ";639315414000000000;9") {
		t.Errorf("the next run: %+v, %s", done, s.asked[len(s.asked)-1])
	}
}

// TestChangesCrash shows that a position which could not be stored costs a call, and no event is told twice.
func TestChangesCrash(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site"}`)
	page := answerOf(200, `{"value":[`+entry("1", "1", "1")+`]}`)
	s.answers, s.unsaved = []provider.Answer{page}, true
	if done := p.Perform(t.Context(), s.changed(0), provider.AttemptInfo{}); done.Error == "" || done.Final {
		t.Errorf("%+v", done)
	}
	s.answers, s.unsaved = []provider.Answer{page}, false
	s.pass(time.Second) // until the next run of the list
	if done := p.Perform(t.Context(), s.changed(0), provider.AttemptInfo{}); done.Error != "" ||
		len(s.published) != 1 {
		t.Errorf("%+v, %v", done, s.published)
	}
}

// TestChangesBad shows what follows answers, tokens and events that are not as they should be.
func TestChangesBad(t *testing.T) {
	t.Parallel()
	old := bellhop.Cursor{Value: "1;3;" + listID + ";637315414000000000;9"}
	foreign := bellhop.Cursor{Value: "1;3;00000000-0c9a-4a57-9d3e-6f5b1e7a2c40;639315414000000000;9"}
	for _, tt := range []struct {
		name    string
		prepare func(s *logSystem, ev *bellhop.Event)
		check   func(done provider.ActionResult) bool
	}{
		{"an event of another kind", func(_ *logSystem, ev *bellhop.Event) { ev.Type = "sharepoint.item.added" },
			func(d provider.ActionResult) bool { return d.Skip }},
		{"no list", func(_ *logSystem, ev *bellhop.Event) { ev.Body = []byte(`{}`) },
			func(d provider.ActionResult) bool { return d.Final && d.Error == "invalid" }},
		{"a site elsewhere", func(_ *logSystem, ev *bellhop.Event) {
			ev.Body = []byte(`{"resource":"` + listID + `","siteUrl":"//evil.example"}`)
		}, func(d provider.ActionResult) bool { return d.Final && d.Error == "invalid" }},
		{"signed out", func(s *logSystem, _ *bellhop.Event) {
			s.err = &provider.APIError{Kind: provider.APISignedOut, Message: "x"}
		}, func(d provider.ActionResult) bool { return d.Parked == "con_1" }},
		{"throttled", func(s *logSystem, _ *bellhop.Event) {
			a := answerOf(429, "")
			a.Header.Set("Retry-After", "10")
			a.Header.Set("Ratelimit-Reset", "40")
			s.answers = []provider.Answer{a}
		}, func(d provider.ActionResult) bool { return d.Continue.Minute() == 0 && d.Continue.Second() == 40 }},
		{"no permission", func(s *logSystem, _ *bellhop.Event) { s.answers = []provider.Answer{answerOf(403, "{}")} },
			func(d provider.ActionResult) bool { return strings.Contains(d.Detail, "Sites.ReadWrite.All") }},
		{"a page of a proxy", func(s *logSystem, _ *bellhop.Event) {
			s.answers = []provider.Answer{answerOf(200, "<html>")}
		}, func(d provider.ActionResult) bool { return d.Error != "" }},
		{"the same page for ever", func(s *logSystem, _ *bellhop.Event) {
			for range 5 {
				s.answers = append(s.answers, answerOf(200, `{"value":[`+entry("1", "1", "1")+`]}`))
			}
		}, func(d provider.ActionResult) bool {
			return d.Error != "" && strings.Contains(d.Detail, "again and again")
		}},
		{"a token that is too old", func(s *logSystem, _ *bellhop.Event) { s.cursors["dst_1 "+listID] = old },
			func(d provider.ActionResult) bool {
				return d.Error == "" && strings.Contains(string(d.Reply), "days old")
			}},
		{"a token of another list", func(s *logSystem, _ *bellhop.Event) { s.cursors["dst_1 "+listID] = foreign },
			func(d provider.ActionResult) bool {
				return d.Error == "" && strings.Contains(string(d.Reply), "another list")
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, p := newListSystem(t, `{"connection":"site"}`)
			ev := s.changed(0)
			tt.prepare(s, ev)
			if done := p.Perform(t.Context(), ev, provider.AttemptInfo{}); !tt.check(done) {
				t.Errorf("%+v, reply %s", done, done.Reply)
			}
		})
	}
}

// TestReadingTurns: the runs of one log go one after another, also if one of them panics, and other logs do not wait.
// An event that came in before a run began is served by it.
func TestReadingTurns(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site","fold":"0s"}`)
	entered, leave := make(chan struct{}), make(chan struct{})
	s.serve = func(call provider.Call) provider.Answer {
		if strings.Contains(call.Path, listID) {
			close(entered)
			<-leave
		}
		return answerOf(200, `{"value":[]}`)
	}
	early := s.changed(time.Second)
	first := make(chan provider.ActionResult)
	go func() { first <- p.Perform(t.Context(), early, attempt) }()
	<-entered
	if done := p.Perform(t.Context(), s.changed(0), attempt); done.Continue.IsZero() || done.Error != "" {
		t.Errorf("while the list is read: %+v", done)
	}
	other := s.changed(0)
	other.Body = []byte(`{"resource":"00000000-0c9a-4a57-9d3e-6f5b1e7a2c40","siteUrl":"/sites/lab"}`)
	if done := p.Perform(t.Context(), other, attempt); done.Error != "" || !done.Continue.IsZero() {
		t.Errorf("another list: %+v", done)
	}
	close(leave)
	if done := <-first; done.Error != "" || string(done.Reply) != `{"published":0}` {
		t.Errorf("the first run: %+v, %s", done, done.Reply)
	}
	if done := p.Perform(t.Context(), early, attempt); string(done.Reply) != `{"served_by":"a later run"}` {
		t.Errorf("an event from before the run: %+v, %s", done, done.Reply)
	}
	s.pass(time.Second)
	s.serve = func(provider.Call) provider.Answer { panic("at fault") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		p.Perform(t.Context(), s.changed(0), attempt)
	}()
	s.serve = nil
	s.pass(time.Second)
	if done := p.Perform(t.Context(), s.changed(0), attempt); done.Error != "" || !done.Continue.IsZero() {
		t.Errorf("after a panic: %+v", done)
	}
}

// TestReadingLong: a run that takes half of its timeout goes on in another attempt, from the page that is stored, and
// so does one that is throttled. Meanwhile no other destination calls for that share.
func TestReadingLong(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site"}`)
	for n := range 3 {
		s.answers = append(s.answers,
			answerOf(200, fmt.Sprintf(`{"value":[%s]}`, entry("1", fmt.Sprint(n+1), fmt.Sprint(n+1)))))
	}
	pages := s.answers
	s.serve = func(provider.Call) provider.Answer {
		s.pass(20 * time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(pages) == 0 {
			return answerOf(200, `{"value":[]}`)
		}
		next := pages[0]
		pages = pages[1:]
		return next
	}
	ev := s.changed(0)
	done := p.Perform(t.Context(), ev, attempt)
	if !done.Continue.Equal(s.clock()) || string(done.Reply) != `{"published":2,"waits":"there is more to read"}` {
		t.Fatalf("%+v, %s", done, done.Reply)
	}
	limited := answerOf(429, "")
	limited.Header.Set("Retry-After", "90")
	pages = append(pages, limited)
	done = p.Perform(t.Context(), ev, attempt)
	if want := s.clock().Add(90 * time.Second); !done.Continue.Equal(want) || len(s.published) != 3 ||
		done.Error != "" || !strings.Contains(string(done.Reply), `"waits":"waits: the API answered 429`) {
		t.Fatalf("%+v, %s, want it to continue at %v", done, done.Reply, want)
	}
	asked := len(s.asked)
	other := s.open(sharepoint.Provider{}, `{"connection":"site"}`)
	if done := other.Perform(t.Context(), ev, attempt); done.Continue.IsZero() || len(s.asked) != asked {
		t.Errorf("another destination: %+v, %d calls", done, len(s.asked)-asked)
	}
	s.pass(2 * time.Minute)
	if done := p.Perform(t.Context(), ev, attempt); done.Error != "" || string(done.Reply) != `{"published":0}` {
		t.Errorf("%+v, %s", done, done.Reply)
	}
	for _, want := range []string{"msg=action.read", "action=sharepoint.changes", "outcome=throttled",
		"outcome=fetched", "published=2", "event_id=evt_0", "delivery_id=dlv_1", "connection_id=con_1"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log has no %s: %s", want, s.log.String())
		}
	}
}

// TestReadingUnpublished: the position stays where it was while an event of the page cannot be stored.
func TestReadingUnpublished(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site"}`)
	page := answerOf(200, `{"value":[`+entry("1", "1", "1")+`]}`)
	s.answers, s.refusal = []provider.Answer{page}, errors.New("disk full: secret path")
	if done := p.Perform(t.Context(), s.changed(0), attempt); done.Error != "publish" || done.Final ||
		strings.Contains(done.Detail, "secret") || len(s.cursors) != 0 {
		t.Errorf("%+v, %v", done, s.cursors)
	}
	made := s.changed(0)
	made.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_0"}}, nil)
	if done := p.Perform(t.Context(), made, attempt); !done.Skip {
		t.Errorf("an event that an action made: %+v", done)
	}
	if !leftOut(p, made) {
		t.Error("there is a delivery of an event that an action made")
	}
}

// TestReadingSettings: a destination that cannot work is refused, with the setting at fault and what to write instead.
func TestReadingSettings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from     provider.ChangeReader
		settings string
		want     string
	}{
		{sharepoint.Provider{}, `{}`, "settings.connection: required: the name of a connection"},
		{sharepoint.Provider{}, `{"connection":"site","list":"https://x/y"}`, "settings.list: use the title"},
		{sharepoint.Provider{}, `{"connection":"site","site":"//evil"}`, "settings.site: use the path"},
		{sharepoint.Provider{}, `{"connection":"site","fold":"2h"}`, "settings.fold: use a length of time"},
		{graph.Provider{}, `{"connection":"site","resource":"me/contacts"}`, "settings.resource: Graph tells " +
			"afterwards only"},
		{graph.Provider{}, `{"connection":"site","colour":"red"}`, "settings.colour: unknown setting"},
	} {
		s := newLogSystem(t)
		x := Reading{Provider: tt.from, Calls: s.calls}
		_, err := x.OpenAction(s.env(tt.from.Info().Name), bellhop.Destination{Settings: []byte(tt.settings)})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.settings, err, tt.want)
		}
	}
	s := newLogSystem(t)
	bare := s.env("graph")
	bare.Cursors = nil
	x := Reading{Provider: graph.Provider{}, Calls: s.calls}
	if _, err := x.OpenAction(bare, bellhop.Destination{}); err == nil || !strings.HasPrefix(err.Error(), "type: ") {
		t.Error(err)
	}
	if _, err := x.OpenAction(
		s.env("sharepoint"), bellhop.Destination{Settings: []byte(`{"connection":"site"}`)}); err ==
		nil || !strings.Contains(err.Error(), "name one of provider graph") {
		t.Error(err)
	}
	list := Readings([]provider.Provider{graph.Provider{}, sharepoint.Provider{}}, s.calls)
	if len(list) != 2 || list[0].Info().Name != "graph.delta" || list[1].Info().Name != "sharepoint.changes" {
		t.Errorf("%+v", list)
	}
	info := list[0].Info()
	if info.SendSettings[0].Name != "connection" || !info.SendSettings[0].Required ||
		info.SendSettings[1].Name != "fold" || info.Timeout != readingTimeout {
		t.Errorf("%+v", info)
	}
}

const deltaPage = `{"value":[{"id":"a","@odata.etag":"W/1","lastModifiedDateTime":"2026-11-30T00:00:00Z"},
		{"id":"b","@removed":{"reason":"deleted"}}],"@odata.deltaLink":"https://graph.example/v1.0/x?$deltatoken=1"}`

func newDeltaSystem(t *testing.T, settings string) (*logSystem, provider.Performer) {
	s := newLogSystem(t)
	return s, s.open(graph.Provider{}, settings)
}

// told is a notification of Graph that came in now.
func (s *logSystem) told(change, resource string) *bellhop.Event {
	return &bellhop.Event{ID: "evt_0", Type: "graph." + change, ReceivedAt: s.clock(),
		Body: fmt.Appendf(nil, `{"changeType":%q,"resource":%q}`, change, resource)}
}

// TestDelta: what has changed in a resource is told once, by an event for each object, and the delta link is kept.
func TestDelta(t *testing.T) {
	t.Parallel()
	s, p := newDeltaSystem(t, `{"connection":"work","resource":"/Users('1')/MailFolders('Inbox')/Messages"}`)
	s.answers = []provider.Answer{answerOf(200, deltaPage)}
	done := p.Perform(t.Context(), s.told("created", "Users('2')/Messages('a')"), attempt)
	if done.Error != "" || len(s.published) != 2 || !strings.HasPrefix(string(done.Reply), `{"published":2,`) ||
		!strings.Contains(string(done.Reply), "received before 2026-10-30") {
		t.Fatalf("%+v %s, %+v", done, done.Reply, s.published)
	}
	changed, removed := s.published[0], s.published[1]
	if changed.Type != "graph.delta.changed" || changed.Subject != "users/1/messages/a" || changed.Time != s.start ||
		!strings.HasPrefix(string(changed.Body), `{"id":"a","@odata.etag":"W/1"`) ||
		removed.Type != "graph.delta.removed" || removed.Subject != "users/1/messages/b" ||
		string(removed.Body) != `{"id":"b","@removed":{"reason":"deleted"}}` {
		t.Errorf("%+v", s.published)
	}
	if want := "/v1.0/users/1/mailfolders/Inbox/messages/delta?$filter=receivedDateTime+ge+2026-10-30"; !strings.HasPrefix(
		s.asked[0], want) {
		t.Errorf("asked %s, want %s", s.asked[0], want)
	}
	s.pass(time.Minute)
	s.answers = []provider.Answer{answerOf(200, strings.ReplaceAll(deltaPage, "token=1", "token=2"))}
	done = p.Perform(t.Context(), s.told("updated", "Users('2')/Messages('a')"), attempt)
	if done.Error != "" || !strings.HasPrefix(s.asked[1], "https://graph.example/v1.0/x?$deltatoken=1") {
		t.Errorf("%+v, asked %s", done, s.asked[1])
	}
	// The same state of a is a repeat. That b was removed is told at another position, so it has come back meanwhile.
	if len(s.published) != 3 || s.published[2].Subject != "users/1/messages/b" {
		t.Errorf("%+v", s.published)
	}
}

// TestDeltaBad shows what follows answers, positions and events that are not as they should be.
func TestDeltaBad(t *testing.T) {
	t.Parallel()
	const lostBody = `{"error":{"code":"SyncStateNotFound","message":"The sync state generation is not found."}}`
	for name, tt := range map[string]struct {
		answers []provider.Answer
		err     error
		check   func(s *logSystem, d provider.ActionResult) bool
	}{
		"a page": {answers: []provider.Answer{answerOf(200, "<html>")},
			check: func(_ *logSystem, d provider.ActionResult) bool { return d.Error == "foreign" && !d.Final }},
		"truncated": {answers: []provider.Answer{answerOf(200, `{"value":[{"id":"a"`)},
			check: func(s *logSystem, d provider.ActionResult) bool {
				return d.Error == "foreign" && len(s.published) == 0
			}},
		"huge": {err: &provider.APIError{Kind: provider.APIForeign, Status: 200, Message: "an answer that is " +
			"too long"},
			check: func(_ *logSystem, d provider.ActionResult) bool { return d.Error == "foreign" && !d.Final }},
		"a redirect": {answers: []provider.Answer{answerOf(302, "")},
			check: func(_ *logSystem, d provider.ActionResult) bool {
				return d.Error == "foreign" && strings.Contains(d.Detail, "redirect")
			}},
		"no link": {answers: []provider.Answer{answerOf(200, `{"value":[]}`)},
			check: func(_ *logSystem, d provider.ActionResult) bool {
				return d.Error == "foreign" && strings.Contains(d.Detail, "neither a next nor a delta link")
			}},
		"no permission": {answers: []provider.Answer{answerOf(403, `{"error":{"code":"ErrorAccessDenied"}}`)},
			check: func(_ *logSystem, d provider.ActionResult) bool {
				return d.Error == "forbidden" && strings.Contains(d.Detail, "Mail.Read ")
			}},
		"signed out": {err: &provider.APIError{Kind: provider.APISignedOut, Message: "x"},
			check: func(_ *logSystem, d provider.ActionResult) bool { return d.Parked == "con_1" }},
		"away": {answers: []provider.Answer{answerOf(503, "")},
			check: func(_ *logSystem, d provider.ActionResult) bool {
				return d.Error == "temporary" && d.Continue.IsZero()
			}},
		"the mailbox is gone": {answers: []provider.Answer{answerOf(404, `{"error":{"code":"MailboxNotFound"}}`)},
			check: func(_ *logSystem, d provider.ActionResult) bool { return d.Error == "gone" && d.Final }},
		"a delta link that is lost": {answers: []provider.Answer{answerOf(200, deltaPage), answerOf(410, lostBody),
			answerOf(200, deltaPage)},
			check: func(s *logSystem, d provider.ActionResult) bool {
				return d.Error == "" &&
					strings.Contains(string(d.Reply), `"lost":"Graph does not know the position any more: 410`) &&
					strings.Contains(string(d.Reply), `"unseen":"what was deleted`) &&
					strings.Contains(s.log.String(), "msg=action.position_lost") &&
					strings.Contains(s.asked[2], "/delta?$filter=receivedDateTime")
			}},
		"a code of a lost link": {answers: []provider.Answer{answerOf(200, deltaPage), answerOf(400, lostBody),
			answerOf(200, deltaPage)},
			check: func(s *logSystem, d provider.ActionResult) bool {
				return d.Error == "" && strings.Contains(string(d.Reply), `"lost":`)
			}},
		"the same page for ever": {answers: slices.Repeat([]provider.Answer{answerOf(200,
			`{"value":[],"@odata.nextLink":"https://graph.example/x?$skiptoken=1"}`)}, 5),
			check: func(s *logSystem, d provider.ActionResult) bool {
				return d.Error == "invalid" && d.Final && strings.Contains(d.Detail, "again and again") &&
					len(s.asked) < 5
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := newDeltaSystem(t, `{"connection":"work","resource":"users/1/mailFolders/inbox/messages"}`)
			s.answers, s.err = tt.answers, tt.err
			ev := s.told("updated", "Users/1/Messages/a")
			done := p.Perform(t.Context(), ev, attempt)
			if strings.Contains(name, "lost") {
				s.pass(time.Minute)
				done = p.Perform(t.Context(), s.told("updated", "Users/1/Messages/a"), attempt)
			}
			if !tt.check(s, done) {
				t.Errorf("%+v, reply %s, asked %q, log %s", done, done.Reply, s.asked, s.log.String())
			}
			if strings.Contains(s.log.String()+done.Detail+string(done.Reply), "token") {
				t.Errorf("a link is told: %+v, reply %s, log %s", done, done.Reply, s.log.String())
			}
		})
	}
}

// TestDeltaEvents shows which events a reading skips, and which resources are never called.
func TestDeltaEvents(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{`{"connection":"work"}`,
		`{"connection":"work","resource":"me/mailFolders/inbox/messages"}`} {
		s, p := newDeltaSystem(t, settings)
		for resource, want := range map[string]string{
			"Users/1/Contacts/2": "skip", "chats/1/messages/2": "skip", "sites/1/lists/2": "skip",
			"Users/1/Events":             "skip",
			"https://evil.example.com/x": "never called", "//evil.example.com/x": "never called",
			"me/../x":              "never called",
			"me/%2e%2e/messages/1": "never called", "me/messages/1?x=y": "never called", "": "names no resource",
		} {
			done := p.Perform(t.Context(), s.told("updated", resource), attempt)
			if want == "skip" && !done.Skip || want != "skip" && (done.Error != "invalid" || !done.Final ||
				!strings.Contains(done.Detail, want)) || strings.Contains(done.Detail, "evil") {
				t.Errorf("%s: %+v", resource, done)
			}
		}
		for _, kind := range []string{"fetched", "gone", "delta.changed", "lifecycle.reauthorizationRequired"} {
			if done := p.Perform(t.Context(), s.told(kind, "me/messages/1"), attempt); !done.Skip {
				t.Errorf("%s: %+v", kind, done)
			}
		}
		if len(s.asked) != 0 {
			t.Errorf("%s: asked %q", settings, s.asked)
		}
	}
	s, p := newDeltaSystem(t, `{"connection":"work","resource":"me/mailFolders/inbox/messages"}`)
	s.answers = []provider.Answer{answerOf(200, deltaPage)}
	if done := p.Perform(t.Context(), s.told("lifecycle.missed", "me/messages"), attempt); done.Error != "" ||
		done.Skip || len(s.asked) != 1 {
		t.Errorf("notifications that were lost: %+v, asked %q", done, s.asked)
	}
	if done := p.Perform(t.Context(), s.told("updated", "me/events/1"), attempt); !done.Skip {
		t.Errorf("a resource of another kind: %+v", done)
	}
}
