package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

func TestRequestOnTheWire(t *testing.T) {
	const want = "POST /a%0d%0ab?c=d HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUser-Agent: Bellhop\r\n" +
		"Content-Type: application/json\r\nX-Note: a  b\r\nContent-Length: 2\r\n\r\n{}"
	got := make(chan string, 1)
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		buf := make([]byte, 4<<10)
		n, _ := c.Read(buf) // all in one segment
		got <- string(buf[:n])
		io.WriteString(c, wiretest.OKReply)
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
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		wiretest.EachRequest(c, func(r *http.Request, body []byte) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: "+r.Method+" "+r.UserAgent()+"\r\nContent-Length: "+
				"5\r\n\r\n")
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

// TestReply: how much of a reply is kept, and that its headers are kept on request.
func TestReply(t *testing.T) {
	reply := "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000)
	addr := wiretest.Serve(t, wiretest.Replies(reply))
	c := newClient(t, Config{AllowPrivate: true})
	target := mustTarget(t, c, "http://"+addr)
	for keep, want := range map[int]int{0: DefaultReplyBytes, 4: 4, 8192: 5000, -1: 0} {
		for _, header := range []bool{true, false} {
			reply, err := c.Do(t.Context(), &Request{Target: target, ReplyBytes: keep, ReplyHeader: header})
			if err != nil || len(reply.Body) != want || reply.Truncated != (want < 5000) ||
				(reply.Header.Get("X-A") == "b") != header {
				t.Errorf("keep %d, header %v: got %+v, %v", keep, header, reply, err)
			}
		}
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
	if want := "connection_refused: " + addr + " does not accept connections"; e.Sent || e.Phase != PhaseDial ||
		e.Error() != want {
		t.Errorf("got %q, sent %v, phase %s", e, e.Sent, e.Phase)
	}
}

func TestCancel(t *testing.T) {
	reached := make(chan bool)
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		if wiretest.ReadOne(c) == nil {
			reached <- true
			wiretest.WaitForEnd(c)
		}
	})
	closed := newClient(t, Config{AllowPrivate: true}) // during the request
	for _, c := range []*Client{newClient(t, Config{AllowPrivate: true}), closed} {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			<-reached
			if c == closed {
				c.Close()
			} else {
				cancel()
			}
		}()
		_, err := c.Do(ctx, &Request{Target: mustTarget(t, c, "http://"+addr), Body: []byte("{}"),
			Timeout: 20 * time.Second})
		if e := wantClass(t, err, ClassCanceled); !e.Sent || e.Phase != PhaseHeader {
			t.Errorf("got sent %v, phase %s", e.Sent, e.Phase)
		}
		_, err = c.Do(ctx, &Request{Target: mustTarget(t, c, "http://"+addr)})
		if e := wantClass(t, err, ClassCanceled); e.Sent {
			t.Error("sent after it was cancelled")
		}
	}
}

// TestDeadline: the deadline is that of Timeout or of the context, if that is sooner. It covers the dial too.
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
			if want := "timeout: no connection to example.com within " + test.want.String(); e.Error() != want ||
				e.Sent {
				t.Errorf("got %q, want %q", e, want)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v does not wrap the deadline", err)
			}
		}
	})
}
