package http1

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// answer makes a pipe to a proxy that sends text as its answer.
func answer(t *testing.T, text string, asked chan<- *http.Request) net.Conn {
	c, _ := wiretest.Pipes(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		asked <- r
		c.Write([]byte(text))
	})(t.Context(), "", "")
	return c
}

func TestConnect(t *testing.T) {
	for text, want := range map[string]int{
		"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n":                               200,
		"HTTP/1.0 299 x\r\n\r\n":                                          299,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n":            200,
		"HTTP/1.1 407 x\r\nContent-Length: 4\r\n\r\nbody":                 407,
		"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n": 101,
		"HTTP/1.1 200 OK\r\n\r\nmore":                                     0,
		"SSH-2.0-x\r\n":                                                   0,
	} {
		asked := make(chan *http.Request, 1)
		c := answer(t, text, asked)
		status, err := Connect(t.Context(), c, "hooks.example.com:443",
			"User-Agent: Us\r\nProxy-Authorization: Basic x\r\n")
		c.Close()
		var protocol ProtocolError
		if status != want || (err != nil) != (want == 0) || err != nil && !errors.As(err, &protocol) {
			t.Errorf("%q: got %d, %v; want %d", text, status, err, want)
		}
		if r := <-asked; r.Method != "CONNECT" || r.RequestURI != "hooks.example.com:443" ||
			r.Host != "hooks.example.com:443" ||
			r.UserAgent() != "Us" || r.Header.Get("Proxy-Authorization") != "Basic x" {
			t.Errorf("the proxy was asked %+v", r)
		}
	}
}

// TestConnectEnds: the context and its deadline end the wait for an answer, and a tunnel has no deadline.
func TestConnectEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func() net.Conn {
			c, _ := wiretest.Pipes(t, wiretest.WaitForEnd)(t.Context(), "", "")
			return c
		}
		late, cancelLate := context.WithTimeout(t.Context(), time.Second)
		defer cancelLate()
		c := silent()
		if _, err := Connect(late, c, "a:443", ""); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
			t.Errorf("after the deadline: %v", err)
		}
		c.Close()

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		c = silent()
		if _, err := Connect(ctx, c, "a:443", ""); err != context.Canceled {
			t.Errorf("after a cancellation: %v", err)
		}
		c.Close()

		soon, cancelSoon := context.WithTimeout(t.Context(), time.Second)
		defer cancelSoon()
		c, _ = wiretest.Pipes(t, func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			time.Sleep(time.Minute)
			c.Write([]byte("x"))
		})(t.Context(), "", "")
		if status, err := Connect(soon, c, "a:443", ""); status != 200 || err != nil {
			t.Fatalf("got %d, %v", status, err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("the tunnel still has a deadline: %v", err)
		}
		c.Close()
	})
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
