package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

func TestConnect(t *testing.T) {
	const v6, v6b, v4, v4b = "[2606:4700::1]:80", "[2606:4700::2]:80", "8.8.8.8:80", "8.8.4.4:80"
	for name, test := range map[string]struct {
		addrs  []string
		dialer hangs
		dialed []string
		took   time.Duration
		failed bool
	}{
		"one":               {addrs: []string{v4}, dialed: []string{v4}},
		"in order":          {addrs: []string{v4, v6}, dialed: []string{v4}},
		"dead IPv4":         {addrs: []string{v4, v4b, v6}, dialer: hangs{silent: []string{v4}}, dialed: []string{v4, v6}, took: headStart},
		"dead IPv6":         {addrs: []string{v6, v4}, dialer: hangs{silent: []string{v6}}, dialed: []string{v6, v4}, took: headStart},
		"refusing IPv6":     {addrs: []string{v6, v4}, dialer: hangs{refuse: []string{v6}}, dialed: []string{v6, v4}},
		"only the last":     {addrs: []string{v6, v6b, v4, v4b}, dialer: hangs{silent: []string{v6, v4, v6b}}, dialed: []string{v6, v4, v6b, v4b}, took: 3 * headStart},
		"all refuse":        {addrs: []string{v6, v4}, dialer: hangs{refuse: []string{v6, v4}}, dialed: []string{v6, v4}, failed: true},
		"all silent":        {addrs: []string{v6, v4}, dialer: hangs{silent: []string{v6, v4}}, dialed: []string{v6, v4}, took: 5 * time.Second, failed: true},
		"one of each":       {addrs: []string{v6, v4}, dialer: hangs{silent: []string{v6}, refuse: []string{v4}}, dialed: []string{v6, v4}, took: 5 * time.Second, failed: true},
		"IPv6-only, silent": {addrs: []string{v6}, dialer: hangs{silent: []string{v6}}, dialed: []string{v6}, took: 5 * time.Second, failed: true},
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
				conn, err := c.connect(ctx, c.guard, addrs)
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

// A name may have thousands of answers (N2). Each is judged; few are tried.
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
	if dialed := rec.take(); len(dialed) != maxTries {
		t.Errorf("tried %d addresses", len(dialed))
	}
	list[1999] = "127.0.0.1"
	_, err := post(newClient(t, Config{Resolver: answers(list...), Dial: rec.dial}), mustTarget(t, c, "http://example.com"))
	wantClass(t, err, ClassBlocked)
	if dialed := rec.take(); len(dialed) > 0 {
		t.Errorf("dialled %s", dialed)
	}
}

func TestDNSErrors(t *testing.T) {
	for want, err := range map[string]error{
		"dns: there is no host example.com":                      &net.DNSError{Err: "no such host", Server: "10.9.8.7:53", IsNotFound: true},
		"dns: looking up example.com: server misbehaving":        &net.DNSError{Err: "server misbehaving", Server: "10.9.8.7:53", IsTemporary: true},
		"dns: no answer from the name servers about example.com": &net.DNSError{Err: "i/o timeout", Server: "10.9.8.7:53", IsTimeout: true},
		"dns: example.com has no address":                        nil,
		"dns: looking up example.com: something else":            fmt.Errorf("wrapped: %w", errors.New("something else")),
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

// The dialer itself has the last word, on the socket that is about to connect.
func TestDialerAsksTheGuard(t *testing.T) {
	addr := serve(t, func(int, *net.TCPConn) {})
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
