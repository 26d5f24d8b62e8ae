package ui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// visitorPaths returns the paths of portals that the source adds by a method, by the role that they need, with values
// for their parameters.
func visitorPaths(t *testing.T, method string) map[string]role {
	t.Helper()
	files, err := filepath.Glob("portal*.go")
	if err != nil {
		t.Fatal(err)
	}
	added := regexp.MustCompile(`s\.` + method + `\("(/[^"]*)", (\w+),`)
	all := map[string]role{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range added.FindAllSubmatch(text, -1) {
			path := strings.NewReplacer("{id}", "x_1", "{$}", "").Replace(string(found[1]))
			all["/ui/portal"+path] = role(found[2])
		}
	}
	if len(all) < 8 {
		t.Fatalf("the source has %v", all)
	}
	return all
}

// rightsOf are the tokens of visits by the role that they have.
var rightsOf = map[role]string{viewer: "read", operator: "retry", admin: "manage"}

// TestVisitorsRights: each action and each page is for visitors whose link allows it: others get 403, and nothing
// reaches the API. Without a visit it is 401.
func TestVisitorsRights(t *testing.T) {
	t.Parallel()
	for method, adds := range map[string]string{"POST": "portalAct", "GET": "portalPage"} {
		for path, needs := range visitorPaths(t, adds) {
			for has, token := range rightsOf {
				r := newRig(t)
				form := url.Values{"type": {"http"}}
				if method == "GET" {
					form = nil
				}
				w := r.do(method, path, token, form)
				reached := r.api.called() != ""
				if has.includes(needs) != (w.Code != 403) || w.Code == 401 || w.Code >= 500 {
					t.Errorf("%s %s with the rights %s: %d", method, path, token, w.Code)
				}
				if !has.includes(needs) && reached {
					t.Errorf("%s %s with the rights %s: %s", method, path, token, r.api.called())
				}
			}
			for what, cookie := range map[string]string{"nobody": "", "a person": "bellhop=admin",
				"a planted token": "bellhop-portal=planted", "two visits": "bellhop-portal=manage; " +
					"bellhop-portal=read",
				"a cookie of a frame by http": "__Host-bellhop-frame=manage",
				"a token of a person":         "bellhop-portal=admin",
			} {
				r := newRig(t)
				w := r.do(method, path, "", url.Values{}, "Cookie: "+cookie)
				if w.Code != 401 || r.api.called() != "" || w.Header().Get("Location") != "" {
					t.Errorf("%s %s by %s: %d %s", method, path, what, w.Code, r.api.called())
				}
			}
		}
	}
}

// TestVisitorsSeeNothingElse: the token of a visit opens no other page, in whichever cookie it is.
func TestVisitorsSeeNothingElse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	for _, path := range []string{"/ui/", "/ui/events", "/ui/sources", "/ui/keys", "/ui/portal-links", "/ui/stream"} {
		for _, cookie := range []string{"bellhop=manage", "bellhop-portal=manage"} {
			w := r.do("GET", path, "", nil, "Cookie: "+cookie)
			if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/ui/sign-in") {
				t.Errorf("%s with %s: %d", path, cookie, w.Code)
			}
		}
	}
}

// TestForeignFormsInPortals: no action of a portal is done that a page of another origin began, the one with the frame
// included, or a browser that does not say which page did.
func TestForeignFormsInPortals(t *testing.T) {
	t.Parallel()
	paths := []string{"/ui/portal/open/good", "/ui/portal/leave"}
	for path := range visitorPaths(t, "portalAct") {
		paths = append(paths, path)
	}
	for _, path := range paths {
		for what, headers := range map[string][]string{
			"cross-site": {"Sec-Fetch-Site: cross-site"}, "same-site": {"Sec-Fetch-Site: same-site"},
			"neither header": {"Sec-Fetch-Site: "}, "origin null": {"Sec-Fetch-Site: ", "Origin: null"},
			"the page with the frame": {"Sec-Fetch-Site: ", "Origin: https://app.example.com"},
		} {
			r := newRig(t)
			w := r.do("POST", path, "framed", url.Values{"type": {"http"}}, headers...)
			if w.Code != 403 || r.api.called() != "" || len(w.Result().Cookies()) > 0 || len(r.visits.links) != 2 ||
				len(r.people.people) != 4 {
				t.Errorf("%s, %s: %d %s", path, what, w.Code, r.api.called())
			}
		}
	}
}

// cookiesOf returns the cookies that an answer sets, one a line.
func cookiesOf(w *httptest.ResponseRecorder) string {
	return strings.Join(w.Header().Values("Set-Cookie"), "\n")
}

