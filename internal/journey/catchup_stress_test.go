//go:build stress && linux

package journey

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/outlook"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/sqlite"
)

// TestStressCatchUp: after an hour's downtime the 10,000 changes of a mailbox are caught up at the rate that Outlook
// allows, 10,000 calls in 10 minutes. Meanwhile the corridor delivers at least 0.9 × as many events a second as after
// a restart without a downtime. Both halves of a round begin with a restart and last equally long, the one without
// half a minute at most; they take turns in being the first. STRESS is four times the number of rounds; from 12 on the
// median is judged.
func TestStressCatchUp(t *testing.T) {
	c := newCatchUp(t)
	rounds := max(1, stress(t)/4)
	c.changes = min(caughtUpChanges, stress(t)*caughtUpChanges/20)
	var ratios, with, without []float64
	var lengths []time.Duration
	length := 5 * time.Second // of the half without a downtime, if that is the first
	for n := range rounds {
		mailbox := fmt.Sprintf("box%d", n)
		c.subscribe(mailbox)
		var beside, alone float64
		halves := []func(){
			func() {
				c.restart(func() { c.away(mailbox) })
				beside, length = c.measure(&c.delivered, func() bool { return c.filled(mailbox) })
			},
			func() {
				c.restart(func() {})
				end := time.Now().Add(warmUp + min(length, longestAlone))
				alone, _ = c.measure(&c.delivered, func() bool { return time.Now().After(end) })
			},
		}
		if n%2 == 1 {
			slices.Reverse(halves)
		}
		for _, half := range halves {
			half()
		}
		t.Logf("round %d: %.0f/s beside the catch-up of %v, %.0f/s without: %.2f; %d calls refused so far",
			n+1, beside, length.Round(100*time.Millisecond), alone, beside/alone, c.limit.refused.Load())
		ratios, with, without = append(ratios, beside/alone), append(with, beside), append(without, alone)
		// The stand-in tells each subscription to messages of a change, whichever mailbox it is in.
		err := c.client().DeleteSubscription(t.Context(), mailbox, false)
		if err != nil {
			t.Fatal(err)
		}
		lengths = append(lengths, length)
	}
	eventually(t, patience, "everything that was caught up is delivered", func() bool {
		return c.caughtUp.Load() >= int64(rounds*c.changes)
	})
	if got := c.caughtUp.Load(); got != int64(rounds*c.changes) {
		t.Errorf("%d events were caught up and delivered, want %d", got, rounds*c.changes)
	}
	for _, list := range [][]float64{ratios, with, without} {
		slices.Sort(list)
	}
	slices.Sort(lengths)
	middle := rounds / 2
	t.Logf("medians of %d rounds: %d changes are caught up in %v; %.0f/s beside it, %.0f/s without, ratio %.2f (%.2f)",
		rounds, c.changes, lengths[middle].Round(100*time.Millisecond), with[middle], without[middle],
		ratios[middle], ratios)
	if rounds >= 3 && ratios[middle] < 0.9 {
		t.Errorf("the ratio is %.2f, want at least 0.9", ratios[middle])
	}
}

const (
	caughtUpChanges = 10_000      // of the whole run; a short one, of one round, has fewer
	warmUp          = time.Second // of a half, which is not measured
	longestAlone    = 30 * time.Second
	loadConnections = 16
)

// A catchUp is a gateway under load, with a connection at a stand-in of Outlook.
type catchUp struct {
	*gateway
	host    *emulator.Host
	limit   *limited
	changes int // in each downtime

	delivered atomic.Int64 // events of the load that arrived
	caughtUp  atomic.Int64 // events of mailboxes that arrived
}

