package ui

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestHeaders: every answer has the headers of the design to the letter.
func TestHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
			"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; " +
			"require-trusted-types-for 'script'; trusted-types 'none'",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "same-origin",
		"Permissions-Policy":           "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
		"Cache-Control":                "no-store",
		"X-Robots-Tag":                 "noindex",
		"Strict-Transport-Security":    "",
	}
	for _, path := range []string{"/ui/", "/ui/sign-in", "/ui/events/evt_1", "/ui/nowhere", "/", "/ui", "/ui/open/x"} {
		w := r.do("GET", path, "viewer", nil)
		for name, value := range want {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s: %s: %q, want %q", path, name, got, value)
			}
		}
	}
	w := r.do("GET", string(staticPath("app.css")), "", nil)
	if got := w.Header().Get("Cache-Control"); w.Code != 200 || got != "public, max-age=31536000, immutable" {
		t.Errorf("static: %d %q", w.Code, got)
	}
	for _, path := range []string{"/ui/static/0/app.css", string(staticPath("nothing.css")),
		string(staticPath("..%2fui.go"))} {
		if w := r.do("GET", path, "", nil); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	secure := newRig(t, func(o *Options) { o.URL = "https://hooks.example.com" })
	w = secure.do("GET", "/ui/sign-in", "", nil, "Host: hooks.example.com")
	if got := w.Header().Get("Strict-Transport-Security"); w.Code != 200 || got != "max-age=31536000" {
		t.Errorf("%d %q", w.Code, got)
	}
	for path, token := range map[string]string{"/ui/events/evt_1/body": "viewer",
		"/ui/portal/events/evt_1/body": "read"} {
		w = r.do("GET", path, token, nil)
		h := w.Header()
		if h.Get("Content-Disposition") != `attachment; filename="evt_1.bin"` || w.Body.String() != string(testBody) ||
			!strings.HasSuffix(h.Get("Content-Security-Policy"), "sandbox") ||
			h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("a download of %s: %v", path, h)
		}
	}
}

// TestHosts: only the public host by https, and loopback, get a page. A foreign name that resolves to us gets none.
func TestHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url, host string
		want      int
	}{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", 200},
		{"http://127.0.0.1:8080", "localhost:8080", 200},
		{"http://127.0.0.1:8080", "LOCALHOST", 200},
		{"http://127.0.0.1:8080", "[::1]:8080", 200},
		{"http://127.0.0.1:8080", "127.8.8.8:1", 200},
		{"http://127.0.0.1:8080", "evil.example:8080", 421},
		{"http://127.0.0.1:8080", "localhost.evil.example", 421},
		{"http://127.0.0.1:8080", "127.0.0.1.evil.example", 421},
		{"http://127.0.0.1:8080", "192.0.2.1:8080", 421},
		{"http://127.0.0.1:8080", "", 421},
		{"https://hooks.example.com", "hooks.example.com", 200},
		{"https://hooks.example.com", "HOOKS.example.com:443", 200},
		{"https://hooks.example.com", "hooks.example.com:8443", 421},
		{"https://hooks.example.com", "127.0.0.1:8080", 200},
		{"https://hooks.example.com", "evil.example", 421},
		{"https://hooks.example.com:8443", "hooks.example.com:8443", 200},
		{"http://hooks.example.com", "hooks.example.com", 403},
		{"http://192.0.2.1:8080", "192.0.2.1:8080", 403},
	} {
		r := newRig(t, func(o *Options) { o.URL = c.url })
		w := r.do("GET", "/ui/sign-in", "", nil, "Host: "+c.host)
		if w.Code != c.want {
			t.Errorf("%s as %s: %d, want %d", c.url, c.host, w.Code, c.want)
		}
		w = r.do("POST", "/ui/sign-in", "", url.Values{"key": {"bhk_viewer"}}, "Host: "+c.host)
		if signedIn := len(w.Result().Cookies()) > 0; signedIn != (c.want == 200) {
			t.Errorf("%s as %s: signed in: %t", c.url, c.host, signedIn)
		}
	}
}

