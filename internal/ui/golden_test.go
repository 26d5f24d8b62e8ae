package ui

import (
	"bytes"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"golang.org/x/net/html"
)

var update = flag.Bool("update", false, "write the golden files anew")

// next is the cursor of a further page.
var next = "after50"

// A pageCase is a page in one state. Without a form it is got; with one, that is posted.
type pageCase struct {
	name, path, token string
	form              url.Values
	status            int
	change            func(r *rig)
}

var pageCases = slices.Concat(pagesOfWhatHappens, pagesOfNouns, pagesOfPortals)

// pagesOfWhatHappens are those of events, deliveries and requests, and what is around all pages.
var pagesOfWhatHappens = []pageCase{
	{name: "signin", path: "/ui/sign-in?back=/ui/events"},
	{name: "signin_openid", path: "/ui/sign-in", change: func(r *rig) {
		r.OpenID = &fakeIssuer{}
		r.openID()
	}},
	{name: "signin_wrong", path: "/ui/sign-in", form: url.Values{"key": {"bhk_wrong"}, "back": {"/ui/events"}},
		status: 401},
	{name: "link", path: "/ui/open/good"},
	{name: "signed_out", path: "/ui/sign-in?did=signed-out"},
	{name: "overview", path: "/ui/", token: "operator"},
	{name: "overview_empty", path: "/ui/", token: "viewer", change: (*rig).empty},
	{name: "overview_tenant", path: "/ui/", token: "acme", change: func(r *rig) {
		r.api.set("GET /stats", &client.Error{Status: 403, Code: "forbidden", Detail: "this is about all tenants"})
	}},
	{name: "audit", path: "/ui/audit", token: "admin"},
	{name: "audit_empty", path: "/ui/audit", token: "admin", change: (*rig).empty},
	{name: "audit_none_match", path: "/ui/audit?action=deleted", token: "admin", change: (*rig).empty},
	{name: "audit_bad_time", path: "/ui/audit?since=soon", token: "admin", status: 422},
	{name: "audit_operator", path: "/ui/audit", token: "operator", status: 403},
	{name: "settings", path: "/ui/settings", token: "admin"},
	{name: "settings_checked", path: "/ui/settings?doctor=1", token: "admin"},
	{name: "settings_well", path: "/ui/settings?doctor=1", token: "admin", change: func(r *rig) {
		r.api.set("GET /settings", client.ServerInfo{Version: "(devel)", StartedAt: at(time.Minute)})
		r.api.set("GET /doctor", client.Checkup{At: at(0), State: "ok", Checks: testCheckup.Checks[:2]})
	}},
	{name: "settings_operator", path: "/ui/settings", token: "operator", status: 403},
	{name: "live", path: "/ui/live", token: "viewer"},
	{name: "live_empty", path: "/ui/live?kinds=event.accepted", token: "viewer", change: (*rig).empty},
	{name: "live_attempts", path: "/ui/live?kinds=delivery.attempted&destination=billing", token: "viewer"},
	{name: "live_bad_type", path: "/ui/live?type=a**", token: "viewer", status: 422, change: func(r *rig) {
		r.api.set("GET /events", &client.Error{Status: 422, Code: "invalid", Errors: []client.FieldError{{Path: "type",
			Message: "use a whole type, or a prefix and *"}}})
	}},
	{name: "series", path: "/ui/series", token: "viewer"},
	{name: "series_empty", path: "/ui/series?period=720h", token: "viewer", change: (*rig).empty},
	{name: "series_source", path: "/ui/series?source=media&period=24h", token: "viewer", change: func(r *rig) {
		r.api.set("GET /series", client.Series{Step: "10m", Since: at(24 * time.Hour), Until: at(0),
			Data: spans(144, client.Counts{Accepted: 5, Refused: 1}), Sources: testSeries.Sources})
	}},
	{name: "series_unknown", path: "/ui/series?destination=x", token: "viewer", status: 422, change: func(r *rig) {
		r.api.set("GET /series", &client.Error{Status: 422, Code: "invalid", Errors: []client.FieldError{{
			Path: "destination", Message: "there is no such destination, and there was none"}}})
	}},
	{name: "events", path: "/ui/events", token: "viewer"},
	{name: "events_empty", path: "/ui/events", token: "viewer", change: (*rig).empty},
	{name: "events_tenant", path: "/ui/events", token: "acme"},
	{name: "events_filtered", path: "/ui/events?source=media&type=inv*&since=2h&cursor=x", token: "viewer",
		change: func(r *rig) {
			r.api.set("GET /events", listOf{Data: []client.Event{testEvent}, Next: &next, Incomplete: true,
				SearchedTo: at(0)})
		}},
	{name: "events_none_match", path: "/ui/events?type=nothing", token: "viewer", change: (*rig).empty},
	{name: "events_bad_time", path: "/ui/events?since=yesterday&type=a", token: "viewer", status: 422},
	{name: "events_bad_type", path: "/ui/events?type=a**", token: "viewer", status: 422, change: func(r *rig) {
		r.api.set("GET /events", &client.Error{Status: 422, Code: "invalid", Errors: []client.FieldError{{Path: "type",
			Message: "use a whole type, or a prefix and *"}}})
	}},
	{name: "event", path: "/ui/events/evt_1?did=replayed", token: "operator"},
	{name: "event_viewer", path: "/ui/events/evt_1?body=hex", token: "viewer"},
	{name: "event_raw", path: "/ui/events/evt_1?body=raw", token: "viewer", change: func(r *rig) {
		r.api.set("GET /events/evt_1/body", []byte("not \xff text\x1b[2J\u202e"))
	}},
	{name: "event_empty", path: "/ui/events/evt_1", token: "operator", change: func(r *rig) {
		r.api.set("GET /events/evt_1/body", []byte{})
		r.api.set("GET /deliveries", listOf{Data: []client.Delivery{}})
		r.api.set("GET /events/evt_1", client.EventDetail{Event: client.Event{ID: "evt_1", Type: "t", Source: "api"}})
	}},
	{name: "event_not_replayed", path: "/ui/events/evt_1/replay", token: "operator",
		form:   url.Values{"to": {"billing"}},
		status: 409, change: func(r *rig) {
			r.api.set("POST /events/evt_1/replay", &client.Error{Status: 409, Code: "conflict",
				Detail: "billing is disabled"})
		}},
	{name: "event_published", path: "/ui/events/evt_1", token: "viewer", change: func(r *rig) {
		published := testDetail
		published.Type, published.CausedBy = "ams.asset.published", "evt_2"
		r.api.set("GET /events/evt_1", published)
		r.api.set("GET /events/evt_1/body", []byte(`{"urls":{"smooth":"https://media.example/a%20b.ism/manifest",`+
			`"dash":"javascript:alert(1)","hls_v4":"http://media.example/a"}}`))
	}},
	{name: "event_proven", path: "/ui/events/evt_1", token: "viewer", change: func(r *rig) {
		r.api.set("GET /events/evt_1", testOther(func(ev *client.EventDetail) { ev.CausedBy = "" }))
	}},
	{name: "event_open", path: "/ui/events/evt_1", token: "viewer", change: func(r *rig) {
		r.api.set("GET /events/evt_1", testOther(func(ev *client.EventDetail) { ev.CausedBy = "" }))
		open := testSource
		open.Settings = client.Settings{"unauthenticated": true}
		r.api.set("GET /sources/src_1", open)
	}},
	{name: "compare_choose", path: "/ui/events/evt_1/compare", token: "viewer"},
	{name: "compare", path: "/ui/events/evt_1/compare?with=evt_2", token: "viewer"},
	{name: "compare_same", path: "/ui/events/evt_1/compare?with=evt_1", token: "viewer"},
	{name: "compare_unknown", path: "/ui/events/evt_1/compare?with=evt_9%3Cb%3E", token: "viewer", status: 422},
	{name: "event_unknown", path: "/ui/events/evt_9", token: "viewer", status: 404},
	{name: "copy", path: "/ui/events/evt_1/copy", token: "operator"},
	{name: "copy_wrong", path: "/ui/events/evt_1/copy", token: "operator", status: 422,
		form: url.Values{"type": {"invoice.paid"}, "subject": {"a<b"}, "data": {"{\n  \"id\": 18,\n"}}},
	{name: "deliveries", path: "/ui/deliveries", token: "viewer", change: func(r *rig) {
		r.api.set("GET /deliveries", listOf{Data: []client.Delivery{testDelivery, testPending}, Next: &next})
	}},
	{name: "deliveries_dead", path: "/ui/deliveries?state=dead&destination=billing", token: "operator"},
	{name: "deliveries_empty", path: "/ui/deliveries", token: "viewer", change: (*rig).empty},
	{name: "delivery", path: "/ui/deliveries/dlv_1", token: "operator"},
	{name: "delivery_pending", path: "/ui/deliveries/dlv_2?did=retried", token: "operator"},
	{name: "delivery_viewer", path: "/ui/deliveries/dlv_2", token: "viewer", change: func(r *rig) {
		r.api.set("GET /events/evt_1", &client.Error{Status: 404, Code: "not_found", Detail: "there is none"})
	}},
	{name: "delivery_not_cancelled", path: "/ui/deliveries/dlv_1/cancel", token: "operator", form: url.Values{},
		status: 409,
		change: func(r *rig) {
			r.api.set("POST /deliveries/dlv_1/cancel", &client.Error{Status: 409, Code: "conflict",
				Detail: "it is dead"})
		}},
	{name: "requests", path: "/ui/requests", token: "viewer"},
	{name: "requests_empty", path: "/ui/requests", token: "viewer", change: (*rig).empty},
	{name: "requests_none_match", path: "/ui/requests?outcome=handshake", token: "viewer", change: (*rig).empty},
	{name: "request", path: "/ui/requests/req_1", token: "viewer"},
	{name: "forbidden", path: "/ui/events/evt_1/copy", token: "viewer", status: 403},
	{name: "not_found", path: "/ui/nowhere", token: "viewer", status: 404},
}

