package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// TestOnlyTheOperatorSetsProxies (S470): a destination may use the listed proxies, however they are written,
// and no other, whatever else is permitted.
func TestOnlyTheOperatorSetsProxies(t *testing.T) {
	open := Config{AllowPrivate: true, Allow: prefixes("0.0.0.0/0", "::/0")}
	listed := open
	listed.Proxies = []string{"http://proxy.example", "https://Proxy.example.:8443/", "http://[::1]:3128",
		"http://me:x@bad.example", "http://bad.example/path", "", "bad.example:3128"}
	for _, c := range []*Client{newClient(t, open), newClient(t, listed),
		newClient(t, Config{Proxies: listed.Proxies})} {
		for _, proxy := range []string{"http://127.0.0.1:3128", "http://proxy.example:3128", "https://proxy.example",
			"http://proxy.example:8443", "http://other.example",
			"http://bad.example", "http://bad.example:3128", "http://2130706433", "http://[::1]:3129", "http://"} {
			if err := c.CheckProxy(proxy); err == nil {
				t.Errorf("%s is accepted", proxy)
			}
			if _, err := c.Target("https://hooks.example.com", Route{Proxy: proxy}); err == nil {
				t.Errorf("Target accepts %s", proxy)
			}
		}
		err := c.CheckProxy("http://127.0.0.1:3128")
		if e := wantClass(t, err, ClassBlocked); !strings.HasSuffix(e.Detail, "its operator lists them by --proxies") {
			t.Errorf("got %v", e)
		}
		for _, proxy := range []string{"http://proxy.example", "http://PROXY.example.:80/",
			"https://proxy.example:8443", "http://[::1]:3128"} {
			if err := c.CheckProxy(proxy); (err == nil) != (len(c.proxies.listed) > 0) {
				t.Errorf("%s: %v", proxy, err)
			}
		}
	}
	for _, url := range []string{"socks5://proxy.example", "http://me:x@proxy.example:3128",
		"http://proxy.example:3128/path", "http://proxy.example?x", "proxy.example:3128", "http://", "http://a b"} {
		if CheckProxyURL(url) == nil {
			t.Errorf("%s can be listed", url)
		}
	}
}

// TestListedProxies: listing a proxy permits connections to its addresses, except those of metadata services,
// and permits nothing else.
func TestListedProxies(t *testing.T) {
	rec := new(recorder)
	for _, c := range []struct{ proxy, answer, dialed string }{
		{"http://proxy.example:3128", "8.8.8.8", "8.8.8.8:3128"}, // a port that destinations may not have
		{"http://proxy:22", "10.0.0.7", "10.0.0.7:22"},
		{"http://localhost:3128", "", "127.0.0.1:3128"},
		{"http://10.0.0.7:6379", "", "10.0.0.7:6379"},
		{"http://[fd00::7]", "", "[fd00::7]:80"},
		{"http://169.254.7.7:3128", "", "169.254.7.7:3128"},
		{"http://proxy.example:3128", "169.254.7.7", ""}, // permitted for a proxy that is written as this address only
		{"http://proxy.example:3128", "224.0.0.1", ""},
		{"http://proxy.example:3128", "64:ff9b::a9fe:a9fe", ""},
		{"http://proxy.example:3128", "169.254.169.254", ""},
		{"http://proxy.example:3128", "::ffff:169.254.169.254", ""},
		{"http://proxy.example:3128", "168.63.129.16", ""},
		{"http://proxy.example:3128", "fd00:ec2::254", ""},
		{"http://metadata.google.internal", "169.254.169.254", ""},
	} {
		client := newClient(t, Config{Resolver: answers(strings.Fields(c.answer)...), Dial: rec.dial,
			Proxies: []string{c.proxy}, Allow: prefixes("169.254.169.254/32")})
		_, err := post(client, mustRoute(t, client, "https://hooks.example.com", Route{Proxy: c.proxy}))
		dialed := rec.take()
		if c.dialed != "" && (!errors.Is(err, errRecorded) || dialed[0] != c.dialed) {
			t.Errorf("%+v: dialled %s, %v", c, dialed, err)
		}
		if c.dialed != "" {
			continue
		}
		if e := wantClass(t, err, ClassBlocked); !strings.HasPrefix(e.Detail, "the proxy: ") || len(dialed) > 0 ||
			strings.Contains(c.answer, "169.254.169") && strings.Contains(e.Detail, "--allow") {
			t.Errorf("%+v: dialled %s, %v", c, dialed, e)
		}
	}
	for _, proxy := range []string{"http://169.254.169.254", "http://[::ffff:169.254.169.254]:3128",
		"http://168.63.129.16", "http://100.100.100.200:80"} {
		c := newClient(t, Config{AllowPrivate: true, Proxies: []string{proxy},
			Allow: prefixes("0.0.0.0/0", "169.254.169.254/32")})
		wantClass(t, c.CheckProxy(proxy), ClassBlocked)
	}
}

