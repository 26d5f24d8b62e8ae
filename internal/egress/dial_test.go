package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// hangs is a dialer for which some addresses never answer, some refuse, and the others accept.
type hangs struct {
	silent, refuse []string

	mu     *sync.Mutex
	dialed []string
}

func (h *hangs) dial(ctx context.Context, _, address string) (net.Conn, error) {
	h.mu.Lock()
	h.dialed = append(h.dialed, address)
	h.mu.Unlock()
	if slices.Contains(h.silent, address) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if slices.Contains(h.refuse, address) {
		return nil, errors.New("refused")
	}
	near, _ := net.Pipe()
	return near, nil
}

func TestDialFirst(t *testing.T) {
	const v6, v6b, v4, v4b = "[2606:4700::1]:80", "[2606:4700::2]:80", "8.8.8.8:80", "8.8.4.4:80"
	for name, test := range map[string]struct {
		addrs  []string
		dialer hangs
		dialed []string
		took   time.Duration
		failed bool
	}{
		"one":      {addrs: []string{v4}, dialed: []string{v4}},
		"in order": {addrs: []string{v4, v6}, dialed: []string{v4}},
		"dead IPv4": {addrs: []string{v4, v4b, v6}, dialer: hangs{silent: []string{v4}},
			dialed: []string{v4, v6}, took: attemptDelay},
		"dead IPv6": {addrs: []string{v6, v4}, dialer: hangs{silent: []string{v6}}, dialed: []string{v6, v4},
			took: attemptDelay},
		"refusing IPv6": {addrs: []string{v6, v4}, dialer: hangs{refuse: []string{v6}}, dialed: []string{v6, v4}},
		"only the last": {addrs: []string{v6, v6b, v4, v4b}, dialer: hangs{silent: []string{v6, v4, v6b}},
			dialed: []string{v6, v4, v6b, v4b}, took: 3 * attemptDelay},
		"all refuse": {addrs: []string{v6, v4}, dialer: hangs{refuse: []string{v6, v4}},
			dialed: []string{v6, v4}, failed: true},
		"all silent": {addrs: []string{v6, v4}, dialer: hangs{silent: []string{v6, v4}},
			dialed: []string{v6, v4}, took: 5 * time.Second, failed: true},
		"one of each": {addrs: []string{v6, v4}, dialer: hangs{silent: []string{v6}, refuse: []string{v4}},
			dialed: []string{v6, v4}, took: 5 * time.Second, failed: true},
		"IPv6-only, silent": {addrs: []string{v6}, dialer: hangs{silent: []string{v6}}, dialed: []string{v6},
			took: 5 * time.Second, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := test.dialer
				d.mu = new(sync.Mutex)
				start := time.Now()
				c := New(Config{Dial: d.dial})
				defer c.Close()
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				var addrs []netip.AddrPort
				for _, a := range test.addrs {
					addrs = append(addrs, netip.MustParseAddrPort(a))
				}
				conn, err := c.guard.dialFirst(ctx, addrs)
				if took := time.Since(start); (err != nil) != test.failed || took != test.took {
					t.Errorf("got %v after %s", err, took)
				}
				if !slices.Equal(d.dialed, test.dialed) {
					t.Errorf("dialled %s", d.dialed)
				}
				if conn != nil {
					conn.Close()
				}
			})
		})
	}
}

// TestManyAnswers: a name may have thousands of addresses (N2). All are judged, and few are tried.
func TestManyAnswers(t *testing.T) {
	var list []string
	for i := range 2000 {
		list = append(list, fmt.Sprintf("8.8.%d.%d", i/250, i%250))
	}
	rec := new(recorder)
	c := newClient(t, Config{Resolver: answers(list...), Dial: rec.dial})
	if _, err := post(c, mustTarget(t, c, "http://example.com")); !errors.Is(err, errRecorded) {
		t.Error(err)
	}
	if dialed := rec.take(); len(dialed) != maxAttempts {
		t.Errorf("tried %d addresses", len(dialed))
	}
	list[1999] = "127.0.0.1"
	_, err := post(newClient(t, Config{Resolver: answers(list...), Dial: rec.dial}),
		mustTarget(t, c, "http://example.com"))
	wantClass(t, err, ClassBlocked)
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
}

