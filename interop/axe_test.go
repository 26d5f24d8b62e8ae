package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const axeReads = "client reads the pages"

// axeRules are the rules of axe-core for WCAG 2.2, levels A and AA.
const axeRules = `{runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"]}`

// TestNpmAxe opens every page that a link leads to in Chromium, in both themes, wide and narrow, and has axe-core judge
// it. The keyboard alone reaches the content and opens a page.
func TestNpmAxe(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("there is no chromium")
	}
	client := npmVersion(t, "axe-core")
	script, err := os.ReadFile(filepath.Join(nodeFolder, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{}
	if err := g.start(); err != nil {
		t.Fatalf("start the gateway: %v", err)
	}
	defer g.stop()
	g.fill(t)
	b := newBrowser(t)
	b.signIn(g)
	var paths []string
	check(t, client, axeReads, "each page that a link leads to", func(t *testing.T) {
		paths = b.walk(t, g.url, "/ui/")
		t.Logf("%d pages: %s", len(paths), strings.Join(paths, " "))
		if len(paths) < 15 {
			t.Errorf("only %d pages: %v", len(paths), paths)
		}
	})
	check(t, client, axeReads, "each page of a portal that a link leads to", func(t *testing.T) {
		b.openPortal(t, g)
		found := b.walk(t, g.url, portal)
		t.Logf("%d pages: %s", len(found), strings.Join(found, " "))
		if len(found) < 10 || slices.ContainsFunc(found, func(path string) bool {
			return !strings.HasPrefix(path, portal)
		}) {
			t.Errorf("these pages: %v", found)
		}
		paths = append(paths, found...)
	})
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 320} {
			name := fmt.Sprintf("%s, %d pixels: no violation of WCAG 2.2 A and AA", theme, width)
			check(t, client, axeReads, name, func(t *testing.T) {
				if len(paths) == 0 {
					t.Error("no pages were found")
				}
				for _, path := range paths {
					for _, v := range b.axe(t, string(script), g.url+path, theme, width) {
						t.Errorf("%s: %s", path, v)
					}
				}
			})
		}
	}
	check(t, client, axeReads, "a page with faults has violations", func(t *testing.T) {
		found := b.axe(t, string(script), "data:text/html,<img src=x><p style='color:%23eee'>faint", "light", 1280)
		if len(found) < 2 {
			t.Errorf("found %q", found)
		}
	})
	check(t, client, axeReads, "the keyboard alone skips to the content and follows a link", func(t *testing.T) {
		b.keyboard(t, g.url)
	})
}

// portal is the first page of the portal of a tenant.
const portal = "/ui/portal/"

// openPortal opens the portal of acme, as a visitor does who was given a link.
func (b *browser) openPortal(t *testing.T, g *gateway) {
	t.Helper()
	made := g.bellhop(t, "portal-links", "create", "--tenant", "acme", "--rights", "manage")
	b.run(t, chromedp.Navigate(regexp.MustCompile(`http://\S+`).FindString(made)), chromedp.Click("main form button"),
		chromedp.WaitVisible("nav"))
}

// fill gives the pages something to show.
func (g *gateway) fill(t *testing.T) {
	t.Helper()
	g.bellhop(t, "sources", "create", "shop", "--provider", "generic", "--set", "scheme=none")
	g.bellhop(t, "sources", "create", "hub", "--provider", "github", "--set", "secret=a-secret-of-the-interop-tests")
	g.bellhop(t, "destinations", "create", "dead", "--url", "http://127.0.0.1:9/hook", "--retry", "none")
	g.bellhop(t, "keys", "create", "reader", "--scope", "read")
	for range 3 {
		resp, err := http.Post(g.url+"/in/shop", "application/json", strings.NewReader(`{"n":1,"text":"<b>bold</b>"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	resp, err := http.Post(g.url+"/in/hub", "application/json", strings.NewReader(`{}`)) // without a signature
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if !waitFor(func() bool { return strings.Contains(g.bellhop(t, "deliveries", "--state", "dead"), "dead") }) {
		t.Fatal("no delivery is dead")
	}
	g.bellhop(t, "replay", "--source", "shop")
	g.bellhop(t, "tenants", "create", "acme")
	g.bellhop(t, "sources", "create", "acme-shop", "--provider", "generic", "--set", "scheme=none", "--tenant", "acme")
	g.bellhop(t, "destinations", "create", "acme-dead", "--url", "http://127.0.0.1:9/hook", "--retry", "none",
		"--tenant", "acme")
	resp, err = http.Post(g.url+"/in/acme-shop", "application/json", strings.NewReader(`{"n":1}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	g.bellhop(t, "events", "publish", "invoice.paid", `{"n":2}`, "--tenant", "acme")
}

// A browser is a Chromium with one page.
type browser struct {
	t   *testing.T
	ctx context.Context
}

func newBrowser(t *testing.T) *browser {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath("chromium"),
		chromedp.NoSandbox)
	process, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(process)
	t.Cleanup(end)
	return &browser{t, ctx}
}

// run runs actions within waitLimit.
func (b *browser) run(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx); err != nil { // the browser lives longer than the first actions
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(b.ctx, waitLimit)
	defer end()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// value returns the value of an expression, or of the promise that it is.
func value[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	ctx, end := context.WithTimeout(b.ctx, waitLimit)
	defer end()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// command is a command of the protocol whose answer is of no interest.
func command[P, R any](c cdp.Command[P, R], parameters P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, parameters)
		return chromedp.Void{}, err
	}
}

// show opens a page in a theme at a width.
func (b *browser) show(t *testing.T, to, theme string, width int64) {
	t.Helper()
	b.run(t, command(page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}),
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900,
			DeviceScaleFactor: 1}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}}}),
		chromedp.Navigate(to))
}

