//go:build browser

package journey

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// foreign is a host of somebody else that leads to this machine: a page of another site, and a name that was made to
// lead to the gateway.
const foreign = "evil.example"

// mapForeign has the browser find foreign on this machine.
var mapForeign = chromedp.Flag("host-resolver-rules", "MAP "+foreign+" 127.0.0.1")

// newForeignPage serves a page with that body, and returns its port.
func newForeignPage(t *testing.T, body string) (port string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>x</title><body>"+body)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// cookie returns the value of the session's cookie in the browser.
func (p *person) cookie() string {
	p.t.Helper()
	var value string
	p.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		r, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{p.base + "/ui/"}})
		for _, c := range r.Cookies {
			if c.Name == "bellhop" {
				value = c.Value
			}
		}
		return chromedp.Void{}, err
	})
	return value
}

// plants sets the session's cookie in the browser.
func (p *person) plants(value string) {
	p.t.Helper()
	p.do(command(network.SetCookie, network.SetCookieParams{Name: "bellhop", Value: value, URL: p.base + "/ui/",
		Path: "/"}))
}

// TestChromiumForeignForms: a form of another site, and one of another port of this machine, whose requests have the
// cookie, do nothing; the person stays signed in.
func TestChromiumForeignForms(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.destination(client.NewDestination{Name: "target", URL: "http://127.0.0.1:9",
		Settings: client.Settings{"format": "raw"}})
	p := newPerson(t, g, mapForeign)
	p.signIn(g)
	for _, action := range []string{"sign-out", "destinations/target/pause", "destinations/target/delete"} {
		for _, host := range []string{foreign, "127.0.0.1", "localhost"} {
			port := newForeignPage(t, `<form method="post" action="`+html.EscapeString(p.base+"/ui/"+action)+
				`"><button>Win a prize</button></form>`)
			p.do(chromedp.Navigate("http://" + host + ":" + port))
			p.follow("Win a prize")
			p.sees("did not come from a page of this server")
			p.expects("403")
		}
	}
	p.open("/ui/destinations")
	p.sees("target")
	d, err := g.client().Destination(t.Context(), "target")
	p.must(err)
	if d.State != "active" {
		t.Errorf("the destination is %s", d.State)
	}
}

// TestChromiumForeignFrame: in a frame of another page the pages stay empty.
func TestChromiumForeignFrame(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	p := newPerson(t, g, mapForeign)
	p.signIn(g)
	for _, host := range []string{foreign, "127.0.0.1"} {
		for _, path := range []string{"/ui/", "/ui/sign-in", "/ui/events"} {
			port := newForeignPage(t, `<iframe src="`+p.base+path+`"></iframe>`)
			p.do(chromedp.Navigate("http://" + host + ":" + port))
			p.expects("frame-ancestors")
			p.heard()
		}
	}
}

// TestChromiumForeignName: a name that was made to lead to the gateway (DNS rebinding) gets nothing of it, signed in
// or not.
func TestChromiumForeignName(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	p := newPerson(t, g, mapForeign)
	p.signIn(g)
	port := g.address()[strings.LastIndex(g.address(), ":")+1:]
	for _, path := range []string{"/ui/", "/ui/events", "/ui/sign-in"} {
		p.do(chromedp.Navigate("http://" + foreign + ":" + port + path))
		p.sees("does not know itself by the name in the address bar")
		p.expects("421")
		p.heard() // of what such a page has
	}
}

// TestChromiumSessions: a planted session is ignored, each sign-in makes another one, a link works once, and a session
// that was ended is dead although the browser has its cookie again.
func TestChromiumSessions(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	p := newPerson(t, g)
	planted := strings.Repeat("A", 43)
	p.open("/ui/sign-in")
	p.plants(planted)
	p.open("/ui/events")
	p.sees("Sign in to Bellhop")
	made, err := g.client().CreateSignInLink(t.Context())
	p.must(err)
	p.do(chromedp.Navigate(made.LocalURL))
	p.follow("Open")
	p.sees("Overview")
	first := p.cookie()
	if first == "" || first == planted {
		t.Fatalf("the cookie is %q after the sign-in", first)
	}
	p.do(chromedp.Navigate(made.LocalURL))
	p.follow("Open")
	p.until("the link is refused", `document.title.startsWith('Gone')`)
	p.expects("410")
	p.signIn(g)
	second := p.cookie()
	if second == first {
		t.Error("the second sign-in has the session of the first")
	}
	for _, old := range []string{first, planted} {
		p.plants(old)
		p.open("/ui/events")
		p.sees("Sign in to Bellhop")
	}
	p.plants(second)
	p.open("/ui/events")
	p.sees("Events")
	p.clicks(find[string](p, `[...document.querySelectorAll('details.menu > summary')].at(-1).textContent.trim()`))
	p.follow("Sign out")
	p.sees("You are signed out.")
	p.plants(second)
	p.open("/ui/events")
	p.sees("Sign in to Bellhop")
}

// TestChromiumReturn: after the sign-in the browser goes to a page of this server, wherever the link that led to the
// sign-in wanted it to go.
func TestChromiumReturn(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	p := newPerson(t, g, mapForeign)
	for _, back := range []string{"//" + foreign, "/\\" + foreign, "https://" + foreign, "/ui/..//" + foreign,
		"/ui/%2e%2e//" + foreign, "\t//" + foreign, "/ui/\n//" + foreign, "javascript:alert(1)", "/ui/?x=//" + foreign,
		"/ui/@" + foreign, ":80//" + foreign, "/ui\\..\\" + foreign} {
		p.open("/ui/sign-in?back=" + url.QueryEscape(back))
		p.fills("key", g.key())
		p.follow("Sign in")
		if at := find[string](p, "location.origin"); at != p.base {
			t.Errorf("%q leads to %s", back, at)
		}
		p.until("somebody is signed in", `document.querySelector('nav') !== null || document.title.startsWith('Not Found')`)
		p.heard() // that such a page may be none
	}
}

// TestChromiumRevoked: the stream of an open page ends when the key is revoked with which somebody signed in.
func TestChromiumRevoked(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	key, err := g.client().CreateKey(t.Context(), client.NewKey{Name: "guest", Scope: "read"})
	if err != nil {
		t.Fatal(err)
	}
	p := newPerson(t, g)
	p.open("/ui/live")
	p.fills("key", key.Text)
	p.follow("Sign in")
	p.until("it is live", `document.querySelector('.live [role=status]')?.textContent === 'Live'`)
	p.must(g.client().DeleteKey(t.Context(), "guest"))
	p.sees("Your session has ended")
	p.open("/ui/events")
	p.sees("Sign in to Bellhop")
}
