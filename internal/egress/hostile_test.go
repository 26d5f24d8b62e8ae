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

const (
	okLine      = "HTTP/1.1 200 OK\r\n"
	chunkedHead = okLine + "Transfer-Encoding: chunked\r\n\r\n"
)

// hostile are malicious or broken servers (catalogue P2, N1). If class is "", the test wants a reply with
// status 200: the status of a reply is its answer even if nobody can say where the reply ends.
var hostile = []struct {
	name   string
	serve  func(c net.Conn) // after it has read a request
	class  Class
	phase  Phase
	detail string // that the error holds
}{
	{"silence", func(c net.Conn) { wiretest.WaitForEnd(c) }, ClassTimeout, PhaseHeader,
		"no reply within 300ms (waiting for headers)"},
	{"trickling headers", wiretest.Trickle(okLine+"X: ", "x"), ClassTimeout, PhaseHeader, ""},
	{"trickling body", wiretest.Trickle(okLine+"Content-Length: 4000\r\n\r\n", "x"), ClassTimeout, PhaseBody,
		"waiting for the body"},
	{"trickling body until close", wiretest.Trickle(okLine+"\r\n", "x"), ClassTimeout, PhaseBody, ""},
	{"trickling chunks", wiretest.Trickle(chunkedHead, "1\r\nx\r\n"), ClassTimeout, PhaseBody, ""},
	{"trickling interim replies", wiretest.Trickle("", "HTTP/1.1 102 Processing\r\n\r\n"),
		ClassBadReply, PhaseHeader, ""},

	{"endless body", wiretest.Flood(okLine+"\r\n", "x"), "", "", ""},
	{"endless chunks", wiretest.Flood(chunkedHead, "5\r\nhello\r\n"), "", "", ""},
	{"a terabyte", wiretest.Flood(okLine+"Content-Length: 1099511627776\r\n\r\n", "x"), "", "", ""},
	{"one endless chunk", wiretest.Flood(chunkedHead+"fffffffffffff\r\n", "x"), "", "", ""},
	{"many headers", wiretest.Flood(okLine+"", "X-Header: value\r\n"), ClassBadReply, PhaseHeader, "256 KiB"},
	{"one long header", wiretest.Flood(okLine+"X-Header: ", "x"), ClassBadReply, PhaseHeader, "256 KiB"},
	{"a long status line", wiretest.Flood("HTTP/1.1 200 ", "x"), ClassBadReply, PhaseHeader, ""},
	{"many trailers", wiretest.Flood(chunkedHead+"0\r\n", "X-Trailer: value\r\n"), "", "", ""},
	{"one long chunk extension", wiretest.Flood(chunkedHead+"1;", "x"), "", "", ""},
	{"many chunk extensions", wiretest.Flood(chunkedHead, "1;"+strings.Repeat("x", 1000)+"\r\ny\r\n"),
		"", "", ""},
	{"100 interim replies", wiretest.Says(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100) + wiretest.OKReply),
		ClassBadReply, PhaseHeader, "interim"},

	{"half close", func(c net.Conn) { wiretest.CloseWrite(c); wiretest.WaitForEnd(c) }, ClassClosed, PhaseHeader, ""},
	{"half close within headers", wiretest.Says(okLine + "Content-"), ClassClosed, PhaseHeader, ""},
	{"close within body", wiretest.Says(okLine + "Content-Length: 10\r\n\r\nhello"), ClassClosed, PhaseBody, ""},
	{"close within chunk", wiretest.Says(chunkedHead + "a\r\nhello"), ClassClosed, PhaseBody, ""},
	{"close before last chunk", wiretest.Says(chunkedHead + "5\r\nhello\r\n"), ClassClosed, PhaseBody, ""},
	{"reset instead of reply", wiretest.Resets(""), ClassReset, PhaseHeader, ""},
	{"reset within body", wiretest.Resets(okLine + "Content-Length: 10\r\n\r\nhello"), ClassReset, PhaseBody, ""},

	{"HTTP/0.9", wiretest.Says("<html>hello</html>"), ClassBadReply, PhaseHeader, "not HTTP"},
	{"TLS on a plain port", wiretest.Waits("\x15\x03\x01\x00\x02\x02\x46"), ClassBadReply, PhaseHeader,
		"use https://"},
	{"HTTP/2", wiretest.Waits("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), ClassBadReply, PhaseHeader, ""},
	{"a mail server", wiretest.Waits("220 mail.example.com ESMTP\r\n"), ClassBadReply, PhaseHeader, ""},
	{"HTTP/2.0 in text", wiretest.Waits("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"), "", "", ""},
	{"status of two digits", wiretest.Waits("HTTP/1.1 20 OK\r\n\r\n"), ClassBadReply, PhaseHeader, ""},
	{"status below 100", wiretest.Waits("HTTP/1.1 099 No\r\n\r\n"), ClassBadReply, PhaseHeader, ""},
	{"switching protocols", wiretest.Waits("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
		ClassBadReply, PhaseHeader, ""},
	{"header without colon", wiretest.Waits(okLine + "hello\r\nContent-Length: 0\r\n\r\n"), "", "", ""},
	{"header without name", wiretest.Waits(okLine + ": x\r\nContent-Length: 0\r\n\r\n"), "", "", ""},
	{"space before colon", wiretest.Waits(okLine + "Content-Length : 2\r\n\r\nok"), "", "", ""},
	{"folded length", wiretest.Waits(okLine + "Content-Length:\r\n 2\r\n\r\nok"), "", "", ""},
	{"length twice", wiretest.Waits(okLine + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
		"", "", ""},
	{"length with sign", wiretest.Waits(okLine + "Content-Length: +2\r\n\r\nok"), "", "", ""},
	{"length too large", wiretest.Waits(okLine + "Content-Length: 99999999999999999999\r\n\r\nok"),
		"", "", ""},
	{"length and chunked", wiretest.Waits(okLine + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		"", "", ""},
	{"chunked twice", wiretest.Waits(okLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"0\r\n\r\n"),
		"", "", ""},
	{"gzip and chunked", wiretest.Waits(okLine + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
		"", "", ""},
	{"chunked HTTP/1.0", wiretest.Waits("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
		"", "", ""},
	{"chunk without size", wiretest.Waits(chunkedHead + "\r\n"), "", "", ""},
	{"chunk size with bare LF", wiretest.Waits(chunkedHead + "1\nx\r\n0\r\n\r\n"), "", "", ""},
	{"chunk size with bare CR", wiretest.Waits(chunkedHead + "1;\rx\r\nx\r\n0\r\n\r\n"), "", "", ""},
	{"chunk of negative size", wiretest.Waits(chunkedHead + "-1\r\n"), "", "", ""},
	{"chunk of huge size", wiretest.Waits(chunkedHead + "10000000000000000\r\n"), "", "", ""},
	{"chunk longer than its size", wiretest.Waits(chunkedHead + "1\r\nhello\r\n0\r\n\r\n"),
		"", "", ""},

	{"204 with body", wiretest.Waits(okLine + "Content-Length: 0\r\n\r\nHTTP/1.1 500 Forged\r\n\r\n"), "", "", ""},
}

func TestHostileReplies(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			serve := func(c net.Conn) {
				if err := wiretest.ReadOne(c); err == nil {
					h.serve(c)
				}
			}
			attempt(t, h.class == ClassTimeout, serve, func(t *testing.T, at peer) {
				c := newClient(t, Config{AllowPrivate: true, Dial: at.dial})
				target := mustTarget(t, c, "http://"+at.address+"/secret-path?secret")
				before := allocated()
				reply, err := c.Do(t.Context(), &Request{Target: target, Body: []byte("{}"), Timeout: at.timeout})
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

// cuts are connections that fail at some point (catalogue N1). Once any byte of the request may have left, the
// error says so: a caller that tries again knows that the request may arrive twice.
var cuts = []struct {
	name   string
	serve  func(c net.Conn) // after it has accepted
	class  []Class          // one of these, depending on which end notices first
	early  bool             // the request may have found the connection cut, and then none of it was sent
	detail string
}{
	{"closed before the request", func(c net.Conn) { c.Close() }, []Class{ClassClosed, ClassReset}, true, ""},
	{"reset before the request", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0); c.Close() },
		[]Class{ClassReset, ClassClosed}, true, ""},
	{"closed within the request", cutAfter(1<<10, false), []Class{ClassReset, ClassClosed}, false, ""},
	{"reset within the request", cutAfter(1<<10, true), []Class{ClassReset, ClassClosed}, false, ""},
	{"request not taken", func(c net.Conn) { c.Read(make([]byte, 1<<10)); <-time.After(time.Minute) },
		[]Class{ClassTimeout}, false, "request not taken within 300ms (sending it)"},
	{"half-open after the request", func(c net.Conn) { io.Copy(io.Discard, c) }, []Class{ClassTimeout}, false,
		"waiting for headers"},
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
			attempt(t, timesOut, cut.serve, func(t *testing.T, at peer) {
				c := newClient(t, Config{AllowPrivate: true, Dial: at.dial})
				target := mustTarget(t, c, "http://"+at.address+"/secret")
				_, err := c.Do(t.Context(), &Request{Target: target, Body: body, Timeout: at.timeout})
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
