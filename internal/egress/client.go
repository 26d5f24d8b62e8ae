package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/http1"
)

// Config says where a client may go and what it keeps. The zero Config permits the public internet only.
type Config struct {
	// AllowPrivate permits loopback, private and laboratory networks, the machine's own addresses, names that have a
	// meaning only inside a network, and any port. Addresses of metadata services stay forbidden.
	AllowPrivate bool
	// Allow permits the addresses of these networks, at any port. The address of a metadata service is permitted
	// only by a prefix of exactly that address ("169.254.169.254/32").
	Allow []netip.Prefix
	// Proxies are the proxies that destinations may use ("http://proxy.example:3128"), each a URL that
	// [CheckProxyURL] accepts; other entries are ignored. Listing a proxy permits connections to it, whatever its
	// address and port, but never to a metadata service.
	Proxies []string
	// Ports reports which ports are permitted where AllowPrivate and Allow do not permit all; nil is [DefaultPorts].
	Ports func(port uint16) bool

	// Resolver looks names up; nil is the Go resolver, never that of the C library. Names get a trailing dot, so
	// that search domains do not apply, unless AllowPrivate is set or the name is that of a proxy.
	Resolver Resolver
	// Dial opens a connection to an address that the guard permitted ("192.0.2.1:443"); nil is a [net.Dialer]. For
	// tests.
	Dial dialFunc
	// RootCAs are the certificate authorities to trust; nil is the system's.
	RootCAs *x509.CertPool
	// UserAgent is sent with a request that has none of its own; "" is "Bellhop".
	UserAgent string

	MaxIdlePerHost int           // idle connections kept for one scheme, host and port; 0 is 256
	MaxIdle        int           // idle connections kept in all; 0 is 4096
	IdleTimeout    time.Duration // how long a connection may be idle; 0 is 55 s, just under the usual 60 s of servers
	// an older connection is not used again, so that addresses are judged anew; 0 is 5 min
	MaxConnAge time.Duration

	// Now tells the age of pooled connections; nil is [time.Now]. Deadlines of attempts always follow the real
	// clock.
	Now func() time.Time
}

// A Resolver finds the addresses of a name, as [net.Resolver] does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Client makes requests. It is safe for concurrent use. Close or CloseIdle it when it is no longer needed.
type Client struct {
	guard     *guard
	proxies   *proxyList
	resolver  Resolver
	tls       *tls.Config // without ServerName
	userAgent string
	limits    http1.Limits
	now       func() time.Time
	wire      *http1.Transport
	standard  func() *http.Client

	closing context.Context // done when Close was called
	close   context.CancelFunc
}

// New makes a client. It opens no connection yet.
func New(cfg Config) *Client {
	c := &Client{
		guard:     newGuard(&cfg, new(localAddrs).get),
		resolver:  cfg.Resolver,
		tls:       tlsConfig(cfg.RootCAs),
		userAgent: cmp.Or(cfg.UserAgent, "Bellhop"),
		limits: http1.Limits{
			IdlePerKey:  cmp.Or(cfg.MaxIdlePerHost, 256),
			Idle:        cmp.Or(cfg.MaxIdle, 4096),
			IdleTimeout: cmp.Or(cfg.IdleTimeout, 55*time.Second),
			MaxAge:      cmp.Or(cfg.MaxConnAge, 5*time.Minute),
		},
		now: cfg.Now,
	}
	c.proxies = newProxyList(c.guard, cfg.Proxies)
	if c.resolver == nil {
		c.resolver = &net.Resolver{PreferGo: true}
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.wire = http1.NewTransport(c.limits, c.now)
	c.standard = sync.OnceValue(c.newHTTP)
	c.closing, c.close = context.WithCancel(context.Background())
	return c
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() {
	c.wire.CloseIdle()
	c.standard().CloseIdleConnections()
}

// Close cuts every exchange of Do that is under way, which then fails with [ClassCanceled], and refuses new ones.
// It does not wait for them. It does not end responses of HTTP that are still being read.
func (c *Client) Close() {
	c.close()
	c.wire.Close()
	c.standard().CloseIdleConnections()
}
