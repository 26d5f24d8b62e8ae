package bench

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNeighbours has producer and receiver run on either side of a gateway that loses, repeats or refuses.
func TestNeighbours(t *testing.T) {
	for _, c := range []struct {
		fault                                 string
		accepted, delivered, duplicates, lost int64
	}{
		{"", 100, 200, 0, 0},
		{"lose", 100, 190, 0, 10},
		{"twice", 100, 200, 20, 0},
		{"refuse", 75, 150, 0, 0},
	} {
		t.Run(c.fault, func(t *testing.T) {
			l := newLedger(100, 2)
			to := receiverOf(t, &reception{ledger: l})
			gateway := &fake{fault: c.fault}
			gateway.add(fakeDestination{URL: to.url(0)})
			gateway.add(fakeDestination{URL: to.url(1)})
			server := httptest.NewServer(gateway)
			defer server.Close()
			p := &producer{address: server.Listener.Addr().String(), path: doorPath + sourceName, ledger: l, connections: 4, size: 200}
			if err := p.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			gateway.drain()
			if l.accepted.Load() != c.accepted || l.refused.Load() != 100-c.accepted || l.delivered.Load() != c.delivered ||
				l.duplicates.Load() != c.duplicates || int64(l.missing()) != c.lost || l.settled() != (c.lost == 0) {
				t.Errorf("accepted %d, refused %d, delivered %d, duplicates %d, missing %d, settled %t", l.accepted.Load(),
					l.refused.Load(), l.delivered.Load(), l.duplicates.Load(), l.missing(), l.settled())
			}
		})
	}
}

// receiverOf returns a receiver that does what to says, until the test ends.
func receiverOf(t *testing.T, to *reception) *receiver {
	t.Helper()
	r, err := newReceiver(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	r.receive(to)
	return r
}

// TestReceiverOfBatches: a request may hold several events, each within words of others.
func TestReceiverOfBatches(t *testing.T) {
	l := newLedger(3, 1)
	to := &reception{ledger: l}
	r := receiverOf(t, to)
	one := func(event int) string {
		return fmt.Sprintf(`{"id":"evt_1","data":{"bench":"%010d 0000000000000001","kind":"bench","pad":"abc"}}`, event)
	}
	res, err := http.Post(r.url(0), "application/json", strings.NewReader("["+one(0)+","+one(2)+","+one(0)+"]"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || l.delivered.Load() != 2 || l.duplicates.Load() != 1 || to.requests.Load() != 1 || l.unwanted.Load() != 0 {
		t.Errorf("%s, delivered %d, duplicates %d, requests %d", res.Status, l.delivered.Load(), l.duplicates.Load(), to.requests.Load())
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestReceiverThatHangs takes requests at the same time and answers none; what it has taken has not arrived.
func TestReceiverThatHangs(t *testing.T) {
	l := newLedger(2, 1)
	to := &reception{ledger: l, hangs: true}
	r := receiverOf(t, to)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var callers sync.WaitGroup
	for event := range 2 {
		callers.Go(func() {
			request := newRequest("receiver", "/0", 100, nil, 0)
			request.set(event, 0, time.Time{})
			c := &caller{address: r.listeners[0].Addr().String()}
			defer c.hangUp()
			if a, err := c.call(ctx, request.bytes); err == nil {
				t.Errorf("it answered %d", a.status)
			}
		})
	}
	for to.answering.most.Load() < 2 {
		runtime.Gosched()
	}
	cancel()
	callers.Wait()
	r.hangUp()
	if l.delivered.Load() != 0 || to.answering.now.Load() != 0 || to.joined.most.Load() != 2 || to.joined.now.Load() != 0 {
		t.Errorf("delivered %d, %d connections left", l.delivered.Load(), to.joined.now.Load())
	}
}

// TestSpread: an event that goes to one destination of many is not wanted at the others.
func TestSpread(t *testing.T) {
	l := newLedger(10, 1)
	l.spread = 4
	l.accept(6, 0)
	l.arrive(3, 6, 0)
	if l.settled() || l.unwanted.Load() != 1 {
		t.Error("event 6 of 4 destinations arrived at the fourth")
	}
	l.arrive(2, 6, 0)
	if !l.settled() || l.delivered.Load() != 1 {
		t.Error("event 6 of 4 destinations did not arrive at the third")
	}
}

// TestLedger: a repeat cannot stand in for a loss, nor an event that was refused and arrived all the same.
func TestLedger(t *testing.T) {
	l := newLedger(130, 2)
	for _, event := range []int{0, 64, 129} {
		l.accept(event, 0)
		l.arrive(0, event, 0)
		l.arrive(0, event, 0)
	}
	l.arrive(1, 0, 0)
	l.arrive(1, 1, 0)
	l.arrive(1, 2, 0)
	if l.delivered.Load() != 6 || l.duplicates.Load() != 3 || l.missing() != 2 || l.settled() {
		t.Errorf("delivered %d, duplicates %d, missing %d", l.delivered.Load(), l.duplicates.Load(), l.missing())
	}
	l.arrive(2, 0, 0)
	l.arrive(-1, 0, 0)
	l.arrive(0, 130, 0)
	if l.unwanted.Load() != 3 {
		t.Error(l.unwanted.Load())
	}
	l.arrive(1, 64, 0)
	l.arrive(1, 129, 0)
	if !l.settled() {
		t.Error("not settled")
	}
}

func TestRequest(t *testing.T) {
	key := []byte("a key of 24 bytes or more")
	for _, size := range []int{MinSize, 1024} {
		r := newRequest("127.0.0.1:1", doorPath+sourceName, size, key, 3)
		for _, event := range []int{7, 9_999_999} {
			now := time.Unix(1790000000, 0)
			r.set(event, 1500*time.Millisecond, now)
			req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(r.bytes))))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(req.Body)
			if err != nil || len(body) != size || !json.Valid(body) {
				t.Fatalf("%d bytes %s, %v", len(body), body, err)
			}
			if got, due, ok := readMark(body); !ok || got != event || due != 1500*time.Millisecond {
				t.Error(got, due, ok)
			}
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(req.Header.Get("webhook-id") + ".1790000000."))
			mac.Write(body)
			if got := req.Header.Get(typeHeader); got != fmt.Sprintf("bench.%05d", event%3) {
				t.Errorf("event %d has type %s", event, got)
			}
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get("webhook-signature") != want {
				t.Errorf("signature %s", req.Header.Get("webhook-signature"))
			}
		}
	}
	for _, bad := range []string{"", "{}", `{"bench":"00000000x2 0000001500000000`, `{"other":"0000000042 0000001500000000`} {
		if _, _, ok := readMark([]byte(bad)); ok {
			t.Errorf("%q has a mark", bad)
		}
	}
}

// TestRate: with an answer that takes 20 ms and one connection, the tenth of ten events a millisecond apart is answered
// 200 ms after the first, and 191 ms after it was due.
func TestRate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(20 * time.Millisecond) }))
	defer server.Close()
	l := newLedger(10, 1)
	p := &producer{address: server.Listener.Addr().String(), path: "/", ledger: l, connections: 1, size: 100, rate: 1000}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if worst := l.acceptLatency.quantile(1); worst < 185*time.Millisecond {
		t.Errorf("%s", worst)
	}
}

