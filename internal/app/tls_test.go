package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/certificate"
	"github.com/bellhop-gateway/bellhop/internal/certificate/certtest"
	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
)

var later = time.Now().Add(90 * 24 * time.Hour)

// withTLS gives a server a certificate in dir.
func withTLS(t testing.TB, pair certtest.Pair, dir string) func(*Options) {
	return func(o *Options) { o.Config.TLSCert, o.Config.TLSKey = pair.Write(t, dir) }
}

// clientOf returns a client that trusts pairs, with HTTP/2 if h2 is set.
func clientOf(t testing.TB, h2 bool, pairs ...certtest.Pair) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certtest.Roots(pairs...)}, Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// send makes a request and returns its status and body.
func send(t testing.TB, c *http.Client, method, url, key, body string) (int, string, *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	reply, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text), reply
}

// sourceAt makes a source by the port for commands.
func (r *running) sourceAt(name string) {
	r.t.Helper()
	code, body, _ := send(r.t, http.DefaultClient, "POST", r.commandURL()+"/api/v1/sources", r.opts.AdminKey,
		`{"name":"`+name+`","provider":"generic","settings":{"scheme":"none"}}`)
	if code != 201 {
		r.t.Fatalf("source %s: %d %s", name, code, body)
	}
}

// TestTLS: the front speaks TLS with both versions of HTTP; plain HTTP gets a short 400, and commands find the API at
// loopback.
func TestTLS(t *testing.T) {
	t.Parallel()
	pair := certtest.New(t, "a.example", later)
	r := run(t, options(t, withTLS(t, pair, t.TempDir())))
	r.sourceAt("src")
	if !strings.HasPrefix(r.URL(), "https://127.0.0.1:") || r.opts.Config.PublicURL != r.URL() {
		t.Errorf("%s, public %s", r.URL(), r.opts.Config.PublicURL)
	}
	for h2, want := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		code, body, reply := send(t, clientOf(t, h2, pair), "POST", r.URL()+"/in/src", "", "hello")
		if code != 202 || reply.Proto != want || reply.TLS.Version != tls.VersionTLS13 {
			t.Errorf("%s: %d %s %s", want, code, reply.Proto, body)
		}
	}
	code, _, _ := send(t, clientOf(t, true, pair), "GET", r.URL()+"/api/v1/sources", r.opts.AdminKey, "")
	if code != 200 {
		t.Errorf("the API: %d", code)
	}
	old := clientOf(t, false, pair)
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	if reply, err := old.Get(r.URL() + "/healthz"); err == nil {
		reply.Body.Close()
		t.Error("TLS 1.1 was accepted")
	}
	if code, body, _ := send(t, http.DefaultClient, "POST", "http"+strings.TrimPrefix(r.URL(), "https")+"/in/src", "",
		"hello"); code != 400 || len(body) > 100 {
		t.Errorf("plain HTTP: %d %s", code, body)
	}
	server, err := datadir.ReadServer(r.opts.Config.Data, true)
	if err != nil || server.URL != r.commandURL() || !strings.HasPrefix(server.URL, "http://127.0.0.1:") {
		t.Errorf("commands call %+v %v", server, err)
	}
	if code, _, _ := send(t, http.DefaultClient, "POST", r.commandURL()+"/in/src", "", "x"); code != 404 {
		t.Errorf("the door at the port of commands: %d", code)
	}
}