// actions returns the paths of all actions, out of the source, with values for their parameters.
func actions(t *testing.T) (paths []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	registered := regexp.MustCompile(`(?:s\.act\("|"POST /ui)(/[^"]*)"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, found := range registered.FindAllSubmatch(text, -1) {
			path := strings.NewReplacer("{id}", "x_1", "{link}", "good").Replace(string(found[1]))
			paths = append(paths, "/ui"+path)
		}
	}
	if len(paths) < 8 || !slices.Contains(paths, "/ui/sign-in") || !slices.Contains(paths, "/ui/events/x_1/replay") {
		t.Fatalf("the source has these actions: %q", paths)
	}
	return paths
}

// TestForeignForms: no action is done that a page of another origin began, or a browser that does not say which page
// did. Each action reaches the API, or begins or ends a session, if a page of ours began it.
func TestForeignForms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	people, links := len(r.people.people), len(r.people.links)
	for _, path := range actions(t) {
		form := url.Values{"key": {"bhk_viewer"}, "type": {"t"}, "data": {"1"}}
		for _, c := range []struct {
			what, token string
			headers     []string
			done        bool
		}{
			{"cross-site", "admin", []string{"Sec-Fetch-Site: cross-site"}, false},
			{"same-site", "admin", []string{"Sec-Fetch-Site: same-site"}, false},
			{"cross-site without a session", "", []string{"Sec-Fetch-Site: cross-site"}, false},
			{"neither header", "admin", []string{"Sec-Fetch-Site: "}, false},
			{"origin null", "admin", []string{"Sec-Fetch-Site: ", "Origin: null"}, false},
			{"a foreign origin", "admin", []string{"Sec-Fetch-Site: ", "Origin: https://evil.example"}, false},
			{"another port", "admin", []string{"Sec-Fetch-Site: ", "Origin: http://127.0.0.1:9"}, false},
			{"a foreign origin that claims to be ours", "admin", []string{"Sec-Fetch-Site: cross-site",
				"Origin: http://127.0.0.1:8080"}, false},
			{"same-origin", "admin", []string{"Sec-Fetch-Site: same-origin"}, true},
			{"our origin", "admin", []string{"Sec-Fetch-Site: ", "Origin: http://127.0.0.1:8080"}, true},
		} {
			w := r.do("POST", path, c.token, form, c.headers...)
			changed := len(r.people.people) != people || len(r.people.links) != links ||
				len(w.Result().Cookies()) > 0 || r.api.called() != ""
			if changed != c.done || !c.done && w.Code != http.StatusForbidden {
				t.Errorf("%s: %s: %d, changed: %t; calls: %s", path, c.what, w.Code, changed, r.api.called())
			}
			if changed {
				r = newRig(t)
			}
		}
	}
}

// TestLookingChangesNothing: no page makes a call of the API that changes something, whoever gets it.
func TestLookingChangesNothing(t *testing.T) {
	t.Parallel()
	looked, people := 0, len(newRig(t).people.people)
	for _, c := range pageCases {
		if c.form != nil {
			continue
		}
		r := newRig(t)
		r.fill()
		for _, token := range []string{"admin", "operator", "acme", "viewer", ""} {
			r.do("GET", c.path, token, nil)
		}
		for call := range strings.Lines(r.api.called()) {
			looked++
			method, path, _ := strings.Cut(strings.TrimSpace(call), " ")
			path, _, _ = strings.Cut(path, " ")
			if method != "GET" && !slices.Contains(readOnlyPosts, path) && !strings.Contains(call, `"dry_run":true`) {
				t.Errorf("%s: %s", c.path, call)
			}
		}
		if len(r.people.links) != 1 || len(r.people.people) != people {
			t.Errorf("%s: begins or ends a session", c.path)
		}
	}
	if looked < 100 {
		t.Fatalf("the pages make %d calls", looked)
	}
}

// readOnlyPosts are the calls of the API that change nothing although they are POST: what they ask has no room in a
// URL.
var readOnlyPosts = []string{"/destinations/match", "/destinations/preview"}

// TestRoles: no action and no page is for somebody without a session, and no action for a viewer.
func TestRoles(t *testing.T) {
	t.Parallel()
	open := []string{"/ui/sign-in", "/ui/open/good", "/ui/sign-out", "/ui/display"}
	for _, path := range actions(t) {
		if slices.Contains(open, path) {
			continue
		}
		r := newRig(t)
		if w := r.do("POST", path, "", url.Values{}); w.Code != 303 || w.Header().Get("Location") != "/ui/sign-in" {
			t.Errorf("%s by nobody: %d %s", path, w.Code, w.Header().Get("Location"))
		}
		if w := r.do("POST", path, "viewer", url.Values{}); w.Code != 403 {
			t.Errorf("%s by a viewer: %d", path, w.Code)
		}
		if r.api.called() != "" {
			t.Errorf("%s: %s", path, r.api.called())
		}
	}
	r := newRig(t)
	r.fill()
	for _, path := range []string{"/ui/", "/ui/events", "/ui/events/evt_1", "/ui/events/evt_1/body", "/ui/deliveries",
		"/ui/deliveries/dlv_1", "/ui/requests", "/ui/requests/req_1", "/ui/requests/req_1/body", "/ui/nowhere",
		"/ui/sources", "/ui/sources/new", "/ui/sources/src_1", "/ui/sources/src_1/edit", "/ui/sources/src_1/delete"} {
		w := r.do("GET", path, "", nil)
		if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/ui/sign-in") || r.api.called() != "" {
			t.Errorf("%s by nobody: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	for _, path := range []string{"/ui/events/evt_1", "/ui/sources", "/ui/sources/src_1"} {
		if page := r.get(path, "viewer", 200); strings.Contains(page, `method="post" action="/ui/events`) ||
			strings.Contains(page, `method="post" action="/ui/sources`) || strings.Contains(page, "New source") {
			t.Errorf("%s: a viewer is shown an action", path)
		}
	}
	for _, path := range []string{"/ui/sources/new", "/ui/sources/src_1/edit", "/ui/sources/src_1/delete",
		"/ui/destinations/new", "/ui/destinations/dst_1/edit", "/ui/destinations/dst_1/delete",
		"/ui/connections/new", "/ui/connections/con_1/edit", "/ui/connections/con_1/delete",
		"/ui/keys", "/ui/keys/new", "/ui/keys/key_1/delete", "/ui/tenants/new", "/ui/tenants/ten_1/delete",
		"/ui/portal-links", "/ui/portal-links/new", "/ui/portal-links/plk_1/delete"} {
		if w := r.do("GET", path, "operator", nil); w.Code != 403 {
			t.Errorf("%s by an operator: %d", path, w.Code)
		}
		if path == "/ui/keys" || path == "/ui/portal-links" {
			continue
		}
		if w := r.do("POST", path, "operator", url.Values{}); w.Code != 403 {
			t.Errorf("POST %s by an operator: %d", path, w.Code)
		}
	}
}

