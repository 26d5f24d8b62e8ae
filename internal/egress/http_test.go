package egress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

func TestHTTP(t *testing.T) {
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		wiretest.EachRequest(c, func(r *http.Request, _ []byte) {
			body := r.UserAgent() + " " + r.Header.Get("Accept-Encoding") + " " + r.Header.Get("Cookie")
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nSet-Cookie: "+
				"a=b\r\nContent-Length: 11\r\n\r\n"+(body + "           ")[:11])
		})
	})
	c := newClient(t, Config{AllowPrivate: true, UserAgent: "Us/1.0"})
	for range 2 {
		res, err := c.HTTP().Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 302 || strings.TrimSpace(string(body)) != "Us/1.0" {
			t.Errorf("got %s %q, %v", res.Status, body, err)
		}
	}
	if first, second := c.HTTP(), c.HTTP(); first != second {
		t.Error("there are two standard clients")
	}
}

func TestHTTPIsGuarded(t *testing.T) {
	rec := new(recorder)
	c := newClient(t, Config{Resolver: answers("10.0.0.7"), Dial: rec.dial})
	for raw, class := range map[string]Class{
		"http://127.0.0.1/secret?secret":        ClassBlocked, // the address in the URL
		"http://example.com/secret?secret":      ClassBlocked, // the address of the name
		"http://example.com:22/secret":          ClassBlocked,
		"http://user:secret@example.com/secret": ClassBadURL,
		"ftp://example.com/secret":              ClassBadURL,
	} {
		_, err := c.HTTP().Post(raw, "text/plain", strings.NewReader("x"))
		wantClass(t, err, class)
		var withURL *url.Error
		if !errors.As(err, &withURL) || strings.Contains(withURL.Err.Error(), "secret") {
			t.Errorf("%v has the path", err)
		}
	}
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
}

func TestHTTPIgnoresProxies(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:3128")
	}
	rec := new(recorder)
	c := newClient(t, Config{Resolver: answers("8.8.8.8"), Dial: rec.dial})
	_, err := c.HTTP().Get("http://example.com")
	if !errors.Is(err, errRecorded) {
		t.Fatal(err)
	}
	if dialed := rec.take(); len(dialed) != 1 || dialed[0] != "8.8.8.8:80" {
		t.Errorf("dialled %s", dialed)
	}
}

func TestHTTPBoundsHeaders(t *testing.T) {
	addr := wiretest.Serve(t, func(_ int, c net.Conn) {
		if _, err := c.Read(make([]byte, 1<<10)); err == nil {
			wiretest.Flood("HTTP/1.1 200 OK\r\n", "X-Header: value\r\n")(c)
		}
	})
	c := newClient(t, Config{AllowPrivate: true})
	if res, err := c.HTTP().Get("http://" + addr); err == nil {
		res.Body.Close()
		t.Error("endless headers are accepted")
	}
}

// TestHTTPConnectionsAge: the standard client does not use a connection for longer than MaxConnAge either.
func TestHTTPConnectionsAge(t *testing.T) {
	now := wiretest.NewClock()
	var connections atomic.Int32
	addr := wiretest.Serve(t, func(n int, c net.Conn) { connections.Add(1); wiretest.Replies(wiretest.OKReply)(n, c) })
	c := newClient(t, Config{AllowPrivate: true, Now: now.Now})
	for _, want := range []int32{1, 1, 2, 2} {
		res, err := c.HTTP().Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if got := connections.Load(); got != want {
			t.Errorf("%d connections, want %d", got, want)
		}
		now.Advance(3 * time.Minute)
	}
}

// TestNewLocal: the client of local commands reaches private addresses, and follows no redirect.
func TestNewLocal(t *testing.T) {
	const redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
	addr := wiretest.Serve(t, wiretest.Replies(redirect))
	c := NewLocal()
	defer c.CloseIdleConnections()
	res, err := c.Get("http://" + addr)
	if err != nil || res.StatusCode != 302 {
		t.Fatalf("got %v, %v", res, err)
	}
	res.Body.Close()
}