func TestProducerGivesUp(t *testing.T) {
	server := httptest.NewServer(nil)
	address := server.Listener.Addr().String()
	server.Close()
	l := newLedger(1000, 1)
	p := &producer{address: address, path: "/", ledger: l, connections: 2, size: 100}
	if err := p.run(t.Context()); err == nil || !strings.Contains(err.Error(), "it no longer answers") || l.refused.Load() > 20 {
		t.Error(err, l.refused.Load())
	}
}

func TestReceiverKnowsItsOwn(t *testing.T) {
	l := newLedger(1, 1)
	r := receiverOf(t, &reception{ledger: l})
	res, err := http.Post(r.url(0), "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || l.unwanted.Load() != 1 {
		t.Error(res.Status, l.unwanted.Load())
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestLoopbackOnly(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "localhost:80", "127.0.0.1", "example.com:80", ""} {
		if c, err := dialLoopback(t.Context(), "tcp", address); err == nil || !strings.Contains(err.Error(), "stays on this machine") {
			t.Errorf("%s: %v %v", address, c, err)
		}
		if err := Relay(t.Context(), RelayOptions{To: "http://" + address + "/"}); err == nil {
			t.Errorf("a relay to %s", address)
		}
	}
	for _, address := range []string{"127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"} {
		if err := checkLoopback(address); err != nil {
			t.Error(err)
		}
	}
	if _, err := loopbackHost("https://127.0.0.1:1/"); err == nil {
		t.Error("https is not what we speak")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Relay(ctx, RelayOptions{Dir: t.TempDir(), To: "http://127.0.0.1:9/", Fanout: 1}); err != nil {
		t.Error(err)
	}
}
