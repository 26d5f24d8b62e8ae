package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func subscriptionNames(s bellhop.Subscription) []string { return []string{s.ID, s.Name} }

func (f *fake) Subscriptions(_ context.Context, filter bellhop.SubscriptionFilter, p bellhop.Page) (
	[]bellhop.Subscription, string, error) {
	return page(f, f.subscriptions, p, func(s bellhop.Subscription) bool {
		return (filter.State == "" || s.State == filter.State) &&
			(filter.SourceID == "" || s.SourceID == filter.SourceID) &&
			(filter.ConnectionID == "" || s.ConnectionID == filter.ConnectionID)
	})
}
func (f *fake) Subscription(_ context.Context, id string) (bellhop.Subscription, error) {
	return get(f, "subscription", id, f.subscriptions, subscriptionNames)
}
func (f *fake) SubscriptionCalls(context.Context, string) ([]bellhop.SubscriptionCall, error) {
	return []bellhop.SubscriptionCall{{ID: 1, At: testNow, What: "create", Status: 400, Outcome: "no",
		Took: 1234567}}, f.err
}
func (f *fake) SubscriptionGaps(context.Context, string) ([]bellhop.Gap, error) {
	return []bellhop.Gap{{ID: "gap_1", From: testNow, To: testNow, Reason: "lost", State: bellhop.GapUnknown,
		Outcome: "no log", Since: testNow, Found: 3, Folded: 1}}, f.err
}

// keeper is the room of subscriptions: it notes what it is asked for.
type keeper struct{ *fake }

func (k keeper) note(ctx context.Context, what, id string) (bellhop.Subscription, error) {
	k.kept = append(k.kept, what+" "+id)
	return k.fake.Subscription(ctx, id)
}
func (k keeper) Create(_ context.Context, s bellhop.Subscription) (bellhop.Subscription, error) {
	s.State, s.Reason = bellhop.SubscriptionFailed, "no handshake came"
	return s, create(k.fake, &k.fake.subscriptions, s, s.Name, subscriptionNames)
}
func (k keeper) Update(ctx context.Context, id string,
	change func(bellhop.Subscription) (bellhop.Subscription, error)) (bellhop.Subscription, error) {
	before, err := k.note(ctx, "update", id)
	if err != nil {
		return before, err
	}
	after, err := change(before)
	if err != nil {
		return before, err
	}
	after.UpdatedAt = before.UpdatedAt.Add(time.Microsecond)
	return after, replace(k.fake, &k.fake.subscriptions, id, subscriptionNames, after)
}
func (k keeper) Renew(ctx context.Context, id string) (bellhop.Subscription, error) {
	return k.note(ctx, "renew", id)
}
func (k keeper) Pause(ctx context.Context, id string) (bellhop.Subscription, error) {
	return k.note(ctx, "pause", id)
}
func (k keeper) Resume(ctx context.Context, id string) (bellhop.Subscription, error) {
	return k.note(ctx, "resume", id)
}
func (k keeper) Delete(ctx context.Context, id string, keep bool) error {
	what := "delete"
	if keep {
		what = "leave"
	}
	_, err := k.note(ctx, what, id)
	return err
}
func (k keeper) Fill(ctx context.Context, id string, since time.Time) ([]bellhop.Gap, error) {
	k.kept = append(k.kept, "fill "+id+" "+since.Format(time.DateOnly))
	return []bellhop.Gap{{ID: "gap_1", State: bellhop.GapFilled},
			{ID: "gap_2", State: bellhop.GapFilling}}[:len(k.kept)%3],
		k.err
}
func (k keeper) Remote(_ context.Context, connectionID, provider, resource string) ([]bellhop.RemoteSubscription,
	error) {
	k.kept = append(k.kept, "remote "+connectionID+" "+provider+" "+resource)
	return []bellhop.RemoteSubscription{{RemoteID: "r1", Owner: bellhop.RemoteForeign}}, nil
}
func (k keeper) Check(bellhop.Subscription, bellhop.Source) error { return nil }
func (k keeper) Declare(_ context.Context, changes bellhop.Changes[bellhop.Subscription],
	_ func(string) (bellhop.Source, bool), write func(bellhop.Changes[bellhop.Subscription]) error) (func(), error) {
	return func() {}, write(changes)
}
func (k keeper) HasConnection(string) string {
	if len(k.subscriptions) > 1 {
		return k.subscriptions[1].Name
	}
	return ""
}
func (k keeper) LastEventAt(string) time.Time { return testNow.Add(time.Hour) }
func (k keeper) Sync(context.Context) (client.SubscriptionSync, error) {
	return client.SubscriptionSync{Checked: 1, Doubted: []string{}, Errors: []string{}}, k.err
}

