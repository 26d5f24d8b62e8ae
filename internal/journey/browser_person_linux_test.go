//go:build browser

package journey

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A person uses the pages of a gateway in a browser: with mouse and keyboard, by the words on the page.
type person struct {
	t    *testing.T
	ctx  context.Context
	base string // scheme and host of the gateway

	mu         sync.Mutex
	complaints []string // errors and reports of the policy in the console, and dialogs; guarded by mu
}

// newPerson returns somebody in front of a browser of 1280 pixels. A complaint of the browser fails the test at its
// end.
func newPerson(t *testing.T, g *gateway, flags ...chromedp.ExecAllocatorOption) *person {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(needBrowser(t)),
		chromedp.NoSandbox, chromedp.DisableGPU)
	process, end := chromedp.NewExecAllocator(context.Background(), append(options, flags...)...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(process)
	t.Cleanup(end)
	p := &person{t: t, ctx: ctx, base: *g.url.Load()}
	p.must(chromedp.Do(ctx)) // without a deadline, which would be that of the browser
	p.must(chromedp.Listen(ctx, p.hear))
	p.looks("light", 1280)
	t.Cleanup(func() {
		for _, complaint := range p.heard() {
			t.Errorf("the browser complains: %s", complaint)
		}
	})
	return p
}

// another returns the same person at another window of the browser.
func (p *person) another() *person {
	p.t.Helper()
	ctx, end := chromedp.NewContext(p.ctx)
	p.t.Cleanup(end)
	other := &person{t: p.t, ctx: ctx, base: p.base}
	p.must(chromedp.Do(ctx))
	p.must(chromedp.Listen(ctx, other.hear))
	other.looks("light", 1280)
	p.t.Cleanup(func() {
		for _, complaint := range other.heard() {
			p.t.Errorf("the browser complains: %s", complaint)
		}
	})
	return other
}

// hear keeps what the browser complains of, and closes dialogs.
func (p *person) hear(event any) {
	complaint := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level != "error" && e.Entry.Level != "warning" {
			return
		}
		complaint = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		complaint = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			complaint += " " + e.ExceptionDetails.Exception.Description
		}
	case *page.EventJavascriptDialogOpening:
		complaint = "a dialog: " + e.Message
		go chromedp.Do(p.ctx, command(page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{}))
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(p.complaints, complaint)
}

// heard returns the complaints so far, and forgets them.
func (p *person) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	complaints := p.complaints
	p.complaints = nil
	return complaints
}

// expects forgets the complaints that contain text, and fails the test if there was none.
func (p *person) expects(text string) {
	p.t.Helper()
	all := p.heard()
	others := slices.DeleteFunc(slices.Clone(all), func(c string) bool { return strings.Contains(c, text) })
	if len(others) == len(all) {
		p.t.Errorf("the browser does not say %q: %q", text, all)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complaints = append(others, p.complaints...)
}

func (p *person) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// command is a command of the protocol whose answer is of no interest.
func command[P, R any](c cdp.Command[P, R], parameters P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, parameters)
		return chromedp.Void{}, err
	}
}

// do runs actions.
func (p *person) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	err := chromedp.Do(ctx, actions...)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.where())
	}
}

// look returns the value of an expression in the page.
func look[T any](p *person, expression string) (T, error) {
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// find returns the value of an expression in the page, which must have one.
func find[T any](p *person, expression string) T {
	p.t.Helper()
	v, err := look[T](p, expression)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.where())
	}
	return v
}

// where describes the page for a failure.
func (p *person) where() string {
	at, _ := look[string](p, `location.pathname + location.search`)
	text, _ := look[string](p, `(document.querySelector('main') ?? document.body).innerText`)
	if len(text) > 1500 {
		text = text[:1500]
	}
	return at + ":\n" + text
}

// until waits until an expression is true, also of a page that comes in the meantime.
func (p *person) until(what, expression string) {
	p.t.Helper()
	if !poll(patience/2, func() bool {
		ok, err := look[bool](p, expression)
		return err == nil && ok
	}) {
		p.t.Fatalf("in vain: %s\n%s", what, p.where())
	}
}

// looks chooses the theme and the width in pixels.
func (p *person) looks(theme string, width int64) {
	p.t.Helper()
	size := emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1}
	p.do(command(emulation.SetDeviceMetricsOverride, size),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}}}))
}

// runsScripts switches JavaScript of pages on and off.
func (p *person) runsScripts(on bool) {
	p.t.Helper()
	p.do(command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}))
}

// open opens a page of the gateway.
func (p *person) open(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(p.base + path))
}

// signIn signs in by a one-use link.
func (p *person) signIn(g *gateway) {
	p.t.Helper()
	made, err := g.client().CreateSignInLink(p.t.Context())
	p.must(err)
	p.do(chromedp.Navigate(made.LocalURL))
	p.follow("Open")
	p.sees("Overview")
}

// sees waits until the page has a text. It does not load it again.
func (p *person) sees(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("the page says %q", text),
		fmt.Sprintf(`(document.querySelector('main') ?? document.body).innerText.includes(%q)`, text))
}

// awaits loads the page again until it has a text, as a person does who has no JavaScript.
func (p *person) awaits(text string) {
	p.t.Helper()
	has := fmt.Sprintf(`(document.querySelector('main') ?? document.body).innerText.includes(%q)`, text)
	if !poll(patience/2, func() bool {
		if find[bool](p, has) {
			return true
		}
		p.do(chromedp.Reload())
		return find[bool](p, has)
	}) {
		p.t.Fatalf("in vain: after loading it again and again, the page says %q\n%s", text, p.where())
	}
}