// TestOpenPortal: looks at a link change nothing; the button opens it once, and the cookie is that of a frame only if
// the link is for frames and the page came by https.
func TestOpenPortal(t *testing.T) {
	t.Parallel()
	const removed = "=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite="
	for _, c := range []struct{ what, link, host, want string }{
		{"over loopback", "good", "127.0.0.1:8080", "bellhop-portal=retry; Path=/; HttpOnly; SameSite=Lax"},
		{"for frames, over loopback", "for-frames", "127.0.0.1:8080",
			"bellhop-portal=framed; Path=/; HttpOnly; SameSite=Lax"},
		{"by https", "good", "hooks.example.com", "__Host-bellhop-frame" + removed + "None; Partitioned\n" +
			"__Host-bellhop-portal=retry; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"for frames, by https", "for-frames", "hooks.example.com", "__Host-bellhop-frame=framed; Path=/; HttpOnly; " +
			"Secure; SameSite=None; Partitioned\n__Host-bellhop-portal" + removed + "Lax"},
	} {
		r := newRig(t, func(o *Options) { o.URL = "https://hooks.example.com" })
		for range 3 {
			for _, method := range []string{"GET", "HEAD"} {
				if w := r.do(method, "/ui/portal/open/"+c.link, "", nil, "Host: "+c.host); w.Code != 200 ||
					cookiesOf(w) != "" {
					t.Errorf("%s: a look: %d %s", c.what, w.Code, cookiesOf(w))
				}
			}
		}
		w := r.do("POST", "/ui/portal/open/"+c.link, "", url.Values{}, "Host: "+c.host)
		if w.Code != 303 || w.Header().Get("Location") != PortalRoot || cookiesOf(w) != c.want {
			t.Errorf("%s: %d %s, want %s", c.what, w.Code, cookiesOf(w), c.want)
		}
		w = r.do("POST", "/ui/portal/open/"+c.link, "", url.Values{}, "Host: "+c.host)
		if w.Code != 410 || cookiesOf(w) != "" {
			t.Errorf("%s: opened again: %d %s", c.what, w.Code, cookiesOf(w))
		}
		if strings.Contains(r.logged.String(), c.link) {
			t.Errorf("%s: the log has the link", c.what)
		}
	}
	r := newRig(t)
	r.people.people["read"] = Person{} // so that a sign-out shows
	w := r.do("POST", "/ui/portal/open/good", "read", url.Values{})
	if _, there := r.people.people["read"]; there || w.Code != 303 {
		t.Error("the visit before goes on")
	}
	r.people.people["retry"] = Person{}
	w = r.do("POST", "/ui/portal/leave", "retry", url.Values{})
	if _, there := r.people.people["retry"]; there ||
		!strings.Contains(cookiesOf(w), "bellhop-portal=; Path=/; Max-Age=0") {
		t.Errorf("left: %d %s", w.Code, cookiesOf(w))
	}
}

// TestFrames: only a portal by a link for frames, by https, may be in a frame, and only in one of the pages that the
// link names. All other headers are those of every page.
func TestFrames(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.URL = "https://hooks.example.com" })
	r.fill()
	const named = "frame-ancestors https://app.example.com https://b.example:8443;"
	get := func(method, path, host, cookie string) http.Header {
		t.Helper()
		return r.do(method, path, "", nil, "Host: "+host, "Cookie: "+cookie, "Sec-Fetch-Site: same-origin").Header()
	}
	plain := get("GET", "/ui/sign-in", "hooks.example.com", "")
	for _, c := range []struct {
		what, method, path, host, cookie string
		framed                           bool
	}{
		{"a page", "GET", "/ui/portal/", "hooks.example.com", "__Host-bellhop-frame=framed", true},
		{"a page that is not there", "GET", "/ui/portal/x", "hooks.example.com", "__Host-bellhop-frame=framed", true},
		{"an event", "GET", "/ui/portal/events/evt_1", "hooks.example.com", "__Host-bellhop-frame=framed", true},
		{"the link", "GET", "/ui/portal/open/for-frames", "hooks.example.com", "", true},
		{"the end", "POST", "/ui/portal/leave", "hooks.example.com", "__Host-bellhop-frame=framed", true},
		{"an action", "POST", "/ui/portal/deliveries/dlv_1/retry", "hooks.example.com", "__Host-bellhop-frame=framed",
			true},
		{"over loopback", "GET", "/ui/portal/", "127.0.0.1:8080", "bellhop-portal=framed", false},
		{"the link over loopback", "GET", "/ui/portal/open/for-frames", "127.0.0.1:8080", "", false},
		{"by a link for no frame", "GET", "/ui/portal/", "hooks.example.com", "__Host-bellhop-portal=manage", false},
		{"another link", "GET", "/ui/portal/open/good", "hooks.example.com", "", false},
		{"a link that is not there", "GET", "/ui/portal/open/x", "hooks.example.com", "", false},
		{"no visit", "GET", "/ui/portal/", "hooks.example.com", "", false},
		{"both cookies", "GET", "/ui/portal/", "hooks.example.com",
			"__Host-bellhop-frame=framed; __Host-bellhop-portal=manage", false},
		{"another page", "GET", "/ui/events", "hooks.example.com", "__Host-bellhop-frame=framed", false},
	} {
		h := get(c.method, c.path, c.host, c.cookie)
		policy, options := h.Get("Content-Security-Policy"), h.Values("X-Frame-Options")
		if strings.Contains(policy, named) != c.framed ||
			strings.Contains(policy, "frame-ancestors 'none'") == c.framed ||
			(len(options) == 0) != c.framed {
			t.Errorf("%s: %s %q", c.what, policy, options)
		}
		if got := strings.Replace(policy, named, "frame-ancestors 'none';", 1); got !=
			plain.Get("Content-Security-Policy") {
			t.Errorf("%s: the rest of the policy is %s", c.what, got)
		}
		for name := range plain {
			if name != "Content-Security-Policy" && name != "X-Frame-Options" && name != "Content-Type" &&
				h.Get(name) != plain.Get(name) {
				t.Errorf("%s: %s: %q", c.what, name, h.Get(name))
			}
		}
	}
}