func TestSubscription(t *testing.T) {
	r := newRig(t)
	r.fill()
	shown := r.do("GET", "/api/v1/subscriptions/calendar", "").is(200)
	same(t, shown,
		`{"id":"sub_1","name":"calendar","provider":"crm","source":"media","source_id":"src_1","connection":"work",
		"connection_id":"con_1","tenant":"","resource":"/me","change_types":["created"],"settings":{},"expect_every":"","state":"active",
		"reason":"","remote_id":"r1","url":"https://hooks.example.com/in/media","expires_at":"2026-11-22T09:30:00.123Z",
		"renew_at":null,"last_event_at":"2026-11-22T10:30:00.123Z","lost_at":null,
		"gaps":[{"id":"gap_1","from":"2026-11-22T09:30:00.123Z","to":"2026-11-22T09:30:00.123Z","reason":"lost",
		"state":"unknown","outcome":"no log","since":"2026-11-22T09:30:00.123Z","until":null,"found":3,"folded":1}],
		"created_at":"2026-11-22T09:30:00.123Z","updated_at":"2026-11-22T09:30:00.123Z"}`)
	whole, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	if back := r.do("PATCH", "/api/v1/subscriptions/sub_1", string(whole)).is(200); back["name"] != "calendar" {
		t.Errorf("an answer sent back: %v", back)
	}
	changed := r.do("PATCH", "/api/v1/subscriptions/calendar",
		`{"change_types":["Created"," updated"],"expect_every":"36h"}`).is(200)
	if changed["expect_every"] != "36h" || r.subscriptions[0].ChangeTypes[1] != "updated" ||
		r.subscriptions[0].ExpectEvery != 36*time.Hour {
		t.Errorf("%v, %+v", changed, r.subscriptions[0])
	}
	for body, path := range map[string]string{`{"source":"other"}`: "source", `{"name":"A B"}`: "name",
		`{"expect_every":"5s"}`: "expect_every", `{"state":"paused"}`: "state"} {
		if p := r.do("PATCH", "/api/v1/subscriptions/calendar", body); p.status != 422 || !strings.Contains(p.body,
			`"path":"`+path+`"`) {
			t.Errorf("%s: %d %s", body, p.status, p.body)
		}
	}
	made := r.do("POST", "/api/v1/subscriptions",
		`{"name":"two","provider":"crm","source":"media","connection":"con_1",
		"resource":"/me","change_types":["Created"]}`).is(201)
	if made["state"] != "failed" || made["reason"] != "no handshake came" || made["source"] != "media" {
		t.Errorf("%v", made)
	}
	for body, path := range map[string]string{
		`{"name":"x","source":"no","connection":"work","resource":"r"}`:                       "source",
		`{"name":"x","source":"media","connection":"no","resource":"r"}`:                      "connection",
		`{"name":"x","source":"media","connection":"work","resource":"r","provider":"lock"}`:  "connection",
		`{"name":"x","source":"media","connection":"work","resource":"r","expect_every":"x"}`: "expect_every",
	} {
		if p := r.do("POST", "/api/v1/subscriptions", body); p.status != 422 || !strings.Contains(p.body,
			`"path":"`+path+`"`) {
			t.Errorf("%s: %d %s", body, p.status, p.body)
		}
	}
	list := r.do("GET", "/api/v1/subscriptions?source=media&connection=work&state=failed", "").is(200)
	if data := list["data"].([]any); len(data) != 1 || data[0].(map[string]any)["name"] != "two" {
		t.Errorf("%v", list)
	}
	r.do("GET", "/api/v1/subscriptions?source=none", "").refused(404, bellhop.CodeNotFound)
	history := r.do("GET", "/api/v1/subscriptions/calendar/history", "").is(200)
	same(t, history,
		`{"data":[{"at":"2026-11-22T09:30:00.123Z","call":"create","status":400,"done":false,"outcome":"no",
		"handshake":"","duration":"1ms"}],"next":null}`)
	r.do("DELETE", "/api/v1/connections/work", "").refused(409, bellhop.CodeConflict)
	r.kept = nil
	gap := func(id, state string) string {
		return `{"id":"` + id + `","from":null,"to":null,"reason":"","state":"` + state + `","outcome":"","since":null,
			"until":null,"found":0,"folded":0}`
	}
	same(t, r.do("POST", "/api/v1/subscriptions/calendar/fill", "").is(200), `{"done":true,"gaps":[`+
		gap("gap_1", "filled")+`]}`)
	same(t, r.do("POST", "/api/v1/subscriptions/calendar/fill", `{"since":"2026-11-20T00:00:00Z"}`).is(200),
		`{"done":false,"gaps":[`+gap("gap_1", "filled")+`,`+gap("gap_2", "filling")+`]}`)
	if got := strings.Join(r.kept, ", "); got != "fill sub_1 0001-01-01, fill sub_1 2026-11-20" {
		t.Errorf("%s", got)
	}
	r.kept = nil
	r.do("DELETE", "/api/v1/subscriptions/calendar?keep_remote=true", "").is(204)
	r.do("DELETE", "/api/v1/subscriptions/calendar", "").is(204)
	r.do("GET", "/api/v1/connections/work/remote?resource=Documents", "").is(200)
	if got := strings.Join(r.kept, ", "); got != "leave sub_1, delete sub_1, remote con_1 crm Documents" {
		t.Errorf("%s", got)
	}
}

