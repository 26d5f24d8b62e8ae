//go:build browser

package journey

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// deadDelivery stores some events, one of which a receiver refuses for good, and returns the type of that one.
func deadDelivery(t *testing.T, g *gateway) string {
	t.Helper()
	g.destination(client.NewDestination{Name: "nowhere", URL: "http://127.0.0.1:9",
		Settings: client.Settings{"format": "raw"}, Retry: &client.Retry{Schedule: client.Schedule{"none"}},
		Match: &client.Match{Types: []string{"order.*"}}})
	for _, kind := range []string{"invoice.paid", "order.made", "invoice.sent"} {
		_, _, err := g.client().Publish(t.Context(), client.NewEvent{Type: kind, Data: []byte(`{"n":1}`)}, "")
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, patience, "a delivery is dead", func() bool {
		l, err := g.client().Deliveries(t.Context(), client.DeliveryFilter{State: "dead"}, client.Page{})
		return err == nil && len(l.Data) == 1
	})
	return "order.made"
}

// TestChromiumKeyboard: with the keyboard alone somebody signs in, filters, opens an event and retries a delivery, and
// always sees where the focus is.
func TestChromiumKeyboard(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	kind := deadDelivery(t, g)
	p := newPerson(t, g)
	p.open("/ui/")
	p.sees("Sign in to Bellhop")
	p.tabsTo("key")
	p.keys(g.key())
	p.leads(func() { p.keys("\r") })
	p.sees("Overview")

	p.tabsTo("Skip to the content")
	p.keys("\r")
	if at := find[string](p, "location.hash"); at != "#main" {
		t.Errorf("the skip link leads to %q", at)
	}
	p.open("/ui/")
	p.tabsTo("Events")
	p.leads(func() { p.keys("\r") })
	p.sees("invoice.sent")
	p.presses("?")
	p.until("the help of the keys is open", `document.querySelector('dialog[open]') !== null`)
	p.keys("\x1b")
	p.until("the help is closed", `document.querySelector('dialog') === null`)
	p.presses("/")
	p.until("the filter has the focus", `document.activeElement.closest('details.filter') !== null`)
	p.tabsTo("type")
	p.keys("order.*")
	p.leads(func() { p.keys("\r") })
	p.sees(kind)
	if text := find[string](p, `document.querySelector('main').innerText`); strings.Contains(text, "invoice.sent") {
		t.Errorf("the filter leaves everything in:\n%s", text)
	}
	p.presses("j")
	p.leads(func() { p.keys("\r") })
	p.until("the event is open", `location.pathname.startsWith('/ui/events/evt_')`)

	p.tabsTo("Deliveries")
	p.leads(func() { p.keys("\r") })
	p.tabsTo("Dead")
	p.leads(func() { p.keys("\r") })
	p.presses("j")
	p.leads(func() { p.keys("\r") })
	p.tabsTo("Retry now")
	p.leads(func() { p.keys("\r") })
	p.sees("The delivery is due now.")
}

// TestChromiumWithoutScripts: with JavaScript off the same is done by links and forms. Times are UTC, and the pages
// say so.
func TestChromiumWithoutScripts(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	kind := deadDelivery(t, g)
	p := newPerson(t, g)
	p.runsScripts(false)
	p.open("/ui/")
	p.fills("key", g.key())
	p.follow("Sign in")
	p.sees("Overview")
	p.follow("Events")
	p.sees("invoice.sent")
	if !find[bool](p, `document.body.innerText.includes('Times are UTC')`) {
		t.Error("the page does not say that times are UTC")
	}
	p.clicks("Filter")
	p.fills("type", "order.*")
	p.leads(func() {
		p.do(clickOn(p, `[...document.querySelectorAll('details.filter button')].at(-1)`))
	})
	p.sees(kind)
	p.follow(kind)
	p.sees("Body")
	p.follow("Raw")
	p.follow("Hex")
	p.sees("7b")
	p.follow("Publish a changed copy")
	p.fills("data", `{"n":`)
	p.follow("Publish")
	p.sees("This is not JSON.")
	if typed := find[string](p, `document.querySelector('[name=data]').value`); typed != `{"n":` {
		t.Errorf("what was typed has become %q", typed)
	}
	p.fills("data", `{"n":2}`)
	p.follow("Publish")
	p.sees("The event is stored.")
	p.follow("Deliveries")
	p.follow("Dead")
	p.leads(func() { p.do(clickOn(p, `document.querySelector('td a[href^="/ui/deliveries/dlv_"]')`)) })
	p.follow("Retry now")
	p.sees("The delivery is due now.")

	p.open("/ui/sources/new?provider=generic")
	p.fills("name", "not a name!")
	p.fills("settings.scheme", "none")
	p.follow("Create")
	if at := find[string](p, `document.querySelector('.wrong input')?.name ?? ''`); at != "name" {
		t.Errorf("the error stands at %q", at)
	}
	p.fills("name", "by-hand")
	p.follow("Create")
	p.sees("/in/by-hand")
	p.follow("The page of the source")
	p.follow("Delete")
	p.follow("Delete source")
	p.sees("It is deleted.")
	p.heard() // that pages have no scripts
}

