package egress

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
	"testing/synctest"
	"time"
)

func TestRequestOnTheWire(t *testing.T) {
	const want = "POST /a%0d%0ab?c=d HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: Bellhop\r\n" +
		"Content-Type: application/json\r\nX-Note: a  b\r\nContent-Length: 2\r\n\r\n{}"
	got := make(chan string, 1)
	addr := serve(t, func(_ int, c *net.TCPConn) {
		buf := make([]byte, 4<<10)
		n, _ := c.Read(buf) // all in one segment
		got <- string(buf[:n])
		io.WriteString(c, okReply)
	})
	c := newClient(t, Config{AllowPrivate: true})
	req := &Request{Target: mustTarget(t, c, "HTTP://"+addr+"/a%0d%0ab?c=d"), Body: []byte("{}")}
	req.Header = AppendHeader(req.Header, "Content-Type", "application/json")
	req.Header = AppendHeader(req.Header, "X-Note", "a\r\nb")
	if _, err := c.Do(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	if wire := <-got; wire != strings.Replace(want, "PORT", port, 1) {
		t.Errorf("sent\n%q, want\n%q", wire, want)
	}
}

func TestMethodsAndAgents(t *testing.T) {
	addr := serve(t, func(_ int, c *net.TCPConn) {
		eachRequest(c, func(r *http.Request, body []byte) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: "+r.Method+" "+r.UserAgent()+"\r\nContent-Length: 5\r\n\r\n")
			if r.Method != "HEAD" {
				io.WriteString(c, "hello")
			}
		})
	})
	c := newClient(t, Config{AllowPrivate: true, UserAgent: "Us/1.0"})
	target := mustTarget(t, c, "http://"+addr)
	for _, method := range []string{"", "GET", "HEAD", "PUT"} {
		req := &Request{Target: target, Method: method}
		want := req.method() + " Us/1.0"
		if method == "PUT" {
			req.Header = AppendHeader(nil, "User-Agent", "Them/2.0")
			want = "PUT Them/2.0"
		}
		reply, err := c.Do(context.Background(), req)
		if err != nil || reply.ContentType != want || len(reply.Body) > 0 != (method != "HEAD") {
			t.Errorf("%s: got %+v, %v", method, reply, err)
		}
	}
}

func TestReplyFields(t *testing.T) {
	addr := serve(t, replies("HTTP/1.1 429 Slow Down\r\nretry-after: 120\r\nCONTENT-TYPE: application/problem+json\r\nContent-Length: 10\r\n\r\n0123456789"))
	c := newClient(t, Config{AllowPrivate: true})
	target := mustTarget(t, c, "http://"+addr)
	for keep, body := range map[int]string{0: "0123456789", 4: "0123", -1: ""} {
		reply, err := c.Do(context.Background(), &Request{Target: target, ReplyBytes: keep})
		if err != nil || reply.Status != 429 || reply.RetryAfter != "120" || reply.ContentType != "application/problem+json" ||
			string(reply.Body) != body || reply.Truncated != (len(body) < 10) {
			t.Errorf("keep %d: got %+v, %v", keep, reply, err)
		}
	}
	if len(c.pool.open) != 1 {
		t.Errorf("%d connections for one after the other", len(c.pool.open))
	}
}

func TestLargeBodyLeavesWhole(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	addr := serve(t, func(_ int, c *net.TCPConn) {
		eachRequest(c, func(_ *http.Request, got []byte) {
			if !bytes.Equal(got, body) {
				t.Errorf("got %d bytes", len(got))
			}
			io.WriteString(c, okReply)
		})
	})
	c := newClient(t, Config{AllowPrivate: true})
	for range 2 {
		if _, err := c.Do(context.Background(), &Request{Target: mustTarget(t, c, "http://"+addr), Body: body}); err != nil {
			t.Fatal(err)
		}
	}
}

// A server may answer before it has taken the whole body, and not want the rest.
func TestEarlyReply(t *testing.T) {
	addr := serve(t, func(_ int, c *net.TCPConn) {
		c.Read(make([]byte, 1<<10))
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
	})
	c := newClient(t, Config{AllowPrivate: true})
	req := &Request{Target: mustTarget(t, c, "http://"+addr), Body: make([]byte, 64<<20), Timeout: 20 * time.Second}
	reply, err := c.Do(context.Background(), req)
	if err != nil || reply.Status != 413 {
		t.Fatalf("got %+v, %v", reply, err)
	}
	if len(c.pool.open) > 0 {
		t.Error("the connection is kept")
	}
}

func TestReuse(t *testing.T) {
	for _, test := range []struct {
		reply string
		reuse bool
	}{
		{okReply, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nTrailer: x\r\n\r\n", true},
		{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okReply, true},
		{"HTTP/1.1 204 No Content\r\n\r\n", true},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", true},
		{"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive, CLOSE\r\n\r\nok", false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("x", 20000), true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200000), false},
	} {
		addr := serve(t, replies(test.reply))
		c := newClient(t, Config{AllowPrivate: true})
		target := mustTarget(t, c, "http://"+addr)
		for n := range 3 {
			reply, err := post(c, target)
			if err != nil {
				t.Fatalf("%.60q: %v", test.reply, err)
			}
			if reply.Reused != (test.reuse && n > 0) {
				t.Errorf("%.60q: request %d reused is %v", test.reply, n, reply.Reused)
			}
		}
	}
}

