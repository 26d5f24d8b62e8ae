package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A graphAPI is an API that gives answers in their order, and has a clock.
type graphAPI struct {
	now     time.Time
	answers []provider.Answer
	errs    []error // of the calls, in their order; nil is an answer
	asked   []string
	share   string
}

func (a *graphAPI) Do(_ context.Context, call provider.Call) (provider.Answer, error) {
	a.asked = append(a.asked, call.Path)
	if len(a.errs) > 0 {
		err := a.errs[0]
		a.errs = a.errs[1:]
		if err != nil {
			return provider.Answer{}, err
		}
	}
	if len(a.answers) == 0 {
		return provider.Answer{Status: http.StatusNotFound}, nil
	}
	next := a.answers[0]
	a.answers = a.answers[1:]
	return next, nil
}

func (a *graphAPI) then(status int, body string) *graphAPI {
	a.answers = append(a.answers, provider.Answer{Status: status, Header: http.Header{"Request-Id": {"1"}},
		Body: []byte(body)})
	return a
}

// page is the last page of a round with items.
func (a *graphAPI) page(items ...string) *graphAPI {
	return a.then(http.StatusOK, fmt.Sprintf(`{"value":[%s],"@odata.deltaLink":"https://graph.example/link%d"}`,
		strings.Join(items, ","), len(a.asked)+len(a.answers)))
}

func newGraphAPI() *graphAPI { return &graphAPI{now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)} }

