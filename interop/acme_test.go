package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// gatewayCalls is the direction of the checks with a CA.
const gatewayCalls = "Bellhop → CA → Bellhop"

// acmeName is the name for which certificates are asked for.
const acmeName = "hooks.example.test"

// How long a certificate of the CA is good, in seconds. The CA says from when on it should be renewed: of a short one
// at once.
const (
	long  = 10 * 24 * 3600
	short = 60
)

// A pebble is a CA: the ACME server that Let's Encrypt tests clients with. It calls back at two ports of this machine.
type pebble struct {
	url      string
	root     string         // file of the certificate of its own web server
	roots    *x509.CertPool // of what it issues
	orders   atomic.Int64   // that it was asked for
	server   *httptest.Server
	handler  http.Handler
	httpPort int
	tlsPort  int
}

// freePort returns a port that nobody listens at.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startPebble starts a CA, which ends with the test. All names are those of this machine for it.
func startPebble(t *testing.T, validity uint64) *pebble {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	httpPort, tlsPort := freePort(t), freePort(t)
	quiet := log.New(io.Discard, "", 0)
	resolver := fmt.Sprint("127.0.0.1:", freePort(t))
	names, err := challtestsrv.New(challtestsrv.Config{Log: quiet, DNSAddrs: []string{resolver}})
	if err != nil {
		t.Fatal(err)
	}
	names.SetDefaultDNSIPv6("")
	go names.Run()
	t.Cleanup(names.Shutdown)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1,
		map[string]ca.Profile{"default": {Description: "the only one", ValidityPeriod: validity}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, resolver, store), authority,
		[]string{"ca.example.test"}, false, false, 0, 0)
	p := &pebble{handler: front.Handler(), roots: x509.NewCertPool(), httpPort: httpPort, tlsPort: tlsPort}
	p.roots.AppendCertsFromPEM(authority.GetRootCert(0).PEM())
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/order-plz") {
			p.orders.Add(1)
		}
		p.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { p.server.Close() })
	p.url, p.root = p.server.URL+wfe.DirectoryPath, filepath.Join(t.TempDir(), "root.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	if err := os.WriteFile(p.root, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// startACME starts a gateway in folder that gets its certificate from p, until stop or the end of the test.
func startACME(t *testing.T, p *pebble, folder string, more ...string) (g *gateway, stop func()) {
	t.Helper()
	g = &gateway{folder: folder, key: "interop-admin-key-0123456789abcdef"}
	g.command = exec.Command(binary(), append([]string{"serve", "--data", filepath.Join(folder, "data"), "--listen",
		fmt.Sprint("127.0.0.1:", p.tlsPort), "--acme-domain", acmeName, "--acme-agree", "--acme-email",
		"ops@example.test", "--acme-directory", p.url, "--acme-root", p.root}, more...)...)
	g.command.Env = append(environment(), "BELLHOP_ADMIN_KEY="+g.key)
	output, err := os.OpenFile(filepath.Join(folder, "log"), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	g.command.Stdout, g.command.Stderr = output, output
	killWithTest(g.command)
	if err := g.command.Start(); err != nil {
		t.Fatalf("%v; make build builds the binary", err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			g.command.Process.Signal(syscall.SIGTERM)
			g.command.Wait()
		}
	}
	t.Cleanup(stop)
	if !waitFor(g.ready) {
		t.Fatalf("the gateway is not ready:\n%s", logOf(t, g))
	}
	return g, stop
}

// logOf returns what a gateway of startACME has logged.
func logOf(t *testing.T, g *gateway) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// served returns the certificate that the gateway serves; nil without one that p issued.
func (p *pebble) served() *x509.Certificate {
	at, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	d := tls.Dialer{Config: &tls.Config{RootCAs: p.roots, ServerName: acmeName, NextProtos: []string{"h2"}}}
	c, err := d.DialContext(at, "tcp", fmt.Sprint("127.0.0.1:", p.tlsPort))
	if err != nil {
		return nil
	}
	defer c.Close()
	state := c.(*tls.Conn).ConnectionState()
	if state.NegotiatedProtocol != "h2" {
		return nil
	}
	return state.PeerCertificates[0]
}

// client returns a client of the gateway that trusts p.
func (p *pebble) client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true,
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: p.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprint("127.0.0.1:", p.tlsPort))
		}}}
}

