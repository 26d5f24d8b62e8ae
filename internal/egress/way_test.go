package egress

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// clientCertificate is one that servers with that authority take.
func clientCertificate(t *testing.T, ca *authority, valid time.Duration) *tls.Certificate {
	c := ca.issue(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotAfter: time.Now().Add(valid)})
	return &c
}

// TestWay: own authorities instead of the client's, and a certificate of ours where the server wants one.
func TestWay(t *testing.T) {
	ours, private, stranger := newAuthority(t), newAuthority(t), newAuthority(t)
	public := &tls.Config{Certificates: []tls.Certificate{loopback(t, ours)}}
	inside := &tls.Config{Certificates: []tls.Certificate{loopback(t, private)}}
	expired := &tls.Config{Certificates: []tls.Certificate{private.issue(t, &x509.Certificate{DNSNames: []string{"hooks.example.com"}, NotAfter: time.Now().Add(-time.Hour)})}}
	mutual := inside.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, private.pool()
	mutual12 := mutual.Clone()
	mutual12.MaxVersion = tls.VersionTLS12
	mine := clientCertificate(t, private, time.Hour)
	trust := []*x509.Certificate{private.cert}
	for name, test := range map[string]struct {
		server *tls.Config
		way    Route
		detail string // "" wants a reply
	}{
		"own authority":                 {server: inside, way: Route{Authorities: trust}},
		"one of several":                {server: inside, way: Route{Authorities: []*x509.Certificate{stranger.cert, private.cert}}},
		"not the client's":              {server: public, way: Route{Authorities: trust}, detail: "unknown authority"},
		"the client's":                  {server: public, way: Route{Certificate: mine}},
		"wrong authority":               {server: inside, way: Route{Authorities: []*x509.Certificate{stranger.cert}}, detail: "unknown authority"},
		"expired server":                {server: expired, way: Route{Authorities: trust}, detail: "expired"},
		"mutual":                        {server: mutual, way: Route{Authorities: trust, Certificate: mine}},
		"mutual, TLS 1.2":               {server: mutual12, way: Route{Authorities: trust, Certificate: mine}},
		"mutual, none shown":            {server: mutual, way: Route{Authorities: trust}, detail: "certificate required"},
		"mutual, none shown, 1.2":       {server: mutual12, way: Route{Authorities: trust}, detail: "handshake failure"},
		"mutual, a stranger's":          {server: mutual, way: Route{Authorities: trust, Certificate: clientCertificate(t, stranger, time.Hour)}, detail: "unknown certificate authority"},
		"mutual, a stranger's, TLS 1.2": {server: mutual12, way: Route{Authorities: trust, Certificate: clientCertificate(t, stranger, time.Hour)}, detail: "unknown certificate authority"},
		"mutual, expired":               {server: mutual, way: Route{Authorities: trust, Certificate: clientCertificate(t, private, -time.Hour)}, detail: "expired certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serveTLS(t, test.server, okReply)
			r := newRelay(t, addr, nil)
			rec := &recorder{to: addr}
			c := newClient(t, Config{RootCAs: ours.pool(), Resolver: answers("8.8.8.8"), Dial: rec.dial})
			open := newClient(t, Config{RootCAs: ours.pool(), Proxies: []string{"http://" + r.addr}})
			proxied := test.way
			proxied.Proxy = "http://" + r.addr
			for _, target := range []*Target{mustRoute(t, c, "https://hooks.example.com/secret", test.way), mustRoute(t, open, "https://hooks.example.com/secret", proxied)} {
				by := c
				if target.proxy != nil {
					by = open
				}
				for n := range 2 {
					reply, err := post(by, target)
					if test.detail != "" {
						if e := wantClass(t, err, ClassTLS); !strings.Contains(e.Error(), test.detail) || strings.Contains(e.Error(), "secret") {
							t.Errorf("got %v, want %q", e, test.detail)
						}
					} else if err != nil || reply.Status != 200 || reply.Reused != (n > 0) {
						t.Fatalf("got %+v, %v", reply, err)
					}
				}
			}
		})
	}
}

