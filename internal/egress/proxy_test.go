package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A relay is a proxy that does what it is asked, for whatever name, and writes down what that was.
type relay struct {
	addr string
	to   string // where tunnels lead

	mu    sync.Mutex
	asked []string // request lines with Host and Proxy-Authorization
}

func newRelay(t *testing.T, to string, secure *tls.Config) *relay {
	r := &relay{to: to}
	r.addr = serve(t, func(_ int, c *net.TCPConn) {
		var stream net.Conn = c
		if secure != nil {
			stream = tls.Server(c, secure)
		}
		r.handle(c, stream)
	})
	return r
}

func (r *relay) handle(tcp *net.TCPConn, c net.Conn) {
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.asked = append(r.asked, strings.TrimSpace(req.Method+" "+req.RequestURI+" "+req.Host+" "+req.Header.Get("Proxy-Authorization")))
		r.mu.Unlock()
		if req.Method != http.MethodConnect {
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, okReply)
			continue
		}
		far, err := net.Dial("tcp", r.to)
		if err != nil {
			io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
		var running sync.WaitGroup
		running.Go(func() { io.Copy(far, in); far.(*net.TCPConn).CloseWrite() })
		io.Copy(c, far)
		far.Close()
		tcp.Close()
		running.Wait()
		return
	}
}

func (r *relay) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.asked
	r.asked = nil
	return list
}

func loopback(t *testing.T, ca *authority) tls.Certificate {
	return ca.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"hooks.example.com"}})
}

func mustRoute(t testing.TB, c *Client, raw string, w Route) *Target {
	t.Helper()
	target, err := c.Target(raw, w)
	if err != nil {
		t.Fatalf("Target(%q): %v", raw, err)
	}
	return target
}

// TestProxy: a name that only the proxy can resolve is reached through it, with one tunnel for several requests.
func TestProxy(t *testing.T) {
	ca := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{loopback(t, ca)}}
	for name, secure := range map[string]*tls.Config{"http": nil, "https": server} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, serveTLS(t, server, okReply), secure)
			c := newClient(t, Config{RootCAs: ca.pool(), Resolver: noSuchHost, Proxies: []string{name + "://" + r.addr}})
			w := Route{Proxy: name + "://" + r.addr, ProxyUsername: "me", ProxyPassword: "pass"}
			for url, want := range map[string]string{
				"https://hooks.example.com/a?b":      "CONNECT hooks.example.com:443 hooks.example.com:443 Basic bWU6cGFzcw==",
				"https://hooks.example.com:8443/a?b": "CONNECT hooks.example.com:8443 hooks.example.com:8443 Basic bWU6cGFzcw==",
				"http://hooks.example.com/a?b":       "POST http://hooks.example.com/a?b hooks.example.com Basic bWU6cGFzcw==",
				"http://hooks.example.com:8080/a?b":  "POST http://hooks.example.com:8080/a?b hooks.example.com:8080 Basic bWU6cGFzcw==",
			} {
				target := mustRoute(t, c, url, w)
				for n := range 2 {
					if reply, err := post(c, target); err != nil || reply.Status != 200 || reply.Reused != (n > 0) {
						t.Fatalf("%s: %+v, %v", url, reply, err)
					}
				}
				asked := r.take()
				if len(asked) != 1 && strings.HasPrefix(url, "https") || len(asked) < 1 || asked[0] != want {
					t.Errorf("%s: the proxy was asked %q, want %q", url, asked, want)
				}
			}
		})
	}
}

// What goes to the proxy stays there: the destination never sees its credentials.
func TestProxyCredentials(t *testing.T) {
	ca := newAuthority(t)
	seen := make(chan http.Header, 1)
	addr := serve(t, func(_ int, c *net.TCPConn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{loopback(t, ca)}})
		eachRequest(s, func(r *http.Request, _ []byte) { seen <- r.Header; io.WriteString(s, okReply) })
	})
	r := newRelay(t, addr, nil)
	c := newClient(t, Config{Proxies: []string{"http://" + r.addr}, RootCAs: ca.pool()}) // the last, so that it hangs up first
	target := mustRoute(t, c, "https://hooks.example.com", Route{Proxy: "http://" + r.addr, ProxyUsername: "me", ProxyPassword: "secret"})
	if _, err := post(c, target); err != nil {
		t.Fatal(err)
	}
	if h := <-seen; h.Get("Proxy-Authorization") != "" {
		t.Errorf("the destination got %v", h)
	}
}

