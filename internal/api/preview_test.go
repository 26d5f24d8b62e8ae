package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestPreview: an event that there is, at a destination that there is; each secret is an ellipsis, and what
// signs is told apart.
func TestPreview(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.destinations[0].URL += "?code=" + canary
	r.previewed = func(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error) {
		if d.ID != "dst_1" || ev.ID != "evt_1" {
			t.Errorf("%+v %+v", d, ev)
		}
		return bellhop.Preview{Why: "match.where fails", MatchError: "where: no", Method: "POST", Body: append([]byte("key "+canary+" "), ev.Body...),
			Header: http.Header{"X-Key": {canary}, "Authorization": {"Bearer " + canary}, "Webhook-Signature": {"v1,abc"}, "X-Two": {"1", canary + "2"}}}, nil
	}
	same(t, r.do("POST", "/api/v1/destinations/preview", `{"destination":"billing","event":"evt_1"}`).is(200), `{"matches":false,"why":"match.where fails",
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
	body := r.do("POST", "/api/v1/destinations/preview", `{"destination":"dst_1","event":"evt_1"}`).is(200)["request"].(map[string]any)
	if len(body["body"].(string)) != maxDataBytes || body["body_bytes"] != float64(2*maxDataBytes) {
		t.Errorf("%d of %v bytes", len(body["body"].(string)), body["body_bytes"])
	}
	if r.changes > 0 || len(r.events) != 1 || len(r.destinations) != 1 {
		t.Error("a preview changed something")
	}
}

// TestPreviewOfThoughts: an event and a destination that are only thought of are as they would be.
func TestPreviewOfThoughts(t *testing.T) {
	r := newRig(t)
	r.fill()
	var d bellhop.Destination
	var ev bellhop.Event
	r.previewed = func(gotD bellhop.Destination, gotEv bellhop.Event) (bellhop.Preview, error) {
		d, ev = gotD, gotEv
		return bellhop.Preview{Method: "POST", Body: []byte(canary)}, nil
	}
	const made = `{"url":"https://x.example.com","settings":{"secret":"` + canary + `"},"match":{"where":"data.n == 1"}}`
	for event, want := range map[string]bellhop.Event{
		`{"type":"a.b","data":{"n":null}}`: {Type: "a.b", SourceID: "src_api", Source: "api", ContentType: "application/json", Body: []byte(`{"n":null}`)},
		`{"type":"a.b"}`:                   {Type: "a.b", SourceID: "src_api", Source: "api", ContentType: "application/json", Body: []byte(`null`)},
		`{"type":"a.b","source":"media","subject":"s","tenant":"t","body":"hello"}`: {Type: "a.b", SourceID: "src_1", Source: "media", Subject: "s", Tenant: "t",
			ContentType: "text/plain; charset=utf-8", Body: []byte("hello")},
		`{"type":"a.b","source":"new","body":"<a>","headers":{"content-type":"text/html","x-a":"1"},"time":"2026-11-22T10:00:00Z"}`: {Type: "a.b", SourceID: "new", Source: "new",
			Header: bellhop.Header("Content-Type: text/html\nX-A: 1\n"), ContentType: "text/html", Body: []byte("<a>"), Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
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
		{`{"url":"https://x.example.com","match":{"where":"("}}`, `"evt_1"`, 422, bellhop.CodeInvalid, []string{"destination.match.where"}},
		{`{"url":"https://x.example.com","colour":"red"}`, `"evt_1"`, 422, bellhop.CodeInvalid, []string{"destination.colour"}},
		{`{"url":"https://x.example.com","settings":{"secret":{"set":true}}}`, `"evt_1"`, 422, bellhop.CodeInvalid, []string{"destination.settings.secret"}},
		{`{"type":"nobody","url":"https://x.example.com"}`, `"evt_1"`, 422, bellhop.CodeInvalid, []string{"destination.type"}},
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
			r.do("POST", "/api/v1/destinations/preview", `{"destination":`+c.destination+`,"event":`+c.event+`}`).refused(c.status, c.code, c.paths...)
		})
	}
	r.do("POST", "/api/v1/destinations/preview", `{}`).refused(422, bellhop.CodeInvalid, "destination", "event")
	r.do("POST", "/api/v1/destinations/preview", `{"destination":"billing","event":"evt_1","send":true}`).refused(422, bellhop.CodeInvalid, "send")
}
