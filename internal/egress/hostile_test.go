package egress

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// hostile are malicious or broken servers (catalogue P2, N1). If class is "", the test wants a reply with status 200.
var hostile = []struct {
	name   string
	serve  func(c net.Conn) // after it has read a request
	class  Class
	phase  Phase
	detail string // that the error holds
	soon   bool   // it must end before the deadline
}{
	{name: "silence", serve: func(c net.Conn) { wiretest.WaitForEnd(c) }, class: ClassTimeout, phase: PhaseHeader, detail: "no reply within 300ms (waiting for headers)"},
	{name: "trickling headers", serve: wiretest.Trickle("HTTP/1.1 200 OK\r\nX: ", "x"), class: ClassTimeout, phase: PhaseHeader},
	{name: "trickling body", serve: wiretest.Trickle("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", "x"), class: ClassTimeout, phase: PhaseBody, detail: "waiting for the body"},
	{name: "trickling body until close", serve: wiretest.Trickle("HTTP/1.1 200 OK\r\n\r\n", "x"), class: ClassTimeout, phase: PhaseBody},
	{name: "trickling chunks", serve: wiretest.Trickle("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), class: ClassTimeout, phase: PhaseBody},
	{name: "trickling interim replies", serve: wiretest.Trickle("", "HTTP/1.1 102 Processing\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},

	{name: "endless body", serve: wiretest.Flood("HTTP/1.1 200 OK\r\n\r\n", "x"), soon: true},
	{name: "endless chunks", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), soon: true},
	{name: "a terabyte", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n", "x"), soon: true},
	{name: "one endless chunk", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n", "x"), soon: true},
	{name: "many headers", serve: wiretest.Flood("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n"), class: ClassBadReply, phase: PhaseHeader, detail: "32 KiB", soon: true},
	{name: "one long header", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nX-Header: ", "x"), class: ClassBadReply, phase: PhaseHeader, detail: "32 KiB", soon: true},
	{name: "a long status line", serve: wiretest.Flood("HTTP/1.1 200 ", "x"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "many trailers", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Trailer: value\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "one long chunk extension", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "many chunk extensions", serve: wiretest.Flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 1000)+"\r\ny\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "100 interim replies", serve: wiretest.Says(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100) + wiretest.OKReply), class: ClassBadReply, phase: PhaseHeader, detail: "interim", soon: true},

	{name: "half close", serve: func(c net.Conn) { wiretest.CloseWrite(c); wiretest.WaitForEnd(c) }, class: ClassClosed, phase: PhaseHeader, soon: true},
	{name: "half close within headers", serve: wiretest.Says("HTTP/1.1 200 OK\r\nContent-"), class: ClassClosed, phase: PhaseHeader, soon: true},
	{name: "close within body", serve: wiretest.Says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), class: ClassClosed, phase: PhaseBody, soon: true},
	{name: "close within chunk", serve: wiretest.Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello"), class: ClassClosed, phase: PhaseBody, soon: true},
	{name: "close before last chunk", serve: wiretest.Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), class: ClassClosed, phase: PhaseBody, soon: true},
	{name: "reset instead of reply", serve: wiretest.Resets(""), class: ClassReset, phase: PhaseHeader, soon: true},
	{name: "reset within body", serve: wiretest.Resets("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), class: ClassReset, phase: PhaseBody, soon: true},

	{name: "HTTP/0.9", serve: wiretest.Says("<html>hello</html>"), class: ClassBadReply, phase: PhaseHeader, detail: "not HTTP", soon: true},
	{name: "TLS on a plain port", serve: wiretest.Waits("\x15\x03\x01\x00\x02\x02\x46"), class: ClassBadReply, phase: PhaseHeader, detail: "use https://", soon: true},
	{name: "HTTP/2", serve: wiretest.Waits("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "a mail server", serve: wiretest.Waits("220 mail.example.com ESMTP\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "HTTP/2.0 in text", serve: wiretest.Waits("HTTP/2.0 200 OK\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "status of two digits", serve: wiretest.Waits("HTTP/1.1 20 OK\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "status below 100", serve: wiretest.Waits("HTTP/1.1 099 No\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "switching protocols", serve: wiretest.Waits("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "header without colon", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nhello\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "header without name", serve: wiretest.Waits("HTTP/1.1 200 OK\r\n: x\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "space before colon", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "folded length", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length twice", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length with sign", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length too large", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length and chunked", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, detail: "two ways", soon: true},
	{name: "chunked twice", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "gzip and chunked", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "chunked HTTP/1.0", serve: wiretest.Waits("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "chunk without size", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk size with bare LF", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk size with bare CR", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;\rx\r\nx\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk of negative size", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk of huge size", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk longer than its size", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},

	{name: "204 with body", serve: wiretest.Waits("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Forged\r\n\r\n"), soon: true},
}

func TestHostileReplies(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			serve := func(c net.Conn) {
				if err := wiretest.ReadOne(c); err == nil {
					h.serve(c)
				}
			}
			attempt(t, !h.soon, serve, func(t *testing.T, dial dialFunc, address string, timeout time.Duration) {
				c := newClient(t, Config{AllowPrivate: true, Dial: dial})
				target := mustTarget(t, c, "http://"+address+"/secret-path?secret")
				before := allocated()
				reply, err := c.Do(t.Context(), &Request{Target: target, Body: []byte("{}"), Timeout: timeout})
				if grown := allocated() - before; grown > 1<<20 {
					t.Errorf("allocated %d bytes, the server included", grown)
				}
				if h.class == "" {
					if err != nil || reply.Status != 200 || len(reply.Body) > DefaultReplyBytes {
						t.Errorf("got %+v, %v", reply, err)
					}
					return
				}
				e := wantClass(t, err, h.class)
				if e.Phase != h.phase || !e.Sent || !strings.Contains(e.Error(), h.detail) {
					t.Errorf("got phase %s, sent %v: %v; want %s, %q", e.Phase, e.Sent, e, h.phase, h.detail)
				}
				if strings.Contains(e.Error(), "secret") {
					t.Errorf("the message has the path: %v", e)
				}
				if (reply != nil) != (h.phase == PhaseBody) || reply != nil && reply.Status != 200 {
					t.Errorf("beside the error there is %+v", reply)
				}
			})
		})
	}
}

// cuts are connections that fail at some point (catalogue N1). Once any byte of the request may have left, the error
// says so: a caller that tries again knows that the request may arrive twice.
var cuts = []struct {
	name   string
	serve  func(c net.Conn) // after it has accepted
	class  []Class          // one of these, depending on which end notices first
	early  bool             // the request may have found the connection cut, and then none of it was sent
	detail string
}{
	{"closed before the request", func(c net.Conn) { c.Close() }, []Class{ClassClosed, ClassReset}, true, ""},
	{"reset before the request", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() }, []Class{ClassReset, ClassClosed}, true, ""},
	{"closed within the request", cutAfter(1<<10, false), []Class{ClassReset, ClassClosed}, false, ""},
	{"reset within the request", cutAfter(1<<10, true), []Class{ClassReset, ClassClosed}, false, ""},
	{"request not taken", func(c net.Conn) { c.Read(make([]byte, 1<<10)); <-time.After(time.Minute) }, []Class{ClassTimeout}, false, "request not taken within 300ms (sending it)"},
	{"half-open after the request", func(c net.Conn) { io.Copy(io.Discard, c) }, []Class{ClassTimeout}, false, "waiting for headers"},
	{"cut within the reply", func(c net.Conn) {
		io.CopyN(io.Discard, c, 8<<20)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal")
		wiretest.CloseWrite(c)
		wiretest.WaitForEnd(c)
	}, []Class{ClassClosed}, false, "before the reply's body had come"},
}

// cutAfter is a server that reads n bytes of a request and closes or resets the connection.
func cutAfter(n int64, reset bool) func(net.Conn) {
	return func(c net.Conn) {
		io.CopyN(io.Discard, c, n)
		if reset {
			c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
}

func TestCuts(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 8<<20)
	for _, cut := range cuts {
		t.Run(cut.name, func(t *testing.T) {
			timesOut := slices.Contains(cut.class, ClassTimeout)
			attempt(t, timesOut, cut.serve, func(t *testing.T, dial dialFunc, address string, timeout time.Duration) {
				c := newClient(t, Config{AllowPrivate: true, Dial: dial})
				_, err := c.Do(t.Context(), &Request{Target: mustTarget(t, c, "http://"+address+"/secret"), Body: body, Timeout: timeout})
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("got %v", err)
				}
				if !slices.Contains(cut.class, e.Class) || !e.Sent && !cut.early ||
					!strings.Contains(e.Detail, cut.detail) || strings.Contains(e.Detail, "secret") {
					t.Errorf("got %v, sent %v", e, e.Sent)
				}
			})
		})
	}
}

// TestDelay: a slow network does no harm within the timeout.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, Config{AllowPrivate: true, Dial: wiretest.Pipes(t, func(c net.Conn) {
			wiretest.EachRequest(c, func(*http.Request, []byte) {
				for _, piece := range []string{wiretest.OKReply[:5], wiretest.OKReply[5:20], wiretest.OKReply[20:]} {
					time.Sleep(100 * time.Millisecond)
					io.WriteString(c, piece)
				}
			})
		})})
		if reply, err := post(c, mustTarget(t, c, "http://127.0.0.1")); err != nil || string(reply.Body) != "ok" {
			t.Errorf("got %+v, %v", reply, err)
		}
	})
}

func TestGzipIsNotInflated(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 1<<20))
	z.Close()
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len())
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		wiretest.EachRequest(c, func(r *http.Request, _ []byte) {
			if r.Header.Get("Accept-Encoding") != "" {
				t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
			}
			io.WriteString(c, head+bomb.String())
		})
	})
	c := newClient(t, Config{AllowPrivate: true})
	reply, err := post(c, mustTarget(t, c, "http://"+addr))
	if err != nil || !bytes.Equal(reply.Body, bomb.Bytes()) {
		t.Errorf("got %d bytes, %v; want the %d as sent", len(reply.Body), err, bomb.Len())
	}
	res, err := c.HTTP().Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(body, bomb.Bytes()) {
		t.Errorf("HTTP got %d bytes, %v", len(body), err)
	}
}
