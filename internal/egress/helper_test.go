package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// resolverFunc is a Resolver made of a function.
type resolverFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return f(ctx, network, host)
}

// answers is a resolver that gives addrs for every name.
func answers(addrs ...string) Resolver {
	return resolverFunc(func(context.Context, string, string) ([]netip.Addr, error) { return addresses(addrs...), nil })
}

// noSuchHost is a resolver that knows no name.
var noSuchHost = resolverFunc(func(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.9.8.7:53", IsNotFound: true}
})

// A recorder is a dialer that writes down where it was sent. Connections lead to the server at to; without one
// they fail.
type recorder struct {
	to string

	mu     sync.Mutex
	dialed []string
}

var errRecorded = errors.New("recorded, not dialled")

func (r *recorder) dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.mu.Lock()
	r.dialed = append(r.dialed, address)
	r.mu.Unlock()
	if r.to == "" {
		return nil, errRecorded
	}
	return new(net.Dialer).DialContext(ctx, network, r.to)
}

// take returns the addresses dialled since it was last called.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.dialed
	r.dialed = nil
	return list
}

// newClient makes a client that ends with the test.
func newClient(t testing.TB, cfg Config) *Client {
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func mustTarget(t testing.TB, c *Client, raw string) *Target {
	t.Helper()
	target, err := c.Target(raw, Route{})
	if err != nil {
		t.Fatalf("Target(%q): %v", raw, err)
	}
	return target
}

// serve accepts connections on loopback until the test ends and hands each, with its number from 0, to handle,
// which owns it. It returns "127.0.0.1:port".
func serve(t testing.TB, handle func(n int, c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				handle(n, c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

// eachRequest calls reply for every request on c, with what it holds, until c ends.
func eachRequest(c net.Conn, reply func(r *http.Request, body []byte)) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		reply(r, body)
	}
}

// replies is a handler for serve that answers every request with text.
func replies(text string) func(int, *net.TCPConn) {
	return func(_ int, c *net.TCPConn) {
		eachRequest(c, func(*http.Request, []byte) { io.WriteString(c, text) })
	}
}

const okReply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// waitForEnd reads from c until its other end is closed.
func waitForEnd(c net.Conn) { io.Copy(io.Discard, c) }

// post makes a small request with a deadline that only a failing test reaches.
func post(c *Client, target *Target) (*Reply, error) {
	return c.Do(context.Background(), &Request{Target: target, Body: []byte("{}"), Timeout: 20 * time.Second})
}

// wantClass fails the test unless err is an Error of class.
func wantClass(t testing.TB, err error, class Class) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Class != class {
		t.Fatalf("got error %v, want class %s", err, class)
	}
	return e
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
