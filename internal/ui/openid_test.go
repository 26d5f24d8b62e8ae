package ui

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A fakeIssuer is an OpenID whose flow is "begun": a browser that comes back with it and the code good is an operator.
type fakeIssuer struct{ err error }

func (f *fakeIssuer) Host() string { return "login.example.com:443" }

func (f *fakeIssuer) Start(context.Context) (string, []byte, error) {
	return "https://login.example.com/authorize?client_id=bellhop&state=s", []byte("begun"), f.err
}

func (f *fakeIssuer) Finish(_ context.Context, flow []byte, query url.Values, _ string) (string, error) {
	switch {
	case f.err != nil:
		return "", f.err
	case string(flow) != "begun" || query.Get("code") != "good":
		return "", &client.Error{Status: 401, Code: "unauthorized", Detail: "this sign-in was not begun here"}
	}
	return "operator", nil
}

// withIssuer gives the pages of a rig an issuer.
func withIssuer(f *fakeIssuer) func(*Options) { return func(o *Options) { o.OpenID = f } }

// cookieOf returns the cookie of an answer with that name.
func cookieOf(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// TestOpenIDSignIn: a person leaves for the issuer by a link, comes back, and is signed in at the page that was asked
// for. The cookie of the way is sealed, for scripts unreadable, and spent by the return.
func TestOpenIDSignIn(t *testing.T) {
	r := newRig(t, withIssuer(&fakeIssuer{}))
	page := r.get("/ui/sign-in?back=/ui/events%3Fsource=media", "", 200)
	if !strings.Contains(page, `href="/ui/openid?back=%2Fui%2Fevents%3Fsource%3Dmedia"`) ||
		!strings.Contains(page, "Sign in with login.example.com<") {
		t.Error(page)
	}
	w := r.do("GET", "/ui/openid?back=/ui/events", "", nil)
	way := cookieOf(w, plainFlowCookie)
	if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "https://login.example.com/") || way == nil ||
		!way.HttpOnly || way.SameSite != http.SameSiteLaxMode || way.MaxAge != flowSeconds ||
		strings.Contains(way.Value, "begun") {
		t.Fatalf("leave: %d %v", w.Code, w.Header())
	}
	// as a browser comes from another site
	from := []string{"Cookie: " + way.Name + "=" + way.Value, "Sec-Fetch-Site: cross-site"}
	w = r.do("GET", OpenIDReturn+"?code=good&state=s", "", nil, from...)
	session, spent := cookieOf(w, plainCookie), cookieOf(w, plainFlowCookie)
	if w.Code != 303 || w.Header().Get("Location") != "/ui/events" || session == nil || session.Value != "operator" ||
		spent == nil || spent.MaxAge >= 0 {
		t.Errorf("come back: %d %v", w.Code, w.Header())
	}
	for name, c := range map[string]struct {
		path   string
		header []string
	}{
		"without a cookie":  {OpenIDReturn + "?code=good&state=s", nil},
		"a wrong code":      {OpenIDReturn + "?code=bad&state=s", from},
		"a forged cookie":   {OpenIDReturn + "?code=good", []string{"Cookie: " + way.Name + "=begun"}},
		"a changed cookie":  {OpenIDReturn + "?code=good", []string{"Cookie: " + way.Name + "=B" + way.Value[1:]}},
		"two of the cookie": {OpenIDReturn + "?code=good", []string{from[0] + "; " + way.Name + "=x"}},
	} {
		w := r.do("GET", c.path, "", nil, c.header...)
		if w.Code != 401 || cookieOf(w, plainCookie) != nil || !strings.Contains(w.Body.String(), "not begun here.") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

// TestOpenIDIsOld: a sign-in that took too long begins nothing, and a sealed form is no sign-in.
func TestOpenIDIsOld(t *testing.T) {
	r := newRig(t, withIssuer(&fakeIssuer{}))
	sealed, err := r.sealer.seal("", "sources/new", map[string]string{flowOpenID: "begun"})
	if err != nil {
		t.Fatal(err)
	}
	way := cookieOf(r.do("GET", "/ui/openid", "", nil), plainFlowCookie)
	r.sealer.now = func() time.Time { return now.Add(keepFor + time.Second) }
	for what, value := range map[string]string{"old": way.Value, "a form": string(sealed)} {
		w := r.do("GET", OpenIDReturn+"?code=good", "", nil, "Cookie: "+way.Name+"="+value)
		if w.Code != 401 || cookieOf(w, plainCookie) != nil {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
	}
}

// TestOpenIDFails: an issuer that is away, a person without a role, a fault of ours; and no issuer at all.
func TestOpenIDFails(t *testing.T) {
	for want, err := range map[int]error{503: &client.Error{Status: 503, Detail: "the issuer is away"},
		403: &client.Error{Status: 403, Detail: "nobody gave you a role"}, 500: errors.New("a canary")} {
		r := newRig(t, withIssuer(&fakeIssuer{err: err}))
		for _, path := range []string{"/ui/openid", OpenIDReturn + "?code=good"} {
			w := r.do("GET", path, "", nil)
			if w.Code != want || cookieOf(w, plainCookie) != nil || strings.Contains(w.Body.String(), "canary") {
				t.Errorf("%s: %d, want %d: %s", path, w.Code, want, w.Body)
			}
		}
	}
	r := newRig(t)
	if page := r.get("/ui/sign-in", "", 200); strings.Contains(page, "Sign in with") {
		t.Error("a link to no issuer")
	}
	w := r.do("GET", "/ui/openid", "", nil)
	if w.Code != 303 || w.Header().Get("Location") != "/ui/sign-in?back=%2Fui%2Fopenid" {
		t.Errorf("without an issuer: %d %v", w.Code, w.Header())
	}
}
