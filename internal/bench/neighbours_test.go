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
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNeighbours: producer and receiver account for the events of a gateway that loses, repeats or refuses some.
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
			p := &producer{address: server.Listener.Addr().String(), path: doorPath + sourceName, ledger: l,
				connections: 4,
				size:        200}
			if err := p.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			gateway.drain()
			if l.accepted.Load() != c.accepted || l.refused.Load() != 100-c.accepted ||
				l.delivered.Load() != c.delivered || l.duplicates.Load() != c.duplicates ||
				int64(l.missing()) != c.lost || l.settled() != (c.lost == 0) {
				t.Errorf("accepted %d, refused %d, delivered %d, duplicates %d, missing %d, settled %t",
					l.accepted.Load(), l.refused.Load(), l.delivered.Load(), l.duplicates.Load(), l.missing(),
					l.settled())
			}
		})
	}
}

// receiverOf returns a receiver that behaves as to says, until the test ends.
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

// TestReceiverOfBatches: a request may hold several events, in any JSON.
func TestReceiverOfBatches(t *testing.T) {
	l := newLedger(3, 1)
	to := &reception{ledger: l}
	r := receiverOf(t, to)
	one := func(event int) string {
		return fmt.Sprintf(`{"id":"evt_1","data":{"bench":"%010d 0000000000000001","kind":"bench","pad":"abc"}}`,
			event)
	}
	res, err := http.Post(r.url(0), "application/json", strings.NewReader("["+one(0)+","+one(2)+","+one(0)+"]"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || l.delivered.Load() != 2 || l.duplicates.Load() != 1 ||
		to.requests.Load() != 1 || l.unwanted.Load() != 0 {
		t.Errorf("%s, delivered %d, duplicates %d, requests %d", res.Status, l.delivered.Load(), l.duplicates.Load(),
			to.requests.Load())
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestReceiverThatHangs: a hanging receiver reads requests and answers none. Their events have not arrived.
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
	if l.delivered.Load() != 0 || to.answering.now.Load() != 0 || to.joined.most.Load() != 2 ||
		to.joined.now.Load() != 0 {
		t.Errorf("delivered %d, %d connections left", l.delivered.Load(), to.joined.now.Load())
	}
}

// TestSpread: an event that goes to one of many destinations is unwanted at the others.
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

// TestLedger: neither a repeat nor the arrival of a refused event can hide a loss.
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

// TestRequest: a request parses as HTTP and JSON, has its mark, and is signed.
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
			if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get(
				"webhook-signature") != want {
				t.Errorf("signature %s", req.Header.Get("webhook-signature"))
			}
		}
	}
	for _, bad := range []string{"", "{}", `{"bench":"00000000x2 0000001500000000`,
		`{"other":"0000000042 0000001500000000`} {
		if _, _, ok := readMark([]byte(bad)); ok {
			t.Errorf("%q has a mark", bad)
		}
	}
}

// TestRate: at a rate, an event's latency counts from when it was due, also if the producer comes to it late.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(1000, 1)
		p := &producer{ledger: l, rate: 1000}
		time.Sleep(200 * time.Millisecond) // a slow answer holds up the only connection
		due, err := p.due(t.Context(), 9)
		if err != nil || due != 9*time.Millisecond || time.Since(l.began) != 200*time.Millisecond {
			t.Errorf("event 9 is due at %s and sent at %s, %v", due, time.Since(l.began), err)
		}
		l.accept(9, due)
		if worst := l.acceptLatency.quantile(1); worst < 190*time.Millisecond || worst > 192*time.Millisecond {
			t.Errorf("latency %s, want 191ms", worst)
		}
		if due, err := p.due(t.Context(), 500); err != nil || due != 500*time.Millisecond ||
			time.Since(l.began) != due {
			t.Errorf("event 500 is due at %s and sent at %s, %v", due, time.Since(l.began), err)
		}
	})
}

// TestProducerGivesUp: the producer ends when the gateway no longer answers.
func TestProducerGivesUp(t *testing.T) {
	server := httptest.NewServer(nil)
	address := server.Listener.Addr().String()
	server.Close()
	l := newLedger(1000, 1)
	p := &producer{address: address, path: "/", ledger: l, connections: 2, size: 100}
	if err := p.run(t.Context()); err == nil || !strings.Contains(err.Error(), "it no longer answers") ||
		l.refused.Load() > 20 {
		t.Error(err, l.refused.Load())
	}
}

// TestReceiverKnowsItsOwn: a body without a mark is refused and counted.
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

// TestLoopbackOnly: an address that is not a loopback address is refused.
func TestLoopbackOnly(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "localhost:80", "127.0.0.1",
		"example.com:80", ""} {
		if c, err := dialLoopback(t.Context(), "tcp", address); err == nil ||
			!strings.Contains(err.Error(), "stays on this machine") {
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

func TestQuantiles(t *testing.T) {
	if got := new(histogram).quantile(.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	var exact histogram
	for i := range 100 {
		exact.add(time.Duration(i+1) * time.Microsecond)
	}
	for q, want := range map[float64]int{0: 1, .01: 1, .5: 50, .501: 51, .99: 99, 1: 100} {
		if got := exact.quantile(q); got != time.Duration(want)*time.Microsecond {
			t.Errorf("%v: %s, not %dµs", q, got, want)
		}
	}
}

// TestQuantilesAreClose compares quantiles with the sorted durations, from microseconds to hours.
func TestQuantilesAreClose(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(math.Exp(random.Float64()*23)) * time.Microsecond
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, q := range []float64{.01, .25, .5, .9, .99, .999, 1} {
		want := all[int(math.Ceil(q*float64(len(all))))-1]
		if got := h.quantile(q); math.Abs(float64(got-want)) > float64(want)/128 {
			t.Errorf("%v: %s, not %s", q, got, want)
		}
	}
}

func TestBuckets(t *testing.T) {
	for b := range bucketCount {
		if got := bucketOf(middleOf(b).Microseconds()); got != b {
			t.Fatalf("the middle of bucket %d is in bucket %d", b, got)
		}
	}
	if first, last := bucketOf(-5), bucketOf(math.MaxInt64); first != 0 || last != bucketCount-1 {
		t.Error(first, last)
	}
}
