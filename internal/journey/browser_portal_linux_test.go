//go:build browser

package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// portalScript runs in the pages of a portal: it opens the link, and reports what the page behind it shows.
const portalScript = `
const report = (value) => fetch('/report', { method: 'POST', body: JSON.stringify(value) });
const button = document.querySelector('main form[action*="/open/"] button');
if (button) button.click();
else report({ page: location.pathname, heading: document.querySelector('h1').textContent,
	tenant: document.querySelector('.brand')?.textContent ?? '', framed: window.top !== window,
	cookie: document.cookie });
`

// A stage is a gateway behind TLS, and pages of others that show it in a frame.
type stage struct {
	*gateway
	pages   *httptest.Server // of the gateway, as https://bellhop.localhost:PORT
	others  *httptest.Server // as https://NAME.localhost:PORT/?URL: a page with that URL in a frame
	reports chan map[string]any
	loaded  chan string  // the host of a page of others whose frame has loaded
	looks   atomic.Int32 // how often a page of the gateway was asked for
	scripts atomic.Int32 // how often one of them ran
}

// under returns the URL of a server by a name of this machine.
func under(s *httptest.Server, name string) string {
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		panic(err)
	}
	return "https://" + name + ".localhost:" + port
}

func newStage(t *testing.T) *stage {
	s := &stage{reports: make(chan map[string]any, 16), loaded: make(chan string, 16)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.pass)
	mux.HandleFunc("GET /test.js", func(w http.ResponseWriter, _ *http.Request) {
		s.scripts.Add(1)
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, portalScript)
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var got map[string]any
		if json.NewDecoder(r.Body).Decode(&got) == nil {
			s.reports <- got
		}
	})
	s.pages = httptest.NewTLSServer(mux)
	t.Cleanup(s.pages.Close)
	others := http.NewServeMux()
	others.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		to, _ := url.QueryUnescape(r.URL.RawQuery)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>x</title><h1>Shop</h1><iframe src=%q></iframe>
<script>onload = () => fetch('/loaded', { method: 'POST' });</script>`, to)
	})
	others.HandleFunc("POST /loaded", func(_ http.ResponseWriter, r *http.Request) { s.loaded <- r.Host })
	s.others = httptest.NewTLSServer(others)
	t.Cleanup(s.others.Close)
	s.gateway = newGateway(t, "--ui-url", under(s.pages, "bellhop"))
	return s
}

// pass passes a request on to the gateway as a proxy with TLS does, and adds the script to each page.
func (s *stage) pass(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/ui/portal/") {
		s.looks.Add(1)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: s.address()})
		p.Out.Host = p.In.Host
		p.Out.Header.Del("Accept-Encoding")
	}, ModifyResponse: func(r *http.Response) error {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			return nil
		}
		page, err := io.ReadAll(r.Body)
		page = bytes.Replace(page, []byte("</head>"), []byte(`<script type="module" src="/test.js"></script></head>`),
			1)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(page)), int64(len(page))
		r.Header.Del("Content-Length")
		return err
	}}
	proxy.ServeHTTP(w, r)
}

// open starts a browser with a page, and returns a function that ends it.
func (s *stage) open(browser, page string) (end func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	c := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--ignore-certificate-errors",
		"--user-data-dir="+s.t.TempDir(), "--remote-debugging-port=0", page)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		cancel()
		c.Wait()
	}
}

// link makes a link to the portal of acme for frames in pages of app.localhost.
func (s *stage) link() client.CreatedPortalLink {
	s.t.Helper()
	made, err := s.client().CreatePortalLink(s.t.Context(), client.NewPortalLink{Tenant: "acme", Rights: "manage",
		FrameAncestors: []string{under(s.others, "app")}})
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// opened reports whether a link was opened.
func (s *stage) opened(id string) bool {
	s.t.Helper()
	l, err := s.client().PortalLink(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return !l.OpenedAt.IsZero()
}

// TestChromiumPortal: a portal works in a frame of a page that its link names, where the browser keeps its cookie. In
// a frame of any other page it stays empty, and the link is not spent. By itself it works too.
func TestChromiumPortal(t *testing.T) {
	t.Parallel()
	browser := needBrowser(t)
	s := newStage(t)
	if _, err := s.client().CreateTenant(t.Context(), client.NewTenant{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	foreign := s.link()
	end := s.open(browser, under(s.others, "evil")+"/?"+url.QueryEscape(foreign.URL))
	select {
	case <-s.loaded:
	case <-time.After(patience):
		t.Error("the page with the foreign frame was not loaded")
	}
	if s.looks.Load() == 0 || s.scripts.Load() != 0 || s.opened(foreign.ID) {
		t.Errorf("in a foreign frame: %d looks, %d scripts ran, opened: %t", s.looks.Load(), s.scripts.Load(),
			s.opened(foreign.ID))
	}
	end()

	shows := func(what, page string, framed bool) {
		t.Helper()
		end := s.open(browser, page)
		defer end()
		select {
		case got := <-s.reports:
			want := map[string]any{"page": "/ui/portal/", "heading": "Destinations", "tenant": "acme",
				"framed": framed,
				"cookie": ""}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		case <-time.After(patience):
			t.Errorf("%s: the portal reports nothing", what)
		}
	}
	named, alone := s.link(), s.link()
	shows("in a frame of the page that is named", under(s.others, "app")+"/?"+url.QueryEscape(named.URL), true)
	shows("by itself", alone.URL, false)
	if !s.opened(named.ID) || !s.opened(alone.ID) {
		t.Error("a link was not opened")
	}
}