// TestRoutesShareNothing: destinations on one host whose ways differ never use each other's connections or TLS sessions;
// those whose ways are the same do share connections, when they were opened one after the other too.
func TestRoutesShareNothing(t *testing.T) {
	ca := newAuthority(t)
	type visit struct {
		who     string
		resumed bool
	}
	visits := make(chan visit, 1)
	cfg := &tls.Config{Certificates: []tls.Certificate{loopback(t, ca)}, ClientAuth: tls.RequestClientCert}
	addr := serve(t, func(_ int, c *net.TCPConn) {
		s := tls.Server(c, cfg)
		eachRequest(s, func(r *http.Request, _ []byte) {
			state, v := s.ConnectionState(), visit{}
			if v.resumed = state.DidResume; len(state.PeerCertificates) > 0 {
				v.who = state.PeerCertificates[0].SerialNumber.String() + string(state.PeerCertificates[0].Raw)
			}
			visits <- v
			reply := okReply
			if r.Header.Get("Connection") == "close" {
				reply = strings.Replace(okReply, "\r\n", "\r\nConnection: close\r\n", 1)
			}
			io.WriteString(s, reply)
		})
	})
	relayed := newRelay(t, addr, nil)
	one, two := clientCertificate(t, ca, time.Hour), clientCertificate(t, ca, time.Hour)
	trust := []*x509.Certificate{ca.cert}
	proxy := "http://" + relayed.addr
	ways := []Route{
		{}, {Certificate: one}, {Certificate: two}, {Authorities: trust}, {Certificate: one, Authorities: trust},
		{Proxy: proxy}, {Proxy: proxy, ProxyUsername: "me"}, {Proxy: proxy, ProxyUsername: "me", ProxyPassword: "x"}, {Proxy: proxy, Certificate: one},
	}
	c := newClient(t, Config{AllowPrivate: true, RootCAs: ca.pool(), Proxies: []string{proxy}})
	target := func(w Route) *Target { return mustRoute(t, c, "https://"+addr+"/", w) }
	for round := range 2 {
		for i, w := range ways {
			reply, err := post(c, target(w))
			if err != nil {
				t.Fatal(err)
			}
			v := <-visits
			if want := w.Certificate; (v.who != "") != (want != nil) || want != nil && !strings.HasSuffix(v.who, string(want.Certificate[0])) {
				t.Errorf("way %d came as another", i)
			}
			if reply.Reused != (round > 0) || v.resumed {
				t.Errorf("way %d, round %d: reused %v, resumed %v", i, round, reply.Reused, v.resumed)
			}
		}
	}
	// On new connections, each by its own session and no other's.
	kept := make([]*Target, len(ways))
	for i, w := range ways {
		kept[i] = target(w)
	}
	for round := range 2 {
		for i := range ways {
			c.CloseIdle()
			if _, err := post(c, kept[i]); err != nil {
				t.Fatal(err)
			}
			if v := <-visits; v.resumed != (i == 0 || round > 0) { // the plain way has had one since it first came
				t.Errorf("way %d, round %d: resumed %v", i, round, v.resumed)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	seen := map[string]int{}
	for i, w := range []Route{{}, {Proxy: "a"}, {Proxy: "a", ProxyUsername: "b"}, {Proxy: "a", ProxyPassword: "b"}, {ProxyUsername: "ab"}, {Proxy: "ab"}, {Proxy: "a\nuser 1\nb"}} {
		f := w.fingerprint()
		if j, ok := seen[f]; ok {
			t.Errorf("ways %d and %d look alike", i, j)
		}
		seen[f] = i
	}
}

func TestWithPath(t *testing.T) {
	c := newClient(t, Config{Proxies: []string{"http://proxy.example:3128"}})
	target := mustRoute(t, c, "https://hooks.example.com/a", Route{Proxy: "http://proxy.example:3128"})
	long := "https://Hooks.example.com:443/a?token=" + strings.Repeat("x", MaxURLLength)
	if other, err := target.WithPath(long); err != nil || other.pool != target.pool || other.proxy != target.proxy || !strings.Contains(other.head, "token=xxx") {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"http://hooks.example.com/a", "https://other.example.com/", "https://hooks.example.com:8443/", "https://hooks.example.com/a b", "https://hooks.example.com/\r\nHost: x", "", "//x", long + long} {
		if _, err := target.WithPath(url); err == nil {
			t.Errorf("%.60q is beside it", url)
		}
	}
}

func TestReplyHeader(t *testing.T) {
	addr := serve(t, replies("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\nHTTP/1.1 200 OK\r\nx-a:  one \r\nX-A: two\r\nContent-Length: 2\r\n\r\nok"))
	c := newClient(t, Config{AllowPrivate: true})
	for _, want := range []bool{true, false} {
		reply, err := c.Do(t.Context(), &Request{Target: mustTarget(t, c, "http://"+addr), ReplyHeader: want})
		if err != nil || (reply.Header != nil) != want || want && strings.Join(reply.Header.Values("X-A"), ",") != "one,two" {
			t.Errorf("got %+v, %v", reply, err)
		}
	}
}
