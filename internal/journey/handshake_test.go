package journey

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// clientState is what the sources of Microsoft's kind are set up with here.
const clientState = "state-of-the-journey"

// shake makes a handshake at a source and returns the status, the body and how long it took.
func shake(t *testing.T, c *http.Client, g *gateway, source, token string) (status int, body string, took time.Duration) {
	t.Helper()
	began := time.Now()
	res, err := c.Post(g.in(source)+"?validationToken="+url.QueryEscape(token), "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), time.Since(began)
}

// TestHandshakeUnderLoad: a handshake does not wait for the disk, nor behind those who do. While more comes in than the
// disk takes, 99 of 100 are answered soon; they are on record afterwards.
//
// The bound here is for a machine that runs other tests besides. docs/PERFORMANCE.md has the figures of a quiet one.
func TestHandshakeUnderLoad(t *testing.T) {
	const asked, bound = 400, 100 * time.Millisecond
	g := newGateway(t)
	l := newLedger()
	p := newProducer(g, l)
	p.sources()
	g.source("mailbox", "graph", map[string]any{"client_state": clientState})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := p.load(ctx, 64, 100_000)
	eventually(t, 10*time.Second, "the load is on", func() bool { return l.acked() > 1000 })

	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	var times []time.Duration
	for range asked {
		status, body, took := shake(t, c, g, "mailbox", "Validation: under load +")
		if status != 200 || body != "Validation: under load +" {
			t.Fatalf("answered %d %q", status, body)
		}
		times = append(times, took)
	}
	before := l.acked()
	stop()
	done.Wait()
	slices.Sort(times)
	p99 := times[len(times)*99/100]
	t.Logf("%d handshakes beside %d events: half within %v, 99 of 100 within %v, all within %v", asked, before, times[len(times)/2], p99, times[len(times)-1])
	if p99 > bound {
		t.Errorf("99 of 100 within %v, want %v", p99, bound)
	}
	// Of more than a hundred at a time, twenty a second are kept, for whoever asks here need not prove anything.
	eventually(t, 10*time.Second, "they are on record", func() bool { return len(handshakes(t, g, "mailbox")) >= 100 })
}

// handshakes are those on record at a source.
func handshakes(t *testing.T, g *gateway, source string) []client.Request {
	t.Helper()
	return everything(t, func(ctx context.Context, page client.Page) (client.List[client.Request], error) {
		return g.client().Requests(ctx, client.RequestFilter{Outcome: "handshake", Source: source}, page)
	})
}

// TestBatch: one request with several items makes as many events, in their order, under one commit. The request is kept
// once, an item that is refused is on record with its reason, and repeats fold, within the batch and across batches.
func TestBatch(t *testing.T) {
	g := newGateway(t)
	g.source("mailbox", "graph", map[string]any{"client_state": clientState})
	item := func(id, state string) string {
		return `{"id":"` + id + `","subscriptionId":"s","clientState":"` + state + `","changeType":"updated","resource":"users/u/messages/` + id + `","tenantId":"t"}`
	}
	post := func(items ...string) int {
		t.Helper()
		res, err := probing.Post(g.in("mailbox"), "application/json", strings.NewReader(`{"value":[`+strings.Join(items, ",")+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if status := post(item("1", clientState), item("2", "forged"), item("3", clientState), item("1", clientState)); status != 202 {
		t.Errorf("answered %d", status)
	}
	if status := post(item("3", clientState), item("4", clientState)); status != 202 {
		t.Errorf("answered %d", status)
	}
	if status := post(item("5", "forged")); status != 202 {
		t.Errorf("only forged: answered %d", status)
	}
	var subjects []string
	for _, ev := range listEvents(t, g) { // newest first
		subjects = append(subjects, ev.Subject[strings.LastIndex(ev.Subject, "/")+1:])
	}
	if slices.Reverse(subjects); !slices.Equal(subjects, []string{"1", "3", "4"}) {
		t.Errorf("events %v", subjects)
	}
	requests := everything(t, func(ctx context.Context, page client.Page) (client.List[client.Request], error) {
		return g.client().Requests(ctx, client.RequestFilter{}, page)
	})
	if len(requests) != 3 {
		t.Fatalf("%d requests on record", len(requests))
	}
	slices.Reverse(requests)
	first, err := g.client().Request(context.Background(), requests[0].ID)
	if err != nil || first.Outcome != "partial" || first.Reason != "forbidden" || !strings.Contains(first.Detail, "item 1") || strings.Count(first.Body, `"id"`) != 4 {
		t.Errorf("on record: %+v %v", first, err)
	}
	if requests[1].Outcome != "accepted" || requests[2].Outcome != "refused" || requests[2].Events != 0 || requests[2].Status != 202 {
		t.Errorf("on record: %+v", requests[1:])
	}
}
