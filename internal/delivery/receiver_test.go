package delivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A network leads addresses to receivers, through pipes: no socket, so that it works where time stands still.
type network struct {
	t         testing.TB
	mu        sync.Mutex
	receivers map[string]*receiver    // by address
	through   func(net.Conn) net.Conn // stands in the way of new connections; nil does not
}

func newNetwork(t testing.TB) *network { return &network{t: t, receivers: map[string]*receiver{}} }

// dial connects to a receiver. Where there is none, the connection is refused.
func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	r := n.receivers[address]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	if r == nil {
		return nil, refused
	}
	r.mu.Lock()
	r.dials = append(r.dials, time.Now())
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	if strings.HasSuffix(address, ":443") {
		ours, theirs = buffer(ours), buffer(theirs)
	}
	select {
	case r.conns <- theirs:
		if n.through != nil {
			return n.through(&conn{Conn: ours}), nil
		}
		return &conn{Conn: ours}, nil
	case <-r.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A conn is our end of a pipe, with the errors of TCP.
type conn struct {
	net.Conn
	closed atomic.Bool
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.like(err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.like(err)
}

func (c *conn) like(err error) error {
	switch {
	case err == io.ErrClosedPipe && c.closed.Load():
		return net.ErrClosed
	case err == io.ErrClosedPipe:
		return syscall.EPIPE
	}
	return err
}

func (c *conn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// A receiver is a destination's server. It writes down what it gets.
type receiver struct {
	name    string
	address string
	conns   chan net.Conn
	done    chan struct{}
	end     func()

	mu     sync.Mutex
	closed bool // refuses connections
	answer http.HandlerFunc
	calls  []call
	dials  []time.Time
	now    int // being answered
	most   int // were at a time
}

// A call is a request as it arrived.
type call struct {
	at     time.Time
	method string
	path   string
	header http.Header
	body   string
}

// receiver starts a server that answers 200 until it is told otherwise.
func (n *network) receiver(name string) *receiver {
	r := n.at(name, 80)
	n.serve(r, r)
	return r
}

// secure starts one that speaks TLS.
func (n *network) secure(name string, cfg *tls.Config) *receiver {
	r := n.at(name, 443)
	n.serve(r, tls.NewListener(r, cfg))
	return r
}

// buffer gives a pipe's end a buffer for what is written, since both sides of TLS may write at once.
func buffer(c net.Conn) net.Conn {
	b := &buffered{Conn: c, out: make(chan []byte, 1024)}
	go b.drain()
	return b
}

type buffered struct {
	net.Conn
	mu     sync.Mutex
	out    chan []byte
	closed bool
}

func (b *buffered) drain() {
	for p := range b.out {
		b.Conn.Write(p)
	}
	b.Conn.Close()
}

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, net.ErrClosed
	}
	b.out <- bytes.Clone(p)
	return len(p), nil
}

func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.out)
	}
	return nil
}

// listener is a receiver whose connections somebody else serves.
func (n *network) listener(name string) *receiver { return n.at(name, 80) }

func (n *network) at(name string, port int) *receiver {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := &receiver{name: name, address: fmt.Sprintf("10.0.0.%d:%d", len(n.receivers)+1, port),
		conns: make(chan net.Conn), done: make(chan struct{}), answer: status(200)}
	n.receivers[r.address] = r
	r.end = sync.OnceFunc(func() { close(r.done) })
	n.t.Cleanup(r.end)
	return r
}

func (n *network) serve(r *receiver, l net.Listener) {
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	n.t.Cleanup(func() { server.Close() })
}

func (r *receiver) url() string {
	if host, ok := strings.CutSuffix(r.address, ":443"); ok {
		return "https://" + host + "/hooks"
	}
	return "http://" + r.address + "/hooks"
}

// Accept, Close and Addr make it a net.Listener.
func (r *receiver) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		return nil, net.ErrClosed
	}
}

func (r *receiver) Close() error {
	r.end()
	return nil
}

func (r *receiver) Addr() net.Addr { return &net.TCPAddr{} }

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.calls = append(r.calls, call{time.Now(), req.Method, req.URL.Path, req.Header, string(body)})
	r.now++
	r.most = max(r.most, r.now)
	answer := r.answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}()
	answer(w, req)
}

// will says how the receiver answers from now on.
func (r *receiver) will(answer http.HandlerFunc) {
	r.mu.Lock()
	r.answer = answer
	r.mu.Unlock()
}

// refuse says whether connections are refused from now on.
func (r *receiver) refuse(yes bool) {
	r.mu.Lock()
	r.closed = yes
	r.mu.Unlock()
}

// got returns what has arrived.
func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[:len(r.calls):len(r.calls)]
}

// mostAtATime is how many requests were being answered at once.
func (r *receiver) mostAtATime() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// bodies counts what has arrived by body.
func (r *receiver) bodies() map[string]int {
	count := map[string]int{}
	for _, c := range r.got() {
		count[c.body]++
	}
	return count
}

// wantOnce checks that n different bodies have arrived, each once.
func (r *receiver) wantOnce(t testing.TB, n int) {
	t.Helper()
	bodies := r.bodies()
	if len(bodies) != n {
		t.Errorf("%s got %d different events, want %d", r.name, len(bodies), n)
	}
	for body, times := range bodies {
		if times != 1 {
			t.Errorf("%s got %q %d times", r.name, body, times)
		}
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// hang answers nothing until the sender loses patience.
func hang(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }

// after waits before it answers 200.
func after(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(d):
		case <-req.Context().Done():
		}
	}
}
