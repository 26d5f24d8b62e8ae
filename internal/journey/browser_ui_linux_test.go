//go:build browser

package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// hostileTexts are texts of strangers that would do something if a page took them for markup, and characters that have
// no shape of their own, each with what a page shows.
var hostileTexts = map[string]string{
	`<script>alert(1)</script>`:     `<script>alert(1)</script>`,
	`<img src=x onerror=alert(1)>`:  `<img src=x onerror=alert(1)>`,
	`"><svg onload=alert(1)>`:       `"><svg onload=alert(1)>`,
	`</pre></main><h1>owned</h1>`:   `</pre></main><h1>owned</h1>`,
	"safe\u202etxt.exe\u2066":       `safe\u202etxt.exe\u2066`,
	"zero\u200bwidth\ufeff \u2028x": `zero\u200bwidth\ufeff \u2028x`,
}

// TestChromiumPages opens each page of the server in a real browser, with hostile texts in what it shows: with and
// without JavaScript, in both themes and narrow. The console has no error and no report of the policy, the texts are
// there as text, and the modules have run.
func TestChromiumPages(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		skipAloud(t, "there is no chromium")
	}
	g := newGateway(t)
	p := newPages(t, g)
	paths := p.fill()
	if _, console := openPage(t, browser, p.control.URL, "1280,900"); !strings.Contains(console, "Content Security "+
		"Policy") {
		t.Fatalf("a page that breaks its policy leaves nothing in the console, so the test shows nothing:\n%s",
			console)
	}
	for _, path := range paths {
		for _, c := range []struct {
			at      *httptest.Server
			scripts bool
			size    string
		}{{p.light, true, "1280,900"}, {p.dark, true, "320,900"}, {p.still, false, "1280,900"}} {
			dom, console := openPage(t, browser, c.at.URL+path, c.size)
			if c.scripts && console != "" { // without scripts it says that the modules were not loaded
				t.Errorf("%s: the console has:\n%s", path, console)
			}
			if strings.Contains(dom, "<h1>owned") || strings.Contains(dom, "<svg onload") {
				t.Errorf("%s, scripts %t: a text is markup", path, c.scripts)
			}
			if !strings.Contains(dom, "<h1") {
				t.Errorf("%s, scripts %t: there is no page:\n%s\n%s", path, c.scripts, dom, console)
				continue
			}
			if ran := strings.Contains(dom, "Times are local"); ran != c.scripts {
				t.Errorf("%s, scripts %t: the modules have run: %t", path, c.scripts, ran)
			}
			if strings.Contains(path, "/events/") {
				for _, shown := range hostileTexts {
					if !strings.Contains(dom, html.EscapeString(shown)) &&
						!strings.Contains(html.UnescapeString(dom), shown) {
						t.Errorf("%s, scripts %t: %q is not there", path, c.scripts, shown)
					}
				}
			}
		}
	}
}

// pages are the pages of a gateway for a browser that has signed in, in both themes.
type pages struct {
	t           *testing.T
	g           *gateway
	light, dark *httptest.Server
	still       *httptest.Server // the browser runs no script of it
	control     *httptest.Server // a page that breaks its policy
	at          *url.URL         // the gateway
	session     string           // its cookie
}

func newPages(t *testing.T, g *gateway) *pages {
	link, err := g.client().CreateSignInLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	visitor := &http.Client{Jar: jar}
	reply, err := visitor.PostForm(link.LocalURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	at, err := url.Parse(link.LocalURL)
	if err != nil {
		t.Fatal(err)
	}
	session := ""
	for _, c := range jar.Cookies(at) {
		if c.Name == "bellhop" {
			session = c.String()
		}
	}
	if reply.StatusCode != http.StatusOK || session == "" {
		t.Fatalf("sign in by the link: %s", reply.Status)
	}
	p := &pages{t: t, g: g, at: at, session: session}
	p.light, p.dark = p.proxy(at, session, "light", true), p.proxy(at, session, "dark", true)
	p.still = p.proxy(at, session, "light", false)
	p.control = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		fmt.Fprint(w, "<!doctype html><title>x</title><script>1</script><h1>x</h1>")
	}))
	t.Cleanup(p.control.Close)
	return p
}

