//go:build browser

package journey

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestChromiumWaiting: the page that waits for the first event of a source shows its handshake, a refusal with its
// usual cause, and the event, as they come.
func TestChromiumWaiting(t *testing.T) {
	t.Parallel()
	browser := needBrowser(t)
	p := newPages(t, newGateway(t))
	source, err := p.g.client().CreateSource(t.Context(), client.NewSource{Name: "calendar", Provider: "graph",
		Settings: client.Settings{"client_state": "a-state-of-36-characters-that-is-new"}})
	p.must(err)
	sample := func(kind string) func() string {
		return func() string {
			s, err := p.g.client().SampleSource(context.Background(), "calendar", client.NewSample{Type: kind})
			if err != nil {
				t.Errorf("sample %s: %v", kind, err)
			}
			return strings.Join(append(s.EventIDs, s.RequestID), "")
		}
	}
	refused := func() string {
		body := `{"value":[{"subscriptionId":"s","clientState":"another","changeType":"created","resource":"r"}]}`
		reply, err := http.Post(source.URL, "application/json", strings.NewReader(body))
		if err != nil {
			t.Errorf("call the source: %v", err)
			return ""
		}
		reply.Body.Close()
		return ""
	}
	got := p.runInPage(browser, "/ui/sources/"+source.ID+"/setup", `
	await until('it is live', () => said() === 'Live');
	window.stays = true;
	const before = rows().length;
	const handshake = await action('handshake');
	await until('the handshake is there', () => rows()[0]?.dataset.id === handshake);
	const greeted = rows()[0].textContent;
	await action('refused');
	await until('the refusal is there', () => rows().length === 2);
	const refusal = rows()[0].textContent;
	const check = rows()[0].querySelector('form button')?.textContent;
	const event = await action('event');
	await until('the event is there', () => rows()[0]?.dataset.id === event);
	await report({ before, greeted, refusal, check, event: rows()[0].textContent, stays: window.stays });`,
		map[string]func() string{"handshake": sample("handshake"), "refused": refused,
			"event": sample("graph.created")})
	text := func(name string) string { s, _ := got[name].(string); return s }
	if got["before"] != 0.0 || got["stays"] != true || !strings.Contains(text("greeted"), "handshake") ||
		!strings.Contains(text("refusal"), "refused") || !strings.Contains(text("refusal"), "client_state") ||
		text("check") != "Check again" || !strings.Contains(text("event"), "graph.created") {
		t.Errorf("%v", got)
	}
}

// TestChromiumKeep: a row of the tail that is kept stays where it is while others flow below it, and flows with them
// again when it is let go.
func TestChromiumKeep(t *testing.T) {
	t.Parallel()
	browser := needBrowser(t)
	p := newPages(t, newGateway(t))
	p.publishes("first.event")()
	got := p.runInPage(browser, "/ui/live?kinds=event.accepted", `
	await until('it is live', () => said() === 'Live');
	const row = rows().find((each) => each.textContent.includes('first.event'));
	row.querySelector('button.keep').click();
	const kept = row.parentElement.className;
	const before = row.getBoundingClientRect().top;
	await action('second');
	await until('the second is there', () => rows().some((each) => each.textContent.includes('second.event')));
	const moved = row.getBoundingClientRect().top - before;
	const first = rows()[0] === row;
	row.querySelector('button.keep').click();
	await report({ kept, moved, first, after: row.parentElement.className, label:
		row.querySelector('button.keep').textContent });`,
		map[string]func() string{"second": p.publishes("second.event")})
	if got["kept"] != "kept" || got["moved"] != 0.0 || got["first"] != true || got["after"] != "" ||
		got["label"] != "Keep" {
		t.Errorf("%v", got)
	}
}