// TestListedProxyIsNoDestination: an address that is permitted as a proxy is not a permitted destination,
// directly or through that proxy. A target whose proxy is no longer listed cannot be reached.
func TestListedProxyIsNoDestination(t *testing.T) {
	rec := new(recorder)
	const proxy = "http://10.0.0.7:3128"
	strict := newClient(t, Config{Resolver: answers("10.0.0.7"), Dial: rec.dial, Proxies: []string{proxy}})
	for _, url := range []string{proxy, "https://10.0.0.7/", "https://127.0.0.1/", "https://localhost/",
		"https://169.254.169.254/", "https://metadata.google.internal/", "http://hooks.example.com:3128/"} {
		for _, route := range []Route{{}, {Proxy: proxy}} {
			if _, err := strict.Target(url, route); err == nil {
				t.Errorf("%s is accepted, by the proxy %q", url, route.Proxy)
			}
		}
	}
	// The name of this destination resolves to the address of the proxy.
	_, err := post(strict, mustTarget(t, strict, "https://hooks.example.com"))
	wantClass(t, err, ClassBlocked)
	if err := strict.guard.check(netip.MustParseAddrPort("10.0.0.7:3128")); err == nil {
		t.Error("the guard permits it")
	}
	const gone = "http://127.0.0.1:3128"
	before := newClient(t, Config{Proxies: []string{gone}})
	_, err = post(strict, mustRoute(t, before, "https://hooks.example.com", Route{Proxy: gone}))
	wantClass(t, err, ClassBlocked)
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
	if _, err = post(strict, mustRoute(t, strict, "https://hooks.example.com",
		Route{Proxy: proxy})); !errors.Is(err, errRecorded) || fmt.Sprint(rec.take()) != "[10.0.0.7:3128]" {
		t.Errorf("the proxy itself: %v", err)
	}
}

// FuzzProxyURL: a URL that can be listed is found on the list, in its normal form too, and is no metadata
// service.
func FuzzProxyURL(f *testing.F) {
	for _, raw := range []string{"http://proxy.example:3128", "https://Proxy.EXAMPLE./", "http://[::1]:80",
		"http://[::ffff:169.254.169.254]", "http://2130706433", "http://a:b@c", "socks5://x", "http://x/?",
		"http://x:080"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c := newClient(t, Config{Proxies: []string{raw}})
		if CheckProxyURL(raw) != nil {
			if c.CheckProxy(raw) == nil {
				t.Errorf("%q is a proxy though it cannot be listed", raw)
			}
			return
		}
		at, err := c.proxies.parse(raw)
		if err != nil && !at.addr.IsValid() {
			t.Errorf("%q is listed, and refused: %v", raw, err)
		}
		if slices.Contains(metadataAddrs, at.addr) {
			t.Errorf("%q leads to a metadata service", raw)
		}
		if again := at.String(); err == nil && c.CheckProxy(again) != nil {
			t.Errorf("%q is refused as %s", raw, again)
		}
	})
}

// A relay is a proxy that grants every request, for any name, and records the requests.
type relay struct {
	addr string
	to   string // where tunnels lead

	mu    sync.Mutex
	asked []string // request lines with Host and Proxy-Authorization
}

func newRelay(t *testing.T, to string, secure *tls.Config) *relay {
	r := &relay{to: to}
	r.addr = wiretest.Serve(t, func(_ int, c net.Conn) {
		var stream net.Conn = c
		if secure != nil {
			stream = tls.Server(c, secure)
		}
		r.handle(c, stream)
	})
	return r
}

func (r *relay) handle(tcp net.Conn, c net.Conn) {
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		r.mu.Lock()
		asked := req.Method + " " + req.RequestURI + " " + req.Host + " " + req.Header.Get("Proxy-Authorization")
		r.asked = append(r.asked, strings.TrimSpace(asked))
		r.mu.Unlock()
		if req.Method != http.MethodConnect {
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, wiretest.OKReply)
			continue
		}
		far, err := net.Dial("tcp", r.to)
		if err != nil {
			io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
		var running sync.WaitGroup
		running.Go(func() { io.Copy(far, in); wiretest.CloseWrite(far) })
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
	return ca.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"hooks.example.com"}})
}

