package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestPreview: the preview of a stored event at a stored destination masks each secret, and lists the headers
// that sign.
func TestPreview(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.destinations[0].URL += "?code=" + canary
	r.previewed = func(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error) {
		if d.ID != "dst_1" || ev.ID != "evt_1" {
			t.Errorf("%+v %+v", d, ev)
		}
		return bellhop.Preview{Why: "match.where fails", MatchError: "where: no", Method: "POST",
			Body: append([]byte("key "+canary+" "), ev.Body...),
			Header: http.Header{"X-Key": {canary}, "Authorization": {"Bearer " + canary},
				"Webhook-Signature": {"v1,abc"},
				"X-Two":             {"1", canary + "2"}}}, nil
	}
	same(t, r.do("POST", "/api/v1/destinations/preview", `{"destination":"billing","event":"evt_1"}`).is(200),
		`{"matches":false,"why":"match.where fails",
		"match_error":"where: no","error":"","skipped":"","signature":{"Webhook-Signature":["v1,abc"]},
		"request":{"method":"POST","url":"https://billing.example.com/?code=…","way":"","body":"key … {\"a\": [1]}","body_bytes":49,
		"headers":{"X-Key":["…"],"Authorization":["Bearer …"],"Webhook-Signature":["v1,abc"],"X-Two":["1","…2"]}}}`)
	r.previewed = func(bellhop.Destination, bellhop.Event) (bellhop.Preview, error) {
		return bellhop.Preview{Error: "template.body: no"}, nil
	}
	same(t, r.do("POST", "/api/v1/destinations/preview", `{"destination":"dst_1","event":"evt_1"}`).is(200),
		`{"matches":true,"why":"","match_error":"","error":"template.body: no","skipped":"","signature":{}}`)
	r.previewed = func(bellhop.Destination, bellhop.Event) (bellhop.Preview, error) {
		return bellhop.Preview{Method: "POST", Body: []byte(strings.Repeat("ü", maxDataBytes))}, nil
	}
	body := r.do("POST", "/api/v1/destinations/preview",
		`{"destination":"dst_1","event":"evt_1"}`).is(200)["request"].(map[string]any)
	if len(body["body"].(string)) != maxDataBytes || body["body_bytes"] != float64(2*maxDataBytes) {
		t.Errorf("%d of %v bytes", len(body["body"].(string)), body["body_bytes"])
	}
	if r.changes > 0 || len(r.events) != 1 || len(r.destinations) != 1 {
		t.Error("a preview changed something")
	}
}

