//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package http1

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// socketPair returns the two ends of a connection inside the kernel, which has no port.
func socketPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket pair")
		ends[i], err = net.FileConn(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return ends[0], ends[1]
}

// testCertificate returns a certificate of "test", and the settings of clients that trust it.
func testCertificate(t testing.TB) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"test"},
		NotAfter: time.Now().Add(time.Hour),
		IsCA:     true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "test"}
}

// layers are the ways in which the bytes of a reply reach the transport: how many layers of TLS there are, and their
// version.
var layers = []struct {
	name    string
	depth   int
	version uint16
}{
	{"plain", 0, 0},
	{"TLS 1.2", 1, tls.VersionTLS12},
	{"TLS 1.3", 1, tls.VersionTLS13},
	{"TLS within TLS", 2, tls.VersionTLS13},
}

// smuggler is a server whose connections answer the first request with text, in one write, and every other one
// with status 500. It writes before, if that is not empty, when a connection is open. The transport waits until the
// writes are done before it goes on, so that the bytes have arrived.
type smuggler struct {
	rig    *Transport
	t      testing.TB
	depth  int
	server *tls.Config
	client *tls.Config
	before string
	text   string

	written chan struct{} // gets a value when the server has written before or text
	running sync.WaitGroup
}

func newSmuggler(t testing.TB, depth int, version uint16, before, text string) *smuggler {
	s := &smuggler{t: t, depth: depth, before: before, text: text, written: make(chan struct{}, 10),
		rig: NewTransport(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: time.Minute, MaxAge: time.Hour}, time.Now)}
	if depth > 0 {
		s.server, s.client = testCertificate(t)
		s.server.MinVersion, s.server.MaxVersion = version, version
	}
	t.Cleanup(func() { s.rig.Close(); s.running.Wait() })
	return s
}

func (s *smuggler) open() (stream, tcp net.Conn, err error) {
	near, far := socketPair(s.t)
	s.running.Go(func() { s.serve(far) })
	stream = near
	for range s.depth {
		stream, err = Secure(s.t.Context(), stream, s.client)
		if err != nil {
			near.Close()
			return nil, nil, err
		}
	}
	if s.before != "" {
		<-s.written
	}
	return stream, near, nil
}

func (s *smuggler) serve(c net.Conn) {
	defer c.Close()
	for range s.depth {
		secured := tls.Server(c, s.server)
		if secured.Handshake() != nil {
			return
		}
		c = secured
	}
	if s.before != "" {
		io.WriteString(c, s.before)
		s.written <- struct{}{}
	}
	n := 0
	wiretest.EachRequest(c, func(*http.Request, []byte) {
		if n++; n > 1 {
			io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
			return
		}
		io.WriteString(c, s.text)
		s.written <- struct{}{}
	})
}

func (s *smuggler) post() (*Reply, error) {
	return s.rig.Do(s.t.Context(), &Request{Key: "x", Deadline: time.Now().Add(20 * time.Second), Method: "POST",
		Head: " / HTTP/1.1\r\nHost: test\r\n", Body: []byte("{}"), KeepBytes: 1 << 20}, s.open)
}

// ofSize returns a whole reply of n bytes with status 200.
func ofSize(n int) string {
	for body := n; ; body-- {
		text := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", body, strings.Repeat("x", body))
		if len(text) == n {
			return text
		}
	}
}

// TestUnaskedReply: bytes after a reply answer no other request. They are in the read buffer, in what TLS has
// decrypted, in records that it has buffered, or in the socket.
func TestUnaskedReply(t *testing.T) {
	const forged = "HTTP/1.1 200 Forged\r\nContent-Length: 8\r\n\r\nSMUGGLED"
	bodyless := "HTTP/1.1 204 No Content\r\n\r\n"
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
	interim := "HTTP/1.1 103 Early Hints\r\n\r\n"
	for _, l := range layers {
		t.Run(l.name, func(t *testing.T) {
			for _, first := range []string{wiretest.OKReply, bodyless, chunks, interim + wiretest.OKReply,
				ofSize(4095), ofSize(4096), ofSize(4097), ofSize(8192), ofSize(16 << 10), ofSize(20 << 10),
				ofSize(40 << 10)} {
				for _, more := range []string{forged, "\r\n", forged[:5], strings.Repeat("x", 5000)} {
					s := newSmuggler(t, l.depth, l.version, "", first+more)
					if reply, err := s.post(); err != nil || reply.Status/100 != 2 {
						t.Fatalf("%.20q of %d bytes: got %+v, %v", first, len(first), reply, err)
					}
					<-s.written
					reply, err := s.post() // a new connection, since another reply of the first would be 500
					if err != nil || reply.Status/100 != 2 || reply.Reused ||
						strings.Contains(string(reply.Body), "SMUGGLED") {
						t.Errorf("%d bytes and %.5q more: the second request got %+v, %v", len(first), more,
							reply, err)
					}
				}
				s := newSmuggler(t, l.depth, l.version, "", first)
				for n := range 3 {
					reply, err := s.post()
					if err != nil || reply.Reused != (n > 0) || (reply.Status == 500) != (n > 0) {
						t.Errorf("%.20q of %d bytes alone: request %d got %+v, %v", first, len(first), n, reply, err)
					}
				}
			}
		})
	}
}

