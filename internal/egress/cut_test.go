package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cuts are connections that fail at some point (catalogue N1). Once any of the request may have left, the error says so:
// whoever tries again knows that it may be a repeat.
var cuts = []struct {
	name   string
	serve  func(c *net.TCPConn) // after it has accepted; nil takes nothing, until the attempt is over
	class  []Class              // one of these: which end notices first is up to the network
	early  bool                 // the request may have found the connection cut, and then none of it was sent
	detail string
}{
	{"closed before the request", func(c *net.TCPConn) { c.Close() }, []Class{ClassClosed, ClassReset}, true, ""},
	{"reset before the request", func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, []Class{ClassReset, ClassClosed}, true, ""},
	{"closed within the request", cutAfter(1<<10, false), []Class{ClassReset, ClassClosed}, false, ""},
	{"reset within the request", cutAfter(1<<10, true), []Class{ClassReset, ClassClosed}, false, ""},
	{"request not taken", nil, []Class{ClassTimeout}, false, "request not taken within 300ms (sending it)"},
	{"half-open after the request", func(c *net.TCPConn) { io.Copy(io.Discard, c) }, []Class{ClassTimeout}, false, "waiting for headers"},
	{"cut within the reply", func(c *net.TCPConn) {
		io.CopyN(io.Discard, c, 8<<20)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
		c.CloseWrite()
		waitForEnd(c)
	}, []Class{ClassClosed}, false, "before the reply's body had come"},
}

// cutAfter is a server that reads n bytes of a request and hangs up, with or without a reset.
func cutAfter(n int64, reset bool) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		io.CopyN(io.Discard, c, n)
		if reset {
			c.SetLinger(0)
		}
		c.Close()
	}
}

func TestCuts(t *testing.T) {
	for _, cut := range cuts {
		t.Run(cut.name, func(t *testing.T) {
			over := make(chan bool)
			addr := serve(t, func(_ int, c *net.TCPConn) {
				if cut.serve == nil {
					<-over
					return
				}
				cut.serve(c)
			})
			c := newClient(t, Config{AllowPrivate: true})
			body := bytes.Repeat([]byte("x"), 8<<20)
			start := time.Now()
			_, err := c.Do(context.Background(), &Request{Target: mustTarget(t, c, "http://"+addr+"/secret"), Body: body, Timeout: shortly})
			close(over)
			if took := time.Since(start); took > time.Second+shortly {
				t.Errorf("took %s", took)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			known := false
			for _, class := range cut.class {
				known = known || e.Class == class
			}
			if !known || !e.Sent && !cut.early || !strings.Contains(e.Detail, cut.detail) || strings.Contains(e.Detail, "secret") {
				t.Errorf("got %v, sent %v", e, e.Sent)
			}
			if len(c.pool.open) > 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

// A network that takes 300 ms more has nothing to do with it.
func TestDelay(t *testing.T) {
	addr := serve(t, func(_ int, c *net.TCPConn) {
		eachRequest(c, func(*http.Request, []byte) {
			for _, piece := range []string{okReply[:5], okReply[5:20], okReply[20:]} {
				time.Sleep(100 * time.Millisecond)
				io.WriteString(c, piece)
			}
		})
	})
	c := newClient(t, Config{AllowPrivate: true})
	if reply, err := post(c, mustTarget(t, c, "http://"+addr)); err != nil || string(reply.Body) != "ok" {
		t.Errorf("got %+v, %v", reply, err)
	}
}

// Garbage in the place of a TLS handshake ends the attempt, however much of it there is (P2).
func TestTLSGarbage(t *testing.T) {
	for name, answer := range map[string]func(*net.TCPConn){
		"random":              waits("\x8f\x02\xff\x00\x17\x9c\x33"),
		"endless":             flood("", "\x00garbage"),
		"a record too large":  waits("\x16\x03\x03\xff\xff" + strings.Repeat("x", 100)),
		"endless handshake":   flood("", "\x16\x03\x03\x40\x00"+strings.Repeat("\x0b\xff\xff\xff", 1<<12)),
		"alerts for ever":     flood("", "\x15\x03\x03\x00\x02\x01\x5a"),
		"a handshake of ours": waits("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			addr := serve(t, func(_ int, c *net.TCPConn) {
				c.Read(make([]byte, 1<<10))
				answer(c)
			})
			c := newClient(t, Config{AllowPrivate: true})
			before := allocated()
			_, err := c.Do(context.Background(), &Request{Target: mustTarget(t, c, "https://"+addr), Timeout: 20 * time.Second})
			if e := wantClass(t, err, ClassTLS); e.Sent || e.Phase != PhaseTLS {
				t.Errorf("got %v, sent %v, phase %s", e, e.Sent, e.Phase)
			}
			if grown := allocated() - before; grown > 4<<20 {
				t.Errorf("allocated %d bytes", grown)
			}
		})
	}
}

// A name server that answers now this and now that makes the attempts fail that it fails, and no more (N2).
func TestFlappingResolver(t *testing.T) {
	rec := &recorder{to: serve(t, replies("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))}
	var n atomic.Int32
	c := newClient(t, Config{Dial: rec.dial, Resolver: resolverFunc(func(ctx context.Context, network, host string) ([]netip.Addr, error) {
		switch n.Add(1) % 3 {
		case 1:
			return noSuchHost(ctx, network, host)
		case 2:
			return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
		}
		return addresses("8.8.8.8"), nil
	})})
	target := mustTarget(t, c, "http://example.com")
	for round := range 9 {
		reply, err := post(c, target)
		if round%3 < 2 {
			wantClass(t, err, ClassDNS)
		} else if err != nil || reply.Status != 200 {
			t.Errorf("round %d: %+v, %v", round, reply, err)
		}
	}
}

// A dead IPv6 address before a good IPv4 one costs the head start, and each address is judged (N4).
func TestDualStack(t *testing.T) {
	ca := newAuthority(t)
	to := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, &x509.Certificate{DNSNames: []string{"example.com"}})}}, okReply)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "[") {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	c := newClient(t, Config{RootCAs: ca.pool(), Dial: dial, Resolver: answers("2606:4700::1", "8.8.8.8")})
	start := time.Now()
	if reply, err := post(c, mustTarget(t, c, "https://example.com")); err != nil || reply.Status != 200 {
		t.Errorf("got %+v, %v", reply, err)
	}
	if took := time.Since(start); took < headStart || took > time.Second+headStart {
		t.Errorf("took %s", took)
	}
	c = newClient(t, Config{RootCAs: ca.pool(), Dial: dial, Resolver: answers("8.8.8.8", "fd00::1")})
	_, err := post(c, mustTarget(t, c, "https://example.com"))
	wantClass(t, err, ClassBlocked)
}
