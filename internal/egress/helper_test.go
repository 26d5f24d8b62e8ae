package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// A resolverFunc is a Resolver made of a function.
type resolverFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return f(ctx, network, host)
}

// answers returns a resolver that gives addrs for every name.
func answers(addrs ...string) Resolver {
	return resolverFunc(func(context.Context, string, string) ([]netip.Addr, error) {
		return addresses(addrs...), nil
	})
}

// noSuchHost is a resolver that finds no name.
var noSuchHost = resolverFunc(func(_ context.Context, _, host string) ([]netip.Addr, error) {
	return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.9.8.7:53", IsNotFound: true}
})

// A recorder is a dialer that records the addresses it is given. Its connections lead to the server at to. If
// to is "", dialling fails with errRecorded.
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

// newClient makes a client that is closed when the test ends.
func newClient(t testing.TB, cfg Config) *Client {
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

// closingReply ends the connection, so that the next request needs another.
const closingReply = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// mustTarget returns the target of raw by the direct route.
func mustTarget(t testing.TB, c *Client, raw string) *Target {
	t.Helper()
	return mustRoute(t, c, raw, Route{})
}

func mustRoute(t testing.TB, c *Client, raw string, r Route) *Target {
	t.Helper()
	target, err := c.Target(raw, r)
	if err != nil {
		t.Fatalf("Target(%q): %v", raw, err)
	}
	return target
}

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

// allocated returns how many bytes this process has ever allocated on its heap.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// A connCounter is a dialer that counts the connections which are not closed yet.
type connCounter struct {
	dialer dialFunc
	open   atomic.Int32
}

func (d *connCounter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dialer(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	return &countedConn{Conn: c, closed: sync.OnceFunc(func() { d.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// shortly is the timeout of attempts that are to end by it.
const shortly = 300 * time.Millisecond

// A peer is the server of one attempt: the client of the test dials address by dial, and gives its attempt the
// timeout.
type peer struct {
	dial    dialFunc
	address string
	timeout time.Duration
}

// attempt runs test with a peer whose connections serve handles. Afterwards the client must have closed all of
// them.
//
// If timesOut is set, connections are pipes in a bubble. The clock of a bubble moves only while every goroutine
// waits, so an attempt with a timeout of shortly ends by it, at a known point, however slow the machine is.
// Otherwise the server listens on loopback, and only a failing test reaches the timeout.
func attempt(t *testing.T, timesOut bool, serve func(net.Conn), test func(t *testing.T, at peer)) {
	if !timesOut {
		address := wiretest.Serve(t, func(_ int, c net.Conn) { serve(c) })
		counter := &connCounter{dialer: new(net.Dialer).DialContext}
		test(t, peer{counter.dial, address, 20 * time.Second})
		if counter.open.Load() > 0 {
			t.Error("the connection is kept")
		}
		return
	}
	synctest.Test(t, func(t *testing.T) {
		counter := &connCounter{dialer: wiretest.Pipes(t, serve)}
		start := time.Now()
		test(t, peer{counter.dial, "127.0.0.1:8080", shortly})
		const earlyReply = 100 * time.Millisecond // a wait of http1 that may follow
		if took := time.Since(start); took < shortly || took > shortly+earlyReply {
			t.Errorf("took %s", took)
		}
		if counter.open.Load() > 0 {
			t.Error("the connection is kept")
		}
	})
}