// render renders the page of a case.
func (c pageCase) render(t *testing.T) (*rig, string) {
	t.Helper()
	r := newRig(t)
	r.fill()
	if c.change != nil {
		c.change(r)
	}
	method := http.MethodGet
	if c.form != nil {
		method = http.MethodPost
	}
	w := r.do(method, c.path, c.token, c.form)
	want := c.status
	if want == 0 {
		want = http.StatusOK
	}
	if w.Code != want {
		t.Fatalf("%d, want %d: %s %s", w.Code, want, w.Body, r.logged)
	}
	return r, strings.ReplaceAll(w.Body.String(), staticVersion, "VERSION")
}

// links are the links to all pages.
var links = regexp.MustCompile(`(?s)<nav aria-label="Pages">.*?</nav>`)

// TestPages compares each page, in each of its states, with its golden file, and looks at its HTML.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, c := range pageCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, got := c.render(t)
			checkHTML(t, r, got)
			if c.name != "overview" { // the one golden file with the links to all pages
				got = links.ReplaceAllString(got, "")
			}
			file := filepath.Join("testdata", c.name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: make it with -update, and read it", err)
			}
			if got != string(want) {
				t.Errorf("differs from %s: run the test with -update, and read the difference\n%s", file, got)
			}
		})
	}
}

