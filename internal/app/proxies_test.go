package app

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/certificate/certtest"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
)

// trusting gives a server trust in proxies on this machine.
func trusting(o *Options) {
	o.Config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// lastClient returns who sent the latest request on record.
func (r *running) lastClient(c *http.Client, url string) string {
	r.t.Helper()
	_, body, _ := send(r.t, c, "GET", url+"/api/v1/requests?limit=1", r.opts.AdminKey, "")
	var list struct {
		Data []struct {
			RemoteAddr string `json:"remote_addr"`
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Data) != 1 {
		r.t.Fatalf("%v %s", err, body)
	}
	return list.Data[0].RemoteAddr
}

// TestTrustedProxies: requests on record show the client that a trusted proxy names, and wrong keys count for that
// client; what anybody else says counts for nothing.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){"a proxy": trusting, "anybody else": func(*Options) {}} {
		r := run(t, options(t, change))
		r.source("src")
		ask := func(method, path, key, client string) int {
			req, err := http.NewRequestWithContext(t.Context(), method, r.URL()+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Forwarded-For", client)
			req.Header.Set("Authorization", "Bearer "+key)
			reply, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			reply.Body.Close()
			return reply.StatusCode
		}
		if code := ask("POST", "/in/src/x", "", "10.9.9.9, 203.0.113.9"); code != 404 {
			t.Errorf("%s: %d", name, code)
		}
		poll(t, "a record", func() bool {
			_, body, _ := send(t, http.DefaultClient, "GET", r.URL()+"/api/v1/requests", r.opts.AdminKey, "")
			return strings.Contains(body, "remote_addr")
		})
		isProxy := name == "a proxy"
		if got := r.lastClient(http.DefaultClient, r.URL()); (got == "203.0.113.9") != isProxy ||
			!isProxy && !strings.HasPrefix(got, "127.0.0.1:") {
			t.Errorf("%s: the client is %s", name, got)
		}
		for range 25 {
			ask("GET", "/api/v1/sources", "wrong", "203.0.113.9")
		}
		if code := ask("GET", "/api/v1/sources", "wrong", "203.0.113.200"); (code == 401) != isProxy {
			t.Errorf("%s: a wrong key of another client: %d", name, code)
		}
	}
}

// TestProxyProtocol: a connection of a trusted proxy begins with the client's address, in either version, before TLS,
// and counts among that client's connections; without it, it is closed.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	pair := certtest.New(t, "a.example", later)
	r := run(t, options(t, trusting, withTLS(t, pair, t.TempDir()),
		func(o *Options) { o.Config.ProxyProtocol = true }))
	r.sourceAt("src")
	dial := func(header string) (*tls.Conn, error) {
		c, err := net.Dial("tcp", r.front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, header)
		secured := tls.Client(c, &tls.Config{RootCAs: certtest.Roots(pair), ServerName: "a.example"})
		return secured, secured.Handshake()
	}
	const v2 = "\r\n\r\n\x00\r\nQUIT\n"
	for name, test := range map[string]struct{ header, want string }{
		"version 1":         {"PROXY TCP4 203.0.113.9 127.0.0.1 56324 443\r\n", "203.0.113.9:56324"},
		"version 1, IPv6":   {"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n", "[2001:db8::7]:56324"},
		"version 1, nobody": {"PROXY UNKNOWN\r\n", "127.0.0.1:"},
		"version 2": {v2 + "\x21\x11\x00\x0c\xcb\x00\x71\x0a\x7f\x00\x00\x01\xdc\x04\x01\xbb",
			"203.0.113.10:56324"},
		"version 2, itself": {v2 + "\x20\x00\x00\x00", "127.0.0.1:"},
	} {
		c, err := dial(test.header)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fmt.Fprintf(c, "POST /in/src/%c HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", rune('a'+len(name)))
		if answer, err := io.ReadAll(io.LimitReader(c, 12)); string(answer) != "HTTP/1.1 404" {
			t.Errorf("%s: %q %v", name, answer, err)
		}
		poll(t, "the record of "+name, func() bool {
			_, body, _ := send(t, http.DefaultClient, "GET", r.commandURL()+"/api/v1/requests", r.opts.AdminKey, "")
			return strings.Contains(body, `"remote_addr":"`+test.want)
		})
		if !strings.HasPrefix(test.want, "127") {
			r.front.mu.Lock()
			counted := r.front.senders[bellhop.Sender(test.want)]
			r.front.mu.Unlock()
			if counted != 1 {
				t.Errorf("%s: the client has %d connections", name, counted)
			}
		}
	}
	for _, header := range []string{"", "PROXY TCP4 nonsense\r\n", "GET / HTTP/1.1\r\n\r\n", v2 + "\x21\x11\xff\xff"} {
		if _, err := dial(header); err == nil {
			t.Errorf("%q is taken for a header", header)
		}
	}
	_, body, _ := send(t, http.DefaultClient, "GET", r.commandURL()+"/metrics", r.opts.AdminKey, "")
	if !strings.Contains(body, `bellhop_proxy_clients_unknown_total{reason="no_header"} `) ||
		strings.Contains(body, `{reason="no_header"} 0`) {
		t.Error("no metric counts the connections without a header")
	}
}

// TestProxyProtocolOfStrangers: who is no trusted proxy cannot say who it is.
func TestProxyProtocolOfStrangers(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, func(o *Options) {
		o.Config.TrustedProxies, o.Config.ProxyProtocol = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, true
	}))
	if code, _ := r.call("GET", "/healthz", ""); code != 200 {
		t.Errorf("without a header: %d", code)
	}
	c, err := net.Dial("tcp", r.front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "PROXY TCP4 203.0.113.9 127.0.0.1 56324 443\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if answer, _ := io.ReadAll(c); !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
		t.Errorf("with a header: %q", answer)
	}
}

// TestCommandsBesideProxies: commands on this machine, whose addresses are trusted, find the API though the front
// wants a header of the PROXY protocol.
func TestCommandsBesideProxies(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	r := run(t, options(t, trusting, func(o *Options) {
		o.Config.ProxyProtocol, o.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
	}))
	server, err := datadir.ReadServer(r.opts.Config.Data, true)
	if err != nil || server.URL == r.URL() || !strings.HasPrefix(server.URL, "http://127.0.0.1:") {
		t.Fatalf("commands call %+v %v", server, err)
	}
	for _, path := range []string{"/readyz", "/api/v1/sources"} {
		if code, body, _ := send(t, http.DefaultClient, "GET", server.URL+path, r.opts.AdminKey, ""); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if reply, err := http.DefaultClient.Get(r.URL() + "/healthz"); err == nil { // as a stranger of the trusted network
		reply.Body.Close()
		t.Error("the front takes a connection of a proxy without a header")
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "proxy.client_unknown") ||
		!strings.Contains(text, "so it is closed") || strings.Contains(text, "its own address") {
		t.Errorf("the log says of a connection without a header: %s", text)
	}
}
