package bench

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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
			to, err := newReceiver(l)
			if err != nil {
				t.Fatal(err)
			}
			defer to.close()
			gateway := &fake{fault: c.fault, to: []string{to.url() + "0", to.url() + "1"}}
			server := httptest.NewServer(gateway)
			defer server.Close()
			p := &producer{address: server.Listener.Addr().String(), path: sourcePath, ledger: l,
				options: Options{Events: 100, Connections: 4, Size: 200}}
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
		r := newRequest("127.0.0.1:1", sourcePath, size, key)
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
	p := &producer{address: server.Listener.Addr().String(), path: "/", ledger: l,
		options: Options{Events: 10, Connections: 1, Size: 100, Rate: 1000}}
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
	p := &producer{address: address, path: "/", ledger: l, options: Options{Events: 1000, Connections: 2, Size: 100}}
	if err := p.run(t.Context()); err == nil || !strings.Contains(err.Error(), "it no longer answers") || l.refused.Load() > 20 {
		t.Error(err, l.refused.Load())
	}
}

func TestReceiverKnowsItsOwn(t *testing.T) {
	l := newLedger(1, 1)
	r, err := newReceiver(l)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	res, err := http.Post(r.url()+"0", "text/plain", strings.NewReader("hello"))
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