// TestChromiumBadFilter: a filter that nobody can parse says at its field what is wrong, and keeps what was typed.
func TestChromiumBadFilter(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	deadDelivery(t, g)
	p := newPerson(t, g)
	p.signIn(g)
	for _, c := range []struct{ path, field, value string }{
		{"/ui/events", "since", "the day before yesterday"},
		{"/ui/events", "until", "25:99"},
		{"/ui/deliveries", "until", "2026-13-45"},
		{"/ui/requests", "since", "soon"},
	} {
		p.open(c.path)
		p.fills(c.field, c.value)
		p.leads(func() { p.keys("\r") })
		got := find[[]string](p, `[document.querySelector('.wrong input')?.name ?? '',
			document.querySelector('.wrong input')?.value ?? '', document.querySelector('.wrong .hint')?.innerText ?? '']`)
		if got[0] != c.field || got[1] != c.value || len(got[2]) < 10 {
			t.Errorf("%s: %s=%q: %q", c.path, c.field, c.value, got)
		}
		p.expects("422")
	}
}

// TestChromiumLargeBodies: a body of 1 MiB in one line, and one that is not UTF-8, are shown at once in each view, do
// not widen the page, and are downloaded byte for byte.
func TestChromiumLargeBodies(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.source("bytes", "generic", map[string]any{"scheme": "none", "type": "x"})
	long := append(append([]byte(`{"text":"`), bytes.Repeat([]byte("a<b>"), 1<<18-8)...), []byte(`"}`)...)
	bodies := map[string][]byte{"one line": long, "not UTF-8": bytes.Repeat([]byte("\xff\xfe\x00<script>\x80"), 999)}
	p := newPerson(t, g)
	p.signIn(g)
	for name, body := range bodies {
		kind := "application/json"
		if name != "one line" {
			kind = "application/octet-stream"
		}
		reply, err := http.Post(g.in("bytes"), kind, bytes.NewReader(body))
		p.must(err)
		reply.Body.Close()
		if reply.StatusCode/100 != 2 {
			t.Fatalf("%s: %s", name, reply.Status)
		}
		ev := client.Event{}
		eventually(t, patience, "the event is listed", func() bool {
			l, err := g.client().Events(t.Context(), client.EventFilter{Source: "bytes"}, client.Page{Limit: 1})
			if err != nil || len(l.Data) == 0 || l.Data[0].BodyBytes != len(body) {
				return false
			}
			ev = l.Data[0]
			return true
		})
		for _, width := range []int64{1280, 320} {
			p.looks("light", width)
			for _, view := range []string{"pretty", "raw", "hex"} {
				for _, whole := range []string{"", "&whole=1"} {
					p.open("/ui/events/" + ev.ID + "?body=" + view + whole)
					p.fitsWidth(name + " as " + view)
					if n := find[int](p, `document.querySelector('pre.content').textContent.length`); n < 1000 {
						t.Errorf("%s as %s: %d characters", name, view, n)
					}
				}
			}
		}
		if saved := p.downloads("Download"); !bytes.Equal(saved, body) {
			t.Errorf("%s: %d bytes are saved, and are others than the %d that came", name, len(saved), len(body))
		}
	}
}

// TestChromiumServerGone: a server that stops under an open page is missed in words, and once it is back the page
// shows what happened in the meantime, by itself.
func TestChromiumServerGone(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	deadDelivery(t, g)
	p := newPerson(t, g)
	p.signIn(g)
	p.open("/ui/events")
	p.until("it is live", `document.querySelector('.live [role=status]')?.textContent === 'Live'`)
	find[bool](p, `window.stays = true`)
	g.args = append(g.args, "--listen", g.address())
	if status, _ := g.stop(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	p.until("the page says that the server is gone", `document.querySelector('.live [role=status]').textContent
		.startsWith('The server does not answer')`)
	g.start()
	_, _, err := g.client().Publish(t.Context(), client.NewEvent{Type: "after.restart", Data: []byte(`{}`)}, "")
	p.must(err)
	p.sees("after.restart")
	if !find[bool](p, `window.stays === true`) {
		t.Error("the page was loaded anew")
	}
	p.heard() // of the connection
}