// TestProxy: a name that only the proxy can resolve is reached through the proxy, with one tunnel for several
// requests.
func TestProxy(t *testing.T) {
	const login = "Basic bWU6cGFzcw=="
	ca := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{loopback(t, ca)}}
	for name, secure := range map[string]*tls.Config{"http": nil, "https": server} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, serveTLS(t, server, wiretest.OKReply), secure)
			c := newClient(t, Config{RootCAs: ca.pool(), Resolver: noSuchHost,
				Proxies: []string{name + "://" + r.addr}})
			w := Route{Proxy: name + "://" + r.addr, ProxyUsername: "me", ProxyPassword: "pass"}
			for url, want := range map[string]string{
				"https://hooks.example.com/a?b":      "CONNECT hooks.example.com:443 hooks.example.com:443 " + login,
				"https://hooks.example.com:8443/a?b": "CONNECT hooks.example.com:8443 hooks.example.com:8443 " + login,
				"http://hooks.example.com/a?b":       "POST http://hooks.example.com/a?b hooks.example.com " + login,
				"http://hooks.example.com:8080/a?b": "POST http://hooks.example.com:8080/a?b " +
					"hooks.example.com:8080 " + login,
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

// TestProxyCredentials: the credentials of the proxy do not reach the destination.
func TestProxyCredentials(t *testing.T) {
	ca := newAuthority(t)
	seen := make(chan http.Header, 1)
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{loopback(t, ca)}})
		wiretest.EachRequest(s, func(r *http.Request, _ []byte) {
			seen <- r.Header
			io.WriteString(s, wiretest.OKReply)
		})
	})
	r := newRelay(t, addr, nil)
	// Made last, so that it is closed first.
	c := newClient(t, Config{Proxies: []string{"http://" + r.addr}, RootCAs: ca.pool()})
	target := mustRoute(t, c, "https://hooks.example.com",
		Route{Proxy: "http://" + r.addr, ProxyUsername: "me", ProxyPassword: "secret"})
	if _, err := post(c, target); err != nil {
		t.Fatal(err)
	}
	if h := <-seen; h.Get("Proxy-Authorization") != "" {
		t.Errorf("the destination got %v", h)
	}
}

// proxyFaults are proxies that do not connect us. Their errors must name the proxy, not the destination.
var proxyFaults = []struct {
	name   string
	serve  func(c net.Conn)
	class  Class
	detail string
}{
	{"forbids", wiretest.Waits("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret"), ClassProxy,
		"did not connect to hooks.example.com:443: it answered 403 Forbidden"},
	{"wants credentials", wiretest.Waits("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), ClassProxy,
		"407 Proxy Authentication Required, which asks for a user"},
	{"cannot connect", wiretest.Says("HTTP/1.1 502 Bad Gateway\r\n\r\n"), ClassProxy, "502"},
	{"redirects", wiretest.Waits("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"),
		ClassProxy, "302"},
	{"hangs", func(c net.Conn) { wiretest.WaitForEnd(c) }, ClassTimeout,
		"no connection within 300ms (waiting for the proxy"},
	{"trickles", wiretest.Trickle("HTTP/1.1 200 OK\r\nX: ", "x"), ClassTimeout, "waiting for the proxy"},
	{"garbage", wiretest.Waits("\x00\x01\x02garbage\r\n\r\n"), ClassProxy, "not HTTP"},
	{"endless garbage", wiretest.Flood("", "Hello"), ClassProxy, ""},
	{"SOCKS", wiretest.Waits("\x05\x00"), ClassProxy, "not HTTP"},
	{"TLS on a plain port", wiretest.Waits("\x15\x03\x01\x00\x02\x02\x46"), ClassProxy, "use https://"},
	{"endless headers", wiretest.Flood("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n"), ClassProxy, "256 KiB"},
	{"one endless header", wiretest.Flood("HTTP/1.1 200 OK\r\nX: ", "x"), ClassProxy, "256 KiB"},
	{"interim replies", wiretest.Flood("", "HTTP/1.1 100 Continue\r\n\r\n"), ClassProxy, "interim"},
	{"speaks for the server", wiretest.Waits("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"), ClassProxy,
		"more than its answer"},
	{"closes", func(c net.Conn) { wiretest.CloseWrite(c); wiretest.WaitForEnd(c) }, ClassProxy,
		"closed the connection instead of answering CONNECT"},
	{"closes within headers", wiretest.Says("HTTP/1.1 200 OK\r\nX"), ClassProxy, "closed the connection"},
	{"resets", wiretest.Resets(""), ClassProxy, "reset the connection instead of answering CONNECT"},
	{"tunnel into nothing", func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		wiretest.WaitForEnd(c)
	}, ClassTimeout, "TLS handshake"},
	{"tunnel to no TLS", func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		c.Read(make([]byte, 1<<10))
		wiretest.Says("HTTP/1.1 400 Bad Request\r\n\r\n")(c)
	}, ClassTLS, "does not speak TLS"},
}

