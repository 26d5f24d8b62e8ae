package ui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestChanges: a form that changes a noun asks the API for what differs, and for nothing else.
func TestChanges(t *testing.T) {
	stored := url.Values{"name": {"calendar"}, "resource": {"/me/events"}, "change_types": {"created, updated"},
		"expect_every": {"24h"}}
	with := func(form url.Values, more ...string) url.Values {
		all := url.Values{}
		for name, values := range form {
			all[name] = values
		}
		for _, each := range more {
			name, value, _ := strings.Cut(each, "=")
			all.Set(name, value)
		}
		return all
	}
	limits := url.Values{"limits.events.per_second": {"50"}, "limits.stored_bytes": {"1073741824"},
		"limits.destinations": {"5"}}
	whole := url.Values{"name": {"billing"}, "url": {"https://billing.example.com/hooks"}, "timeout": {"5s"},
		"concurrency": {"16"}, "rate.per_second": {"2.5"}, "rate.burst": {"5"}, "batch.max_events": {"10"},
		"batch.max_wait": {"1s"}, "order": {"source"}, "retry.schedule": {"5s, 5m"}, "retry.max_age": {"24h"},
		"handshake": {"none"}, "tenants": {"globex"}, "settings.format": {"standard"}, "access.username": {"ada"},
		"match.types": {"ams.*\r\nb"}, "match.sources": {"media"}, "match.where": {"data.amount > 100"},
		"expires_at": {"2026-12-01T15:30:00.000Z"}, "retry.outcomes": {"404: dead\r\n4xx: retry"},
		"breaker.failures": {"16"}, "breaker.for": {"10s"}, "breaker.disable_after": {"120h"}}
	failures := 16
	destination := testWhole
	destination.Retry.Outcomes = testOutcomes
	destination.Breaker = client.Breaker{Failures: &failures, For: "10s", DisableAfter: "120h"}
	for _, c := range []struct {
		path string
		form url.Values
		want string // the call and its body
	}{
		{"/ui/subscriptions/sub_1/edit", with(stored), `PATCH /subscriptions/sub_1 {}`},
		{"/ui/subscriptions/sub_1/edit", with(stored, "resource=/me/messages", "change_types=created deleted"),
			`PATCH /subscriptions/sub_1 {"change_types":["created","deleted"],"resource":"/me/messages"}`},
		{"/ui/subscriptions/sub_1/edit", with(stored, "expect_every="),
			`PATCH /subscriptions/sub_1 {"expect_every":null}`},
		{"/ui/subscriptions/sub_1/fill", url.Values{"since": {"2026-11-30"}},
			`POST /subscriptions/sub_1/fill {"since":"2026-11-30T00:00:00Z"}`},
		{"/ui/tenants/ten_1/edit", with(limits), `PATCH /tenants/ten_1 {"limits":{}}`},
		{"/ui/tenants/ten_1/edit", with(limits, "limits.events.per_second=0.5", "limits.stored_bytes="),
			`PATCH /tenants/ten_1 {"limits":{"events":{"per_second":0.5},"stored_bytes":null}}`},
		{"/ui/destinations/dst_1/edit", with(whole), `PATCH /destinations/dst_1 {}`},
		{"/ui/destinations/dst_1/edit", with(whole, "retry.outcomes=404: disable", "breaker.failures=0",
			"breaker.for="), `PATCH /destinations/dst_1 {"breaker":{"failures":0,"for":null},` +
			`"retry":{"outcomes":{"404":"disable","4xx":null}}}`},
		{"/ui/destinations/dst_1/edit", with(whole, "timeout=7s", "do=try"),
			`POST /destinations/try {"destination":"dst_1","changes":{"timeout":"7s"}}`},
		{"/ui/destinations/dst_1/rotate", url.Values{"grace": {"7h"}},
			`POST /destinations/dst_1/rotate-secret {"grace":"7h"}`},
	} {
		r := newRig(t)
		r.fill()
		r.api.set("GET /destinations/dst_1", destination)
		r.api.set("PATCH /destinations/dst_1", destination)
		r.api.set("POST /destinations/try", testTry)
		r.api.set("POST /destinations/dst_1/rotate-secret", client.RotatedDestination{Destination: destination})
		subscription := testSubscription
		subscription.Provider = "ams"
		r.api.set("GET /subscriptions/sub_1", subscription)
		r.api.set("PATCH /subscriptions/sub_1", subscription)
		r.api.set("POST /subscriptions/sub_1/fill", client.SubscriptionFill{})
		r.api.set("PATCH /tenants/ten_1", testTenant)
		w := r.do("POST", c.path, "admin", c.form)
		if w.Code != http.StatusSeeOther && w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
		if calls := r.api.called(); !strings.Contains("\n"+calls+"\n", "\n"+c.want+"\n") {
			t.Errorf("%s:\n got %s\nwant %s", c.path, calls, c.want)
		}
	}
}

