package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile are servers that mean no good, or do not know better (catalogue P2, N1). Class "" wants a reply with status 200.
var hostile = []struct {
	name   string
	serve  func(c *net.TCPConn) // after it has read a request
	class  Class
	phase  Phase
	detail string // that the error holds
	soon   bool   // it must end well before the deadline
}{
	{name: "silence", serve: func(c *net.TCPConn) { waitForEnd(c) }, class: ClassTimeout, phase: PhaseHeader, detail: "no reply within 300ms (waiting for headers)"},
	{name: "trickling headers", serve: trickle("HTTP/1.1 200 OK\r\nX: ", "x"), class: ClassTimeout, phase: PhaseHeader},
	{name: "trickling body", serve: trickle("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n", "x"), class: ClassTimeout, phase: PhaseBody, detail: "waiting for the body"},
	{name: "trickling body until close", serve: trickle("HTTP/1.1 200 OK\r\n\r\n", "x"), class: ClassTimeout, phase: PhaseBody},
	{name: "trickling chunks", serve: trickle("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), class: ClassTimeout, phase: PhaseBody},
	{name: "trickling interim replies", serve: trickle("", "HTTP/1.1 102 Processing\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},

	{name: "endless body", serve: flood("HTTP/1.1 200 OK\r\n\r\n", "x"), soon: true},
	{name: "endless chunks", serve: flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"), soon: true},
	{name: "a terabyte", serve: flood("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n", "x"), soon: true},
	{name: "one endless chunk", serve: flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffff\r\n", "x"), soon: true},
	{name: "many headers", serve: flood("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n"), class: ClassBadReply, phase: PhaseHeader, detail: "32 KiB", soon: true},
	{name: "one long header", serve: flood("HTTP/1.1 200 OK\r\nX-Header: ", "x"), class: ClassBadReply, phase: PhaseHeader, detail: "32 KiB", soon: true},
	{name: "a long status line", serve: flood("HTTP/1.1 200 ", "x"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "many trailers", serve: flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Trailer: value\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "one long chunk extension", serve: flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "many chunk extensions", serve: flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 1000)+"\r\ny\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "100 interim replies", serve: says(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100) + okReply), class: ClassBadReply, phase: PhaseHeader, detail: "interim", soon: true},

	{name: "half close", serve: func(c *net.TCPConn) { c.CloseWrite(); waitForEnd(c) }, class: ClassClosed, phase: PhaseHeader, soon: true},
	{name: "half close within headers", serve: says("HTTP/1.1 200 OK\r\nContent-"), class: ClassClosed, phase: PhaseHeader, soon: true},
	{name: "close within body", serve: says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), class: ClassClosed, phase: PhaseBody, soon: true},
	{name: "close within chunk", serve: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello"), class: ClassClosed, phase: PhaseBody, soon: true},
	{name: "close before last chunk", serve: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), class: ClassClosed, phase: PhaseBody, soon: true},
	{name: "reset instead of reply", serve: reset(""), class: ClassReset, phase: PhaseHeader, soon: true},
	{name: "reset within body", serve: reset("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), class: ClassReset, phase: PhaseBody, soon: true},

	{name: "HTTP/0.9", serve: says("<html>hello</html>"), class: ClassBadReply, phase: PhaseHeader, detail: "not HTTP", soon: true},
	{name: "TLS on a plain port", serve: waits("\x15\x03\x01\x00\x02\x02\x46"), class: ClassBadReply, phase: PhaseHeader, detail: "use https://", soon: true},
	{name: "HTTP/2", serve: waits("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "a mail server", serve: waits("220 mail.example.com ESMTP\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "HTTP/2.0 in text", serve: waits("HTTP/2.0 200 OK\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "status of two digits", serve: waits("HTTP/1.1 20 OK\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "status below 100", serve: waits("HTTP/1.1 099 No\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "switching protocols", serve: waits("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "header without colon", serve: waits("HTTP/1.1 200 OK\r\nhello\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "header without name", serve: waits("HTTP/1.1 200 OK\r\n: x\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "space before colon", serve: waits("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "folded length", serve: waits("HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length twice", serve: waits("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length with sign", serve: waits("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length too large", serve: waits("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "length and chunked", serve: waits("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, detail: "two ways", soon: true},
	{name: "chunked twice", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "gzip and chunked", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "chunked HTTP/1.0", serve: waits("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseHeader, soon: true},
	{name: "chunk without size", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk size with bare LF", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk size with bare CR", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;\rx\r\nx\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk of negative size", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk of huge size", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},
	{name: "chunk longer than its size", serve: waits("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n"), class: ClassBadReply, phase: PhaseBody, soon: true},

	{name: "204 with body", serve: waits("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Forged\r\n\r\n"), soon: true},
}

// attempt is the deadline of the attempts on hostile servers.
const shortly = 300 * time.Millisecond

// says is a server that sends text and closes.
func says(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { io.WriteString(c, text); c.CloseWrite(); waitForEnd(c) }
}

// waits is a server that sends text and keeps the connection open.
func waits(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { io.WriteString(c, text); waitForEnd(c) }
}

// reset is a server that sends text and resets the connection.
func reset(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) { io.WriteString(c, text); c.SetLinger(0) }
}

// trickle is a server that sends start, then piece again and again with pauses.
func trickle(start, piece string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		io.WriteString(c, start)
		pause := time.NewTicker(5 * time.Millisecond)
		defer pause.Stop()
		for range pause.C {
			if _, err := io.WriteString(c, piece); err != nil {
				return
			}
		}
	}
}

// flood is a server that sends start, then piece again and again as fast as it can.
func flood(start, piece string) func(*net.TCPConn) {
	pieces := bytes.Repeat([]byte(piece), 1+64<<10/len(piece))
	return func(c *net.TCPConn) {
		io.WriteString(c, start)
		for {
			if _, err := c.Write(pieces); err != nil {
				return
			}
		}
	}
}

func TestHostileReplies(t *testing.T) {
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			addr := serve(t, func(_ int, c *net.TCPConn) {
				if err := readOne(c); err == nil {
					h.serve(c)
				}
			})
			c := newClient(t, Config{AllowPrivate: true})
			req := &Request{Target: mustTarget(t, c, "http://"+addr+"/secret-path?secret"), Body: []byte("{}"), Timeout: shortly}
			if h.soon {
				req.Timeout = 20 * time.Second
			}
			before := allocated()
			start := time.Now()
			reply, err := c.Do(context.Background(), req)
			took, grown := time.Since(start), allocated()-before

			if limit := time.Second + shortly; took > limit {
				t.Errorf("took %s", took)
			}
			if grown > 1<<20 {
				t.Errorf("allocated %d bytes, the server included", grown)
			}
			if len(c.pool.open) > 0 {
				t.Error("the connection is kept")
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
	}
}

// readOne reads one request off c.
func readOne(c net.Conn) error {
	buf := make([]byte, 4<<10)
	for got := 0; ; {
		n, err := c.Read(buf[got:])
		if err != nil {
			return err
		}
		if got += n; bytes.HasSuffix(buf[:got], []byte("\r\n\r\n{}")) {
			return nil
		}
	}
}

// allocated is how much this process has ever allocated on its heap, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestBodyOf204IsNotTheNextReply(t *testing.T) {
	forged := "HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n"
	for _, head := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n",
		fmt.Sprintf("HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n", len(forged)),
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	} {
		addr := serve(t, replies(head+forged))
		c := newClient(t, Config{AllowPrivate: true})
		target := mustTarget(t, c, "http://"+addr)
		for range 2 {
			reply, err := post(c, target)
			if err != nil || reply.Status != 204 || len(reply.Body) > 0 || reply.Reused {
				t.Errorf("%q: got %+v, %v", head, reply, err)
			}
		}
	}
}

func TestGzipIsNotInflated(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 1<<20))
	z.Close()
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len())
	addr := serve(t, func(_ int, c *net.TCPConn) {
		eachRequest(c, func(r *http.Request, _ []byte) {
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
