package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestTry: the values of a destination are checked as those of a new one and tried once; the answer masks each secret,
// also where the receiver repeats it, and nothing is stored.
func TestTry(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.previewed = func(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error) {
		return bellhop.Preview{Why: "match.where is false", Method: "POST", Body: ev.Body,
			Header: http.Header{"X-Key": {canary}}}, nil
	}
	r.tried = func(d bellhop.Destination, ev bellhop.Event) (bellhop.Result, error) {
		if d.Name != "try" || d.Timeout != 25*time.Second || ev.ID != "evt_1" ||
			!strings.Contains(string(d.Settings), canary) {
			t.Errorf("%+v %+v", d, ev)
		}
		return bellhop.Result{State: bellhop.DeliveryPending, NextAt: testNow, Attempt: bellhop.Attempt{Number: 1,
			StartedAt: testNow, Duration: time.Millisecond, Status: 503, Error: "status", Detail: "answered 503",
			Reply: []byte("you sent " + canary)}}, nil
	}
	const body = `{"destination":{"url":"https://x.example.com","timeout":"2m","settings":{"format":"raw",` +
		`"headers":{"X-Key":"` + canary + `"}}},"event":"evt_1"}`
	same(t, r.do("POST", "/api/v1/destinations/try", body).is(200), `{"matches":false,"why":"match.where is false",
		"match_error":"","error":"","skipped":"","signature":{},
		"request":{"method":"POST","url":"https://x.example.com","way":"","body":"{\"a\": [1]}","body_bytes":10,
		"headers":{"X-Key":["…"]}},
		"attempt":{"number":1,"started_at":"2026-11-22T09:30:00.123Z","duration_ms":1,"status":503,"error":"status",
		"detail":"answered 503","reply":"you sent …"},"state":"pending","next_at":"2026-11-22T09:30:00.123Z"}`)
	if r.changes > 0 || len(r.destinations) != 1 || len(r.deliveries) != 1 || len(r.events) != 1 {
		t.Error("a try stored something")
	}
	if strings.Contains(r.logged.String(), canary) || !strings.Contains(r.logged.String(), "destination.tried") {
		t.Error(r.logged)
	}

	// A stored destination, and the test event.
	var ev bellhop.Event
	r.tried = func(_ bellhop.Destination, got bellhop.Event) (bellhop.Result, error) {
		ev = got
		return bellhop.Result{State: bellhop.DeliveryDelivered}, nil
	}
	a := r.do("POST", "/api/v1/destinations/try", `{"destination":"billing"}`).is(200)
	if a["state"] != "delivered" || a["next_at"] != nil || ev.Type != "bellhop.test" || ev.Subject != "billing" {
		t.Errorf("%v %+v", a, ev)
	}

	// Nothing is sent of an event that cannot be rendered.
	r.tried = func(bellhop.Destination, bellhop.Event) (bellhop.Result, error) {
		t.Error("it was sent")
		return bellhop.Result{}, nil
	}
	r.previewed = func(bellhop.Destination, bellhop.Event) (bellhop.Preview, error) {
		return bellhop.Preview{Error: "template.body: no"}, nil
	}
	a = r.do("POST", "/api/v1/destinations/try", `{"destination":"billing","event":"evt_1"}`).is(200)
	if a["error"] != "template.body: no" || a["attempt"] != nil || a["state"] != nil {
		t.Errorf("%v", a)
	}
}