// proxy passes requests on with a session and a theme, as the browser of somebody who signed in would send them.
// Without scripts, it has the browser run none: with its own switch for that, Chromium does not print a page.
func (p *pages) proxy(to *url.URL, session, theme string, scripts bool) *httptest.Server {
	reverse := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host})
		r.Out.Host = to.Host
		r.Out.Header.Set("Cookie", session+"; bellhop-display="+theme+"--")
	}}
	if !scripts {
		reverse.ModifyResponse = func(r *http.Response) error {
			r.Header.Set("Content-Security-Policy", "script-src 'none'")
			return nil
		}
	}
	// A stream without an end would keep the virtual time of the browser from passing.
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ui/stream" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		reverse.ServeHTTP(w, r)
	}))
	p.t.Cleanup(s.Close)
	return s
}

// fill stores an event with hostile texts, deliveries of it and a refused request, and returns the paths of all pages.
func (p *pages) fill() (paths []string) {
	p.t.Helper()
	ctx := p.t.Context()
	p.g.source("door", "generic", map[string]any{"scheme": "token", "header": "X-Token",
		"secret": "a-secret-of-this-test"})
	_, err := p.g.client().CreateDestination(ctx, client.NewDestination{Name: "nowhere", URL: "http://127.0.0.1:9",
		Settings: client.Settings{"format": "raw"}, Retry: &client.Retry{Schedule: client.Schedule{"none"}}})
	p.must(err)
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	p.must(encoder.Encode(hostileTexts))
	ev, _, err := p.g.client().Publish(ctx, client.NewEvent{Type: `<script>alert(1)</script>`,
		Subject: "\u202e<img src=x onerror=alert(1)>", Data: data.Bytes()}, "")
	p.must(err)
	reply, err := http.Post(p.g.in("door"), "text/plain", strings.NewReader("<script>alert(1)</script>\u202e"))
	p.must(err)
	reply.Body.Close()
	var delivery, request string
	eventually(p.t, patience, "a dead delivery and a refused request", func() bool {
		deliveries, err := p.g.client().Deliveries(ctx, client.DeliveryFilter{Event: ev.ID, State: "dead"},
			client.Page{})
		requests, err2 := p.g.client().Requests(ctx, client.RequestFilter{}, client.Page{})
		if err != nil || err2 != nil || len(deliveries.Data) == 0 || len(requests.Data) == 0 {
			return false
		}
		delivery, request = deliveries.Data[0].ID, requests.Data[0].ID
		return true
	})
	return []string{"/ui/", "/ui/events", "/ui/events/" + ev.ID, "/ui/deliveries?state=dead", "/ui/deliveries/" +
		delivery, "/ui/requests", "/ui/requests/" + request, "/ui/live", "/ui/series",
		"/ui/sources/new?provider=boro", "/ui/sources/door", "/ui/destinations", "/ui/destinations/nowhere",
		"/ui/destinations/nowhere/edit", "/ui/destinations/nowhere/match", "/ui/deliveries/many?kind=retry",
		"/ui/subscriptions", "/ui/keys", "/ui/audit"}
}

func (p *pages) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// openPage opens a page, and returns its elements once it has loaded, and what the browser wrote into its console.
func openPage(t *testing.T, browser, page, size string) (dom, console string) {
	t.Helper()
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--user-data-dir=" + t.TempDir(), "--enable-logging=stderr",
		"--virtual-time-budget=5000", "--window-size=" + size, "--dump-dom", page}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, browser, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	var out, log bytes.Buffer
	c.Stdout, c.Stderr = &out, &log
	err := c.Run()
	if err != nil {
		t.Fatalf("%s: %v\n%s", page, err, log.String())
	}
	var lines []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") && !strings.Contains(line, `"[DOM] `) { // advice: one form, two secrets
			lines = append(lines, line)
		}
	}
	return out.String(), strings.Join(lines, "")
}