// find opens a destination and returns the log for a notification.
func (a *graphAPI) find(t *testing.T, settings, resource string) provider.FoundLog {
	t.Helper()
	r, err := Provider{}.OpenReading([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	calls := func(share string) provider.API {
		a.share = share
		return a
	}
	ev := &bellhop.Event{Type: "graph.updated", Body: fmt.Appendf(nil, `{"resource":%q}`, resource)}
	found, err := r.Find(t.Context(), provider.Env{Now: func() time.Time { return a.now }}, calls, ev)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// item is an object in a page that was modified so long ago.
func (a *graphAPI) item(id string, ago time.Duration, more string) string {
	return fmt.Sprintf(`{"id":%q,"@odata.etag":"W/%s","lastModifiedDateTime":%q%s}`, id, id,
		a.now.Add(-ago).Format(time.RFC3339), more)
}

// told returns what a page tells: "users/1 -users/2", the removed ones with a minus.
func told(page provider.ChangePage) string {
	var list []string
	for _, change := range page.Changes {
		sign := ""
		if change.Event.Type == typeDeltaRemoved {
			sign = "-"
		}
		list = append(list, sign+change.Event.Subject)
	}
	return strings.Join(list, " ")
}

const removed = `{"id":"gone","@removed":{"reason":"deleted"}}`

// TestDeltaFirst shows where the first reading of each kind of resource begins, what it tells of what it lists, and
// what it says that it cannot find.
func TestDeltaFirst(t *testing.T) {
	t.Parallel()
	items := func(a *graphAPI) *graphAPI {
		return a.page(a.item("new", time.Minute, ""), a.item("old", time.Hour, ""), removed)
	}
	for name, tt := range map[string]struct {
		settings, resource string
		answers            func(a *graphAPI) *graphAPI
		asked              string // the last call
		told, unseen       string
		pages              int
	}{
		"a folder": {`{"connection":"c","resource":"me/mailFolders('AAMk=')/messages"}`, "me/messages/1", items,
			"/v1.0/me/mailfolders/AAMk=/messages/delta?$filter=receivedDateTime+ge+2026-10-30T23%3A50%3A00Z",
			"me/messages/new -me/messages/gone", "what was deleted, and what happens to messages " +
				"received before 2026-10-30", 1},
		"a whole folder": {`{"connection":"c","resource":"me/mailFolders/AAMk=/messages","first":"all"}`,
			"me/messages/1", items, "/v1.0/me/mailfolders/AAMk=/messages/delta?",
			"me/messages/new me/messages/old -me/messages/gone", "", 1},
		"a mailbox": {`{"connection":"c"}`, "Users('1')/Messages('2')",
			func(a *graphAPI) *graphAPI { return items(a.page(`{"id":"F1"}`)) },
			"/v1.0/users/1/mailFolders/F1/messages/delta?$filter=receivedDateTime+ge+2026-10-30T23%3A50%3A00Z",
			"users/1/messages/new -users/1/messages/gone",
			"what was deleted, and what happens to messages received before 2026-10-30", 2},
		"a calendar": {`{"connection":"c","start":"-24h","end":"48h"}`, "users/1/events/2", items,
			"/v1.0/users/1/calendarView/delta?startDateTime=2026-11-29T00%3A00%3A00Z&endDateTime=2026-12-02T00%3A00%3A00Z",
			"users/1/events/new -users/1/events/gone", "what was deleted", 1},
		"a drive": {`{"connection":"c","select":"name"}`, "drives/b!1/root", items,
			"/v1.0/drives/b!1/root/delta?token=2026-11-29T23%3A50%3A00Z&" +
				"$select=name%2ClastModifiedDateTime%2CeTag%2Cdeleted%2Croot",
			"drives/b!1/items/new drives/b!1/items/old -drives/b!1/items/gone", "", 1},
		"a personal drive": {`{"connection":"c"}`, "me/drive/root",
			func(a *graphAPI) *graphAPI {
				return items(a.then(400, `{"error":{"code":"invalidRequest","message":"no time"}}`))
			}, "/v1.0/me/drive/root/delta?", "me/drive/items/new -me/drive/items/gone", "what was deleted", 1},
		"the directory": {`{"connection":"c"}`, "Users/17", func(a *graphAPI) *graphAPI { return a.page() },
			"/v1.0/users/delta?$deltatoken=latest", "", "what has changed before", 1},
		"the whole directory": {`{"connection":"c","first":"all"}`, "Groups/17", items, "/v1.0/groups/delta?",
			"groups/new groups/old -groups/gone", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newGraphAPI()
			tt.answers(a)
			found := a.find(t, tt.settings, tt.resource)
			span := provider.Span{Since: a.now.Add(-10 * time.Minute)}
			if found.FromStart {
				span.Since = time.Time{}
			}
			var page provider.ChangePage
			var all []string
			var unseen string
			for range tt.pages {
				var err error
				if page, err = found.Log.Next(t.Context(), page.Cursor, span); err != nil {
					t.Fatal(err)
				}
				unseen += page.Unseen
				if text := told(page); text != "" {
					all = append(all, text)
				}
			}
			if got := strings.Join(all, " "); got != tt.told || unseen != tt.unseen || !page.Last || page.Lost != "" {
				t.Errorf("told %q, unseen %q, %+v", got, unseen, page)
			}
			if last := a.asked[len(a.asked)-1]; last != tt.asked {
				t.Errorf("asked %s\nwant %s", last, tt.asked)
			}
			a.page(a.item("late", 48*time.Hour, "")) // what a delta link tells has changed, whatever its time
			if tt.pages == 2 {
				a.answers = newGraphAPI().page(`{"id":"F1"}`).page(a.item("late", 48*time.Hour, "")).answers
			}
			page, err := found.Log.Next(t.Context(), page.Cursor, span)
			if tt.pages == 2 && err == nil {
				page, err = found.Log.Next(t.Context(), page.Cursor, span)
			}
			if err != nil || !strings.HasSuffix(told(page), "/late") || page.Unseen != "" || !page.Last {
				t.Errorf("the next round: %+v, %v", page, err)
			}
		})
	}
}

// TestDeltaWindow: a window that is too old is laid anew once all of it is told. What has come into it is told, and so
// is what has changed since; an event of a series without a time of its own is not, unless it has come into it.
func TestDeltaWindow(t *testing.T) {
	t.Parallel()
	a := newGraphAPI()
	found := a.find(t, `{"connection":"c","start":"0h","end":"168h"}`, "me/events/1")
	span := provider.Span{Since: a.now.Add(-10 * time.Minute)}
	a.page()
	page, err := found.Log.Next(t.Context(), "", span)
	if err != nil || !page.Last {
		t.Fatal(page, err)
	}
	ends := a.now.Add(168 * time.Hour)
	a.now = a.now.Add(23 * time.Hour)
	a.page()
	if page, err = found.Log.Next(t.Context(), page.Cursor, span); err != nil || !page.Last || len(a.asked) != 2 {
		t.Fatalf("while the window is good: %+v, %v, asked %q", page, err, a.asked)
	}
	a.now = a.now.Add(2 * time.Hour)
	a.page(a.item("x", 48*time.Hour, ""))
	if page, err = found.Log.Next(t.Context(), page.Cursor, span); err != nil || page.Last ||
		told(page) != "me/events/x" {
		t.Fatalf("the end of the old window: %+v, %v", page, err)
	}
	start := func(at time.Time) string {
		return fmt.Sprintf(`,"start":{"dateTime":%q,"timeZone":"UTC"}`, at.Format("2006-01-02T15:04:05.0000000"))
	}
	series := func(id string, at time.Time) string {
		return fmt.Sprintf(`{"id":%q,"type":"occurrence","seriesMasterId":"s"%s}`, id, start(at))
	}
	a.page(a.item("known", 48*time.Hour, start(ends.Add(-time.Hour))), a.item("entered", 48*time.Hour, start(ends)),
		a.item("changed", time.Minute, start(ends.Add(-time.Hour))), series("known-day", ends.Add(-time.Hour)),
		series("entered-day", ends.Add(time.Hour)))
	page, err = found.Log.Next(t.Context(), page.Cursor, span)
	if err != nil || !page.Last || page.Lost != "" || page.Unseen != "" ||
		told(page) != "me/events/entered me/events/changed me/events/entered-day" {
		t.Errorf("the new window: %q, %+v, %v", told(page), page, err)
	}
	if last := a.asked[len(a.asked)-1]; !strings.Contains(last, "startDateTime=2026-12-01T01%3A00%3A00Z") {
		t.Errorf("asked %s", last)
	}
}

// TestDeltaPosition shows which positions are given up, and how the log goes on then.
func TestDeltaPosition(t *testing.T) {
	t.Parallel()
	elsewhere := &provider.APIError{Kind: provider.APIInvalid, Message: "the call leads to another host"}
	for name, tt := range map[string]struct {
		settings, resource string
		prepare            func(a *graphAPI, cursor string) string
		lost, told, unseen string
	}{
		"one of the directory that is too old": {`{"connection":"c","first":"all"}`, "users/1",
			func(a *graphAPI, cursor string) string {
				a.now = a.now.Add(8 * 24 * time.Hour)
				a.page()
				return cursor
			}, "8 days old", "", "what has changed before"},
		"one of the directory that is not": {`{"connection":"c","first":"all"}`, "users/1",
			func(a *graphAPI, cursor string) string {
				a.now = a.now.Add(6 * 24 * time.Hour)
				a.page(`{"id":"x"}`)
				return cursor
			}, "", "users/x", ""},
		"one that Graph's directory has lost": {`{"connection":"c","first":"all"}`, "users/1",
			func(a *graphAPI, cursor string) string {
				a.then(400, `{"error":{"code":"syncStateNotFound"}}`).page()
				return cursor
			}, "syncStateNotFound", "", "what has changed before"},
		"one of a mailbox at another API": {`{"connection":"c"}`, "me/events/1",
			func(a *graphAPI, cursor string) string {
				a.errs = []error{elsewhere}
				a.page(a.item("new", time.Minute, ""), a.item("old", time.Hour, ""))
				return cursor
			}, "another host", "me/events/new", "what was deleted"},
		"one of other settings": {`{"connection":"c"}`, "me/events/1",
			func(a *graphAPI, cursor string) string {
				a.page(a.item("new", time.Minute, ""), a.item("old", time.Hour, ""))
				return strings.Replace(cursor, `"made":"`, `"made":"0`, 1)
			}, "settings of the destination", "me/events/new", "what was deleted"},
		"one that cannot be read": {`{"connection":"c"}`, "me/events/1",
			func(a *graphAPI, cursor string) string {
				a.page(a.item("new", time.Minute, ""), a.item("old", time.Hour, ""))
				return "x" + cursor
			}, "cannot be read", "me/events/new", "what was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newGraphAPI()
			a.page()
			found := a.find(t, tt.settings, tt.resource)
			page, err := found.Log.Next(t.Context(), "", provider.Span{})
			if err != nil || !page.Last {
				t.Fatal(page, err)
			}
			cursor := tt.prepare(a, page.Cursor)
			found = a.find(t, tt.settings, tt.resource) // another run
			page, err = found.Log.Next(t.Context(), cursor, provider.Span{Since: a.now.Add(-10 * time.Minute)})
			if err != nil || !strings.Contains(page.Lost, tt.lost) || (page.Lost == "") != (tt.lost == "") ||
				told(page) != tt.told || page.Unseen != tt.unseen || !page.Last {
				t.Errorf("%+v, told %q, %v", page, told(page), err)
			}
		})
	}
	a := newGraphAPI()
	a.errs = []error{nil, elsewhere}
	a.then(200, `{"value":[],"@odata.nextLink":"https://evil.example/x"}`)
	found := a.find(t, `{"connection":"c"}`, "me/events/1")
	page, err := found.Log.Next(t.Context(), "", provider.Span{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = found.Log.Next(t.Context(), page.Cursor, provider.Span{}); !errors.Is(err, elsewhere) ||
		len(a.asked) != 2 {
		t.Errorf("a page that leads elsewhere: %v, asked %q", err, a.asked)
	}
}

// TestDeltaKeys: an object is told once for each of its states, and again where nothing says that it is the same one.
func TestDeltaKeys(t *testing.T) {
	t.Parallel()
	a := newGraphAPI()
	found := a.find(t, `{"connection":"c","first":"all"}`, "me/events/1")
	keys := func(cursor string, items ...string) []string {
		a.page(items...)
		page, err := found.Log.Next(t.Context(), cursor, provider.Span{})
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, change := range page.Changes {
			list = append(list, change.Key)
		}
		return append(list, page.Cursor)
	}
	one := keys("", a.item("1", 0, ""), removed, `{"id":"2"}`, `{"id":"2","subject":"x"}`)
	again := keys("", a.item("1", 0, ""), removed, `{"id":"2"}`, `{"id":"2","subject":"x"}`)
	later := keys(one[4], a.item("1", 0, ""), removed, `{"id":"2"}`, `{"id":"2","subject":"x"}`)
	for i, want := range []bool{true, false, false, false} {
		if one[i] != again[i] || (one[i] == later[i]) != want {
			t.Errorf("%d: %s, %s, %s", i, one[i], again[i], later[i])
		}
	}
	if one[2] == one[3] {
		t.Errorf("two states have one key: %s", one[2])
	}
}

// TestDeltaFind shows which resource a notification is about, and that each spelling of it has one key and one share.
func TestDeltaFind(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string][2]string{
		"Users('1')/Messages('2=')":             {"users/1/messages", "users/1"},
		"users/1/messages/2=":                   {"users/1/messages", "users/1"},
		"/Users/1/mailFolders('In')/Messages/2": {"users/1/mailfolders/In/messages", "users/1"},
		"me/events/AAMk":                        {"me/events", "me"},
		"Drives/b!A/Root":                       {"drives/b!A/root", "drives/b!a"},
		"sites/x,1,2/drive/root":                {"sites/x,1,2/drive/root", "sites/x,1,2"},
		"Groups/17":                             {"groups", "groups/"},
		"users/" + strings.Repeat("a", 600) + "/events/1": {sumOf("users/" + strings.Repeat("a", 600) + "/events"),
			"users/" + strings.Repeat("a", 600)},
	} {
		a := newGraphAPI()
		found := a.find(t, `{"connection":"c"}`, resource)
		if found.Key != want[0] || a.share != want[1] || found.Skip != "" || found.FromStart {
			t.Errorf("%s: key %s, share %s, %+v", resource, found.Key, a.share, found)
		}
	}
	a := newGraphAPI()
	if found := a.find(t, `{"connection":"c","resource":"/me/mailFolders/In/messages"}`,
		"Users/7/Messages/1"); found.Key !=
		"me/mailfolders/In/messages" {
		t.Errorf("%+v", found)
	}
	if found := a.find(t, `{"connection":"c","resource":"/me/mailFolders/In/messages"}`,
		"Users/7/Events/1"); found.Skip ==
		"" {
		t.Errorf("%+v", found)
	}
}

// TestDeltaSettings: settings that cannot work are refused, with what to write instead.
func TestDeltaSettings(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		`{"resource":"https://graph.microsoft.com/v1.0/me/messages"}`: "resource: use the path alone",
		`{"resource":"me/messages?$filter=isRead"}`:                   "resource: use the path alone",
		`{"resource":"me/../messages"}`:                               "resource: use a path such as",
		`{"resource":"me/contacts"}`:                                  "resource: Graph tells afterwards only",
		`{"resource":"me/events","select":"subject"}`:                 "select: Graph does not apply it",
		`{"resource":"users","start":"-1h"}`:                          "start: goes with the events",
		`{"resource":"users","end":"1h"}`:                             "end: goes with the events",
		`{"select":"a\nb"}`:                                           "select: use names of properties",
		`{"first":"never"}`:                                           "first: ",
		`{"start":"yesterday"}`:                                       "start: use a length of time",
		`{"end":"99999h"}`:                                            "end: use a length of time",
		`{"start":"10h","end":"10h"}`:                                 "end: the window",
		`{"start":"5000h"}`:                                           "start: the window",
		`{"immutable_ids":"yes"}`:                                     "immutable_ids: must be true or false",
	} {
		_, err := Provider{}.OpenReading([]byte(settings))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", settings, err, want)
		}
	}
}

