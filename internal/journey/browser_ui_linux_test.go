//go:build browser

package journey

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/chromedp/chromedp"
)

// hostileTexts returns the texts of strangers that the tests of the pages have, but those that JSON cannot hold.
func hostileTexts(t *testing.T) (texts []string) {
	content, err := os.ReadFile("../ui/testdata/hostile.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		text, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if utf8.ValidString(text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// shotsFolder is a folder for a picture of each page, for somebody who looks at them.
var shotsFolder = flag.String("shots", "", "folder for a picture of each page in both themes and widths")

// TestChromiumPages opens each page to which a link leads in a real browser, with hostile texts in what it shows: with
// and without JavaScript, in both themes, wide and narrow. No page opens a dialog, breaks its policy, runs what
// strangers sent or scrolls sideways; the texts are there as text, and the modules have run.
func TestChromiumPages(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	published := "/ui/events/" + fillHostile(t, g)
	p := newPerson(t, g)
	p.do(chromedp.Navigate(newControl(t)))
	p.expects("Content Security Policy") // otherwise the test would show nothing
	p.signIn(g)
	for _, path := range append(p.walk(), published) {
		for _, c := range []struct {
			theme   string
			width   int64
			scripts bool
		}{{"light", 1280, true}, {"dark", 320, true}, {"dark", 1280, false}, {"light", 320, false}} {
			what := fmt.Sprintf("%s, %s, %d pixels, scripts %t", path, c.theme, c.width, c.scripts)
			p.looks(c.theme, c.width)
			p.runsScripts(c.scripts)
			p.open(path)
			p.fitsWidth(what)
			got := find[struct {
				H1, Foreign int
				Ran         bool
				Text        string
			}](p, `({
				H1: document.querySelectorAll('h1').length,
				Foreign: document.querySelectorAll('img, iframe, base, style, main svg:not(.chart svg, .timeline), ' +
					'script:not([src^="/ui/static/"]), form:not([action^="/ui/"])').length,
				Ran: document.body.innerText.includes('Times are local'),
				Text: document.body.textContent,
			})`)
			if got.H1 != 1 || got.Foreign != 0 || got.Ran != c.scripts {
				t.Errorf("%s: %d h1, %d foreign elements, modules have run: %t", what, got.H1, got.Foreign, got.Ran)
			}
			if path == published {
				for _, text := range hostileTexts(t) {
					if !strings.Contains(got.Text, text) && !strings.Contains(got.Text, strings.Trim(
						strconv.QuoteToGraphic(text), `"`)) && isPlain(text) {
						t.Errorf("%s: %q is not there", what, text)
					}
				}
			}
			if c.scripts { // without, the browser says that it did not load them
				for _, complaint := range p.heard() {
					t.Errorf("%s: the browser complains: %s", what, complaint)
				}
			}
			p.heard()
			if *shotsFolder != "" {
				name := strings.NewReplacer("/", "_", "?", "_", "&", "_", "=", "-").Replace(strings.TrimPrefix(path,
					"/ui/"))
				p.must(os.WriteFile(filepath.Join(*shotsFolder, fmt.Sprintf("%s_%s_%d_%t.png", name, c.theme, c.width,
					c.scripts)), p.shoots(true), 0o600))
			}
		}
	}
}

// isPlain reports whether a page shows text as it is, and not with escapes.
func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

// newControl returns the URL of a page that breaks its policy.
func newControl(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		fmt.Fprint(w, "<!doctype html><title>x</title><script>1</script><h1>x</h1>")
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// walk returns the paths of the pages that links lead to from the first page on: of pages that differ in ids and
// filters alone, one.
func (p *person) walk() (paths []string) {
	p.t.Helper()
	seen := map[string]bool{"/ui/": true}
	ids := regexp.MustCompile(`[a-z]{3}_[A-Za-z0-9+~.-]+`)
	for next := []string{"/ui/"}; len(next) > 0 && len(paths) < 150; next = next[1:] {
		paths = append(paths, next[0])
		p.open(next[0])
		for _, to := range find[[]string](p, `[...document.querySelectorAll('a[href]:not([download])')].map((a) => a.href)`) {
			u, err := url.Parse(to)
			if err != nil || u.Scheme+"://"+u.Host != p.base || !strings.HasPrefix(u.Path, "/ui/") {
				continue
			}
			kind := ids.ReplaceAllString(u.Path, "ID")
			if strings.HasSuffix(u.Path, "/new") && u.RawQuery != "" {
				kind += "?" // one of many forms
			}
			if !seen[kind] {
				seen[kind] = true
				next = append(next, u.RequestURI())
			}
		}
	}
	if len(paths) < 30 {
		p.t.Errorf("links lead to %d pages only: %q", len(paths), paths)
	}
	return paths
}

// pages are the pages of a gateway for a browser that has signed in.
type pages struct {
	t       *testing.T
	g       *gateway
	at      *url.URL // the gateway
	session string   // its cookie
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
	return &pages{t: t, g: g, at: at, session: session}
}

// fillHostile stores hostile texts wherever a stranger can put them: in events, in refused requests, and in what a
// receiver answers; and in what people of the house may write. It returns the id of an event that has all of them.
func fillHostile(t *testing.T, g *gateway) (event string) {
	t.Helper()
	ctx, api, texts := t.Context(), g.client(), hostileTexts(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(texts) < 40 {
		t.Fatalf("%d texts", len(texts))
	}
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(texts))
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusTeapot)
		w.Write(all.Bytes())
	}))
	t.Cleanup(hostile.Close)
	g.source("door", "generic", map[string]any{"scheme": "token", "header": "X-Token",
		"secret": "a-secret-of-this-test"})
	g.source("open", "generic", map[string]any{"scheme": "none"})
	none := &client.Retry{Schedule: client.Schedule{"none"}}
	g.destination(client.NewDestination{Name: "hostile", URL: hostile.URL, Retry: none,
		Settings: client.Settings{"format": "raw", "headers": map[string]any{"X-Note": texts[0]}},
		Match:    &client.Match{Sources: []string{"api"}, Where: `data != "</textarea><script>alert(1)</script>"`}})
	g.destination(client.NewDestination{Name: "waits", URL: "http://127.0.0.1:9",
		Settings: client.Settings{"format": "raw"}, Match: &client.Match{Sources: []string{"open"}}})
	g.destination(client.NewDestination{Name: "profile", Type: "boro", URL: "http://127.0.0.1:9/x?a=<b>",
		Match: &client.Match{Types: []string{"boro.*"}}})
	taken := 0
	for _, text := range texts {
		for _, ev := range []client.NewEvent{{Type: text, Subject: text}, {Type: "refused.as.type", Subject: text}} {
			ev.Data = all.Bytes()
			made, _, err := api.Publish(ctx, ev, "")
			if err == nil {
				event = made.ID
				taken++
				break
			}
		}
		r, err := http.NewRequest("POST", g.in("door"), strings.NewReader(text))
		must(err)
		r.Header.Set("Content-Type", "text/plain")
		for name, value := range map[string]string{"User-Agent": text, "X-Token": text} {
			r.Header.Set(name, strings.Map(func(c rune) rune {
				if c < ' ' || c > '~' {
					return -1
				}
				return c
			}, value))
		}
		reply, err := http.DefaultTransport.RoundTrip(r)
		must(err)
		reply.Body.Close()
		reply, err = http.Post(g.in("open"), "text/plain", strings.NewReader(text))
		must(err)
		reply.Body.Close()
	}
	if taken < 30 {
		t.Fatalf("only %d of %d texts are types or subjects of events", taken, len(texts))
	}
	_, err := api.CreateKey(ctx, client.NewKey{Name: "reader", Scope: "read"})
	must(err)
	_, err = api.CreateConnection(ctx, client.NewConnection{Name: "calls", Provider: "acs",
		Settings: client.Settings{"endpoint": "http://127.0.0.1:9", "access_key": "c2VjcmV0"}})
	must(err)
	eventually(t, patience, "a dead delivery", func() bool {
		l, err := api.Deliveries(ctx, client.DeliveryFilter{State: "dead"}, client.Page{})
		return err == nil && len(l.Data) > 0
	})
	return event
}

func (p *pages) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}