// checkHTML checks what every page promises: one h1, a label for each input, ids that are there once, links and forms
// that lead to a page of ours, and no script or style in it.
func checkHTML(t *testing.T, r *rig, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	ids, labelled, referred := map[string]int{}, map[string]bool{}, map[string]bool{}
	headings, level := 0, 0
	elements := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		elements++
		a := attributes(n)
		for name, value := range a {
			if strings.HasPrefix(name, "on") || name == "style" ||
				strings.Contains(strings.ToLower(value), "javascript:") {
				t.Errorf("<%s %s=%q>", n.Data, name, value)
			}
		}
		if id, ok := a["id"]; ok {
			ids[id]++
		}
		for _, name := range []string{"aria-labelledby", "aria-describedby", "list"} {
			if a[name] != "" {
				referred[a[name]] = true
			}
		}
		switch n.Data {
		case "style":
			t.Error("<style>")
		case "script":
			if a["src"] == "" || n.FirstChild != nil {
				t.Error("an inline script")
			}
		case "h1", "h2", "h3":
			now := int(n.Data[1] - '0')
			if now > level+1 {
				t.Errorf("<%s> comes after <h%d>", n.Data, level)
			}
			level = now
			if n.Data == "h1" {
				headings++
			}
		case "label":
			labelled[a["for"]] = true
		case "a", "link", "form":
			r.checkLink(t, n.Data, a)
		case "table":
			if n.FirstChild == nil {
				t.Error("an empty table")
			}
		}
	}
	if headings != 1 || elements < 15 {
		t.Errorf("%d h1 of %d elements", headings, elements)
	}
	for id, count := range ids {
		if count > 1 {
			t.Errorf("the id %s is there %d times", id, count)
		}
	}
	for id := range referred {
		if ids[id] == 0 {
			t.Errorf("there is no id %s", id)
		}
	}
	for n := range root.Descendants() {
		a := attributes(n)
		if n.Data != "input" && n.Data != "select" && n.Data != "textarea" || n.Type != html.ElementNode ||
			a["type"] == "hidden" {
			continue
		}
		if !labelled[a["id"]] && n.Parent.Data != "label" {
			t.Errorf("<%s name=%s> has no label", n.Data, a["name"])
		}
	}
}

