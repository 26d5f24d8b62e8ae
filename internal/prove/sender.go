package prove

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

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The two sources of a sender, and the secret of the one that signs.
const (
	SignedSource = "signed" // Standard Webhooks: each event has an id, and is repeated until it is answered 2xx
	PlainSource  = "plain"  // generic, without signature and id: each event is sent once
	SenderSecret = "whsec_cmVjZWl2aW5nLXNlY3JldC1vZi10aGUtam91cm5leXM="
)

// Sources returns the two sources.
func Sources() []client.NewSource {
	return []client.NewSource{
		{Name: SignedSource, Provider: "standardwebhooks", Settings: map[string]any{"secret": SenderSecret}},
		{Name: PlainSource, Provider: "generic", Settings: map[string]any{"scheme": "none"}},
	}
}

// A Sender sends events to a gateway, which may be killed meanwhile, and notes them in the ledger.
type Sender struct {
	Ledger *Ledger
	HTTP   *http.Client
	// Door returns the URL of a source, or "" while the gateway is known to be down: nothing is sent then.
	Door func(source string) string

	BodyBytes int          // approximate size of a body
	Next      atomic.Int64 // number of the last event
	Busy      atomic.Int64 // answers 503 with Retry-After
	Rude      atomic.Int64 // other answers that are not 2xx
}

// Load sends up to rate events a second over so many connections, until ctx ends. done is done once every request has
// been answered or has failed.
func (s *Sender) Load(ctx context.Context, connections, rate int) (done *sync.WaitGroup) {
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
				s.Event(ctx, s.Next.Add(1))
			}
		})
	}
	return done
}

// pauseBetween is how long a sender waits before it tries again.
const pauseBetween = 20 * time.Millisecond

// Event sends event number n. Two of three events have an id; these are repeated until they are accepted or ctx ends.
func (s *Sender) Event(ctx context.Context, n int64) {
	body := s.Body(n)
	for ctx.Err() == nil && s.Door(PlainSource) == "" {
		Pause(ctx, pauseBetween)
	}
	if ctx.Err() != nil {
		return
	}
	if n%3 == 0 {
		s.Post(PlainSource, "", body)
		return
	}
	id := "msg_" + strconv.FormatInt(n, 10)
	for {
		status := s.Post(SignedSource, id, body)
		if status/100 == 2 || ctx.Err() != nil {
			return
		}
		Pause(ctx, pauseBetween)
	}
}

// Body returns the body of event n, which no other event has.
func (s *Sender) Body(n int64) []byte {
	return fmt.Appendf(nil, `{"type":"journey.event","n":%d,"mark":"mark-%08d","padding":%q}`, n, n,
		strings.Repeat("x", s.BodyBytes))
}

// Post sends body to a source, signed if it has an id, and notes it. It returns 0 if there was no answer.
func (s *Sender) Post(source, id string, body []byte) (status int) {
	to := s.Door(source)
	if to == "" {
		return 0
	}
	req, err := http.NewRequest(http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.GetBody = nil // keeps the transport from repeating the request by itself
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		SignStandard(req.Header, id, body, time.Now())
	}
	sent := s.Ledger.Send(source, id, body)
	res, err := s.HTTP.Do(req)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	switch {
	case res.StatusCode/100 == 2:
		s.Ledger.Ack(sent)
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		s.Busy.Add(1)
	default:
		s.Rude.Add(1)
	}
	return res.StatusCode
}

// SignStandard adds the headers of Standard Webhooks with the secret of the signed source.
func SignStandard(h http.Header, id string, body []byte, at time.Time) {
	sig, err := signature.SignStandard([]signature.StandardKey{mustKey(SenderSecret)}, id, at, body)
	if err != nil {
		panic(err)
	}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	h.Set("Webhook-Signature", sig)
}

func mustKey(text string) signature.StandardKey {
	k, err := signature.ParseStandardKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