// TestRenewalDropsNothing: while the certificate changes, again and again, requests on connections that are open and
// on new ones are all answered (O6).
func TestRenewalDropsNothing(t *testing.T) {
	t.Parallel()
	pairs := []certtest.Pair{certtest.New(t, "a.example", later), certtest.New(t, "b.example", later),
		certtest.New(t, "c.example", later)}
	dir := t.TempDir()
	r := run(t, options(t, withTLS(t, pairs[0], dir)))
	r.sourceAt("src")
	var senders sync.WaitGroup
	var sent, failed atomic.Int64
	var seen sync.Map
	enough, stop := context.WithCancel(t.Context())
	for i := range 4 {
		senders.Go(func() {
			c := clientOf(t, i%2 == 0, pairs...)
			c.Transport.(*http.Transport).DisableKeepAlives = i >= 2
			for enough.Err() == nil {
				reply, err := c.Post(r.URL()+"/in/src", "text/plain", strings.NewReader("hello"))
				sent.Add(1)
				if err != nil || reply.StatusCode != 202 {
					failed.Add(1)
					t.Errorf("a request was dropped: %v", err)
					return
				}
				io.Copy(io.Discard, reply.Body)
				reply.Body.Close()
				seen.Store(reply.TLS.PeerCertificates[0].DNSNames[0], true)
			}
		})
	}
	for _, pair := range pairs[1:] {
		before := sent.Load()
		pair.Write(t, dir)
		r.ReloadCertificate(t.Context())
		poll(t, "requests after a change", func() bool { return sent.Load() > before+20 || failed.Load() > 0 })
	}
	stop()
	senders.Wait()
	for _, name := range []string{"b.example", "c.example"} {
		if _, ok := seen.Load(name); !ok {
			t.Errorf("no connection got the certificate of %s", name)
		}
	}
}

// TestListenAPI: the front then has the door alone, and the API and the pages are at their own port.
func TestListenAPI(t *testing.T) {
	t.Parallel()
	pair := certtest.New(t, "a.example", later)
	r := run(t, options(t, withTLS(t, pair, t.TempDir()), func(o *Options) {
		o.Config.ListenAPI, o.Config.ListenHTTP = "0", "127.0.0.1:0"
	}))
	r.sourceAt("src")
	front, c := r.URL(), clientOf(t, true, pair)
	for path, want := range map[string][2]int{ // at the front, and at the port of the API
		"POST /in/src": {202, 404}, "GET /healthz": {200, 200}, "GET /readyz": {200, 200},
		"GET /api/v1/sources": {404, 200}, "GET /metrics": {404, 200}, "GET /openapi.json": {404, 200},
		"GET /ui/sign-in": {404, 200}, "GET /": {404, 404}, "GET /agree/x": {404, 404},
		"GET //api/v1/sources": {404, 404}, "GET /nothing": {404, 404},
	} {
		method, path, _ := strings.Cut(path, " ")
		if code, _, _ := send(t, c, method, front+path, r.opts.AdminKey, ""); code != want[0] {
			t.Errorf("%s at the front: %d", path, code)
		}
		if code, _, _ := send(t, http.DefaultClient, method, r.APIURL()+path, r.opts.AdminKey, ""); code != want[1] {
			t.Errorf("%s at the port of the API: %d", path, code)
		}
	}
	if r.localPort != nil || r.commandURL() != r.APIURL() || !strings.HasPrefix(r.APIURL(), "http://127.0.0.1:") {
		t.Errorf("commands call %s, the API is at %s", r.commandURL(), r.APIURL())
	}

	// Plain HTTP sends browsers on, and refuses the rest.
	code, _, reply := send(t, clientOf(t, false, pair), "GET", r.plainPort.url()+"/ui/?a=b", "", "")
	if to := reply.Header.Get("Location"); code != 308 || to != front+"/ui/?a=b" {
		t.Errorf("a browser: %d %s", code, to)
	}
	if code, body, _ := send(t, http.DefaultClient, "POST", r.plainPort.url()+"/in/src", "", "x"); code != 403 {
		t.Errorf("a provider by plain HTTP: %d %s", code, body)
	}
}