func TestSourceReply(t *testing.T) {
	r := newRig(t)
	r.fill()
	reply := func(body string) any { return r.do("PATCH", "/api/v1/sources/media", body).is(200)["reply"] }
	if got := fmt.Sprint(reply(`{"reply":{"body":"ok","status":201}}`)); got != "map[body:ok status:201]" {
		t.Errorf("%v", got)
	}
	if got := fmt.Sprint(reply(`{"reply":{"body":null,"template":"data"}}`)); got != "map[status:201 template:data]" {
		t.Errorf("%v", got)
	}
	if got := r.do("GET", "/api/v1/sources/media", "").is(200)["reply"]; fmt.Sprint(got) != "map[status:201 "+
		"template:data]" {
		t.Errorf("%v", got)
	}
	r.do("PATCH", "/api/v1/sources/media", `{"reply":{"status":500}}`).refused(422, bellhop.CodeInvalid,
		"reply.status")
	r.do("PATCH", "/api/v1/sources/media", `{"reply":{"template":"data."}}`).refused(422, bellhop.CodeInvalid,
		"reply.template")
	r.do("PATCH", "/api/v1/sources/media", `{"reply":{"text":"x"}}`).refused(422, bellhop.CodeInvalid, "reply.text")
	if got := reply(`{"reply":null}`); got != nil {
		t.Errorf("%v", got)
	}
}

func TestSourceExpectEvery(t *testing.T) {
	r := newRig(t)
	r.fill()
	if got := r.do("PATCH", "/api/v1/sources/media", `{"expect_every":"2h"}`).is(200); got["expect_every"] != "2h" {
		t.Errorf("%v", got)
	}
	if got := r.do("PATCH", "/api/v1/sources/media", `{"expect_every":null}`).is(200); got["expect_every"] != "" {
		t.Errorf("%v", got)
	}
	r.do("PATCH", "/api/v1/sources/media", `{"expect_every":"1s"}`).refused(422, bellhop.CodeInvalid, "expect_every")
}
