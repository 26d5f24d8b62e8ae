// Package wiretest has servers for tests of HTTP on the wire: well-behaved ones, broken ones and hostile ones.
// They write exactly the bytes that a test gives, over TCP or, for tests with a clock of their own, over pipes.
package wiretest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// OKReply is the reply of a server that has nothing to say.
const OKReply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// Serve accepts connections on loopback until the test ends. It hands each, with its number from 0, to handle,
// and closes it afterwards. It returns "127.0.0.1:port".
func Serve(t testing.TB, handle func(n int, c net.Conn)) string {
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
				handle(n, c)
			})
		}
	})
	t.Cleanup(func() { l.Close(); running.Wait() })
	return l.Addr().String()
}

// Pipes returns a function like [net.Dialer.DialContext] whose connections lead to handle by a pipe. In a
// bubble of testing/synctest, deadlines of a pipe follow the clock of the bubble. The test waits for handle at
// its end.
func Pipes(t testing.TB, handle func(c net.Conn)) func(ctx context.Context, network, address string) (net.Conn,
	error) {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		running.Go(func() {
			defer far.Close()
			handle(far)
		})
		return near, nil
	}
}

// EachRequest calls reply for every request on c, with its body, until c ends.
func EachRequest(c net.Conn, reply func(r *http.Request, body []byte)) {
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

// Replies returns a handler for Serve that answers every request with text.
func Replies(text string) func(int, net.Conn) {
	return func(_ int, c net.Conn) {
		EachRequest(c, func(*http.Request, []byte) { io.WriteString(c, text) })
	}
}

// ReadOne reads one request with the body "{}" from c.
func ReadOne(c net.Conn) error {
	buf := make([]byte, 4<<10)
	got := 0
	for !bytes.HasSuffix(buf[:got], []byte("\r\n\r\n{}")) {
		n, err := c.Read(buf[got:])
		if err != nil {
			return err
		}
		got += n
	}
	return nil
}

// WaitForEnd reads from c until its other end is closed.
func WaitForEnd(c net.Conn) { io.Copy(io.Discard, c) }

// CloseWrite closes the sending side of c, a TCP connection.
func CloseWrite(c net.Conn) { c.(*net.TCPConn).CloseWrite() }

// Says is a server that sends text and then closes its sending side.
func Says(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text); CloseWrite(c); WaitForEnd(c) }
}

// Waits is a server that sends text and keeps the connection open.
func Waits(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text); WaitForEnd(c) }
}

// Resets is a server that sends text and resets the connection.
func Resets(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text); c.(*net.TCPConn).SetLinger(0) }
}

// Trickle is a server that sends start, and then piece again and again with pauses.
func Trickle(start, piece string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, start)
		pause := time.NewTicker(5 * time.Millisecond)
		defer pause.Stop()
		for range pause.C {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
	}
}

// Flood is a server that sends start, and then piece again and again as fast as it can.
func Flood(start, piece string) func(net.Conn) {
	pieces := bytes.Repeat([]byte(piece), 1+64<<10/len(piece))
	return func(c net.Conn) {
		io.WriteString(c, start)
		for {
			if _, err := c.Write(pieces); err != nil {
				return
			}
		}
	}
}

// A Clock is a time that a test moves.
type Clock struct {
	mu sync.Mutex
	t  time.Time // protected by mu
}

// NewClock returns a clock that stands at some time in 2026.
func NewClock() *Clock { return &Clock{t: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