// TestUntouchedTexts: a text whose blanks and line ends a browser does not send back as they are stays as it is.
func TestUntouchedTexts(t *testing.T) {
	r := newRig(t)
	r.fill()
	stored := testSource
	stored.Settings = nil
	stored.Reply = &client.Reply{ContentType: "text/xml", Body: "<a>\r\n</a>\n"}
	r.api.set("GET /sources/src_1", stored)
	r.api.set("PATCH /sources/src_1", stored)
	for body, want := range map[string]string{"<a>\r\n</a>\r\n": `{}`,
		"<b/>\r\n": `{"reply":{"body":"\u003cb/\u003e","content_type":"text/xml","status":null,"template":null}}`} {
		form := url.Values{"name": {stored.Name}, "expect_every": {stored.ExpectEvery},
			"reply.content_type": {"text/xml"}, "reply.body": {body}}
		if stored.MaxBodyBytes > 0 {
			form.Set("max_body_bytes", strconv.FormatInt(stored.MaxBodyBytes, 10))
		}
		if got := r.sentBy("/ui/sources/src_1/edit", "PATCH /sources/src_1", form); got != want {
			t.Errorf("%q: got %s, want %s", body, got, want)
		}
	}
}

// TestPieces: a name breaks where its words end, loses nothing, and leaves no character alone at
// its end.
func TestPieces(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "invoice.paid": "invoice. paid", "a..bc": "a.. bc", "a.b": "a.b", "withoutend": "withoutend",
		"Microsoft.Communication.ChatMessage": "Microsoft. Communication. Chat Message",
		"dst_1|published|nb:jid":              "dst_ 1| published| nb: jid",
		"é.é\xff.xy":                          "é. é\xff. xy",
	} {
		got := pieces(text)
		if strings.Join(got, " ") != want || strings.Join(got, "") != text {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestNoSuchKind: the page of a new noun of an unknown kind says so, and has no form.
func TestNoSuchKind(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, path := range []string{"/ui/sources/new?provider=gone", "/ui/destinations/new?type=gone",
		"/ui/profiles/new?kind=http"} {
		if page := r.get(path, "admin", 404); strings.Contains(page, "<input id=") {
			t.Errorf("%s: %s", path, page)
		}
	}
}

// TestMistypedOutcomes: what an answer means is written as status and outcome, and a line that is not stays to be
// mended.
func TestMistypedOutcomes(t *testing.T) {
	for _, text := range []string{"404", "404:", ": dead", "404: dead\nand 500"} {
		r := newRig(t)
		r.fill()
		w := r.do("POST", "/ui/destinations/new", "admin", url.Values{"type": {"http"}, "name": {"b"},
			"url": {"https://b.example/"}, "retry.outcomes": {text}})
		if w.Code != 422 || !strings.Contains(w.Body.String(), "Write one a line: 404: dead.") {
			t.Errorf("%q: %d", text, w.Code)
		}
	}
}

// TestRetryLine: the attempts of a schedule, their times in words, and which of them would be too old.
func TestRetryLine(t *testing.T) {
	for _, c := range []struct {
		retry client.Retry
		want  string
	}{
		{client.Retry{Schedule: client.Schedule{"none"}}, "at once"},
		{client.Retry{Schedule: client.Schedule{"5s", "5m", "24h"}}, "at once|5 s|5 min 5 s|1 d"},
		{client.Retry{Schedule: client.Schedule{"500ms", "1h30m"}}, "at once|500 ms|1 h 30 min"},
		{client.Retry{Schedule: client.Schedule{"5s", "5m", "24h"}, MaxAge: "1h"}, "at once|5 s|5 min 5 s"},
		{client.Retry{Schedule: client.Schedule{"sharepoint"}}, "at once|5 min|10 min|15 min|20 min|25 min"},
		{client.Retry{Schedule: client.Schedule{"unheard of"}}, ""},
	} {
		line := newRetryLine(c.retry)
		var got []string
		last := -1
		for i, p := range line.Points {
			got = append(got, p.After)
			if p.X < last || p.X < lineMargin || p.X > lineWidth-lineMargin || p.Number != i+1 {
				t.Errorf("%v: %+v", c.retry.Schedule, p)
			}
			last = p.X
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%v: got %s, want %s", c.retry.Schedule, strings.Join(got, "|"), c.want)
		}
	}
}

// TestHealth: the sample sums up the latest attempts, with a link to the deliveries of each error.
func TestHealth(t *testing.T) {
	failed := func(ms float64, code string, status int) client.Delivery {
		return client.Delivery{Last: &client.Attempt{DurationMS: ms, Error: code, Status: status}}
	}
	var h health
	h.sample(testWhole, []client.Delivery{failed(10, "", 200), failed(30, "status", 503), failed(5000, "timeout", 0),
		failed(20, "status", 503), {}})
	if h.Sample != 4 || h.Middle != "20 ms" || h.Longest != "5.0 s" || len(h.Errors) != 2 ||
		h.Errors[0] != (faultCount{"503", 2, "/ui/deliveries?destination=dst_1&error=503"}) || h.Errors[1].Count != 1 {
		t.Errorf("%+v", h)
	}
}