// TestPortalActions: what a visitor does is what the API is asked for, and leads back to a page of the portal.
func TestPortalActions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path  string
		form  url.Values
		calls map[string]any
		want  string // a call
		to    string
	}{
		{"/ui/portal/deliveries/dlv_1/retry", url.Values{},
			map[string]any{"POST /deliveries/dlv_1/retry": testDelivery},
			"POST /deliveries/dlv_1/retry", "/ui/portal/deliveries/dlv_1?did=retried"},
		{"/ui/portal/deliveries/many", url.Values{"destination": {"billing"}},
			map[string]any{"POST /deliveries/retry": testRepair},
			`POST /deliveries/retry {"state":"dead","destination":"billing"}`, "/ui/portal/deliveries?did=begun"},
		{"/ui/portal/deliveries/many", url.Values{}, map[string]any{"POST /deliveries/retry": testRepair},
			`POST /deliveries/retry {"state":"dead","all":true}`, "/ui/portal/deliveries?did=begun"},
		{"/ui/portal/events/evt_1/replay", url.Values{"to": {"billing"}},
			map[string]any{"POST /events/evt_1/replay": map[string]any{
				"deliveries": []any{map[string]any{"id": "dlv_9"}}}},
			`POST /events/evt_1/replay {"destination":"billing"}`,
			"/ui/portal/events/evt_1?did=replayed"},
		{"/ui/portal/destinations/dst_1/pause", url.Values{},
			map[string]any{"POST /destinations/dst_1/pause": testWhole},
			"POST /destinations/dst_1/pause", "/ui/portal/destinations/dst_1?did=paused"},
		{"/ui/portal/destinations/dst_1/resume", url.Values{},
			map[string]any{"POST /destinations/dst_1/resume": testWhole},
			"POST /destinations/dst_1/resume", "/ui/portal/destinations/dst_1?did=resumed"},
		{"/ui/portal/destinations/dst_1/test", url.Values{},
			map[string]any{"POST /destinations/dst_1/test": map[string]any{
				"event_id": "evt_9", "delivery_id": "dlv_9"}}, "POST /destinations/dst_1/test",
			"/ui/portal/deliveries/dlv_9?did=tested"},
		{"/ui/portal/destinations/dst_1/delete", url.Values{},
			map[string]any{"DELETE /destinations/dst_1": []byte("")},
			"DELETE /destinations/dst_1", "/ui/portal/?did=deleted"},
		{"/ui/portal/destinations/new", url.Values{"type": {"http"}, "name": {"b"}, "url": {"https://b.example"},
			"match.sources": {"media"}, "tenant": {"globex"}}, map[string]any{"POST /destinations": testSlack},
			`POST /destinations {"name":"b","type":"http","url":"https://b.example"}`,
			"/ui/portal/destinations/dst_3?did=created"},
	} {
		r := newRig(t)
		r.fill()
		for call, answer := range c.calls {
			r.api.set(call, answer)
		}
		w := r.do("POST", c.path, "manage", c.form)
		if w.Code != 303 || w.Header().Get("Location") != c.to || !strings.Contains(r.api.called(), c.want) {
			t.Errorf("%s: %d %s\n%s, want %s", c.path, w.Code, w.Header().Get("Location"), r.api.called(), c.want)
		}
	}
	for _, kind := range []string{"exec", "listen", "nothing"} {
		r := newRig(t)
		r.fill()
		if w := r.do("POST", "/ui/portal/destinations/new", "manage",
			url.Values{"type": {kind}, "name": {"b"}}); w.Code !=
			403 || strings.Contains(r.api.called(), "POST /destinations") {
			t.Errorf("created a destination of type %s: %d", kind, w.Code)
		}
	}
}