// FuzzReading reads notifications, pages and positions that anybody may have written: it never panics, each failure is
// an APIError, no path climbs, and what is told is JSON about an object of the resource.
func FuzzReading(f *testing.F) {
	for _, resource := range []string{"Users('1')/Messages('2')", "me/events/1", "drives/b1/root", "Users/1"} {
		f.Add(resource, `{"value":[{"id":"a","@removed":{}}],"@odata.deltaLink":"https://graph.example/x"}`, "",
			200, true)
		f.Add(resource, `{"value":[{"id":"a","start":{"dateTime":1}}],"@odata.nextLink":"https://graph.example/x"}`,
			`{"walk":"{\"links\":{\"\":\"x\"}}","made":"","since":"2026-11-30T00:00:00Z"}`, 200, false)
		f.Add(resource, `{"error":{"code":"resyncRequired"}}`, `{"walk":"x"}`, 410, false)
	}
	f.Fuzz(func(t *testing.T, resource, body, cursor string, status int, all bool) {
		api := &answering{answer: provider.Answer{Status: status, Header: http.Header{}, Body: []byte(body)}}
		settings := `{"connection":"c"}`
		if all {
			settings = `{"connection":"c","first":"all"}`
		}
		r, err := Provider{}.OpenReading([]byte(settings))
		if err != nil {
			t.Fatal(err)
		}
		named, err := json.Marshal(map[string]string{"resource": resource})
		if err != nil {
			t.Fatal(err)
		}
		var failed *provider.APIError
		found, err := r.Find(t.Context(), deltaEnv, func(string) provider.API { return api },
			&bellhop.Event{Type: "graph.updated", Body: named})
		if err != nil && !errors.As(err, &failed) {
			t.Fatalf("%v is no APIError", err)
		}
		if err != nil || found.Skip != "" {
			return
		}
		span := provider.Span{Since: deltaEnv.Now().Add(-time.Hour)}
		page, err := found.Log.Next(t.Context(), cursor, span)
		if err != nil && !errors.As(err, &failed) {
			t.Fatalf("%v is no APIError", err)
		}
		for _, path := range api.paths {
			if strings.HasPrefix(path, "/") && (!strings.HasPrefix(path, "/v1.0/") || strings.Contains(path, "/../")) {
				t.Fatalf("asked %q", path)
			}
		}
		for _, change := range page.Changes {
			if !json.Valid(change.Event.Body) || change.Event.Subject == "" || change.Key == "" {
				t.Fatalf("%+v", change)
			}
		}
		if err == nil && page.Cursor == "" {
			t.Fatal("no position")
		}
		if err == nil && !page.Last {
			found.Log.Next(t.Context(), page.Cursor, span) // must not panic
		}
	})
}
