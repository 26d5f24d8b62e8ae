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
)

// Config says where a client may go and what it keeps. The zero Config permits the public internet only.
type Config struct {
	// AllowPrivate permits loopback, private and laboratory networks, the machine's own addresses, names that
	// mean something only there, and any port. Addresses of metadata services stay forbidden.
	AllowPrivate bool
	// Allow permits the addresses of these networks, at any port. The address of a metadata service is permitted
	// only by a prefix of that one address ("169.254.169.254/32").
	Allow []netip.Prefix
	// Proxies are those that destinations may go through ("http://proxy.example:3128"), each as [CheckProxyURL] has it;
	// none are no proxy at all. To list one permits it as Allow would, whatever its address and port are, but that no
	// list permits the address of a metadata service as a proxy.
	Proxies []string
	// Ports reports which ports are permitted where AllowPrivate and Allow do not permit all; nil is [DefaultPorts].
	Ports func(port uint16) bool

	// Resolver looks names up; nil is the Go resolver, never the C library's. Names are asked for with a trailing
	// dot, so that search domains do not apply, unless AllowPrivate is set, or it is a proxy that is looked up.
	Resolver Resolver
	// Dial opens a connection to an address the guard has passed ("192.0.2.1:443"); nil is a [net.Dialer]. For tests.
	Dial dialFunc
	// RootCAs are the certificate authorities to trust; nil is the system's.
	RootCAs *x509.CertPool
	// UserAgent is sent where a request has none of its own; "" is "Bellhop".
	UserAgent string

	MaxIdlePerHost int           // idle connections kept for one scheme, host and port; 0 is 256
	MaxIdle        int           // idle connections kept in all; 0 is 4096
	IdleTimeout    time.Duration // an idle connection is closed after; 0 is 55 s, just under the usual 60 s of servers
	MaxConnAge     time.Duration // an older connection is not used again, so that addresses are judged anew; 0 is 5 min

	// Now tells the age of pooled connections; nil is [time.Now]. Deadlines of attempts always follow the real clock.
	Now func() time.Time
}

// A Resolver finds the addresses of a name, as [net.Resolver] does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Client makes requests. It is safe for concurrent use. Close or CloseIdle it when it is no longer needed.
type Client struct {
	guard    *guard
	proxies  *proxies
	resolver Resolver
	tls      *tls.Config // without ServerName
	agent    string
	pool     *pool
	standard func() *http.Client

	closing context.Context // done when Close was called
	close   context.CancelFunc
}

// New makes a client. It opens nothing yet.
func New(cfg Config) *Client {
	c := &Client{
		guard:    newGuard(&cfg, new(ownList).get),
		resolver: cfg.Resolver,
		tls:      tlsConfig(cfg.RootCAs),
		agent:    cfg.UserAgent,
	}
	c.proxies = newProxies(c.guard, cfg.Proxies)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c.pool = newPool(limits{
		perKey: cmp.Or(cfg.MaxIdlePerHost, 256),
		total:  cmp.Or(cfg.MaxIdle, 4096),
		idle:   cmp.Or(cfg.IdleTimeout, 55*time.Second),
		age:    cmp.Or(cfg.MaxConnAge, 5*time.Minute),
	}, cfg.Now)
	if c.resolver == nil {
		c.resolver = &net.Resolver{PreferGo: true}
	}
	if c.agent == "" {
		c.agent = "Bellhop"
	}
	c.standard = sync.OnceValue(c.newHTTP)
	c.closing, c.close = context.WithCancel(context.Background())
	return c
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() {
	c.pool.closeIdle()
	c.standard().CloseIdleConnections()
}

// Close cuts every exchange of Do that is under way, which then fails with [ClassCanceled], and refuses new ones.
// It does not wait for them, and leaves responses of HTTP that are still being read.
func (c *Client) Close() {
	c.close()
	c.pool.close()
	c.standard().CloseIdleConnections()
}
