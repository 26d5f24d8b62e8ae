package action_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/provider"
)

const listID = "8b2f64d1-0c9a-4a57-9d3e-6f5b1e7a2c40"

// A listSystem is the API of SharePoint with one list, and the server around the action: what it stores.
type listSystem struct {
	t   *testing.T
	now time.Time

	mu        sync.Mutex // guards the fields below
	answers   []provider.Answer
	err       error
	calls     []string
	published map[string]string // types by ProviderID
	cursors   map[string]bellhop.Cursor
	unsaved   bool // the store takes no cursor
}

func (s *listSystem) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call.Path+" "+string(call.Body))
	if s.err != nil {
		return provider.Answer{}, s.err
	}
	if len(s.answers) == 0 {
		return answer(200, `{"value":[]}`), nil
	}
	next := s.answers[0]
	s.answers = s.answers[1:]
	return next, nil
}

func answer(status int, body string) provider.Answer {
	return provider.Answer{Status: status, Body: []byte(body), Header: http.Header{"Sprequestguid": {"1"}}}
}

func (s *listSystem) Cursor(_ context.Context, owner, key string) (bellhop.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[owner+" "+key], nil
}

func (s *listSystem) SaveCursor(_ context.Context, owner, key string, c bellhop.Cursor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved {
		return errors.New("disk full")
	}
	s.cursors[owner+" "+key] = c
	return nil
}

func (s *listSystem) publish(_ context.Context, _ *bellhop.Event, ev bellhop.Event) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published[ev.ProviderID] = ev.Type
	return "evt_1", nil
}

func newListSystem(t *testing.T, settings string) (*listSystem, provider.Performer) {
	s := &listSystem{t: t, now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), published: map[string]string{},
		cursors: map[string]bellhop.Cursor{}}
	now := func() time.Time { return s.now }
	env := provider.ActionEnv{Env: provider.Env{Now: now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)},
		Publish: s.publish, Cursors: s,
		Connection: func(context.Context, string) (provider.Connection, error) {
			return provider.Connection{ID: "con_1", Name: "site", Provider: "sharepoint", API: s}, nil
		}}
	x := action.Changes{Calls: action.NewCalls(action.CallsOptions{Now: now})}
	p, err := x.OpenAction(env, bellhop.Destination{ID: "dst_1", Name: "items", Settings: []byte(settings)})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// changed is a notification that came in before now.
func (s *listSystem) changed(before time.Duration) *bellhop.Event {
	return &bellhop.Event{ID: "evt_0", Type: "sharepoint.changed", ReceivedAt: s.now.Add(-before),
		Body: []byte(`{"resource":"` + listID + `","siteUrl":"/sites/lab"}`)}
}

// entry is a change in the answer of GetChanges.
func entry(kind, item, n string) string {
	return `{"ChangeToken":{"StringValue":"1;3;` + listID + `;639315414000000000;` + n + `"},"ChangeType":` + kind +
		`,"ItemId":` + item + `,"Time":"2026-11-29T09:30:00Z"}`
}

func (s *listSystem) types() []string {
	var types []string
	for _, kind := range s.published {
		types = append(types, strings.TrimPrefix(kind, "sharepoint.item."))
	}
	slices.Sort(types)
	return types
}

// TestChanges shows that the changes of a log are folded by item, that the position is kept, and that a run which began
// after a notification came in serves it too.
func TestChanges(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site"}`)
	s.answers = []provider.Answer{answer(200, `{"value":[`+strings.Join([]string{entry("1", "1", "1"), entry("2", "1", "2"),
		entry("1", "2", "3"), entry("3", "2", "4"), entry("2", "3", "5"), entry("7", "4", "6"), entry("4", "5", "7"),
		entry("6", "6", "8"), entry("9", "7", "9")}, ",")+`]}`)}
	done := p.Perform(t.Context(), s.changed(time.Second), provider.AttemptInfo{})
	if got := strings.Join(s.types(), " "); done.Error != "" || got != "added deleted moved renamed restored updated" {
		t.Errorf("%+v, %s", done, got)
	}
	if !strings.HasPrefix(s.calls[0], "/sites/lab/_api/web/lists('"+listID+"')/getchanges") {
		t.Errorf("%s", s.calls[0])
	}
	if c := s.cursors["dst_1 "+listID]; !strings.HasSuffix(c.Value, ";639315414000000000;9") {
		t.Errorf("the cursor is %+v", c)
	}
	calls := len(s.calls)
	if done := p.Perform(t.Context(), s.changed(time.Second), provider.AttemptInfo{}); done.Error != "" ||
		len(s.calls) != calls {
		t.Errorf("a notification from before the run: %+v, %d calls", done, len(s.calls)-calls)
	}
	s.now = s.now.Add(time.Minute)
	if done := p.Perform(t.Context(), s.changed(0), provider.AttemptInfo{}); done.Error != "" ||
		!strings.Contains(s.calls[len(s.calls)-1], ";639315414000000000;9") {
		t.Errorf("the next run: %+v, %s", done, s.calls[len(s.calls)-1])
	}
}