// spot is a script that finds the link, button or summary with those words, first in the content of the page, brings
// it into sight, and returns where its middle is.
const spot = `((words) => {
	const named = (e) => (e.getAttribute('aria-label') ?? e.textContent).replace(/\s+/g, ' ').trim();
	const all = [...document.querySelectorAll('main :is(a[href], button, summary, label)'),
		...document.querySelectorAll('a[href], button, summary, label')];
	const found = all.find((e) => named(e) === words && e.checkVisibility());
	if (!found) return null;
	found.scrollIntoView({ block: 'center', behavior: 'instant' });
	const box = found.getClientRects()[0];
	return [box.x + box.width / 2, box.y + box.height / 2];
})(%q)`

// clicks clicks the link, button, summary or label with those words.
func (p *person) clicks(words string) {
	p.t.Helper()
	var at []float64
	p.until("there is "+words, fmt.Sprintf(spot, words)+" !== null")
	at = find[[]float64](p, fmt.Sprintf(spot, words))
	p.do(chromedp.MouseClickXY(at[0], at[1]))
}

// follow clicks a link or button, and waits for the page to which it leads.
func (p *person) follow(words string) {
	p.t.Helper()
	p.leads(func() { p.clicks(words) })
}

// leads waits for the page to which an action leads.
func (p *person) leads(act func()) {
	p.t.Helper()
	find[bool](p, `window.isOld = true`)
	act()
	p.until("another page comes", `!window.isOld && document.readyState === 'complete'`)
}

// fills types into the field of that name, in place of what is there, chooses an option, or sets a check.
func (p *person) fills(name, value string) {
	p.t.Helper()
	kind := find[string](p, fmt.Sprintf(`(() => {
		const e = document.querySelector('[name=%q]:not([type=hidden])');
		if (!e) return '';
		for (let d = e.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
		e.scrollIntoView({ block: 'center', behavior: 'instant' });
		e.focus();
		if (e.type === 'checkbox') {
			if (!e.checked) e.click();
			return 'check';
		}
		if (e.tagName === 'SELECT') {
			e.value = %q;
			e.dispatchEvent(new Event('change', { bubbles: true }));
			return e.value === %[2]q ? 'choice' : 'no such choice';
		}
		e.select();
		return 'text';
	})()`, name, value))
	switch kind {
	case "text":
		p.do(command(input.InsertText, input.InsertTextParams{Text: value}))
	case "check", "choice":
	default:
		p.t.Fatalf("field %s: %q\n%s", name, kind, p.where())
	}
}

// downloads clicks a link, and returns what the browser saves.
func (p *person) downloads(words string) []byte {
	p.t.Helper()
	folder := p.t.TempDir()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: "allow", DownloadPath: folder})
	p.must(err)
	p.clicks(words)
	var saved []byte
	eventually(p.t, patience, "the download is saved", func() bool {
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(files) != 1 || strings.HasSuffix(files[0], ".crdownload") ||
			strings.HasPrefix(filepath.Base(files[0]), ".") {
			return false
		}
		saved, err = os.ReadFile(files[0])
		return err == nil
	})
	return saved
}

// path returns the path of the page.
func (p *person) path() string {
	p.t.Helper()
	u, err := url.Parse(find[string](p, `location.href`))
	p.must(err)
	return u.Path
}

// fitsWidth checks that the page as a whole is not wider than the window.
func (p *person) fitsWidth(what string) {
	p.t.Helper()
	wide := find[[]string](p, `(() => {
		const most = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= most) return [];
		return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > most + 1)
			.slice(-4).map((e) => e.outerHTML.slice(0, 160));
	})()`)
	if len(wide) > 0 {
		p.t.Errorf("%s: the page scrolls sideways because of %q", what, wide)
	}
}

// shoots returns a picture of the page, for somebody who looks at it.
func (p *person) shoots(whole bool) []byte {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(ctx, action)
	p.must(err)
	return picture
}

// keys presses keys one after the other.
func (p *person) keys(text string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(text))
}

// presses presses one key, whose character a page can keep from being typed.
func (p *person) presses(key string) {
	p.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{"keyDown", "keyUp"} {
		event := input.DispatchKeyEventParams{Type: kind, Key: key}
		if kind == "keyDown" {
			event.Text = key
		}
		p.do(command(input.DispatchKeyEvent, event))
	}
}

// tabsTo presses Tab until the element with those words, or the field of that name, has the focus, which is visible.
func (p *person) tabsTo(words string) {
	p.t.Helper()
	const focused = `((words) => {
		const e = document.activeElement;
		const named = (e.getAttribute('aria-label') ?? e.textContent).replace(/\s+/g, ' ').trim();
		return named === words || e.name === words;
	})(%q)`
	began := time.Now()
	for n := 0; !find[bool](p, fmt.Sprintf(focused, words)); n++ {
		if n == 120 || time.Since(began) > patience {
			p.t.Fatalf("Tab does not lead to %q\n%s", words, p.where())
		}
		p.keys("\t")
	}
	if outline := find[string](p, `getComputedStyle(document.activeElement).outlineStyle`); outline == "none" {
		p.t.Errorf("the focus on %q is not to be seen", words)
	}
}

// clickOn clicks the element that is the value of an expression.
func clickOn(p *person, element string) chromedp.Action[chromedp.Void] {
	p.t.Helper()
	at := find[[]float64](p, fmt.Sprintf(`((e) => {
		e.scrollIntoView({ block: 'center', behavior: 'instant' });
		const box = e.getClientRects()[0];
		return [box.x + box.width / 2, box.y + box.height / 2];
	})(%s)`, element))
	return chromedp.MouseClickXY(at[0], at[1])
}
