package journey

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A receiver is where deliveries arrive: destination "flaky" is the path /flaky. It notes them in the ledger.
type receiver struct {
	ledger *ledger
	url    string

	// answer decides, after however long it takes, what an attempt is answered with; nil is 200 at once.
	answer func(a arrival) int

	concurrency int // of the destinations made; 0 is the default
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
		return // a gateway that was killed; it will come again
	}
	a := arrival{
		destination: strings.TrimPrefix(req.URL.Path, "/"), event: req.Header.Get("Webhook-Id"),
		delivery: req.Header.Get("Bellhop-Delivery-Id"), body: sha256.Sum256(body),
		contentType: req.Header.Get("Content-Type"), at: time.Now(), status: http.StatusOK,
	}
	a.attempt, _ = strconv.Atoi(req.Header.Get("Bellhop-Attempt"))
	a.hops, _ = strconv.Atoi(req.Header.Get("Bellhop-Hops"))
	if req.Header.Get("Webhook-Signature") != "" {
		_, err := signature.VerifyStandardHeader(req.Header, body, []signature.StandardKey{sendingKey}, time.Now(), signature.StandardTolerance)
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

// sendingSecret is what the gateway signs with, in this package's destinations of format standard.
const sendingSecret = "whsec_c2VuZGluZy1zZWNyZXQtb2YtdGhlLWpvdXJuZXlz"

var sendingKey = mustKey(sendingSecret)

func mustKey(text string) signature.StandardKey {
	k, err := signature.ParseStandardKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

// quickRetry is a schedule that settles within the time of a test.
var quickRetry = &client.Retry{Schedule: client.Schedule{"200ms", "500ms", "1s", "1s", "2s", "2s", "5s", "5s"}}

// patience is a destination's timeout that a busy machine does not exceed.
const patience = "1m"

// destination makes a destination of g at the receiver and notes it in the ledger.
func (r *receiver) destination(g *gateway, name, format string, sources ...string) wanting {
	g.t.Helper()
	settings := map[string]any{"format": format}
	if format == "standard" {
		settings["secret"] = sendingSecret
	}
	made := g.destination(client.NewDestination{Name: name, URL: r.url + name, Settings: settings,
		Match: &client.Match{Sources: sources}, Concurrency: r.concurrency, Timeout: patience, Retry: quickRetry})
	w := wanting{id: made.ID, name: name, sources: sources, concurrency: made.Concurrency}
	r.ledger.destinations = append(r.ledger.destinations, w)
	return w
}

// arrivedAt returns what arrived at a destination.
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

// bodyOf returns an event's body as the API gives it.
func bodyOf(t *testing.T, c *client.Client, event string) (body []byte, contentType string) {
	t.Helper()
	body, contentType, err := c.EventBody(context.Background(), event)
	if err != nil {
		t.Fatalf("body of %s: %v", event, err)
	}
	return body, contentType
}