// TestChangesCrash shows that a position which could not be stored costs a call, and no event is told twice.
func TestChangesCrash(t *testing.T) {
	t.Parallel()
	s, p := newListSystem(t, `{"connection":"site"}`)
	page := answer(200, `{"value":[`+entry("1", "1", "1")+`]}`)
	s.answers, s.unsaved = []provider.Answer{page}, true
	if done := p.Perform(t.Context(), s.changed(0), provider.AttemptInfo{}); done.Error == "" || done.Final {
		t.Errorf("%+v", done)
	}
	s.answers, s.unsaved = []provider.Answer{page}, false
	if done := p.Perform(t.Context(), s.changed(0), provider.AttemptInfo{}); done.Error != "" || len(s.published) != 1 {
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
		prepare func(s *listSystem, ev *bellhop.Event)
		check   func(done provider.ActionResult) bool
	}{
		{"an event of another kind", func(_ *listSystem, ev *bellhop.Event) { ev.Type = "sharepoint.item.added" },
			func(d provider.ActionResult) bool { return d.Skip }},
		{"no list", func(_ *listSystem, ev *bellhop.Event) { ev.Body = []byte(`{}`) },
			func(d provider.ActionResult) bool { return d.Final && d.Error == "invalid" }},
		{"a site elsewhere", func(_ *listSystem, ev *bellhop.Event) {
			ev.Body = []byte(`{"resource":"` + listID + `","siteUrl":"//evil.example"}`)
		}, func(d provider.ActionResult) bool { return d.Final && d.Error == "invalid" }},
		{"signed out", func(s *listSystem, _ *bellhop.Event) {
			s.err = &provider.APIError{Kind: provider.APISignedOut, Message: "x"}
		}, func(d provider.ActionResult) bool { return d.Parked == "con_1" }},
		{"throttled", func(s *listSystem, _ *bellhop.Event) {
			a := answer(429, "")
			a.Header.Set("Retry-After", "10")
			a.Header.Set("Ratelimit-Reset", "40")
			s.answers = []provider.Answer{a}
		}, func(d provider.ActionResult) bool { return d.Continue.Minute() == 0 && d.Continue.Second() == 40 }},
		{"no permission", func(s *listSystem, _ *bellhop.Event) { s.answers = []provider.Answer{answer(403, "{}")} },
			func(d provider.ActionResult) bool { return strings.Contains(d.Detail, "Sites.ReadWrite.All") }},
		{"a page of a proxy", func(s *listSystem, _ *bellhop.Event) {
			s.answers = []provider.Answer{answer(200, "<html>")}
		}, func(d provider.ActionResult) bool { return d.Error != "" }},
		{"the same page for ever", func(s *listSystem, _ *bellhop.Event) {
			for range 5 {
				s.answers = append(s.answers, answer(200, `{"value":[`+entry("1", "1", "1")+`]}`))
			}
		}, func(d provider.ActionResult) bool {
			return d.Error != "" && strings.Contains(d.Detail, "again and again")
		}},
		{"a token that is too old", func(s *listSystem, _ *bellhop.Event) { s.cursors["dst_1 "+listID] = old },
			func(d provider.ActionResult) bool {
				return d.Error == "" && strings.Contains(string(d.Reply), "days old")
			}},
		{"a token of another list", func(s *listSystem, _ *bellhop.Event) { s.cursors["dst_1 "+listID] = foreign },
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
