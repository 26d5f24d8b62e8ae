package journey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The two sources of a producer, and the secret of the one that signs.
const (
	signedSource    = "signed" // Standard Webhooks: each event has an id, and is repeated until it is answered 2xx
	plainSource     = "plain"  // generic, without signature and id: each event is sent once
	receivingSecret = "whsec_cmVjZWl2aW5nLXNlY3JldC1vZi10aGUtam91cm5leXM="
)

var receivingKey = mustKey(receivingSecret)

// sources creates the two sources.
func (p *producer) sources() {
	p.gateway.source(signedSource, "standardwebhooks", map[string]any{"secret": receivingSecret})
	p.gateway.source(plainSource, "generic", map[string]any{"scheme": "none"})
}

// A producer sends events to a gateway, which may be killed meanwhile, and notes them in the ledger.
type producer struct {
	gateway *gateway
	ledger  *ledger
	http    *http.Client

	bodyBytes int          // approximate size of a body
	next      atomic.Int64 // number of the last event
	busy      atomic.Int64 // answers 503 with Retry-After
	rude      atomic.Int64 // other answers that are not 2xx
}

func newProducer(g *gateway, l *ledger) *producer {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	g.t.Cleanup(transport.CloseIdleConnections)
	return &producer{gateway: g, ledger: l, bodyBytes: 300,
		http: &http.Client{Timeout: patience, Transport: transport}}
}

// load sends up to rate events a second over so many connections, until ctx ends.
func (p *producer) load(ctx context.Context, connections, rate int) (done *sync.WaitGroup) {
	done = new(sync.WaitGroup)
	due := make(chan struct{})
	done.Go(func() {
		defer close(due)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case <-ctx.Done():
				return
			case due <- struct{}{}:
			}
		}
	})
	for range connections {
		done.Go(func() {
			for range due {
				p.event(ctx, p.next.Add(1))
			}
		})
	}
	return done
}

// event sends event number n. Two of three events have an id; these are repeated until they are accepted or ctx ends.
func (p *producer) event(ctx context.Context, n int64) {
	body := p.body(n)
	if n%3 == 0 {
		p.post(plainSource, "", body)
		return
	}
	id := "msg_" + strconv.FormatInt(n, 10)
	for {
		status := p.post(signedSource, id, body)
		if status/100 == 2 || ctx.Err() != nil {
			return
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// body returns the body of event n, which no other event has.
func (p *producer) body(n int64) []byte {
	return fmt.Appendf(nil, `{"type":"journey.event","n":%d,"mark":"mark-%08d","padding":%q}`, n, n,
		strings.Repeat("x", p.bodyBytes))
}

// post sends body to a source, signed if it has an id, and notes it. It returns 0 if there was no answer.
func (p *producer) post(source, id string, body []byte) (status int) {
	req, err := http.NewRequest(http.MethodPost, p.gateway.in(source), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.GetBody = nil // keeps the transport from repeating the request by itself
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		signStandard(req.Header, id, body, time.Now())
	}
	sent := p.ledger.send(source, id, body)
	res, err := p.http.Do(req)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	switch {
	case res.StatusCode/100 == 2:
		p.ledger.ack(sent)
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		p.busy.Add(1)
	default:
		p.rude.Add(1)
	}
	return res.StatusCode
}

// signStandard adds the headers of Standard Webhooks with the secret of the signed source.
func signStandard(h http.Header, id string, body []byte, at time.Time) {
	sig, err := signature.SignStandard([]signature.StandardKey{receivingKey}, id, at, body)
	if err != nil {
		panic(err)
	}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("Webhook-Signature", sig)
}

// pause waits, as senders do between two tries.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// A receiver is an HTTP server that deliveries are sent to: destination "flaky" is the path /flaky. It notes each
// attempt in the ledger.
type receiver struct {
	ledger *ledger
	url    string

	// answer returns the status for an attempt, after any delay; nil answers 200 at once.
	answer func(a arrival) int

	concurrency int // of the destinations that are created; 0 is the default
}

func newReceiver(t *testing.T, l *ledger, answer func(arrival) int) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{ledger: l, url: "http://" + listener.Addr().String() + "/", answer: answer}
	server := &http.Server{Handler: r}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the gateway was killed; it will repeat the delivery
	}
	a := arrival{
		destination: strings.TrimPrefix(req.URL.Path, "/"), event: req.Header.Get("Webhook-Id"),
		delivery: req.Header.Get("Bellhop-Delivery-Id"), body: sha256.Sum256(body),
		contentType: req.Header.Get("Content-Type"), at: time.Now(), status: http.StatusOK,
	}
	a.attempt, _ = strconv.Atoi(req.Header.Get("Bellhop-Attempt"))
	a.hops, _ = strconv.Atoi(req.Header.Get("Bellhop-Hops"))
	if req.Header.Get("Webhook-Signature") != "" {
		_, err := signature.VerifyStandardHeader(req.Header, body, []signature.StandardKey{sendingKey}, time.Now(),
			signature.StandardTolerance)
		if err != nil {
			a.complaint = "its signature: " + err.Error()
		}
	}
	if r.answer != nil {
		a.status = r.answer(a)
	}
	r.ledger.arrive(a)
	w.WriteHeader(a.status)
}

// sendingSecret is the secret that the gateway signs with at this package's destinations of format standard.
const sendingSecret = "whsec_c2VuZGluZy1zZWNyZXQtb2YtdGhlLWpvdXJuZXlz"

var sendingKey = mustKey(sendingSecret)

func mustKey(text string) signature.StandardKey {
	k, err := signature.ParseStandardKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

// quickRetry is a schedule that ends within the time of a test.
var quickRetry = &client.Retry{Schedule: client.Schedule{"200ms", "500ms", "1s", "1s", "2s", "2s", "5s", "5s"}}

// attemptTimeout is a timeout of destinations that even a busy receiver does not exceed.
const attemptTimeout = "1m"

// destination creates a destination of g at the receiver, and adds it to the ledger.
func (r *receiver) destination(g *gateway, name, format string, sources ...string) wanting {
	g.t.Helper()
	settings := map[string]any{"format": format}
	if format == "standard" {
		settings["secret"] = sendingSecret
	}
	made := g.destination(client.NewDestination{Name: name, URL: r.url + name, Settings: settings,
		Match: &client.Match{Sources: sources}, Concurrency: r.concurrency, Timeout: attemptTimeout,
		Retry: quickRetry})
	w := wanting{id: made.ID, name: name, sources: sources, concurrency: made.Concurrency}
	r.ledger.destinations = append(r.ledger.destinations, w)
	return w
}

// arrivedAt returns the attempts that arrived at a destination.
func (l *ledger) arrivedAt(name string) (list []arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrivals {
		if a.destination == name {
			list = append(list, a)
		}
	}
	return list
}

// bodyOf returns an event's body as the API returns it.
func bodyOf(t *testing.T, c *client.Client, event string) (body []byte, contentType string) {
	t.Helper()
	body, contentType, err := c.EventBody(context.Background(), event)
	if err != nil {
		t.Fatalf("body of %s: %v", event, err)
	}
	return body, contentType
}
