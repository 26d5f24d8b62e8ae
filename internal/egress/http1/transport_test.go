package http1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// A rig is a transport whose connections all lead to one address.
type rig struct {
	*Transport
	addr string
}

func newRig(t *testing.T, addr string, now func() time.Time) *rig {
	r := &rig{NewTransport(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: time.Minute, MaxAge: time.Hour}, now), addr}
	t.Cleanup(r.Close)
	return r
}

// do makes req, whose key, head and deadline it sets. Only a failing test reaches the deadline.
func (r *rig) do(ctx context.Context, req Request) (*Reply, error) {
	req.Key, req.Deadline = r.addr, time.Now().Add(20*time.Second)
	req.Head = " / HTTP/1.1\r\nHost: " + r.addr + "\r\n"
	return r.Do(ctx, &req, func() (stream, tcp net.Conn, err error) {
		tcp, err = new(net.Dialer).DialContext(ctx, "tcp", r.addr)
		return tcp, tcp, err
	})
}

// post makes a small request.
func (r *rig) post() (*Reply, error) {
	return r.do(context.Background(), Request{Method: "POST", Body: []byte("{}"), KeepBytes: 4 << 10})
}

func TestAppendHead(t *testing.T) {
	head := " /a?b HTTP/1.1\r\nHost: x\r\n"
	for want, r := range map[string]Request{
		"POST" + head + "User-Agent: Us\r\nContent-Length: 2\r\n\r\n": {Method: "POST", Body: []byte("{}")},
		"PUT" + head + "User-Agent: Us\r\nContent-Length: 0\r\n\r\n":  {Method: "PUT"},
		"GET" + head + "User-Agent: Us\r\n\r\n":                       {Method: "GET"},
		"HEAD" + head + "User-Agent: Them\r\nX-A: b\r\n\r\n": {Method: "HEAD",
			Header: []byte("User-Agent: Them\r\nX-A: b\r\n")},
	} {
		r.Head, r.UserAgent = head, "User-Agent: Us\r\n"
		if got := string(r.appendHead(nil)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestReplyFields(t *testing.T) {
	r := newRig(t, wiretest.Serve(t, wiretest.Replies("HTTP/1.1 429 Slow Down\r\nretry-after: 120\r\n"+
		"CONTENT-TYPE: application/problem+json\r\nContent-Length: 10\r\n\r\n0123456789")), time.Now)
	for keep, body := range map[int]string{20: "0123456789", 4: "0123", 0: ""} {
		reply, err := r.do(t.Context(), Request{Method: "POST", KeepBytes: keep})
		if err != nil || reply.Status != 429 || reply.RetryAfter != "120" ||
			reply.ContentType != "application/problem+json" ||
			string(reply.Body) != body || reply.Truncated != (len(body) < 10) {
			t.Errorf("keep %d: got %+v, %v", keep, reply, err)
		}
	}
	if len(r.pool.open) != 1 {
		t.Errorf("%d connections for requests one after the other", len(r.pool.open))
	}
}

func TestReplyHeader(t *testing.T) {
	r := newRig(t, wiretest.Serve(t, wiretest.Replies("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n"+
		"HTTP/1.1 200 OK\r\nx-a:  one \r\nX-A: two\r\nContent-Length: 2\r\n\r\nok")), time.Now)
	for _, want := range []bool{true, false} {
		reply, err := r.do(t.Context(), Request{Method: "POST", KeepHeader: want})
		if err != nil || (reply.Header != nil) != want || want &&
			strings.Join(reply.Header.Values("X-A"), ",") != "one,two" {
			t.Errorf("got %+v, %v", reply, err)
		}
	}
}

func TestLargeBodyLeavesWhole(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	r := newRig(t, wiretest.Serve(t, func(_ int, c net.Conn) {
		wiretest.EachRequest(c, func(_ *http.Request, got []byte) {
			if !bytes.Equal(got, body) {
				t.Errorf("got %d bytes", len(got))
			}
			io.WriteString(c, wiretest.OKReply)
		})
	}), time.Now)
	for range 2 {
		if _, err := r.do(t.Context(), Request{Method: "POST", Body: body}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEarlyReply: a server may reply before it has taken the whole body, and refuse the rest.
func TestEarlyReply(t *testing.T) {
	r := newRig(t, wiretest.Serve(t, func(_ int, c net.Conn) {
		c.Read(make([]byte, 1<<10))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
	}), time.Now)
	reply, err := r.do(t.Context(), Request{Method: "POST", Body: make([]byte, 64<<20)})
	if err != nil || reply.Status != 413 {
		t.Fatalf("got %+v, %v", reply, err)
	}
	if len(r.pool.open) > 0 {
		t.Error("the connection is kept")
	}
}

func TestReuse(t *testing.T) {
	for _, test := range []struct {
		reply string
		reuse bool
	}{
		{wiretest.OKReply, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nTrailer: x\r\n\r\n", true},
		{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + wiretest.OKReply, true},
		{"HTTP/1.1 204 No Content\r\n\r\n", true},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", true},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false},
		{"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive, CLOSE\r\n\r\nok", false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20000), true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200000), false},
	} {
		r := newRig(t, wiretest.Serve(t, wiretest.Replies(test.reply)), time.Now)
		for n := range 3 {
			reply, err := r.post()
			if err != nil {
				t.Fatalf("%.60q: %v", test.reply, err)
			}
			if reply.Reused != (test.reuse && n > 0) {
				t.Errorf("%.60q: request %d reused is %v", test.reply, n, reply.Reused)
			}
		}
	}
}

// TestBodyOf204IsNotTheNextReply: bytes after a 204, which has no body, do not answer the next request.
func TestBodyOf204IsNotTheNextReply(t *testing.T) {
	forged := "HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n"
	for _, head := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 42\r\n\r\n", // that of forged
		"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	} {
		r := newRig(t, wiretest.Serve(t, wiretest.Replies(head+forged)), time.Now)
		for range 2 {
			reply, err := r.post()
			if err != nil || reply.Status != 204 || len(reply.Body) > 0 || reply.Reused {
				t.Errorf("%q: got %+v, %v", head, reply, err)
			}
		}
	}
	if len(forged) != 42 {
		t.Errorf("the forged reply has %d bytes", len(forged))
	}
}

// TestStaleConnectionIsReplaced: a server that closes an idle connection causes one new connection, and no error.
func TestStaleConnectionIsReplaced(t *testing.T) {
	var requests atomic.Int32
	closed := make(chan bool, 2)
	r := newRig(t, wiretest.Serve(t, func(_ int, c net.Conn) {
		wiretest.EachRequest(c, func(*http.Request, []byte) {
			requests.Add(1)
			io.WriteString(c, wiretest.OKReply)
			c.Close()
			closed <- true
		})
	}), time.Now)
	for range 2 {
		if reply, err := r.post(); err != nil || reply.Reused {
			t.Fatalf("got %+v, %v", reply, err)
		}
		<-closed
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the server saw %d requests, want 2", n)
	}
}

// TestClosedByPeer: a connection that the server closed while it was idle is noticed before anything is sent on
// it.
func TestClosedByPeer(t *testing.T) {
	now := wiretest.NewClock()
	closed := make(chan bool)
	r := newRig(t, wiretest.Serve(t, func(n int, c net.Conn) {
		wiretest.EachRequest(c, func(*http.Request, []byte) {
			io.WriteString(c, wiretest.OKReply)
			if n == 0 {
				wiretest.CloseWrite(c)
				closed <- true
			}
		})
	}), now.Now)
	if _, err := r.post(); err != nil {
		t.Fatal(err)
	}
	<-closed
	now.Advance(time.Second)
	if got := r.pool.get(r.addr); got != nil {
		t.Error("a connection that the server closed is lent")
	}
	for n := range 2 { // a connection that the server keeps open is lent after a rest
		now.Advance(time.Second)
		if reply, err := r.post(); err != nil || reply.Reused != (n > 0) {
			t.Errorf("got %+v, %v", reply, err)
		}
	}
}

// TestNothingIsSentTwice: a server that closes the connection after a request may have acted on it. The
// transport does not send the request again.
func TestNothingIsSentTwice(t *testing.T) {
	var requests atomic.Int32
	r := newRig(t, wiretest.Serve(t, func(_ int, c net.Conn) {
		wiretest.EachRequest(c, func(*http.Request, []byte) {
			if requests.Add(1) == 2 {
				c.Close()
				return
			}
			io.WriteString(c, wiretest.OKReply)
		})
	}), time.Now)
	if _, err := r.post(); err != nil {
		t.Fatal(err)
	}
	_, err := r.post()
	var e *Error
	if !errors.As(err, &e) || !e.Sent || e.Phase != PhaseHeader || !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the server saw %d requests, want 2", n)
	}
}

// TestContextAfterwards: a context that ends right after the reply leaves the connection usable for the next
// request.
func TestContextAfterwards(t *testing.T) {
	r := newRig(t, wiretest.Serve(t, wiretest.Replies(wiretest.OKReply)), time.Now)
	for n := range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		reply, err := r.do(ctx, Request{Method: "POST"})
		cancel()
		if err != nil || reply.Reused != (n > 0) {
			t.Fatalf("request %d: got %+v, %v", n, reply, err)
		}
	}
}

// TestOpen: an error of the function that opens connections is returned as it is, and a closed transport opens
// none.
func TestOpen(t *testing.T) {
	r := newRig(t, "", time.Now)
	failed := errors.New("no connection")
	_, err := r.Do(t.Context(), &Request{Method: "POST"},
		func() (stream, tcp net.Conn, err error) { return nil, nil, failed })
	if err != failed {
		t.Errorf("got %v", err)
	}
	r.Close()
	near, far := net.Pipe()
	_, err = r.Do(t.Context(), &Request{Method: "POST"},
		func() (stream, tcp net.Conn, err error) { return near, near, nil })
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed transport: %v", err)
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection is not closed: %v", err)
	}
}