func TestDNSErrors(t *testing.T) {
	for want, err := range map[string]error{
		"dns: there is no host example.com": &net.DNSError{Err: "no such host",
			Server: "10.9.8.7:53", IsNotFound: true},
		"dns: looking up example.com: server misbehaving": &net.DNSError{Err: "server misbehaving",
			Server: "10.9.8.7:53", IsTemporary: true},
		"dns: no answer from the name servers about example.com": &net.DNSError{Err: "i/o timeout",
			Server: "10.9.8.7:53", IsTimeout: true},
		"dns: example.com has no address":             nil,
		"dns: looking up example.com: something else": fmt.Errorf("wrapped: %w", errors.New("something else")),
	} {
		var asked string
		c := newClient(t, Config{Resolver: resolverFunc(func(_ context.Context, _, host string) ([]netip.Addr, error) {
			asked = host
			return nil, err
		})})
		_, got := post(c, mustTarget(t, c, "http://Example.COM./"))
		if e := wantClass(t, got, ClassDNS); e.Error() != want || e.Sent || e.Phase != PhaseDNS {
			t.Errorf("got %q, want %q", e, want)
		}
		if asked != "example.com." {
			t.Errorf("asked for %q; search domains would apply", asked)
		}
	}
}

// TestFlappingResolver: if lookups fail now and then, only the attempts of those lookups fail (N2).
func TestFlappingResolver(t *testing.T) {
	rec := &recorder{to: wiretest.Serve(t, wiretest.Replies(closingReply))}
	var n atomic.Int32
	flapping := func(ctx context.Context, network, host string) ([]netip.Addr, error) {
		switch n.Add(1) % 3 {
		case 1:
			return noSuchHost(ctx, network, host)
		case 2:
			return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
		}
		return addresses("8.8.8.8"), nil
	}
	c := newClient(t, Config{Dial: rec.dial, Resolver: resolverFunc(flapping)})
	target := mustTarget(t, c, "http://example.com")
	for round := range 9 {
		reply, err := post(c, target)
		if round%3 < 2 {
			wantClass(t, err, ClassDNS)
		} else if err != nil || reply.Status != 200 {
			t.Errorf("round %d: %+v, %v", round, reply, err)
		}
	}
}

// TestDualStack: a dead IPv6 address before a good IPv4 address costs attemptDelay. Each address is judged (N4).
func TestDualStack(t *testing.T) {
	ca := newAuthority(t)
	server := &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, &x509.Certificate{DNSNames: []string{"example.com"}})},
		MaxVersion:   tls.VersionTLS12, // in TLS 1.3 both ends write at the same time, for which a pipe has no buffer
	}
	synctest.Test(t, func(t *testing.T) {
		alive := wiretest.Pipes(t, func(c net.Conn) {
			s := tls.Server(c, server)
			wiretest.EachRequest(s, func(*http.Request, []byte) { io.WriteString(s, wiretest.OKReply) })
		})
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "[") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return alive(ctx, network, address)
		}
		c := newClient(t, Config{RootCAs: ca.pool(), Dial: dial, Resolver: answers("2606:4700::1", "8.8.8.8")})
		start := time.Now()
		if reply, err := post(c, mustTarget(t, c, "https://example.com")); err != nil || reply.Status != 200 {
			t.Errorf("got %+v, %v", reply, err)
		}
		if took := time.Since(start); took != attemptDelay {
			t.Errorf("took %s", took)
		}
		c = newClient(t, Config{RootCAs: ca.pool(), Dial: dial, Resolver: answers("8.8.8.8", "fd00::1")})
		_, err := post(c, mustTarget(t, c, "https://example.com"))
		wantClass(t, err, ClassBlocked)
	})
}

// TestDialerAsksTheGuard: the dialer itself judges the address to which its socket is about to connect.
func TestDialerAsksTheGuard(t *testing.T) {
	addr := wiretest.Serve(t, func(int, net.Conn) {})
	c := newClient(t, Config{})
	_, err := c.guard.dialer().DialContext(context.Background(), "tcp", addr)
	wantClass(t, err, ClassBlocked)
	c = newClient(t, Config{Allow: prefixes("127.0.0.0/8")})
	conn, err := c.guard.dialer().DialContext(context.Background(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