// TestStreamsAreBounded: when no further requests may be under way, a connection still has its first one, and a
// further one is answered 503 at once.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := &streams{}
	s.free.Store(1)
	waiting, release := make(chan struct{}, 8), make(chan struct{})
	server := httptest.NewUnstartedServer(s.bound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		waiting <- struct{}{}
		<-release
	}), time.Now))
	server.EnableHTTP2 = true
	limited := newLimiter(server.Listener, 10, time.Now, nil)
	server.Listener = limited
	server.Config.ConnState, server.Config.ConnContext = limited.state, withConn
	server.StartTLS()
	defer server.Close()
	var asking sync.WaitGroup
	ask := func() {
		asking.Go(func() {
			if reply, err := server.Client().Get(server.URL); err != nil || reply.StatusCode != 200 {
				t.Errorf("%v %v", reply, err)
			}
		})
		<-waiting
	}
	ask()
	ask() // takes the last place of further ones
	reply, err := server.Client().Get(server.URL)
	if err != nil || reply.StatusCode != 503 || reply.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the bound: %v %v", reply, err)
	}
	other := server.Client().Transport.(*http.Transport).Clone()
	defer other.CloseIdleConnections()
	asking.Go(func() {
		reply, err := (&http.Client{Transport: other}).Get(server.URL)
		if err != nil || reply.StatusCode != 200 {
			t.Errorf("the first of another connection: %v %v", reply, err)
		}
	})
	<-waiting
	close(release)
	asking.Wait()
	if s.free.Load() != 1 {
		t.Errorf("%d places are free", s.free.Load())
	}
}

// TestSlowHandshakeGivesWay: a connection on which the handshake does not go on counts as a slow one, and a connection
// of HTTP/2 without a request as an idle one.
func TestSlowHandshakeGivesWay(t *testing.T) {
	t.Parallel()
	pair := certtest.New(t, "a.example", later)
	r := run(t, options(t, withTLS(t, pair, t.TempDir()), func(o *Options) { o.Config.MaxConnections = 1 }))
	silent, err := net.Dial("tcp", r.front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for range 2 { // the second takes the place of the first, which is idle
		if code, _, reply := send(t, clientOf(t, true, pair), "GET", r.URL()+"/healthz", "", ""); code != 200 ||
			reply.ProtoMajor != 2 {
			t.Errorf("%d %s", code, reply.Proto)
		}
	}
	silent.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := bufio.NewReader(silent).ReadByte(); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("the silent connection: %v", err)
	}
}

// TestACMEWithoutCA: a server whose CA is down from the start runs, and says so; clients of TLS cannot connect yet,
// and commands can.
func TestACMEWithoutCA(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	r := run(t, options(t, func(o *Options) {
		o.Config.ACMEDomains, o.Config.ACMEAgree = []string{"hooks.example.com", "b.example.com"}, true
		o.Config.ACMEDirectory, o.Config.ListenHTTP = "https://"+closed.Addr().String()+"/directory", "127.0.0.1:0"
	}))
	if r.opts.Config.PublicURL != "https://hooks.example.com" || !r.hasPublicURL {
		t.Errorf("the public URL is %s", r.opts.Config.PublicURL)
	}
	r.sourceAt("src")
	if reply, err := clientOf(t, true).Get(r.URL() + "/healthz"); err == nil {
		reply.Body.Close()
		t.Error("a client connected without a certificate")
	}
	poll(t, "the fault of the CA", func() bool {
		return slices.ContainsFunc(r.certificate.Status(), func(s certificate.Status) bool { return s.Fault != "" })
	})
	finding := r.checkCertificate(doctor.Public{})(t.Context())
	if finding.State != doctor.Failed || !strings.Contains(finding.Message, "there is no certificate yet for "+
		"hooks.example.com from "+closed.Addr().String()) || !strings.Contains(finding.Message, "does not answer") {
		t.Errorf("%+v", finding)
	}
	_, body, _ := send(t, http.DefaultClient, "GET", r.commandURL()+"/metrics", r.opts.AdminKey, "")
	if !strings.Contains(body, "bellhop_tls_certificate_good 0") ||
		strings.Contains(body, "bellhop_tls_certificate_expiry_timestamp_seconds ") {
		t.Error("the metrics say that there is a certificate")
	}
	code, _, reply := send(t, clientOf(t, false), "GET", r.plainPort.url()+"/x", "", "")
	if to := reply.Header.Get("Location"); code != 308 || to != "https://hooks.example.com/x" {
		t.Errorf("a browser is sent on to %s (%d)", to, code)
	}
}

