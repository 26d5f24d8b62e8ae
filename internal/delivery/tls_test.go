package delivery

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// TestBadTLS: destinations whose TLS handshake hangs, whose certificate has expired or is for another name, or that
// require a client certificate. Each attempt records the reason, and a healthy destination gets its events at once.
func TestBadTLS(t *testing.T) { badTLS(t, 6, 4) }

// badTLS is the body of TestBadTLS for this number of destinations with each fault and this number of events.
func badTLS(t *testing.T, each, events int) {
	inBubble(t, func(t *testing.T) {
		ca := newAuthority(t)
		r := newRig(t, func(r *rig) { r.roots = ca.pool() })
		faults := map[string]struct {
			serve  func(net.Conn)
			error  string
			detail string
		}{
			"hangs": {func(c net.Conn) { io.Copy(io.Discard, c) }, "timeout", "waiting for the TLS handshake"},
			"expired": {ca.handshake(t, func(cert *x509.Certificate,
				_ *tls.Config) {
				cert.NotAfter = time.Now().Add(-time.Hour)
			}),
				"tls", "certificate has expired"},
			"other": {ca.handshake(t, func(cert *x509.Certificate,
				_ *tls.Config) {
				cert.IPAddresses = []net.IP{{10, 9, 9, 9}}
			}),
				"tls", "certificate is valid for 10.9.9.9, not 10.0.0."},
			"asking": {ca.handshake(t, func(_ *x509.Certificate,
				cfg *tls.Config) {
				cfg.ClientAuth = tls.RequireAnyClientCert
			}),
				"tls", "certificate required"},
		}
		kind := map[string]string{} // the fault, by destination
		for name, f := range faults {
			for i := range each {
				to := r.network.listener(fmt.Sprint(name, i))
				to.handle(f.serve)
				d := r.destination(to, func(d *bellhop.Destination) {
					d.URL, d.Timeout, d.Retry.Schedule = strings.Replace(d.URL, "http:", "https:",
						1), 2*time.Second, bellhop.ScheduleNone
				})
				kind[d.ID] = name
			}
		}
		healthy := r.network.receiver("healthy")
		r.destination(healthy)
		for range events { // while the attempts of earlier events are running
			begun := time.Now()
			r.acceptMany(1)
			time.Sleep(300 * time.Millisecond)
			if got := healthy.got(); len(got) == 0 || !got[len(got)-1].at.Equal(begun) {
				t.Fatalf("the healthy one has %d", len(got))
			}
		}
		time.Sleep(time.Hour)
		for _, d := range r.deliveries() {
			f, bad := faults[kind[d.DestinationID]]
			switch {
			case !bad && d.State != bellhop.DeliveryDelivered:
				t.Errorf("the healthy one: %+v", d)
			case bad && (d.State != bellhop.DeliveryDead || d.Last.Error != f.error ||
				!strings.Contains(d.Last.Detail, f.detail) || d.Last.Duration > 2*time.Second):
				t.Errorf("%s: %+v", kind[d.DestinationID], d.Last)
			// TLS 1.3 reports it only after the client has sent
			case bad && kind[d.DestinationID] != "asking" && strings.Contains(d.Last.Detail, outbound.Unknown):
				t.Errorf("%s: nothing was sent, and it says %q", kind[d.DestinationID], d.Last.Detail)
			}
		}
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: events,
			bellhop.DeliveryDead: 4 * each * events})
		r.wantIdle()
		synctest.Wait()
	})
}

// handle serves each connection with serve instead of HTTP.
func (r *receiver) handle(serve func(net.Conn)) {
	go func() {
		for c, err := r.Accept(); err == nil; c, err = r.Accept() {
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
}

// An authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	a := new(authority)
	made := a.issue(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotAfter: time.Now().Add(time.Hour)})
	a.cert, a.key = made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// issue signs a certificate with the fields of template. The first certificate is the authority's own.
func (a *authority) issue(t testing.TB, template *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
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

// handshake returns a function that makes a TLS handshake and then closes. Its certificate is issued by a and valid
// for every receiver, unless change makes it invalid.
func (a *authority) handshake(t testing.TB, change func(*x509.Certificate, *tls.Config)) func(net.Conn) {
	cert, cfg := &x509.Certificate{NotAfter: time.Now().Add(time.Hour)}, new(tls.Config)
	for i := range 255 {
		cert.IPAddresses = append(cert.IPAddresses, net.IP{10, 0, 0, byte(i)})
	}
	change(cert, cfg)
	cfg.Certificates = []tls.Certificate{a.issue(t, cert)}
	return func(c net.Conn) {
		s := tls.Server(newSocket(c), cfg)
		if s.Handshake() == nil {
			s.Read(make([]byte, 1)) // waits for the alert of a client that refuses the certificate
		}
	}
}

// A socket is an end of a pipe with a read buffer, like a network socket: in a TLS handshake both sides may write
// at the same time.
type socket struct {
	net.Conn
	mu   sync.Mutex
	more *sync.Cond
	came bytes.Buffer
	err  error
}

func newSocket(c net.Conn) *socket {
	s := &socket{Conn: c}
	s.more = sync.NewCond(&s.mu)
	go func() {
		b := make([]byte, 4<<10)
		for s.err == nil {
			n, err := c.Read(b)
			s.mu.Lock()
			s.came.Write(b[:n])
			s.err = err
			s.more.Broadcast()
			s.mu.Unlock()
		}
	}()
	return s
}

func (s *socket) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.came.Len() == 0 && s.err == nil {
		s.more.Wait()
	}
	if s.came.Len() > 0 {
		return s.came.Read(b)
	}
	return 0, s.err
}