// signIn signs in by a one-use link, as a person does.
func (b *browser) signIn(g *gateway) {
	link := strings.TrimSpace(g.bellhop(b.t, "ui", "--no-browser"))
	link = regexp.MustCompile(`http://\S+`).FindString(link)
	b.run(b.t, chromedp.Navigate(link), chromedp.Click("main form button"), chromedp.WaitVisible("nav"))
}

// walk returns the paths of the pages that links lead to from the first one on, without those of a portal if that is
// none: of pages that differ in ids and filters alone, one.
func (b *browser) walk(t *testing.T, base, first string) (paths []string) {
	t.Helper()
	seen := map[string]bool{}
	ids := regexp.MustCompile(`[a-z]{3}_[A-Za-z0-9+~.-]+`)
	for next := []string{first}; len(next) > 0 && len(paths) < 80; next = next[1:] {
		path := next[0]
		paths = append(paths, path)
		b.run(t, chromedp.Navigate(base+path))
		found := value[[]string](t, b, `[...document.querySelectorAll("a[href]:not([download])")].map(a => a.href)`)
		for _, to := range found {
			u, err := url.Parse(to)
			if err != nil || u.Scheme+"://"+u.Host != base || !strings.HasPrefix(u.Path, "/ui/") {
				continue
			}
			kind := ids.ReplaceAllString(u.Path, "ID")
			if !seen[kind] && kind != first && strings.HasPrefix(kind, portal) == (first == portal) {
				seen[kind] = true
				next = append(next, u.RequestURI())
			}
		}
	}
	return paths
}

// axe returns the violations of a page. The policy of the pages is off for it, because axe-core is a foreign script.
func (b *browser) axe(t *testing.T, script, to, theme string, width int64) (violations []string) {
	t.Helper()
	b.show(t, to, theme, width)
	value[any](t, b, script+"; true")
	text := value[string](t, b, "axe.run(document, "+axeRules+").then(r => JSON.stringify(r.violations))")
	var list []struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}
	if json.Unmarshal([]byte(text), &list) != nil {
		t.Fatalf("axe-core answered %.300s", text)
	}
	for _, v := range list {
		violations = append(violations, fmt.Sprintf("%s (%s), %d times: %.300s: %.300s", v.ID, v.Help, len(v.Nodes),
			v.Nodes[0].HTML, v.Nodes[0].FailureSummary))
	}
	return violations
}

// keyboard goes through the first page by Tab and Enter.
func (b *browser) keyboard(t *testing.T, base string) {
	t.Helper()
	const focus = `document.activeElement.textContent.trim()`
	b.show(t, base+"/ui/", "light", 1280)
	b.run(t, chromedp.KeyEvent("\t"))
	first := value[string](t, b, focus)
	outline := value[string](t, b, `getComputedStyle(document.activeElement).outlineStyle`)
	b.run(t, chromedp.KeyEvent("\r"))
	leads := waitFor(func() bool { return value[string](t, b, `location.hash`) != "" })
	if !strings.Contains(strings.ToLower(first), "skip") || outline == "none" || !leads {
		t.Errorf("the first stop is %q with outline %s, and leads somewhere: %t", first, outline, leads)
	}
	b.show(t, base+"/ui/", "light", 1280)
	focused := ""
	for range 12 {
		b.run(t, chromedp.KeyEvent("\t"))
		if focused = value[string](t, b, focus); focused == "Deliveries" {
			break
		}
	}
	b.run(t, chromedp.KeyEvent("\r"))
	if !waitFor(func() bool { return value[string](t, b, `location.pathname`) == "/ui/deliveries" }) {
		t.Errorf("from %q Enter does not lead to the deliveries", focused)
	}
}
