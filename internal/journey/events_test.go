package journey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/prove"
)

// maxBody is the largest body that a source accepts by default.
const maxBody = 1 << 20

// TestBodies sends bodies of random bytes and lengths with unusual content types. The bytes at the receiver and at
// the API are those that were sent.
func TestBodies(t *testing.T) { sendBodies(t, 120) }

// sendBodies is the body of TestBodies for this number of bodies.
func sendBodies(t *testing.T, bodies int) {
	t.Parallel()
	random := newRandom(t)
	l := newLedger()
	g := newGateway(t)
	p := newProducer(g, l)
	p.sources()
	r := newReceiver(t, l, nil)
	r.destination(g, "raw", "raw")

	types := map[prove.Digest]string{}
	var bytesSent int
	var sending sync.WaitGroup
	slots := make(chan struct{}, 4)
	for n := range bodies {
		body := randomBytes(random, bodyLength(n, random))
		d := prove.Digest(sha256.Sum256(body))
		if _, ok := types[d]; ok { // a short body was sent before, perhaps with another content type
			body = randomBytes(random, 16)
			d = sha256.Sum256(body)
		}
		types[d] = contentTypes[n%len(contentTypes)]
		bytesSent += len(body)
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			if status := postTyped(p, body, contentTypes[n%len(contentTypes)]); status != http.StatusAccepted {
				t.Errorf("%d bytes are answered %d", len(body), status)
			}
		})
	}
	sending.Wait()
	settle(t, g, patience)
	l.check(t, g)

	for _, a := range l.ArrivedAt("raw") {
		if want := types[a.Body]; a.ContentType != want {
			t.Errorf("sent as %q, arrived as %q", want, a.ContentType)
		}
	}
	c := g.client()
	events := readStored(t, c).Events
	for id, ev := range events {
		body, contentType := bodyOf(t, c, id)
		sum := prove.Digest(sha256.Sum256(body))
		want := types[sum]
		if want == "" {
			want = "application/octet-stream"
		}
		if !l.Sent(sum) || hex.EncodeToString(sum[:]) != ev.BodySHA256 || len(body) != ev.BodyBytes ||
			contentType != want {
			t.Errorf("event %s: its %d bytes of %q are not what was sent: %d bytes, %.12s…, %q", id, len(body),
				contentType, ev.BodyBytes, ev.BodySHA256, want)
		}
	}
	t.Logf("%d bodies, %d MiB, are the same at the receiver, at GET /events/{id}/body and in body_sha256", len(events),
		bytesSent>>20)
}

// contentTypes are unusual ones; "" sends none.
var contentTypes = []string{
	"application/json", "", "application/octet-stream", "text/plain; charset=utf-16", "TEXT/HTML",
	"image/png; q=\"a;b\"", "application/x-www-form-urlencoded", "multipart/form-data; boundary=\"--x\"",
	"not a content type", ";", "application/json; charset=\"<script>\"",
}