// TestSessionCookie: a sign-in gives a cookie that scripts cannot read, with the prefix by https. A planted one is
// ignored, and the session before ends.
func TestSessionCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.URL = "https://hooks.example.com" })
	form := url.Values{"key": {" bhk_viewer\n"}, "back": {"/ui/events?type=a"}}
	w := r.do("POST", "/ui/sign-in", "", form, "Host: hooks.example.com")
	if got := w.Header().Get("Set-Cookie"); w.Code != 303 || w.Header().Get("Location") != "/ui/events?type=a" ||
		got != "__Host-bellhop=viewer; Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("%d %s %s", w.Code, w.Header().Get("Location"), got)
	}
	w = r.do("POST", "/ui/sign-in", "operator", form)
	if got := w.Header().Get("Set-Cookie"); got != "bellhop=viewer; Path=/; HttpOnly; SameSite=Lax" {
		t.Errorf("over loopback: %s", got)
	}
	if _, there := r.people.people["operator"]; there {
		t.Error("the session before goes on")
	}
	for what, cookie := range map[string]string{
		"two of the name":         "bellhop=viewer; bellhop=admin",
		"an unknown token":        "bellhop=planted",
		"without the prefix":      "__Host-bellhop=viewer",
		"the cookie of a display": "bellhop-display=viewer",
	} {
		if w := r.do("GET", "/ui/", "", nil, "Cookie: "+cookie); w.Code != 303 {
			t.Errorf("%s: %d", what, w.Code)
		}
	}
	if w := r.do("GET", "/ui/", "", nil, "Host: hooks.example.com", "Cookie: bellhop=viewer"); w.Code != 303 {
		t.Errorf("by https without the prefix: %d", w.Code)
	}
	w = r.do("POST", "/ui/sign-out", "admin", url.Values{})
	if _, there := r.people.people["admin"]; there || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("after the sign-out: %s", w.Header().Get("Set-Cookie"))
	}
}

// TestLink: a look at a link does not use it, a click does, and a second click does nothing.
func TestLink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 3 {
		r.get("/ui/open/good", "", 200)
		r.do("HEAD", "/ui/open/good", "", nil)
	}
	w := r.do("POST", "/ui/open/good", "", url.Values{})
	if w.Code != 303 || w.Header().Get("Location") != "/ui/" ||
		!strings.HasPrefix(w.Header().Get("Set-Cookie"), "bellhop=operator;") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, link := range []string{"good", "unknown"} {
		w = r.do("POST", "/ui/open/"+link, "", url.Values{})
		if w.Code != 410 || len(w.Result().Cookies()) > 0 || strings.Contains(w.Body.String(), link+"<") {
			t.Errorf("%s: %d", link, w.Code)
		}
	}
}

// TestKeyIsNotShown: a key that was typed is in no answer.
func TestKeyIsNotShown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, form := range []url.Values{{"key": {"bhk_wrong_secret"}}, {"key": {"bhk_viewer"}}} {
		w := r.do("POST", "/ui/sign-in", "", form)
		if strings.Contains(w.Body.String()+r.logged.String(), form.Get("key")) {
			t.Errorf("%s %s", w.Body, r.logged)
		}
	}
	if w := r.do("POST", "/ui/sign-in", "", url.Values{"key": {" "}}); w.Code != 422 {
		t.Errorf("no key: %d", w.Code)
	}
	r.people.err = &client.Error{Status: 429, Detail: "too many wrong API keys"}
	if w := r.do("POST", "/ui/sign-in", "", url.Values{"key": {"x"}}); w.Code != 429 {
		t.Errorf("too many: %d", w.Code)
	}
}