// TestLateBytes: bytes that arrive while a connection is idle, also the beginning of a record, cost the connection.
func TestLateBytes(t *testing.T) {
	for _, l := range layers {
		t.Run(l.name, func(t *testing.T) {
			s := newSmuggler(t, l.depth, l.version, "", wiretest.OKReply)
			if _, err := s.post(); err != nil {
				t.Fatal(err)
			}
			c := s.rig.pool.get("x")
			if c == nil {
				t.Fatal("the connection is not kept")
			}
			if l.depth > 0 { // a part of a record that TLS read together with the reply
				stream := c.Conn.(*secured)
				stream.records.follow([]byte{23, 3, 3})
				s.rig.pool.put(c)
				if s.rig.pool.get("x") != nil {
					t.Error("a connection with a part of a record is lent")
				}
			}
		})
	}
}

// TestServerSpeaksFirst: bytes that a server sends before any request are no answer to it.
func TestServerSpeaksFirst(t *testing.T) {
	s := newSmuggler(t, 0, 0, wiretest.OKReply, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
	_, err := s.post()
	var e *Error
	var bad ProtocolError
	if !errors.As(err, &e) || e.Sent || !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// TestRecordReader: the end of a record is seen however its bytes are cut.
func TestRecordReader(t *testing.T) {
	stream := slices.Concat([]byte{23, 3, 3, 1, 4}, make([]byte, 260), []byte{21, 3, 3, 0, 0},
		[]byte{23, 3, 3, 0, 1, 9})
	ends := []int{0, 265, 270, 276}
	for size := 1; size <= len(stream); size++ {
		r := &recordReader{}
		for at := 0; at < len(stream); at += size {
			if r.whole() != slices.Contains(ends, at) {
				t.Fatalf("in pieces of %d, at %d: whole is %v", size, at, r.whole())
			}
			r.follow(stream[at:min(at+size, len(stream))])
		}
		if !r.whole() {
			t.Errorf("in pieces of %d: not whole at the end", size)
		}
	}
}

// BenchmarkExchange is a request over a pair of sockets, plain and over TLS. "unprobed" is TLS whose unread bytes are
// not looked for.
func BenchmarkExchange(b *testing.B) {
	for name, depth := range map[string]int{"plain": 0, "TLS": 1, "unprobed": 1} {
		b.Run(name, func(b *testing.B) {
			s := newSmuggler(b, depth, tls.VersionTLS13, "", wiretest.OKReply)
			near, far := socketPair(b)
			s.running.Go(func() {
				defer far.Close()
				c := far
				if depth > 0 {
					c = tls.Server(far, s.server)
				}
				in, reply := make([]byte, 4<<10), []byte(wiretest.OKReply)
				for {
					if _, err := c.Read(in); err != nil {
						return
					}
					if _, err := c.Write(reply); err != nil {
						return
					}
				}
			})
			open := func() (stream, tcp net.Conn, err error) {
				switch name {
				case "TLS":
					stream, err = Secure(b.Context(), near, s.client)
				case "unprobed":
					stream = tls.Client(near, s.client)
				default:
					stream = near
				}
				return stream, near, err
			}
			b.ReportAllocs()
			for b.Loop() {
				reply, err := s.rig.Do(context.Background(), &Request{Key: "x", Deadline: time.Now().Add(time.Minute),
					Method: "POST", Head: " / HTTP/1.1\r\nHost: test\r\n", Body: []byte("{}")}, open)
				if err != nil || reply.Status != 200 {
					b.Fatal(err)
				}
			}
		})
	}
}
