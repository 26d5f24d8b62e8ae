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
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A network connects addresses to receivers through pipes. Sockets would not work in a bubble.
type network struct {
	t         testing.TB
	mu        sync.Mutex
	receivers map[string]*receiver    // by address; protected by mu
	wrapConn  func(net.Conn) net.Conn // wraps new connections; nil means no wrapper
	dialError func() error            // an error of this machine, if it returns one; nil means none
}

func newNetwork(t testing.TB) *network { return &network{t: t, receivers: map[string]*receiver{}} }

// dial connects to the receiver at address. Without a receiver, the connection is refused.
func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if n.dialError != nil {
		if err := n.dialError(); err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", err)}
		}
	}
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
		if n.wrapConn != nil {
			return n.wrapConn(&conn{Conn: ours}), nil
		}
		return &conn{Conn: ours}, nil
	case <-r.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A conn is the engine's end of a pipe. It returns the errors that a TCP connection returns.
type conn struct {
	net.Conn
	closed atomic.Bool
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.tcpError(err)
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.tcpError(err)
}

func (c *conn) tcpError(err error) error {
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

// A receiver is the server of a destination. It records the connections and the requests that it gets.
type receiver struct {
	name    string
	address string
	conns   chan net.Conn
	done    chan struct{}
	end     func()

	mu     sync.Mutex
	closed bool // connections are refused
	answer http.HandlerFunc
	calls  []call
	dials  []time.Time
	active int // requests that are being answered
	most   int // the highest value of active so far
}

// A call is a request that a receiver got.
type call struct {
	at     time.Time
	method string
	path   string
	header http.Header
	body   string
}

// receiver starts a receiver that answers 200 until will changes its answer.
func (n *network) receiver(name string) *receiver {
	r := n.at(name, 80)
	n.serve(r, r)
	return r
}

// secure starts a receiver that uses TLS.
func (n *network) secure(name string, cfg *tls.Config) *receiver {
	r := n.at(name, 443)
	n.serve(r, tls.NewListener(r, cfg))
	return r
}

// buffer adds a write buffer to an end of a pipe. TLS needs it, because both sides may write at the same time.
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

// listener creates a receiver whose connections the test serves itself.
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

// Accept, Close and Addr implement net.Listener.
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
	r.active++
	r.most = max(r.most, r.active)
	answer := r.answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.active--
		r.mu.Unlock()
	}()
	answer(w, req)
}

// will sets how the receiver answers from now on.
func (r *receiver) will(answer http.HandlerFunc) {
	r.mu.Lock()
	r.answer = answer
	r.mu.Unlock()
}

// refuse sets whether the receiver refuses connections from now on.
func (r *receiver) refuse(yes bool) {
	r.mu.Lock()
	r.closed = yes
	r.mu.Unlock()
}

// got returns the requests that the receiver has got so far.
func (r *receiver) got() []call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[:len(r.calls):len(r.calls)]
}

// mostAtATime returns the highest number of requests that were answered at the same time.
func (r *receiver) mostAtATime() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// bodies returns how often each body was received.
func (r *receiver) bodies() map[string]int {
	count := map[string]int{}
	for _, c := range r.got() {
		count[c.body]++
	}
	return count
}

// wantOnce checks that n different bodies were received, each once.
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

// hang does not answer until the sender closes the connection.
func hang(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }

// after returns a handler that waits for d and then answers 200.
func after(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-time.After(d):
		case <-req.Context().Done():
		}
	}
}
