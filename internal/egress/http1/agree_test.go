//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// FuzzAgainstNetHTTP sends the bytes of a server to this transport and to that of net/http.
//
//   - A reply that both accept has the same status, body and headers.
//   - A reply that net/http refuses costs the connection here, unless net/http minds a header line that frames
//     nothing.
//   - Whatever follows the reply, the next request gets its own answer.
func FuzzAgainstNetHTTP(f *testing.F) {
	log.SetOutput(io.Discard) // net/http logs each reply that nobody asked for
	f.Cleanup(func() { log.SetOutput(os.Stderr) })
	for _, s := range sloppy {
		if len(s.text) < 1000 { // the fuzzer is slow with long ones
			f.Add([]byte(s.text), false)
		}
	}
	for _, text := range wellFormed {
		if len(text) < 1000 {
			f.Add([]byte(text), true)
			f.Add([]byte(text+wiretest.OKReply), false)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, isHead bool) {
		if len(text) > 16<<10 { // more than the socket takes in one write
			return
		}
		method := "POST"
		if isHead {
			method = "HEAD"
		}
		ours := newScripted(t, text, true)
		reply, err := ours.do(method)
		kept := ours.transport.pool.idle > 0
		theirs := askNetHTTP(t, text, method)

		if reply != nil && theirs.err == nil {
			if reply.Status != theirs.status {
				t.Errorf("status %d; net/http %d", reply.Status, theirs.status)
			}
			if !sameWords(reply.ContentType, theirs.header.Get("Content-Type")) ||
				!sameWords(reply.RetryAfter, theirs.header.Get("Retry-After")) {
				t.Errorf("headers %q, %q; net/http %v", reply.ContentType, reply.RetryAfter, theirs.header)
			}
			if err == nil && !reply.Truncated && (mindsBody(theirs.bodyErr) || !bytes.Equal(reply.Body, theirs.body)) {
				t.Errorf("body %q; net/http %q, %v", reply.Body, theirs.body, theirs.bodyErr)
			}
		}
		if kept && theirs.err != nil && !strings.Contains(theirs.err.Error(), "malformed MIME header") {
			t.Errorf("the connection is kept; net/http: %v", theirs.err)
		}
		if kept && mindsBody(theirs.bodyErr) {
			t.Errorf("the connection is kept; net/http: %v", theirs.bodyErr)
		}
		if !kept {
			return
		}
		again := newScripted(t, text, false)
		if _, err := again.do(method); err != nil {
			t.Fatalf("with an open end: %v", err)
		}
		<-again.written
		if reply, err := again.do("POST"); err != nil || reply.Status != 299 {
			t.Errorf("the second request got %+v, %v", reply, err)
		}
	})
}

// mindsBody reports whether err, which net/http gave for a body, is about more than the lines of its trailer, which
// frame nothing.
func mindsBody(err error) bool {
	return err != nil && !strings.Contains(err.Error(), "MIME header") && !strings.Contains(err.Error(), "trailer")
}

// sameWords reports whether a and b differ in blanks alone.
func sameWords(a, b string) bool {
	return strings.Join(strings.Fields(a), "") == strings.Join(strings.Fields(b), "")
}

// A scripted server answers the first request with text, and every other one, on the same or a later connection,
// with 299. With ends it closes the connection after text.
type scripted struct {
	t         *testing.T
	transport *Transport
	text      []byte
	ends      bool
	asked     int // connections
	written   chan struct{}
	running   sync.WaitGroup
}

func newScripted(t *testing.T, text []byte, ends bool) *scripted {
	s := &scripted{t: t, text: text, ends: ends, written: make(chan struct{}),
		transport: NewTransport(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: time.Minute, MaxAge: time.Hour},
			time.Now)}
	t.Cleanup(func() { s.transport.Close(); s.running.Wait() })
	return s
}

func (s *scripted) dial() net.Conn {
	near, far := socketPair(s.t)
	s.asked++
	first := s.asked == 1
	s.running.Go(func() {
		defer far.Close()
		in := bufio.NewReader(far)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			io.Copy(io.Discard, r.Body)
			if !first {
				io.WriteString(far, "HTTP/1.1 299 Own\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			first = false
			far.Write(s.text)
			if s.ends {
				return
			}
			close(s.written)
		}
	})
	return near
}

func (s *scripted) do(method string) (*Reply, error) {
	return s.transport.Do(s.t.Context(), &Request{Key: "x", Deadline: time.Now().Add(20 * time.Second), Method: method,
		Head: " / HTTP/1.1\r\nHost: test\r\n", KeepBytes: 1 << 20}, func() (stream, tcp net.Conn, err error) {
		c := s.dial()
		return c, c, nil
	})
}

// An answer is what net/http reads.
type answered struct {
	err     error // there is no reply
	status  int
	header  http.Header
	body    []byte
	bodyErr error
}

func askNetHTTP(t *testing.T, text []byte, method string) answered {
	s := newScripted(t, text, true)
	client := &http.Transport{DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return s.dial(), nil }}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.RoundTrip(req)
	if err != nil {
		return answered{err: err}
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Body.Close()
		return answered{err: errors.New("switched protocols")}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answered{status: res.StatusCode, header: res.Header, body: body, bodyErr: err}
}