func newCatchUp(t *testing.T) *catchUp {
	c := &catchUp{host: emulator.New(emulator.Options{})}
	tokens := entra.New(c.host, entra.Options{Key: emulatortest.Key()})
	c.host.Add(tokens, outlook.New(c.host, tokens, outlook.Options{AnyToken: true}))
	c.limit = &limited{to: c.host, rate: 10_000.0 / 600, tokens: 17, at: time.Now()}
	api := httptest.NewServer(c.limit)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/load" {
			c.delivered.Add(1)
		} else {
			c.caughtUp.Add(1)
		}
	}))
	t.Cleanup(func() {
		c.host.Close()
		api.Close()
		receiver.Close()
	})
	free, err := net.Listen("tcp", "127.0.0.1:0") // the address stays the same over restarts, as that of a server does
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	c.gateway = newGateway(t, "--listen", address)
	c.source(plainSource, "generic", map[string]any{"scheme": "none"})
	c.source("mail", "outlook", map[string]any{"subscriptions_only": true})
	c.destination(client.NewDestination{Name: "load", URL: receiver.URL + "/load",
		Settings: map[string]any{"format": "raw"},
		Match:    &client.Match{Sources: []string{plainSource}}})
	c.destination(client.NewDestination{Name: "found", URL: receiver.URL + "/found",
		Settings: map[string]any{"format": "raw"},
		Match:    &client.Match{Sources: []string{"mail"}}})
	_, err = c.client().CreateConnection(t.Context(), client.NewConnection{Name: "work", Provider: "outlook",
		Settings: map[string]any{"tenant": "contoso.example", "client_id": "bellhop", "client_secret": "secret",
			"authority": api.URL, "api_url": api.URL}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// subscribe subscribes to a mailbox.
func (c *catchUp) subscribe(mailbox string) {
	c.t.Helper()
	_, err := c.client().CreateSubscription(c.t.Context(), client.NewSubscription{Name: mailbox, Source: "mail",
		Connection: "work", Resource: "/Users('" + mailbox + "')/messages", ChangeTypes: []string{"created"}})
	if err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, patience, "the subscription is active", func() bool {
		sub, err := c.client().Subscription(c.t.Context(), mailbox)
		return err == nil && sub.State == "active"
	})
}

// restart stops the gateway, and starts it again after something has happened.
func (c *catchUp) restart(meanwhile func()) {
	c.t.Helper()
	settle(c.t, c.gateway, patience)
	if status, _ := c.stop(); status != 0 {
		c.t.Fatalf("exit status %d", status)
	}
	meanwhile()
	c.start()
}

// away has the gateway, which is stopped, believe that it has been so for an hour, in which a mailbox has changed.
func (c *catchUp) away(mailbox string) {
	c.t.Helper()
	c.host.Fault(emulator.Fault{Kind: emulator.FaultSilent, Times: c.changes})
	for n := range c.changes {
		_, err := c.host.Happen(emulator.Event{Resource: "/Users('" + mailbox + "')/messages", ChangeType: "created",
			Data: map[string]any{"Id": fmt.Sprintf("%s-%d", mailbox, n)}})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	s := openStore(c.t, c.dir, time.Now)
	defer s.Close()
	if _, err := s.Alive(c.t.Context(), time.Now().Add(-time.Hour)); err != nil {
		c.t.Fatal(err)
	}
}

// openStore opens the store in the data folder of a gateway that is stopped.
func openStore(t *testing.T, dir string, now func() time.Time) *sqlite.Store {
	t.Helper()
	keys, err := store.LoadKeyRing(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(sqlite.Options{Dir: dir, Options: store.Options{Keys: keys, Now: now, Rand: rand.Reader,
		Logger: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled reports whether the downtime of a mailbox is caught up.
func (c *catchUp) filled(mailbox string) bool {
	sub, err := c.client().Subscription(c.t.Context(), mailbox)
	if err != nil || len(sub.Gaps) == 0 || sub.Gaps[0].State != "filled" {
		return false
	}
	// A page is read again after a refused call, and its changes fold.
	if g := sub.Gaps[0]; g.Found-g.Folded != c.changes {
		c.t.Errorf("%+v, want %d changes found", g, c.changes)
	}
	return true
}

// measure puts the source plainSource under load until done, and returns how many events a second were delivered after
// the warm-up. delivered counts them at the receiver.
func (g *gateway) measure(delivered *atomic.Int64, done func() bool) (rate float64, length time.Duration) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: loadConnections}
	defer transport.CloseIdleConnections()
	posting := &http.Client{Timeout: patience, Transport: transport}
	body, url := `{"text":"`+strings.Repeat("x", 1000)+`"}`, g.in(plainSource)
	var load sync.WaitGroup
	for range loadConnections {
		load.Go(func() {
			for ctx.Err() == nil {
				reply, err := posting.Post(url, "application/json", strings.NewReader(body))
				if err != nil {
					g.t.Error(err)
					return
				}
				io.Copy(io.Discard, reply.Body)
				reply.Body.Close()
			}
		})
	}
	pause(ctx, warmUp)
	before, began := delivered.Load(), time.Now()
	for !done() { // seldom, because it asks the gateway
		if time.Since(began) > 5*time.Minute {
			g.t.Error("the half does not end")
			break
		}
		pause(ctx, 100*time.Millisecond)
	}
	length = time.Since(began)
	rate = float64(delivered.Load()-before) / length.Seconds()
	cancel()
	load.Wait()
	return rate, length
}

// A limited handler passes on so many requests a second, as many as a second's at once, and answers the others 429 as
// Outlook does.
type limited struct {
	to      http.Handler
	rate    float64
	refused atomic.Int64

	mu     sync.Mutex // guards the fields below
	tokens float64
	at     time.Time // when tokens were counted
}

func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	now := time.Now()
	l.tokens, l.at = min(l.rate, l.tokens+now.Sub(l.at).Seconds()*l.rate), now
	passes := l.tokens >= 1
	if passes {
		l.tokens--
	}
	l.mu.Unlock()
	if passes {
		l.to.ServeHTTP(w, r)
		return
	}
	l.refused.Add(1)
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	io.WriteString(w,
		`{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit."}}`)
}
