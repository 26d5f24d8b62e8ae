package journey

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/prove"
)

// The two sources of a producer.
const (
	signedSource = prove.SignedSource
	plainSource  = prove.PlainSource
)

// sources creates the two sources.
func (p *producer) sources() {
	for _, s := range prove.Sources() {
		p.gateway.newSource(s)
	}
}

// A producer sends events to a gateway, which may be killed meanwhile, and notes them in the ledger.
type producer struct {
	*prove.Sender
	gateway *gateway
}

func newProducer(g *gateway, l *ledger) *producer {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	g.t.Cleanup(transport.CloseIdleConnections)
	return &producer{gateway: g, Sender: &prove.Sender{Ledger: l.Ledger, Door: g.in, BodyBytes: 300,
		HTTP: &http.Client{Timeout: patience, Transport: transport}}}
}

// pause waits, as senders do between two tries.
func pause(ctx context.Context, d time.Duration) { prove.Pause(ctx, d) }

// A receiver is an HTTP server that deliveries are sent to: destination "flaky" is the path /flaky. It notes each
// attempt in the ledger.
type receiver struct {
	ledger      *ledger
	url         string
	concurrency int // of the destinations that are created; 0 is the default
}

// newReceiver starts a receiver. answer returns the status for an attempt, after any delay; nil answers 200 at once.
func newReceiver(t *testing.T, l *ledger, answer func(arrival) int) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: &prove.Receiver{Ledger: l.Ledger, Answer: answer}}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return &receiver{ledger: l, url: "http://" + listener.Addr().String() + "/"}
}

// destination creates a destination of g at the receiver, and adds it to the ledger.
func (r *receiver) destination(g *gateway, name, format string, sources ...string) prove.Wanting {
	g.t.Helper()
	d := prove.Destination(r.url, name, format, sources...)
	d.Concurrency = r.concurrency
	made := g.destination(d)
	w := prove.Wanting{ID: made.ID, Name: name, Sources: sources, Concurrency: made.Concurrency}
	r.ledger.Want(w)
	return w
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