// A server that hangs up while the connection is idle costs one more connection, and nothing else.
func TestStaleConnectionIsReplaced(t *testing.T) {
	var requests atomic.Int32
	closed := make(chan bool, 2)
	addr := serve(t, func(_ int, c *net.TCPConn) {
		eachRequest(c, func(*http.Request, []byte) {
			requests.Add(1)
			io.WriteString(c, okReply)
			c.Close()
			closed <- true
		})
	})
	c := newClient(t, Config{AllowPrivate: true})
	target := mustTarget(t, c, "http://"+addr)
	for range 2 {
		if reply, err := post(c, target); err != nil || reply.Reused {
			t.Fatalf("got %+v, %v", reply, err)
		}
		<-closed
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the server saw %d requests, want 2", n)
	}
}

// A server that hangs up on a request may have acted upon it: it is not sent again behind the caller's back.
func TestNothingIsSentTwice(t *testing.T) {
	var requests atomic.Int32
	addr := serve(t, func(_ int, c *net.TCPConn) {
		eachRequest(c, func(*http.Request, []byte) {
			if requests.Add(1) == 2 {
				c.Close()
				return
			}
			io.WriteString(c, okReply)
		})
	})
	c := newClient(t, Config{AllowPrivate: true})
	target := mustTarget(t, c, "http://"+addr)
	if _, err := post(c, target); err != nil {
		t.Fatal(err)
	}
	_, err := post(c, target)
	if e := wantClass(t, err, ClassClosed); !e.Sent || e.Phase != PhaseHeader {
		t.Errorf("got sent %v, phase %s", e.Sent, e.Phase)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the server saw %d requests, want 2", n)
	}
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	c := newClient(t, Config{AllowPrivate: true})
	_, err = post(c, mustTarget(t, c, "http://"+addr+"/secret"))
	e := wantClass(t, err, ClassRefused)
	if want := "connection_refused: " + addr + " does not accept connections"; e.Sent || e.Phase != PhaseDial || e.Error() != want {
		t.Errorf("got %q, sent %v, phase %s", e, e.Sent, e.Phase)
	}
}

func TestCancel(t *testing.T) {
	reached := make(chan bool)
	addr := serve(t, func(_ int, c *net.TCPConn) {
		if readOne(c) == nil {
			reached <- true
			waitForEnd(c)
		}
	})
	cut := newClient(t, Config{AllowPrivate: true}) // by Close
	for _, c := range []*Client{newClient(t, Config{AllowPrivate: true}), cut} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			<-reached
			if c == cut {
				c.Close()
			} else {
				cancel()
			}
		}()
		_, err := c.Do(ctx, &Request{Target: mustTarget(t, c, "http://"+addr), Body: []byte("{}"), Timeout: 20 * time.Second})
		if e := wantClass(t, err, ClassCanceled); !e.Sent || e.Phase != PhaseHeader {
			t.Errorf("got sent %v, phase %s", e.Sent, e.Phase)
		}
		_, err = c.Do(ctx, &Request{Target: mustTarget(t, c, "http://"+addr)})
		if e := wantClass(t, err, ClassCanceled); e.Sent {
			t.Error("sent after it was cancelled")
		}
	}
}

// A context that ends right after the reply leaves the connection usable for the next request.
func TestContextAfterwards(t *testing.T) {
	addr := serve(t, replies(okReply))
	c := newClient(t, Config{AllowPrivate: true})
	target := mustTarget(t, c, "http://"+addr)
	for n := range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		reply, err := c.Do(ctx, &Request{Target: target})
		cancel()
		if err != nil || reply.Reused != (n > 0) {
			t.Fatalf("request %d: got %+v, %v", n, reply, err)
		}
	}
}

// The deadline is the sooner of Timeout and the context's, and covers what happens before a connection is there.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		c := New(Config{Resolver: answers("8.8.8.8"), Dial: hang})
		defer c.Close()
		target := mustTarget(t, c, "http://example.com")
		for _, test := range []struct{ timeout, context, want time.Duration }{
			{5 * time.Second, 0, 5 * time.Second},
			{5 * time.Second, time.Minute, 5 * time.Second},
			{5 * time.Second, 2 * time.Second, 2 * time.Second},
			{0, 0, DefaultTimeout},
		} {
			ctx := context.Background()
			if test.context > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.context)
				defer cancel()
			}
			start := time.Now()
			_, err := c.Do(ctx, &Request{Target: target, Timeout: test.timeout})
			e := wantClass(t, err, ClassTimeout)
			if took := time.Since(start); took != test.want {
				t.Errorf("%+v: took %s", test, took)
			}
			if want := "timeout: no connection to example.com within " + test.want.String(); e.Error() != want || e.Sent {
				t.Errorf("got %q, want %q", e, want)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the deadline", err)
			}
		}
	})
}
