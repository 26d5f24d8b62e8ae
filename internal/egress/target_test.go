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

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// clientCertificate returns a client certificate that ca has signed.
func clientCertificate(t *testing.T, ca *authority, valid time.Duration) *tls.Certificate {
	c := ca.issue(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotAfter: time.Now().Add(valid)})
	return &c
}

// TestRoute: a route has certificate authorities instead of the client's, and a certificate for servers that
// ask for one.
func TestRoute(t *testing.T) {
	ours, private, stranger := newAuthority(t), newAuthority(t), newAuthority(t)
	public := &tls.Config{Certificates: []tls.Certificate{loopback(t, ours)}}
	inside := &tls.Config{Certificates: []tls.Certificate{loopback(t, private)}}
	expired := &tls.Config{Certificates: []tls.Certificate{private.issue(t,
		&x509.Certificate{DNSNames: []string{"hooks.example.com"}, NotAfter: time.Now().Add(-time.Hour)})}}
	mutual := inside.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, private.pool()
	mutual12 := mutual.Clone()
	mutual12.MaxVersion = tls.VersionTLS12
	mine := clientCertificate(t, private, time.Hour)
	trust := []*x509.Certificate{private.cert}
	for name, test := range map[string]struct {
		server *tls.Config
		route  Route
		detail string // "" wants a reply
	}{
		"own authority": {server: inside, route: Route{Authorities: trust}},
		"one of several": {server: inside,
			route: Route{Authorities: []*x509.Certificate{stranger.cert, private.cert}}},
		"not the client's": {server: public, route: Route{Authorities: trust}, detail: "unknown authority"},
		"the client's":     {server: public, route: Route{Certificate: mine}},
		"wrong authority": {server: inside,
			route: Route{Authorities: []*x509.Certificate{stranger.cert}}, detail: "unknown authority"},
		"expired server":          {server: expired, route: Route{Authorities: trust}, detail: "expired"},
		"mutual":                  {server: mutual, route: Route{Authorities: trust, Certificate: mine}},
		"mutual, TLS 1.2":         {server: mutual12, route: Route{Authorities: trust, Certificate: mine}},
		"mutual, none shown":      {server: mutual, route: Route{Authorities: trust}, detail: "certificate required"},
		"mutual, none shown, 1.2": {server: mutual12, route: Route{Authorities: trust}, detail: "handshake failure"},
		"mutual, a stranger's": {server: mutual,
			route:  Route{Authorities: trust, Certificate: clientCertificate(t, stranger, time.Hour)},
			detail: "unknown certificate authority"},
		"mutual, a stranger's, TLS 1.2": {server: mutual12,
			route:  Route{Authorities: trust, Certificate: clientCertificate(t, stranger, time.Hour)},
			detail: "unknown certificate authority"},
		"mutual, expired": {server: mutual,
			route:  Route{Authorities: trust, Certificate: clientCertificate(t, private, -time.Hour)},
			detail: "expired certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := serveTLS(t, test.server, wiretest.OKReply)
			r := newRelay(t, addr, nil)
			rec := &recorder{to: addr}
			c := newClient(t, Config{RootCAs: ours.pool(), Resolver: answers("8.8.8.8"), Dial: rec.dial})
			open := newClient(t, Config{RootCAs: ours.pool(), Proxies: []string{"http://" + r.addr}})
			proxied := test.route
			proxied.Proxy = "http://" + r.addr
			for _, target := range []*Target{mustRoute(t, c, "https://hooks.example.com/secret", test.route),
				mustRoute(t, open, "https://hooks.example.com/secret", proxied)} {
				by := c
				if target.proxy != nil {
					by = open
				}
				for n := range 2 {
					reply, err := post(by, target)
					if test.detail != "" {
						if e := wantClass(t, err, ClassTLS); !strings.Contains(e.Error(), test.detail) ||
							strings.Contains(e.Error(), "secret") {
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

// TestRoutesShareNothing: destinations on one host whose routes differ never use each other's connections or TLS
// sessions. Targets whose routes are equal share connections, even if the targets were made one after the other.
func TestRoutesShareNothing(t *testing.T) {
	ca := newAuthority(t)
	type visit struct {
		who     string
		resumed bool
	}
	visits := make(chan visit, 1)
	cfg := &tls.Config{Certificates: []tls.Certificate{loopback(t, ca)}, ClientAuth: tls.RequestClientCert}
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		s := tls.Server(c, cfg)
		wiretest.EachRequest(s, func(r *http.Request, _ []byte) {
			state, v := s.ConnectionState(), visit{}
			if v.resumed = state.DidResume; len(state.PeerCertificates) > 0 {
				v.who = state.PeerCertificates[0].SerialNumber.String() + string(state.PeerCertificates[0].Raw)
			}
			visits <- v
			reply := wiretest.OKReply
			if r.Header.Get("Connection") == "close" {
				reply = strings.Replace(wiretest.OKReply, "\r\n", "\r\nConnection: close\r\n", 1)
			}
			io.WriteString(s, reply)
		})
	})
	relayed := newRelay(t, addr, nil)
	one, two := clientCertificate(t, ca, time.Hour), clientCertificate(t, ca, time.Hour)
	trust := []*x509.Certificate{ca.cert}
	proxy := "http://" + relayed.addr
	routes := []Route{
		{}, {Certificate: one}, {Certificate: two}, {Authorities: trust}, {Certificate: one, Authorities: trust},
		{Proxy: proxy}, {Proxy: proxy, ProxyUsername: "me"}, {Proxy: proxy, ProxyUsername: "me", ProxyPassword: "x"},
		{Proxy: proxy, Certificate: one},
	}
	c := newClient(t, Config{AllowPrivate: true, RootCAs: ca.pool(), Proxies: []string{proxy}})
	target := func(r Route) *Target { return mustRoute(t, c, "https://"+addr+"/", r) }
	for round := range 2 {
		for i, r := range routes {
			reply, err := post(c, target(r))
			if err != nil {
				t.Fatal(err)
			}
			v := <-visits
			if want := r.Certificate; (v.who != "") != (want != nil) || want != nil &&
				!strings.HasSuffix(v.who, string(want.Certificate[0])) {
				t.Errorf("route %d came as another", i)
			}
			if reply.Reused != (round > 0) || v.resumed {
				t.Errorf("route %d, round %d: reused %v, resumed %v", i, round, reply.Reused, v.resumed)
			}
		}
	}
	// New connections resume the TLS session of their own target, and of no other.
	kept := make([]*Target, len(routes))
	for i, r := range routes {
		kept[i] = target(r)
	}
	for round := range 2 {
		for i := range routes {
			c.CloseIdle()
			if _, err := post(c, kept[i]); err != nil {
				t.Fatal(err)
			}
			if v := <-visits; v.resumed != (i == 0 || round > 0) {
				// all targets of the direct route share one session cache
				t.Errorf("route %d, round %d: resumed %v", i, round, v.resumed)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	seen := map[string]int{}
	for i, r := range []Route{{}, {Proxy: "a"}, {Proxy: "a", ProxyUsername: "b"}, {Proxy: "a", ProxyPassword: "b"},
		{ProxyUsername: "ab"}, {Proxy: "ab"}, {Proxy: "a\nuser 1\nb"}} {
		f := r.fingerprint()
		if j, ok := seen[f]; ok {
			t.Errorf("routes %d and %d look alike", i, j)
		}
		seen[f] = i
	}
}

func TestWithPath(t *testing.T) {
	c := newClient(t, Config{Proxies: []string{"http://proxy.example:3128"}})
	target := mustRoute(t, c, "https://hooks.example.com/a", Route{Proxy: "http://proxy.example:3128"})
	long := "https://Hooks.example.com:443/a?token=" + strings.Repeat("x", MaxURLLength)
	if other, err := target.WithPath(long); err != nil || other.poolKey != target.poolKey ||
		other.proxy != target.proxy || !strings.Contains(other.head, "token=xxx") {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"http://hooks.example.com/a", "https://other.example.com/",
		"https://hooks.example.com:8443/", "https://hooks.example.com/a b", "https://hooks.example.com/\r\nHost: x",
		"", "//x", long + long} {
		if _, err := target.WithPath(url); err == nil {
			t.Errorf("%.60q is accepted", url)
		}
	}
}
