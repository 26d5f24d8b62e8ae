package api

import (
	"fmt"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestMatchEvents: a match is tried over stored events, with the reason of each no. Only events that the where decides
// about are read whole.
func TestMatchEvents(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.tenants = append(r.tenants, bellhop.Tenant{ID: "ten_2", Name: "globex"})
	event := func(id, kind, source, tenant, body string) bellhop.Event {
		return bellhop.Event{ID: id, Type: kind, SourceID: "src_" + source, Source: source, Tenant: tenant,
			ReceivedAt:  testNow,
			ContentType: "application/json", Body: []byte(body)}
	}
	r.events = []bellhop.Event{event("evt_1", "a.b", "media", "", `{"n":2}`),
		event("evt_2", "a.b", "media", "", `{"n":1}`),
		event("evt_3", "a.b", "media", "", `[]`), event("evt_4", "a.c", "media", "", `{"n":2}`),
		event("evt_5", "a.b", "shop", "", `{"n":2}`), event("evt_6", "a.b", "media", "globex", `{"n":2}`)}
	a := r.do("POST", "/api/v1/destinations/match",
		`{"match":{"sources":["media"],"types":["a.b"],"where":"data.n == 2"},"limit":1000}`).is(200)
	var got []string
	for _, item := range a["events"].([]any) {
		m := item.(map[string]any)
		got = append(got, fmt.Sprint(m["id"], " ", m["wanted"], " ", m["reason"], " ", m["detail"] != ""))
	}
	want := []string{"evt_1 true  false", "evt_2 false where false", "evt_3 false where_fails true",
		"evt_4 false type false", "evt_5 false source false", "evt_6 false tenant false"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	same(t, map[string]any{"looked_at": a["looked_at"], "wanted": a["wanted"], "excluded": a["excluded"],
		"complete": a["complete"], "searched_to": a["searched_to"]}, `{"looked_at":6,"wanted":1,"complete":true,
		"excluded":{"where":1,"where_fails":1,"type":1,"source":1,"tenant":1},"searched_to":"2026-11-22T09:30:00.123Z"}`)

	// The match and the tenant of a stored destination, and others in their place.
	r.destinations[0].Match, r.destinations[0].Tenant = bellhop.Match{Types: []string{"a.b"}}, "globex"
	for body, wanted := range map[string]float64{
		`{"destination":"billing"}`: 1, `{"destination":"billing","tenants":["*"]}`: 5,
		`{"destination":"billing","limit":3}`:                 0,
		`{"destination":"billing","match":{"types":["a.c"]}}`: 0, `{"tenant":"globex"}`: 1, `{}`: 5,
	} {
		if a := r.do("POST", "/api/v1/destinations/match", body).is(200); a["wanted"] != wanted {
			t.Errorf("%s: %v, want %v", body, a, wanted)
		}
	}

	// It ends once its time is over.
	start := r.now
	r.previewed = nil
	r.clock = func() time.Time { r.now = r.now.Add(time.Second); return r.now }
	a = r.do("POST", "/api/v1/destinations/match", `{}`).is(200)
	if a["complete"] != false || a["looked_at"].(float64) >= 6 || a["searched_to"] == nil {
		t.Errorf("%v", a)
	}
	r.clock, r.now = nil, start

	for body, path := range map[string]string{
		`{"match":{"where":"data."}}`: "match.where", `{"match":{"types":["a**"]}}`: "match.types[0]",
		`{"limit":0}`: "limit", `{"limit":1001}`: "limit", `{"tenant":"nobody"}`: "tenant", `{"matches":1}`: "matches",
	} {
		a := r.do("POST", "/api/v1/destinations/match", body).is(422)
		if got := a["errors"].([]any)[0].(map[string]any)["path"]; got != path {
			t.Errorf("%s: %v", body, a)
		}
	}
	r.do("POST", "/api/v1/destinations/match", `{"destination":"nobody"}`).is(404)
	if r.changes > 0 {
		t.Error("a match changed something")
	}
}