// TestPlainHTTP: a browser is sent on to https; a program is refused, whatever its method, and so is a request that
// names no host or page.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	a := &App{front: &port{limiter: &limiter{Listener: listenerAt("127.0.0.1:18444")}}}
	for request, want := range map[string]string{
		"GET /p?q=1 HTTP/1.1\nHost: a":                            "308 https://a:18444/p?q=1",
		"HEAD / HTTP/1.1\nHost: a:80":                             "308 https://a:18444/",
		"GET / HTTP/1.1\nHost: [::1]:80":                          "308 https://[::1]:18444/",
		"GET /inbox HTTP/1.1\nHost: a":                            "308 https://a:18444/inbox",
		"GET /ui/ HTTP/1.0\nHost: a":                              "308 https://a:18444/ui/",
		"GET /p HTTP/1.0":                                         "400 ",
		"GET /p HTTP/1.1\nHost:":                                  "400 ",
		"GET /p HTTP/1.1\nHost: :80":                              "400 ",
		"GET /p HTTP/1.1\nHost: [::1":                             "400 ",
		"GET /p HTTP/1.1\nHost: [a]":                              "400 ",
		"GET /p HTTP/1.1\nHost: ::1":                              "400 ",
		"GET /p HTTP/1.1\nHost: b@a":                              "400 ",
		"GET /p HTTP/1.1\nHost: a/b":                              "400 ",
		"GET /p HTTP/1.1\nHost: %41":                              "400 ",
		"HEAD * HTTP/1.1\nHost: a":                                "400 ",
		"POST /ui/ HTTP/1.1\nHost: a":                             "403 ",
		"OPTIONS * HTTP/1.1\nHost: a":                             "403 ",
		"GET /in/s?token=x HTTP/1.1\nHost: a":                     "403 ",
		"GET //in/s HTTP/1.1\nHost: a":                            "403 ",
		"GET /%69n/s HTTP/1.1\nHost: a":                           "403 ",
		"HEAD /agree/x HTTP/1.1\nHost: a":                         "403 ",
		"GET /api/v1/events HTTP/1.1\nHost: a":                    "403 ",
		"GET /metrics HTTP/1.1\nHost: a\nAuthorization: Bearer x": "403 ",
	} {
		text := strings.ReplaceAll(request, "\n", "\r\n") + "\r\n\r\n"
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			if !strings.HasPrefix(want, "400") { // the server answers so by itself
				t.Errorf("%q: %v", request, err)
			}
			continue
		}
		w := httptest.NewRecorder()
		a.toHTTPS().ServeHTTP(w, r)
		if got := fmt.Sprint(w.Code, " ", w.Header().Get("Location")); got != want {
			t.Errorf("%q: %s, want %s", request, got, want)
		}
	}
}

// A listenerAt is a listener that has an address alone.
type listenerAt string

func (l listenerAt) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (l listenerAt) Close() error              { return nil }
func (l listenerAt) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(string(l)))
}

// TestFewDescriptors: that fewer connections are served than the setting says is said once.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	if descriptors() == 0 {
		t.Skip("the system has no limit of open files")
	}
	var log lockedBuffer
	run(t, options(t, withTLS(t, certtest.New(t, "a.example", later), t.TempDir()), func(o *Options) {
		o.Config.MaxConnections, o.Config.ListenHTTP = 1<<40, "127.0.0.1:0"
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	}))
	if n := strings.Count(log.String(), "connections.bounded"); n != 1 {
		t.Errorf("it is said %d times: %s", n, log.String())
	}
}