// TestTryChanges: a stored destination is tried as it would be after a change, which is not stored. Its secrets are
// used, and go to no other address unless the change says so.
func TestTryChanges(t *testing.T) {
	r := newRig(t)
	r.fill()
	before := r.destinations[0]
	var tried bellhop.Destination
	r.tried = func(d bellhop.Destination, _ bellhop.Event) (bellhop.Result, error) {
		tried = d
		return bellhop.Result{State: bellhop.DeliveryDelivered}, nil
	}
	r.do("POST", "/api/v1/destinations/try", `{"destination":"billing","changes":{"timeout":"2s",`+
		`"match":{"types":["x.y"]}}}`).is(200)
	if tried.ID != before.ID || tried.Timeout != 2*time.Second || tried.Match.Types[0] != "x.y" ||
		!strings.Contains(string(tried.Settings), canary) || tried.URL != before.URL {
		t.Errorf("%+v", tried)
	}
	for changes, path := range map[string]string{
		`{"url":"https://elsewhere.example"}`: "changes.url",
		`{"timeout":"never"}`:                 "changes.timeout",
		`{"name":"a b"}`:                      "changes.name",
		`{"type":"chore"}`:                    "changes.type",
		`{"state":"paused"}`:                  "changes.state",
		`{"nothing":1}`:                       "changes.nothing",
		`{"settings":"x"}`:                    "changes.settings",
	} {
		tried = bellhop.Destination{}
		a := r.do("POST", "/api/v1/destinations/try", `{"destination":"billing","changes":`+changes+`}`).is(422)
		if got := a["errors"].([]any)[0].(map[string]any)["path"]; got != path || tried.ID != "" {
			t.Errorf("%s: %v, sent to %q", changes, a, tried.URL)
		}
	}
	r.do("POST", "/api/v1/destinations/try", `{"destination":{"url":"https://x.example"},"changes":{"timeout":"2s"}}`).
		refused(422, bellhop.CodeInvalid, "changes")
	r.do("POST", "/api/v1/destinations/try", `{"destination":"nobody","changes":{"timeout":"2s"}}`).is(404)
	r.do("POST", "/api/v1/destinations/try", `{"destination":"billing",`+
		`"changes":{"url":"https://elsewhere.example","keep_secrets":true}}`).is(200)
	if tried.URL != "https://elsewhere.example" || r.changes > 0 || r.destinations[0].Timeout != before.Timeout {
		t.Errorf("%+v; stored %+v", tried, r.destinations[0])
	}
}

// TestTryRefuses: values that a new destination could not have, actions, and events of others.
func TestTryRefuses(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.tried = func(bellhop.Destination, bellhop.Event) (bellhop.Result, error) {
		t.Error("it was sent")
		return bellhop.Result{}, nil
	}
	for body, path := range map[string]string{
		`{}`:                "destination",
		`{"destination":7}`: "destination",
		`{"destination":{"url":"https://x.example.com","timeout":"never"}}`:                   "destination.timeout",
		`{"destination":{"url":"https://x.example.com","tenant":"nobody"}}`:                   "destination.tenant",
		`{"destination":{"url":"https://x.example.com","expires_at":"2020-01-01T00:00:00Z"}}`: "destination.expires_at",
		`{"destination":{"url":"https://x.example.com","settings":{"secret":{"set":true}}}}`:  "destination.settings.secret",
		`{"destination":{"type":"chore","settings":{}}}`:                                      "destination.type",
		`{"destination":"billing","event":{"type":"a.b","data":1,"body":"x"}}`:                "event.body",
		`{"destination":"billing","events":"evt_1"}`:                                          "events",
	} {
		a := r.do("POST", "/api/v1/destinations/try", body).is(422)
		if got := a["errors"].([]any)[0].(map[string]any)["path"]; got != path {
			t.Errorf("%s: %v", body, a)
		}
	}
	r.do("POST", "/api/v1/destinations/try", `{"destination":"nobody"}`).is(404)
	r.do("POST", "/api/v1/destinations/try", `{"destination":"billing","event":"evt_9"}`).is(404)
	r.events[0].Tenant = "acme"
	a := r.do("POST", "/api/v1/destinations/try", `{"destination":"billing","event":"evt_1"}`).is(409)
	if !strings.Contains(a["detail"].(string), "another tenant") {
		t.Errorf("%v", a)
	}
}