func attributes(n *html.Node) map[string]string {
	all := map[string]string{}
	for _, a := range n.Attr {
		all[a.Key] = a.Val
	}
	return all
}

// checkLink checks that a link or a form leads to a route of ours.
func (r *rig) checkLink(t *testing.T, element string, a map[string]string) {
	t.Helper()
	to, method := a["href"], http.MethodGet
	if element == "form" {
		to, method = a["action"], strings.ToUpper(a["method"])
	}
	if strings.HasPrefix(to, "#") {
		return
	}
	if strings.HasPrefix(a["rel"], "external") && strings.HasPrefix(to, "https://") { // to sign in at a provider
		return
	}
	u, err := url.Parse(strings.ReplaceAll(to, "VERSION", staticVersion))
	if err != nil || u.Host != "" || u.Scheme != "" {
		t.Errorf("<%s> leads to %q: %v", element, to, err)
		return
	}
	_, pattern := r.mux.Handler(&http.Request{Method: method, URL: u})
	if pattern == "" {
		t.Errorf("<%s> leads to %s %q, which is no route", element, method, to)
	}
	if strings.HasPrefix(u.Path, "/ui/static/") {
		if w := r.do("GET", u.Path, "", nil); w.Code != http.StatusOK {
			t.Errorf("%s: %d", to, w.Code)
		}
	}
}

// TestPageSize: the first page, with its styles and modules, is smaller than 100 KB.
func TestPageSize(t *testing.T) {
	t.Parallel()
	_, page := pageCase{path: "/ui/", token: "operator"}.render(t)
	total := len(page)
	files, err := staticFiles.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	modules, styles := 0, 0
	for _, file := range files {
		content, err := staticFiles.ReadFile("static/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(file.Name()) {
		case ".js":
			modules += len(content)
		case ".css":
			styles += len(content)
		}
		if bytes.Contains(content, []byte("innerHTML")) {
			t.Errorf("%s writes markup", file.Name())
		}
		total += len(content)
	}
	if total > 100_000 || len(page) > 60_000 || styles > 20_000 || modules > 20_000 {
		t.Errorf("%d bytes in all: page %d, styles %d, modules %d", total, len(page), styles, modules)
	}
}

func TestIsOpen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings client.Settings
		want     bool
	}{
		{nil, false}, {client.Settings{"scheme": "none"}, true}, {client.Settings{"unauthenticated": true}, true},
		{client.Settings{"scheme": "hmac"}, false}, {client.Settings{"unauthenticated": false}, false},
	} {
		if got := isOpen(client.Source{Settings: c.settings}); got != c.want {
			t.Errorf("%v: %t", c.settings, got)
		}
	}
}
