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

// TestBrowser: what a handshake echoes is text to a browser too (V4 of the forgery list: a link or a form that a stranger
// has made echoes a script of his). A real one opens each; no script runs, no picture is fetched.
func TestBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		skipAloud(t, "there is no chromium, a browser to try")
	}
	g := newGateway(t)
	for name, provider := range map[string]string{"calendar": "graph", "mail": "outlook", "lists": "sharepoint"} {
		g.source(name, provider, map[string]any{"client_state": clientState})
	}
	g.source("files", "generic", map[string]any{"preset": "dropbox", "secret": "a-secret-of-dropbox"})
	trap := newTrap(t)

	trap.open(t, browser, trap.url+"/unsafe?echo="+url.QueryEscape(trap.bait("control")), func() bool { return trap.sprung("control") })
	if !trap.sprung("control") {
		t.Fatal("the browser ran nothing even where it should: this test cannot fail")
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
			t.Errorf("%s: no handshake is on record, so nothing was tried", source)
		}
		if trap.sprung(source) {
			t.Errorf("%s: what was echoed ran in the browser", source)
		}
	}
}

// graceOfScripts is how long a browser has for what it was handed, once it has it; the control takes a tenth of that.
const graceOfScripts = 2 * time.Second

// A trap is a server that notes who fetched what a script or a picture would.
type trap struct {
	url  string
	mu   sync.Mutex
	seen map[string]bool
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
		fmt.Fprintf(w, `<form method="post" action="%s" enctype="text/plain"></form><script>document.forms[0].submit()</script>`, html.EscapeString(r.FormValue("to")))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// bait is markup that fetches something of the trap's, in several ways.
func (p *trap) bait(name string) string {
	at := p.url + "/sprung/" + name
	return fmt.Sprintf(`<script src="%s"></script><img src="%[1]s"><script>fetch("%[1]s",{mode:"no-cors"})</script>`, at)
}

// form is a page that posts to a URL by itself, as a stranger's would.
func (p *trap) form(to string) string { return p.url + "/form?to=" + url.QueryEscape(to) }

func (p *trap) sprung(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[name]
}

// open has the browser open a page until done reports true, for half a minute at most.
func (p *trap) open(t *testing.T, browser, page string, done func() bool) {
	t.Helper()
	c := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", page)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	poll(30*time.Second, done)
	syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // with the processes it has made
	c.Wait()
}