// proxyFaults are proxies that do not connect us. Each must be told from the destination, and within the deadline.
var proxyFaults = []struct {
	name   string
	serve  func(c *net.TCPConn)
	class  Class
	detail string
	soon   bool
}{
	{name: "forbids", serve: waits("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret"), class: ClassProxy, detail: "did not connect to hooks.example.com:443: it answered 403 Forbidden", soon: true},
	{name: "wants credentials", serve: waits("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), class: ClassProxy, detail: "407 Proxy Authentication Required, which wants a user", soon: true},
	{name: "cannot connect", serve: says("HTTP/1.1 502 Bad Gateway\r\n\r\n"), class: ClassProxy, detail: "502", soon: true},
	{name: "redirects", serve: waits("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"), class: ClassProxy, detail: "302", soon: true},
	{name: "hangs", serve: func(c *net.TCPConn) { waitForEnd(c) }, class: ClassTimeout, detail: "no connection within 300ms (waiting for the proxy"},
	{name: "trickles", serve: trickle("HTTP/1.1 200 OK\r\nX: ", "x"), class: ClassTimeout, detail: "waiting for the proxy"},
	{name: "garbage", serve: waits("\x00\x01\x02garbage\r\n\r\n"), class: ClassProxy, detail: "not HTTP", soon: true},
	{name: "endless garbage", serve: flood("", "Hello"), class: ClassProxy, soon: true},
	{name: "SOCKS", serve: waits("\x05\x00"), class: ClassProxy, detail: "not HTTP", soon: true},
	{name: "TLS on a plain port", serve: waits("\x15\x03\x01\x00\x02\x02\x46"), class: ClassProxy, detail: "use https://", soon: true},
	{name: "endless headers", serve: flood("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n"), class: ClassProxy, detail: "32 KiB", soon: true},
	{name: "one endless header", serve: flood("HTTP/1.1 200 OK\r\nX: ", "x"), class: ClassProxy, detail: "32 KiB", soon: true},
	{name: "interim replies", serve: flood("", "HTTP/1.1 100 Continue\r\n\r\n"), class: ClassProxy, detail: "interim", soon: true},
	{name: "speaks for the server", serve: waits("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"), class: ClassProxy, detail: "more than its answer", soon: true},
	{name: "closes", serve: func(c *net.TCPConn) { c.CloseWrite(); waitForEnd(c) }, class: ClassProxy, detail: "closed the connection instead of answering CONNECT", soon: true},
	{name: "closes within headers", serve: says("HTTP/1.1 200 OK\r\nX"), class: ClassProxy, detail: "closed the connection", soon: true},
	{name: "resets", serve: reset(""), class: ClassProxy, detail: "reset the connection instead of answering CONNECT", soon: true},
	{name: "tunnel into nothing", serve: func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); waitForEnd(c) }, class: ClassTimeout, detail: "TLS handshake"},
	{name: "tunnel to no TLS", serve: func(c *net.TCPConn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		c.Read(make([]byte, 1<<10))
		says("HTTP/1.1 400 Bad Request\r\n\r\n")(c)
	}, class: ClassTLS, detail: "does not speak TLS", soon: true},
}

