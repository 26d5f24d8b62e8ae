//go:build browser

package journey

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestChromium: a handshake echoes a text that a stranger chose, by a link or a form. In a real browser no script
// of it runs and no picture is fetched.
func TestChromium(t *testing.T) {
	t.Parallel()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		skipAloud(t, "there is no chromium")
	}
	g := newGateway(t)
	for name, provider := range map[string]string{"calendar": "graph", "mail": "outlook", "lists": "sharepoint"} {
		g.source(name, provider, map[string]any{"client_state": clientState})
	}
	g.source("files", "generic", map[string]any{"preset": "dropbox", "secret": "a-secret-of-dropbox"})
	trap := newTrap(t)

	trap.open(t, browser, trap.url+"/unsafe?echo="+url.QueryEscape(trap.bait("control")),
		func() bool { return trap.sprung("control") })
	if !trap.sprung("control") {
		t.Fatal("the browser runs no script even where it should, so the test shows nothing")
	}
	for source, page := range map[string]string{
		"calendar": trap.form(g.in("calendar") + "?validationToken=" + url.QueryEscape(trap.bait("calendar"))),
		"mail":     trap.form(g.in("mail") + "?validationToken=" + url.QueryEscape(trap.bait("mail"))),
		"lists":    trap.form(g.in("lists") + "?validationtoken=" + url.QueryEscape(trap.bait("lists"))),
		"files":    g.in("files") + "?challenge=" + url.QueryEscape(trap.bait("files")),
	} {
		answered := func() bool { return len(handshakes(t, g, source)) > 0 }
		trap.open(t, browser, page, func() bool {
			if !answered() {
				return false
			}
			poll(graceOfScripts, func() bool { return trap.sprung(source) })
			return true
		})
		if !answered() {
			t.Errorf("%s: no handshake is on record, so the test shows nothing", source)
		}
		if trap.sprung(source) {
			t.Errorf("%s: what was echoed ran in the browser", source)
		}
	}
}

// graceOfScripts is how long the browser gets to run a script after the handshake is on record. The control takes
// a tenth of it.
const graceOfScripts = 2 * time.Second

// A trap is a server that notes who fetched the URLs of its scripts and pictures.
type trap struct {
	url  string
	mu   sync.Mutex
	seen map[string]bool // names whose URL was fetched; guarded by mu
}

func newTrap(t *testing.T) *trap {
	p := &trap{seen: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/sprung/{name}", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen[r.PathValue("name")] = true
	})
	mux.HandleFunc("/unsafe", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, r.FormValue("echo"))
	})
	mux.HandleFunc("/form", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		const page = `<form method="post" action="%s" enctype="text/plain"></form>` +
			`<script>document.forms[0].submit()</script>`
		fmt.Fprintf(w, page, html.EscapeString(r.FormValue("to")))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// bait returns markup that fetches a URL of the trap in several ways.
func (p *trap) bait(name string) string {
	at := p.url + "/sprung/" + name
	return fmt.Sprintf(`<script src="%s"></script><img src="%[1]s"><script>fetch("%[1]s",{mode:"no-cors"})</script>`,
		at)
}

// form returns the URL of a page that posts to another URL by itself, as the page of a stranger would.
func (p *trap) form(to string) string { return p.url + "/form?to=" + url.QueryEscape(to) }

// sprung reports whether the bait of that name was fetched.
func (p *trap) sprung(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[name]
}

// open opens a page in the browser until done returns true, for at most patience.
func (p *trap) open(t *testing.T, browser, page string, done func() bool) {
	t.Helper()
	c := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--user-data-dir="+t.TempDir(),
		"--remote-debugging-port=0", page)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	poll(patience, done)
	syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // the browser and its child processes
	c.Wait()
}