// TestACME gets certificates from Pebble.
func TestACME(t *testing.T) {
	client := moduleVersion(t, "github.com/letsencrypt/pebble/v2")
	check(t, client, gatewayCalls, "a certificate by TLS-ALPN-01 is served, and kept over a restart without a new "+
		"order, with the CA and without it", func(t *testing.T) {
		p := startPebble(t, long)
		folder := t.TempDir()
		_, stop := startACME(t, p, folder)
		if !waitFor(func() bool { return p.served() != nil }) {
			t.Fatal("no certificate is served")
		}
		first, orders := p.served(), p.orders.Load()
		for _, down := range []bool{false, true} {
			stop()
			if down {
				p.server.Close()
			}
			_, stop = startACME(t, p, folder)
			again := p.served()
			if again == nil || again.SerialNumber.Cmp(first.SerialNumber) != 0 || p.orders.Load() != orders {
				t.Errorf("after a restart (CA down: %v) another certificate is served, or there are %d orders, not %d",
					down, p.orders.Load(), orders)
			}
		}
		stop()
	})
	check(t, client, gatewayCalls, "a certificate is renewed without a dropped request, and served on while the CA "+
		"is down", func(t *testing.T) {
		p := startPebble(t, short)
		g, _ := startACME(t, p, t.TempDir())
		if !waitFor(func() bool { return p.served() != nil }) {
			t.Fatal("no certificate is served")
		}
		first, dropped := p.served(), false
		renewed := waitLonger(func() bool {
			g.command.Process.Signal(syscall.SIGHUP) // looks whether it is due
			reply, err := p.client().Get("https://" + acmeName + "/healthz")
			if err != nil || reply.StatusCode != http.StatusOK {
				t.Errorf("a request was dropped: %v", err)
				dropped = true
				return true
			}
			reply.Body.Close()
			return reply.TLS.PeerCertificates[0].SerialNumber.Cmp(first.SerialNumber) != 0
		})
		if !renewed || dropped {
			t.Fatalf("it was not renewed:\n%s", logOf(t, g))
		}

		p.server.Close()
		if !waitLonger(func() bool {
			g.command.Process.Signal(syscall.SIGHUP)
			return strings.Contains(logOf(t, g), "served on, and good until not_after")
		}) {
			t.Errorf("the log does not say that the CA is down:\n%s", logOf(t, g))
		}
		if p.served() == nil {
			t.Error("without the CA, the certificate from before is not served")
		}
		out, _ := runBellhop("doctor", "--server", g.url, "--api-key", g.key)
		prints(t, out, `^warning +TLS of the public URL +the server's own certificate for `+acmeName+
			` is from 127\.0\.0\.1:\d+; the certificate ends in .*could not be renewed on .*the CA does not answer`)
	})
	check(t, client, gatewayCalls, "a certificate by HTTP-01, where the CA cannot reach port 443", func(t *testing.T) {
		p := startPebble(t, long)
		reachable := p.tlsPort
		p.tlsPort = freePort(t) // the gateway is at another one than the CA calls
		if p.tlsPort == reachable {
			t.Skip("the system gave the same port twice")
		}
		startACME(t, p, t.TempDir(), "--listen-http", fmt.Sprint("127.0.0.1:", p.httpPort))
		if !waitLonger(func() bool { return p.served() != nil }) {
			t.Error("no certificate is served")
		}
	})
	check(t, client, gatewayCalls, "the CA is down from the start: the server runs, and says so", func(t *testing.T) {
		p := startPebble(t, long)
		p.server.Close()
		g, _ := startACME(t, p, t.TempDir())
		if !waitLonger(func() bool { return strings.Contains(logOf(t, g), "there is no certificate yet") }) {
			t.Errorf("the log does not say so:\n%s", logOf(t, g))
		}
		out, _ := runBellhop("doctor", "--server", g.url, "--api-key", g.key)
		prints(t, out, `^failed +TLS of the public URL +there is no certificate yet for `+acmeName)
	})
}

// waitLonger waits until done, for twice as long as a short certificate is good.
func waitLonger(done func() bool) bool {
	for deadline := time.Now().Add(2 * short * time.Second); time.Now().Before(deadline); {
		if done() {
			return true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return false
}
