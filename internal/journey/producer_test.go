package journey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// The sources that producers send to, and the secret of the one that signs.
const (
	signedSource    = "signed" // Standard Webhooks: each event has an id, and is sent again until it is answered 2xx
	plainSource     = "plain"  // generic without proof or ids: each event is sent once
	receivingSecret = "whsec_cmVjZWl2aW5nLXNlY3JldC1vZi10aGUtam91cm5leXM="
)

var receivingKey = mustKey(receivingSecret)

// sources makes the two sources of a producer.
func (p *producer) sources() {
	p.gateway.source(signedSource, "standardwebhooks", map[string]any{"secret": receivingSecret})
	p.gateway.source(plainSource, "generic", map[string]any{"scheme": "none"})
}

// A producer sends events to a gateway, which may die meanwhile, and notes them in the ledger.
type producer struct {
	gateway *gateway
	ledger  *ledger
	http    *http.Client

	bodyBytes int // of an event, about
	next      atomic.Int64
	busy      atomic.Int64 // answers 503
	rude      atomic.Int64 // answers 503 without Retry-After, and all others that are not 2xx
}

func newProducer(g *gateway, l *ledger) *producer {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	g.t.Cleanup(transport.CloseIdleConnections)
	return &producer{gateway: g, ledger: l, bodyBytes: 300, http: &http.Client{Timeout: 20 * time.Second, Transport: transport}}
}

// load sends from so many connections, together at a rate of so many events in a second, until ctx ends.
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

// event sends event number n: two of three with an id, for which the sender does not give up while the load lasts.
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

// body is unique to n.
func (p *producer) body(n int64) []byte {
	return fmt.Appendf(nil, `{"type":"journey.event","n":%d,"mark":"mark-%08d","padding":%q}`, n, n, strings.Repeat("x", p.bodyBytes))
}

// post sends body to a source, signed if it has an id, and notes it. The status is 0 if there was no answer.
func (p *producer) post(source, id string, body []byte) (status int) {
	req, err := http.NewRequest(http.MethodPost, p.gateway.in(source), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.GetBody = nil // or the transport would send it again by itself
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

// signStandard signs as the sender of the signed source does.
func signStandard(h http.Header, id string, body []byte, at time.Time) {
	sig, err := signature.SignStandard([]signature.StandardKey{receivingKey}, id, at, body)
	if err != nil {
		panic(err)
	}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("Webhook-Signature", sig)
}

// pause lets time pass, as senders do between two tries.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