func TestProxyFaults(t *testing.T) {
	for _, f := range proxyFaults {
		t.Run(f.name, func(t *testing.T) {
			addr := serve(t, func(_ int, c *net.TCPConn) {
				if _, err := c.Read(make([]byte, 1<<10)); err == nil {
					f.serve(c)
				}
			})
			c := newClient(t, Config{Proxies: []string{"http://" + addr}})
			target := mustRoute(t, c, "https://hooks.example.com/secret-path?secret", Route{Proxy: "http://" + addr, ProxyUsername: "me", ProxyPassword: "secret"})
			req := &Request{Target: target, Body: []byte("{}"), Timeout: shortly}
			if f.soon {
				req.Timeout = 20 * time.Second
			}
			before, start := allocated(), time.Now()
			_, err := c.Do(context.Background(), req)
			if took := time.Since(start); took > time.Second+shortly {
				t.Errorf("took %s", took)
			}
			if grown := allocated() - before; grown > 1<<20 {
				t.Errorf("allocated %d bytes", grown)
			}
			e := wantClass(t, err, f.class)
			if !strings.Contains(e.Error(), f.detail) || e.Sent || f.class == ClassProxy && (e.Phase != PhaseProxy || !strings.Contains(e.Error(), addr)) {
				t.Errorf("got %v in phase %s, sent %v", e, e.Phase, e.Sent)
			}
			if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "bWU6") {
				t.Errorf("the message has a secret: %v", e)
			}
			if len(c.pool.open) > 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

// A proxy that wants credentials for a plain request says so itself; the destination did not.
func TestProxyRefusesPlainRequest(t *testing.T) {
	addr := serve(t, replies("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
	c := newClient(t, Config{AllowPrivate: true, Proxies: []string{"http://" + addr}})
	_, err := post(c, mustRoute(t, c, "http://hooks.example.com", Route{Proxy: "http://" + addr}))
	wantClass(t, err, ClassProxy)
	if reply, err := post(c, mustTarget(t, c, "http://"+addr)); err != nil || reply.Status != 407 {
		t.Errorf("a destination that answers so: %+v, %v", reply, err)
	}
}

// TestProxyCannotBeReached: what is wrong is said of the proxy, by the same classes as of destinations.
func TestProxyCannotBeReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	plain := serve(t, func(_ int, c *net.TCPConn) { c.Read(make([]byte, 1<<10)); says("HTTP/1.1 400 Bad Request\r\n\r\n")(c) })
	c := newClient(t, Config{Resolver: noSuchHost, Proxies: []string{"http://" + l.Addr().String(), "http://proxy.example:3128", "https://" + plain}})
	for proxy, want := range map[string]string{
		"http://" + l.Addr().String(): "connection_refused: the proxy " + l.Addr().String() + " does not accept connections",
		"http://proxy.example:3128":   "dns: the proxy: there is no host proxy.example",
	} {
		_, err := post(c, mustRoute(t, c, "https://hooks.example.com", Route{Proxy: proxy}))
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, err = post(c, mustRoute(t, c, "https://hooks.example.com", Route{Proxy: "https://" + plain}))
	if e := wantClass(t, err, ClassProxy); !strings.Contains(e.Error(), "does not speak TLS") {
		t.Errorf("got %v", e)
	}
}

// TestProxyCanceled: Close and the context end a wait for a proxy.
func TestProxyCanceled(t *testing.T) {
	reached := make(chan bool)
	addr := serve(t, func(_ int, c *net.TCPConn) {
		c.Read(make([]byte, 1<<10))
		reached <- true
		waitForEnd(c)
	})
	c := newClient(t, Config{Proxies: []string{"http://" + addr}})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-reached; cancel(); <-reached; c.Close() }()
	for _, ctx := range []context.Context{ctx, context.Background()} {
		_, err := c.Do(ctx, &Request{Target: mustRoute(t, c, "https://hooks.example.com", Route{Proxy: "http://" + addr}), Timeout: 20 * time.Second})
		if e := wantClass(t, err, ClassCanceled); e.Sent {
			t.Error("sent")
		}
	}
}

// FuzzConnect: whatever a proxy answers, there is a tunnel or an error of its class, and no more read than headers may have.
func FuzzConnect(f *testing.F) {
	for _, text := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 299 x\r\nA: b\r\n\r\n", "HTTP/1.1 407 x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nmore", "\x05\x00"} {
		f.Add([]byte(text))
	}
	p := &proxy{place: place{name: "proxy.example", port: 3128}}
	f.Fuzz(func(t *testing.T, text []byte) {
		near, far := net.Pipe()
		go func() {
			http.ReadRequest(bufio.NewReader(far))
			far.Write(text)
			far.Close()
		}()
		err := p.connect(near, "hooks.example.com:443")
		near.Close()
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Class != ClassProxy) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && !strings.HasPrefix(string(text), "HTTP/1.") {
			t.Errorf("%q opens a tunnel", text)
		}
	})
}