// TestDisplay: the looks that a person chose are kept, those of others are not, and the way back is one of ours.
func TestDisplay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	w := r.do("POST", "/ui/display", "", url.Values{"theme": {"dark"}, "times": {"utc"}, "keys": {"off"},
		"back": {"/ui/events?type=a*"}})
	if w.Code != 303 || w.Header().Get("Location") != "/ui/events?type=a*" ||
		!strings.HasPrefix(w.Header().Get("Set-Cookie"), "bellhop-display=dark-utc-off; Path=/ui/; "+
			"Max-Age=31536000; HttpOnly") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	page := r.do("GET", "/ui/", "viewer", nil, "Cookie: bellhop=viewer; bellhop-display=dark-utc-off").Body.String()
	if !strings.Contains(page, `<html lang="en" data-theme="dark" data-times="utc" data-keys="off">`) {
		t.Error(page[:200])
	}
	page = r.do("GET", "/ui/", "viewer", nil, `Cookie: bellhop=viewer; bellhop-display="><b>-x-y`).Body.String()
	if !strings.Contains(page, `<html lang="en">`) {
		t.Error(page[:200])
	}
	if w := r.do("POST", "/ui/display", "", url.Values{"back": {"//evil.example"}}); w.Header().Get(
		"Location") != Root {
		t.Errorf("%v", w.Header())
	}
}

// TestReturnPath: the way back after the sign-in is a path of ours.
func TestReturnPath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/ui/events": "/ui/events", "/ui/events?type=a%2F%2Fb&x=1": "/ui/events?type=a%2F%2Fb&x=1", "/ui/": "/ui/",
		"": Root, "/": Root, "//evil.example/ui/": Root, "/ui//evil.example": Root, `/ui/\evil.example`: Root,
		`\/ui/`: Root, "https://evil.example/ui/": Root, "/ui/../in/x": Root, "/ui/%2e%2e/in": Root, "/ui/a\tb": Root,
		"/ui/\u202e": Root, "/ui/events#<b>": "/ui/events", " /ui/": Root, "javascript:alert(1)": Root,
	} {
		if got := returnPath(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzReturnPath: whatever a form sends, a browser stays at our host and below /ui.
func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{"/ui/events?a=b", "//x", `/\x`, "/ui/..//x", "/ui/%5c%5cx", "/ui/\n/x", "https:/ui/",
		"/ui/?//"} {
		f.Add(seed)
	}
	ours, err := url.Parse("https://hooks.example.com/ui/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := returnPath(text)
		u, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q: %q: %v", text, got, err)
		}
		at := ours.ResolveReference(u)
		if at.Scheme != "https" || at.Host != "hooks.example.com" || !strings.HasPrefix(at.Path, Root) ||
			at.User != nil || strings.ContainsAny(got, "\\ \t\r\n") || strings.HasPrefix(got, "//") ||
			returnPath(got) != got {
			t.Fatalf("%q: %q leads to %s", text, got, at)
		}
	})
}

// TestFailures: an error without words for people, and a panic, are in the log alone. A key that ends while a page is
// made leads to the sign-in.
func TestFailures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	r.api.set("GET /events", &client.Error{Status: 500, Code: "internal", Detail: "secret detail"})
	if page := r.get("/ui/events", "viewer", 500); strings.Contains(page, "secret detail") ||
		!strings.Contains(r.logged.String(), "msg=ui.failed") {
		t.Errorf("%s %s", page, r.logged)
	}
	r.api.set("GET /events", &client.Error{Status: 503, Code: "unavailable", Detail: "storage is full"})
	if page := r.get("/ui/events", "viewer", 503); !strings.Contains(page, "Storage is full.") {
		t.Error(page)
	}
	r.api.set("GET /events", &client.Error{Status: 401, Code: "unauthorized", Detail: "ended"})
	if w := r.do("GET", "/ui/events?type=a", "viewer", nil); w.Code != 303 ||
		w.Header().Get("Location") != "/ui/sign-in?back=%2Fui%2Fevents%3Ftype%3Da" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	r.page("/broken", viewer, func(*visit) error { panic("a mistake") })
	if page := r.get("/ui/broken", "viewer", 500); strings.Contains(page, "a mistake") ||
		!strings.Contains(r.logged.String(), "msg=ui.panicked") {
		t.Errorf("%s %s", page, r.logged)
	}
}