func TestProxyFaults(t *testing.T) {
	for _, f := range proxyFaults {
		t.Run(f.name, func(t *testing.T) {
			serve := func(c net.Conn) {
				if _, err := c.Read(make([]byte, 1<<10)); err == nil {
					f.serve(c)
				}
			}
			attempt(t, f.class == ClassTimeout, serve, func(t *testing.T, at peer) {
				c := newClient(t, Config{Proxies: []string{"http://" + at.address}, Dial: at.dial})
				target := mustRoute(t, c, "https://hooks.example.com/secret-path?secret",
					Route{Proxy: "http://" + at.address, ProxyUsername: "me", ProxyPassword: "secret"})
				before := allocated()
				_, err := c.Do(t.Context(), &Request{Target: target, Body: []byte("{}"), Timeout: at.timeout})
				if grown := allocated() - before; grown > 1<<20 {
					t.Errorf("allocated %d bytes", grown)
				}
				e := wantClass(t, err, f.class)
				if !strings.Contains(e.Error(), f.detail) || e.Sent ||
					f.class == ClassProxy && (e.Phase != PhaseProxy || !strings.Contains(e.Error(), at.address)) {
					t.Errorf("got %v in phase %s, sent %v", e, e.Phase, e.Sent)
				}
				if strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "bWU6") {
					t.Errorf("the message has a secret: %v", e)
				}
			})
		})
	}
}

// TestProxyRefusesPlainRequest: a 407 to an http request through a proxy is an answer of the proxy, not of the
// destination.
func TestProxyRefusesPlainRequest(t *testing.T) {
	const reply = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
	addr := wiretest.Serve(t, wiretest.Replies(reply))
	c := newClient(t, Config{AllowPrivate: true, Proxies: []string{"http://" + addr}})
	_, err := post(c, mustRoute(t, c, "http://hooks.example.com", Route{Proxy: "http://" + addr}))
	wantClass(t, err, ClassProxy)
	if reply, err := post(c, mustTarget(t, c, "http://"+addr)); err != nil || reply.Status != 407 {
		t.Errorf("a destination that answers so: %+v, %v", reply, err)
	}
}

// TestProxyCannotBeReached: the errors name the proxy, and have the same classes as those of destinations.
func TestProxyCannotBeReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	plain := wiretest.Serve(t, func(_ int, c net.Conn) {
		c.Read(make([]byte, 1<<10))
		wiretest.Says("HTTP/1.1 400 Bad Request\r\n\r\n")(c)
	})
	c := newClient(t, Config{Resolver: noSuchHost,
		Proxies: []string{"http://" + l.Addr().String(), "http://proxy.example:3128", "https://" + plain}})
	for proxy, want := range map[string]string{
		"http://" + l.Addr().String(): "connection_refused: the proxy " + l.Addr().String() +
			" does not accept connections",
		"http://proxy.example:3128": "dns: the proxy: there is no host proxy.example",
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
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		c.Read(make([]byte, 1<<10))
		reached <- true
		wiretest.WaitForEnd(c)
	})
	c := newClient(t, Config{Proxies: []string{"http://" + addr}})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-reached; cancel(); <-reached; c.Close() }()
	for _, ctx := range []context.Context{ctx, context.Background()} {
		_, err := c.Do(ctx, &Request{Target: mustRoute(t, c, "https://hooks.example.com",
			Route{Proxy: "http://" + addr}), Timeout: 20 * time.Second})
		if e := wantClass(t, err, ClassCanceled); e.Sent {
			t.Error("sent")
		}
	}
}

// FuzzConnect: whatever a proxy answers, the result is a tunnel or an error of ClassProxy.
func FuzzConnect(f *testing.F) {
	for _, text := range []string{"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 299 x\r\nA: b\r\n\r\n", "HTTP/1.1 407 x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\nmore", "\x05\x00"} {
		f.Add([]byte(text))
	}
	p := &proxy{origin: origin{name: "proxy.example", port: 3128}}
	f.Fuzz(func(t *testing.T, text []byte) {
		near, far := net.Pipe()
		go func() {
			http.ReadRequest(bufio.NewReader(far))
			far.Write(text)
			far.Close()
		}()
		err := p.connect(context.Background(), near, "hooks.example.com:443")
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