// bodyLength returns lengths at the borders of buffers first; then most are short and some long.
func bodyLength(n int, random *rand.Rand) int {
	borders := []int{0, 1, 2, maxBody, maxBody - 1, 4095, 4096, 4097, 8191, 8192, 8193, 16384, 65535, 65536, 65537,
		256 << 10, 256<<10 + 1}
	if n < len(borders) {
		return borders[n]
	}
	if n%8 == 0 {
		return random.IntN(maxBody + 1)
	}
	return int(math.Exp(random.Float64() * math.Log(maxBody)))
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// postTyped sends body to the plain source with a content type.
func postTyped(p *producer, body []byte, contentType string) (status int) {
	req, err := http.NewRequest(http.MethodPost, p.gateway.in(plainSource), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.GetBody = nil
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	sent := p.Ledger.Send(plainSource, "", body)
	res, err := p.HTTP.Do(req)
	if err != nil {
		return 0
	}
	res.Body.Close()
	if res.StatusCode/100 == 2 {
		p.Ledger.Ack(sent)
	}
	return res.StatusCode
}

// TestBatch: a request with several items makes one event of each, in their order, under one commit. The request
// is kept once with the reasons of refused items. Repeats are recognized within a batch and across batches.
func TestBatch(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	g.source("mailbox", "graph", map[string]any{"client_state": clientState})
	item := func(id, state string) string {
		return `{"id":"` + id + `","subscriptionId":"s","clientState":"` + state +
			`","changeType":"updated","resource":"users/u/messages/` + id + `","tenantId":"t"}`
	}
	post := func(items ...string) int {
		t.Helper()
		res, err := probing.Post(g.in("mailbox"), "application/json",
			strings.NewReader(`{"value":[`+strings.Join(items, ",")+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if status := post(item("1", clientState), item("2", "forged"), item("3", clientState),
		item("1", clientState)); status != 202 {
		t.Errorf("answered %d", status)
	}
	if status := post(item("3", clientState), item("4", clientState)); status != 202 {
		t.Errorf("answered %d", status)
	}
	if status := post(item("5", "forged")); status != 202 {
		t.Errorf("only forged: answered %d", status)
	}
	var subjects []string
	for _, ev := range listEvents(t, g.client()) { // newest first
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
	if err != nil || first.Outcome != "partial" || first.Reason != "forbidden" ||
		!strings.Contains(first.Detail, "item 1") || strings.Count(first.Body, `"id"`) != 4 {
		t.Errorf("on record: %+v %v", first, err)
	}
	if requests[1].Outcome != "accepted" || requests[2].Outcome != "refused" || requests[2].Events != 0 ||
		requests[2].Status != 202 {
		t.Errorf("on record: %+v", requests[1:])
	}
}

// clientState is the secret of the sources of Microsoft providers.
const clientState = "state-of-the-journey"

// shake makes a handshake at a source, and returns the answer and how long it took.
func shake(t *testing.T, c *http.Client, g *gateway, source, token string) (status int, body string,
	took time.Duration) {
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

// TestHandshakeUnderLoad: handshakes are answered while events are stored, and are on record afterwards.
func TestHandshakeUnderLoad(t *testing.T) {
	t.Parallel()
	const asked = 50
	g := newGateway(t)
	l := newLedger()
	p := newProducer(g, l)
	p.sources()
	g.source("mailbox", "graph", map[string]any{"client_state": clientState})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := p.Load(ctx, 16, 2000)
	eventually(t, patience, "events are accepted", func() bool { return l.Acked() > 100 })
	for range asked {
		if status, body, _ := shake(t, probing, g, "mailbox", "Validation: under load +"); status != 200 ||
			body != "Validation: under load +" {
			t.Fatalf("answered %d %q", status, body)
		}
	}
	stop()
	done.Wait()
	eventually(t, patience, "they are on record", func() bool { return len(handshakes(t, g, "mailbox")) == asked })
}

// handshakes returns the recorded handshakes of a source.
func handshakes(t *testing.T, g *gateway, source string) []client.Request {
	t.Helper()
	return everything(t, func(ctx context.Context, page client.Page) (client.List[client.Request], error) {
		return g.client().Requests(ctx, client.RequestFilter{Outcome: "handshake", Source: source}, page)
	})
}

// TestLoop: a destination points at the gateway's own door. An event passes eight times and is then refused.
func TestLoop(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	l := newLedger()
	p := newProducer(g, l)
	p.sources()
	loopTo(g, g)
	if status := p.Post(plainSource, "", []byte("round and round")); status != 202 {
		t.Fatalf("answered %d", status)
	}
	endsAtHop8(t, g)
	if n := plainEvents(t, g); n != 8 {
		t.Errorf("%d events are stored, want 8", n)
	}
	t.Logf("8 events, the last refused as: %s", refusals(t, g, plainSource)[0].Detail)
}

// TestLoopOfTwo: two gateways deliver to one another. An event passes each of them four times.
func TestLoopOfTwo(t *testing.T) {
	t.Parallel()
	a, b := newGateway(t), newGateway(t)
	p := newProducer(a, newLedger())
	p.sources()
	newProducer(b, newLedger()).sources()
	loopTo(a, b)
	loopTo(b, a)
	if status := p.Post(plainSource, "", []byte("to and fro")); status != 202 {
		t.Fatalf("answered %d", status)
	}
	endsAtHop8(t, b)
	if n, m := plainEvents(t, a), plainEvents(t, b); n != 4 || m != 4 {
		t.Errorf("%d and %d events are stored, want 4 and 4", n, m)
	}
}

// plainEvents counts the events of the plain source.
func plainEvents(t *testing.T, g *gateway) (n int) {
	t.Helper()
	for _, ev := range listEvents(t, g.client()) {
		if ev.Source == plainSource {
			n++
		}
	}
	return n
}

// loopTo has from deliver everything to the plain source of to.
func loopTo(from, to *gateway) {
	from.destination(client.NewDestination{Name: "loop", URL: to.in(plainSource),
		Settings: map[string]any{"format": "raw"}, Timeout: prove.AttemptTimeout,
		Retry: &client.Retry{Schedule: client.Schedule{"50ms"}}})
}

// endsAtHop8 waits until g gives up the delivery of the event that has made eight hops.
func endsAtHop8(t *testing.T, g *gateway) {
	t.Helper()
	eventually(t, patience, "the last delivery is dead", func() bool {
		return readStored(t, g.client()).States["dead"] == 1
	})
	settle(t, g, patience) // the deliveries of earlier hops may be recorded later
	for _, d := range readStored(t, g.client()).Deliveries {
		if d.State == "dead" && (d.Attempts != 2 || d.Last.Status != 508) {
			t.Errorf("given up after %d attempts, answered %d", d.Attempts, d.Last.Status)
		}
		if !slices.Contains([]string{"dead", "delivered"}, d.State) {
			t.Errorf("delivery %s is %s", d.ID, d.State)
		}
	}
}

// listEvents returns the stored events that were sent, newest first. Those that the gateway publishes about itself,
// such as that deliveries are dead, come at a moment of its own, and are left out.
func listEvents(t *testing.T, c *client.Client) []client.Event {
	t.Helper()
	all := everything(t, func(ctx context.Context, page client.Page) (client.List[client.Event], error) {
		return c.Events(ctx, client.EventFilter{}, page)
	})
	return slices.DeleteFunc(all, func(ev client.Event) bool { return ev.Source == "bellhop" })
}