// TestPreviewOfSamples: the preview of a sample event at a destination that is not stored.
func TestPreviewOfSamples(t *testing.T) {
	r := newRig(t)
	r.fill()
	var d bellhop.Destination
	var ev bellhop.Event
	r.previewed = func(gotD bellhop.Destination, gotEv bellhop.Event) (bellhop.Preview, error) {
		d, ev = gotD, gotEv
		return bellhop.Preview{Method: "POST", Body: []byte(canary)}, nil
	}
	const made = `{"url":"https://x.example.com","settings":{"secret":"` + canary +
		`"},"match":{"where":"data.n == 1"}}`
	for event, want := range map[string]bellhop.Event{
		`{"type":"a.b","data":{"n":null}}`: {Type: "a.b", SourceID: "src_api", Source: "api",
			ContentType: "application/json", Body: []byte(`{"n":null}`)},
		`{"type":"a.b"}`: {Type: "a.b", SourceID: "src_api", Source: "api",
			ContentType: "application/json", Body: []byte(`null`)},
		`{"type":"a.b","source":"media","subject":"s","tenant":"t","body":"hello"}`: {Type: "a.b", SourceID: "src_1",
			Source: "media", Subject: "s", // and the tenant of the source, which has none
			ContentType: "text/plain; charset=utf-8", Body: []byte("hello")},
		`{"type":"a.b","source":"new","body":"<a>","headers":{"content-type":"text/html","x-a":"1"},"time":"2026-11-22T10:00:00Z"}`: {Type: "a.b", SourceID: "new", Source: "new",
			Header: bellhop.Header("Content-Type: text/html\nX-A: 1\n"), ContentType: "text/html", Body: []byte("<a>"),
			Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
	} {
		r.do("POST", "/api/v1/destinations/preview", `{"destination":`+made+`,"event":`+event+`}`).is(200)
		if d.Name != "preview" || d.Match.Where != "data.n == 1" || d.Concurrency != 16 {
			t.Errorf("%+v", d)
		}
		want.ID, want.ReceivedAt = "evt_preview", r.now
		if want.Header == nil {
			want.Header = bellhop.Header{}
		}
		got, _ := json.Marshal(ev)
		wanted, _ := json.Marshal(want)
		if string(got) != string(wanted) {
			t.Errorf("%s:\n%s, want\n%s", event, got, wanted)
		}
	}
}

func TestPreviewRefused(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, c := range []struct {
		destination, event string
		status             int
		code               bellhop.Code
		paths              []string
	}{
		{`"nobody"`, `"evt_1"`, 404, bellhop.CodeNotFound, nil},
		{`"billing"`, `"evt_2"`, 404, bellhop.CodeNotFound, nil},
		{`7`, `"evt_1"`, 422, bellhop.CodeInvalid, []string{"destination"}},
		{`{}`, `"evt_1"`, 422, bellhop.CodeInvalid, []string{"destination.url"}},
		{`{"url":"https://x.example.com","match":{"where":"("}}`, `"evt_1"`, 422, bellhop.CodeInvalid,
			[]string{"destination.match.where"}},
		{`{"url":"https://x.example.com","colour":"red"}`, `"evt_1"`, 422, bellhop.CodeInvalid,
			[]string{"destination.colour"}},
		{`{"url":"https://x.example.com","settings":{"secret":{"set":true}}}`, `"evt_1"`, 422, bellhop.CodeInvalid,
			[]string{"destination.settings.secret"}},
		{`{"type":"nobody","url":"https://x.example.com"}`, `"evt_1"`, 422, bellhop.CodeInvalid,
			[]string{"destination.type"}},
		{`"billing"`, `{}`, 422, bellhop.CodeInvalid, []string{"event.type"}},
		{`"billing"`, `null`, 422, bellhop.CodeInvalid, []string{"event"}},
		{`"billing"`, `[]`, 422, bellhop.CodeInvalid, []string{"event"}},
		{`"billing"`, `{"type":"a\nb"}`, 422, bellhop.CodeInvalid, []string{"event.type"}},
		{`"billing"`, `{"type":"t","data":1,"body":"1"}`, 422, bellhop.CodeInvalid, []string{"event.body"}},
		{`"billing"`, `{"type":"t","headers":{"A":1}}`, 422, bellhop.CodeInvalid, []string{"event.headers.A"}},
		{`"billing"`, `{"type":"t","id":"evt_1"}`, 422, bellhop.CodeInvalid, []string{"event.id"}},
		{`"billing"`, `{"type":"` + strings.Repeat("x", 256) + `"}`, 422, bellhop.CodeInvalid, []string{"event.type"}},
	} {
		t.Run(c.destination+c.event, func(t *testing.T) {
			r.do("POST", "/api/v1/destinations/preview",
				`{"destination":`+c.destination+`,"event":`+c.event+`}`).refused(c.status, c.code, c.paths...)
		})
	}
	r.do("POST", "/api/v1/destinations/preview", `{}`).refused(422, bellhop.CodeInvalid, "destination", "event")
	r.do("POST", "/api/v1/destinations/preview", `{"destination":"billing","event":"evt_1","send":true}`).refused(422,
		bellhop.CodeInvalid, "send")
}

// storedSettings returns the settings of the first destination.
func (r *rig) storedSettings() string { return string(r.destinations[0].Settings) }

func TestRotateSecret(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.now = testNow.Add(time.Hour)
	const rotate = "/api/v1/destinations/billing/rotate-secret"
	headers := `"headers":{"X-Key":"` + canary + `"}`
	second, third := canary+"2", canary+"3"

	got := r.do("POST", rotate, `{"secret":"`+second+`"}`).is(200)
	if _, shown := got["secret"]; shown {
		t.Error("a secret that was given is answered")
	}
	same(t, got["settings"].(map[string]any)["secret"], `{"set":true,"set_at":"2026-11-22T10:30:00.123Z",
		"count":2}`)
	same(t, got["settings"].(map[string]any)["secret_until"], `"2026-11-23T10:30:00Z"`)
	if want := `{"format":"standard",` + headers + `,"secret":["` + second + `","` + canary +
		`"],"secret_until":"2026-11-23T10:30:00Z"}`; r.storedSettings() != want {
		t.Errorf("stored %s", r.storedSettings())
	}

	r.do("POST", rotate, `{"secret":"`+third+`"}`, `If-Match: "of-an-answer-before"`).refused(412, bellhop.CodeChanged)
	r.do("POST", rotate, `{"secret":"`+third+`","grace":"1h"}`).is(200) // the earliest goes
	if want := `"secret":["` + third + `","` + second +
		`"],"secret_until":"2026-11-22T11:30:00Z"}`; !strings.HasSuffix(r.storedSettings(), want) {
		t.Errorf("stored %s", r.storedSettings())
	}
	r.do("POST", rotate, `{"secret":"`+second+`","grace":"0s"}`).is(200)
	if want := `"secret":"` + second + `"}`; !strings.HasSuffix(r.storedSettings(), want) {
		t.Errorf("stored %s", r.storedSettings())
	}

	refused := r.do("POST", rotate, `{"secret":" \u200b"}`)
	refused.refused(422, bellhop.CodeInvalid, "secret")
	if !strings.Contains(refused.body, "is white space alone; leave it out to have one made") {
		t.Error(refused.body)
	}

	made := r.do("POST", rotate, "").is(200)["secret"].(string)
	if len(made) != len("whsec_")+44 || !strings.Contains(r.storedSettings(), `"secret":["`+made+`","`+second+`"]`) ||
		strings.Contains(r.logged.String(), made) {
		t.Errorf("%s stored %s", made, r.storedSettings())
	}
	if shown := r.do("GET", "/api/v1/destinations/billing", ""); strings.Contains(shown.body, made) {
		t.Error("a secret that was made is shown again")
	}

	r.do("PATCH", "/api/v1/destinations/billing", `{"settings":{"format":"raw"}}`).is(200)
	if !strings.Contains(r.storedSettings(), "secret_until") {
		t.Errorf("another change ended the grace: %s", r.storedSettings())
	}
	r.do("PATCH", "/api/v1/destinations/billing", `{"settings":{"secret":["`+canary+`","`+second+`"]}}`).is(200)
	if strings.Contains(r.storedSettings(), "secret_until") {
		t.Errorf("secrets that a person set end when the old ones did: %s", r.storedSettings())
	}
	whole := r.do("GET", "/api/v1/destinations/billing", "").body
	r.matchError = bellhop.MatchError{At: r.now, Message: "where: no", Count: 7}
	same(t, r.do("PATCH", "/api/v1/destinations/billing", whole).is(200)["match_error"],
		`{"at":"2026-11-22T10:30:00.123Z","message":"where: no","count":7}`)
	r.hold = bellhop.Hold{Reason: "answered 503", NextAt: r.now}
	same(t, r.do("PATCH", "/api/v1/destinations/billing", whole).is(200)["held_back"],
		`{"reason":"answered 503","next_at":"2026-11-22T10:30:00.123Z"}`)
	r.hold = bellhop.Hold{Reason: "connection work is signed out"} // a person says when
	same(t, r.do("PATCH", "/api/v1/destinations/billing", whole).is(200)["held_back"],
		`{"reason":"connection work is signed out","next_at":null}`)
	r.hold = bellhop.Hold{}
	same(t, r.do("PATCH", "/api/v1/destinations/billing", whole).is(200)["held_back"], `null`)
}

// TestRotateWithoutSecret: a destination without a secret gets one.
func TestRotateWithoutSecret(t *testing.T) {
	r := newRig(t)
	r.do("POST", "/api/v1/destinations",
		`{"name":"plain","url":"https://x.example.com","settings":{"format":"raw"}}`).is(201)
	made := r.do("POST", "/api/v1/destinations/plain/rotate-secret", `{}`).is(200)["secret"].(string)
	if want := `{"format":"raw","secret":"` + made + `"}`; r.storedSettings() != want {
		t.Errorf("stored %s", r.storedSettings())
	}
}

func TestRotateRefused(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.do("POST", "/api/v1/destinations",
		`{"name":"l","type":"lock","url":"https://x.example.com","settings":{"key":"`+canary+`"}}`).is(201)
	before := r.storedSettings()
	const rotate = "/api/v1/destinations/billing/rotate-secret"
	for body, path := range map[string]string{
		`{"secret":"short"}`:          "secret",
		`{"secret":"` + canary + `"}`: "secret",
		`{"secret":["a"]}`:            "secret",
		`{"secret":{"set":true}}`:     "secret",
		`{"grace":"721h"}`:            "grace",
		`{"grace":"-1s"}`:             "grace",
		`{"grace":"a day"}`:           "grace",
		`{"grace":24}`:                "grace",
		`{"key":"x"}`:                 "key",
	} {
		r.do("POST", rotate, body).refused(422, bellhop.CodeInvalid, path)
	}
	r.do("POST", "/api/v1/destinations/nobody/rotate-secret", `{}`).refused(404, bellhop.CodeNotFound)
	r.do("POST", "/api/v1/destinations/l/rotate-secret", `{}`).refused(409, bellhop.CodeConflict)
	if r.storedSettings() != before {
		t.Errorf("stored %s", r.storedSettings())
	}
}

// TestRotateAtOnce: rotations and changes at the same time run one after the other, and none is lost.
func TestRotateAtOnce(t *testing.T) {
	r := newRig(t)
	r.fill()
	var all sync.WaitGroup
	call := func(method, path, body string) {
		all.Go(func() {
			req := httptest.NewRequest(method, "/api/v1/destinations/billing"+path, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+testKey)
			w := httptest.NewRecorder()
			if r.handler.ServeHTTP(w, req); w.Code != 200 {
				t.Errorf("%s %s: %d %s", method, body, w.Code, w.Body)
			}
		})
	}
	for i := range 8 {
		call("POST", "/rotate-secret", fmt.Sprintf(`{"secret":"whsec_%d"}`, i))
		call("PATCH", "", fmt.Sprintf(`{"settings":{"headers":{"X-%d":"1"}}}`, i))
	}
	all.Wait()
	// the new one, the one before, and the header that is there
	if n := strings.Count(r.storedSettings(), `"whsec_`); n != 3 {
		t.Errorf("stored %s", r.storedSettings())
	}
	for i := range 8 {
		if !strings.Contains(r.storedSettings(), fmt.Sprintf(`"X-%d":"1"`, i)) {
			t.Errorf("change %d was lost: %s", i, r.storedSettings())
		}
	}
}

func TestTestDestination(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.destinations[0].Match.Types = []string{"nothing"}
	same(t, r.do("POST", "/api/v1/destinations/billing/test", "").is(202),
		`{"event_id":"evt_2","delivery_id":"dlv_test"}`)
	if ev := r.events[1]; ev.Type != "bellhop.test" || ev.Subject != "billing" || !strings.Contains(string(ev.Body),
		`"destination":"billing"`) || !ev.Time.Equal(r.now) {
		t.Errorf("%+v %s", ev, ev.Body)
	}
	r.do("POST", "/api/v1/destinations",
		`{"name":"l","type":"lock","url":"https://x.example.com","settings":{"key":"`+canary+`"}}`).is(201)
	r.do("POST", "/api/v1/destinations/l/test", "").is(202)
	if ev := r.events[2]; string(ev.Body) != `{"lock":"10:30:00"}` {
		t.Errorf("not the provider's own message: %s", ev.Body)
	}
	r.do("POST", "/api/v1/destinations/nobody/test", "").refused(404, bellhop.CodeNotFound)
	for _, state := range []bellhop.DestinationState{bellhop.DestinationPaused, bellhop.DestinationDisabled,
		bellhop.DestinationUnverified} {
		r.destinations[0].State, r.destinations[0].StateReason = state, "for a reason"
		a := r.do("POST", "/api/v1/destinations/billing/test", "")
		a.refused(409, bellhop.CodeConflict)
		if !strings.Contains(a.body, "the destination is "+string(state)+" (for a reason); resume it first") {
			t.Error(a.body)
		}
	}
	if len(r.events) != 3 {
		t.Errorf("%d events", len(r.events))
	}
}
