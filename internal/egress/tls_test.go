package egress

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// An authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := new(authority)
	made := a.issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue signs a certificate like template. The certificate is valid now unless template says otherwise. An
// authority that has no certificate itself issues a self-signed one.
func (a *authority) issue(t *testing.T, template *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.Subject = pkix.Name{CommonName: "test"}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// serveTLS answers requests over TLS.
func serveTLS(t *testing.T, cfg *tls.Config, reply string) string {
	return wiretest.Serve(t, func(_ int, c net.Conn) {
		s := tls.Server(c, cfg)
		wiretest.EachRequest(s, func(*http.Request, []byte) { io.WriteString(s, reply) })
	})
}

func TestTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	names := []string{"hooks.example.com"}
	good := ca.issue(t, &x509.Certificate{DNSNames: names})
	for name, test := range map[string]struct {
		server *tls.Config
		url    string
		detail string // "" wants a reply
	}{
		"good":          {server: &tls.Config{Certificates: []tls.Certificate{good}}},
		"good, TLS 1.2": {server: &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}},
		"trailing dot": {server: &tls.Config{Certificates: []tls.Certificate{good}},
			url: "https://HOOKS.example.com./"},
		"also HTTP/2": {server: &tls.Config{Certificates: []tls.Certificate{good},
			NextProtos: []string{"h2", "http/1.1"}}},
		"TLS 1.1": {server: &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10,
			MaxVersion: tls.VersionTLS11}, detail: "protocol version"},
		"another protocol": {server: &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"imap"}},
			detail: "no application protocol"},
		"expired": {server: &tls.Config{Certificates: []tls.Certificate{ca.issue(t,
			&x509.Certificate{DNSNames: names, NotAfter: time.Now().Add(-time.Hour)})}}, detail: "expired"},
		"self-signed": {server: &tls.Config{Certificates: []tls.Certificate{new(authority).issue(t,
			&x509.Certificate{DNSNames: names})}}, detail: "unknown authority"},
		"wrong authority": {server: &tls.Config{Certificates: []tls.Certificate{stranger.issue(t,
			&x509.Certificate{DNSNames: names})}}, detail: "unknown authority"},
		"wrong host": {server: &tls.Config{Certificates: []tls.Certificate{ca.issue(t,
			&x509.Certificate{DNSNames: []string{"other.example.com"}})}}, detail: "not hooks.example.com"},
		"wants ours": {server: &tls.Config{Certificates: []tls.Certificate{good},
			ClientAuth: tls.RequireAnyClientCert}, detail: "certificate required"},
		"wants ours, 1.2": {server: &tls.Config{Certificates: []tls.Certificate{good},
			ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, detail: "handshake failure"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &recorder{to: serveTLS(t, test.server, wiretest.OKReply)}
			c := newClient(t, Config{RootCAs: ca.pool(), Resolver: answers("8.8.8.8"), Dial: rec.dial})
			target := mustTarget(t, c, cmp.Or(test.url, "https://hooks.example.com/secret"))
			for n := range 2 {
				reply, err := post(c, target)
				if test.detail != "" {
					if e := wantClass(t, err, ClassTLS); !strings.Contains(e.Error(), test.detail) ||
						e.Phase == PhaseTLS && e.Sent {
						t.Errorf("got %v in phase %s, want %q", e, e.Phase, test.detail)
					}
				} else if err != nil || reply.Status != 200 || string(reply.Body) != "ok" || reply.Reused != (n > 0) {
					t.Fatalf("got %+v, %v", reply, err)
				}
			}
			if res, err := c.HTTP().Get(target.String()); err == nil {
				res.Body.Close()
				if test.detail != "" {
					t.Error("HTTP accepts it")
				}
			} else if test.detail == "" {
				t.Error(err)
			}
		})
	}
}

func TestTLSFaults(t *testing.T) {
	for name, test := range map[string]struct {
		serve  func(c net.Conn)
		class  Class
		detail string
	}{
		"plain HTTP": {wiretest.Says("HTTP/1.1 400 Bad Request\r\n\r\n"), ClassTLS, "does not speak TLS"},
		"closes": {func(c net.Conn) { wiretest.CloseWrite(c); wiretest.WaitForEnd(c) }, ClassTLS,
			"ended the connection during the TLS handshake"},
		"hanging handshake": {wiretest.WaitForEnd, ClassTimeout, "no reply within 300ms (waiting for the TLS " +
			"handshake)"},
		"trickling handshake": {wiretest.Trickle("\x16\x03\x03\x40\x00", "x"), ClassTimeout, "TLS handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			serve := func(c net.Conn) {
				c.Read(make([]byte, 4<<10))
				test.serve(c)
			}
			attempt(t, test.class == ClassTimeout, serve, func(t *testing.T, at peer) {
				c := newClient(t, Config{AllowPrivate: true, Dial: at.dial})
				_, err := c.Do(t.Context(), &Request{Target: mustTarget(t, c, "https://"+at.address),
					Timeout: at.timeout})
				if e := wantClass(t, err, test.class); !strings.Contains(e.Error(), test.detail) || e.Sent ||
					e.Phase != PhaseTLS {
					t.Errorf("got %v, sent %v, phase %s", e, e.Sent, e.Phase)
				}
			})
		})
	}
}

// TestTLSGarbage: garbage instead of a TLS handshake ends the attempt, however much of it the server sends (P2).
func TestTLSGarbage(t *testing.T) {
	for name, answer := range map[string]func(net.Conn){
		"random":              wiretest.Waits("\x8f\x02\xff\x00\x17\x9c\x33"),
		"endless":             wiretest.Flood("", "\x00garbage"),
		"a record too large":  wiretest.Waits("\x16\x03\x03\xff\xff" + strings.Repeat("x", 100)),
		"endless handshake":   wiretest.Flood("", "\x16\x03\x03\x40\x00"+strings.Repeat("\x0b\xff\xff\xff", 1<<12)),
		"alerts for ever":     wiretest.Flood("", "\x15\x03\x03\x00\x02\x01\x5a"),
		"a handshake of ours": wiretest.Waits("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			addr := wiretest.Serve(t, func(_ int, c net.Conn) {
				c.Read(make([]byte, 1<<10))
				answer(c)
			})
			c := newClient(t, Config{AllowPrivate: true})
			before := allocated()
			_, err := c.Do(context.Background(), &Request{Target: mustTarget(t, c, "https://"+addr),
				Timeout: 20 * time.Second})
			if e := wantClass(t, err, ClassTLS); e.Sent || e.Phase != PhaseTLS {
				t.Errorf("got %v, sent %v, phase %s", e, e.Sent, e.Phase)
			}
			if grown := allocated() - before; grown > 4<<20 {
				t.Errorf("allocated %d bytes", grown)
			}
		})
	}
}

// TestTLSResumption: a second connection resumes the session of the first.
func TestTLSResumption(t *testing.T) {
	ca := newAuthority(t)
	resumed := make(chan bool, 2)
	cfg := &tls.Config{
		Certificates: []tls.Certificate{
			ca.issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})},
		VerifyConnection: func(s tls.ConnectionState) error { resumed <- s.DidResume; return nil },
	}
	addr := serveTLS(t, cfg, closingReply)
	c := newClient(t, Config{AllowPrivate: true, RootCAs: ca.pool()})
	for n := range 2 {
		if _, err := post(c, mustTarget(t, c, "https://"+addr)); err != nil {
			t.Fatal(err)
		}
		if got := <-resumed; got != (n > 0) {
			t.Errorf("connection %d resumed: %v", n, got)
		}
	}
}
