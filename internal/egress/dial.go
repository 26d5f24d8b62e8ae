package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/http1"
)

const (
	// dnsTimeout bounds one lookup, even if the attempt has more time.
	dnsTimeout = 5 * time.Second
	// attemptDelay is how long the connection attempts wait for each other (RFC 8305, section 8).
	attemptDelay = 250 * time.Millisecond
	// maxAttempts is how many addresses of one name are tried at most.
	maxAttempts = 8
)

// open makes a connection for requests to t, by the deadline of ctx: it resolves and dials, opens a tunnel
// through t's proxy if it has one, and makes the TLS handshake. tcp is the connection below stream. phase is
// that in which an error occurred, and PhaseDial without one.
func (c *Client) open(ctx context.Context, t *Target) (stream, tcp net.Conn, phase Phase, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()
	if err := c.closing.Err(); err != nil {
		return nil, nil, PhaseDial, err
	}

	tcp, phase, err = c.dial(ctx, t)
	if err != nil {
		return nil, nil, phase, err
	}
	stream = tcp
	if t.proxy != nil {
		stream, err = t.proxy.openTunnel(ctx, tcp, t)
		if err != nil {
			tcp.Close()
			return nil, nil, PhaseProxy, err
		}
	}
	if t.secure {
		stream, err = http1.Secure(ctx, stream, withServerName(t.tls, t.host()))
		if err != nil {
			tcp.Close()
			return nil, nil, PhaseTLS, err
		}
	}
	return stream, tcp, PhaseDial, nil
}

// dial connects to the host of t, or to its proxy, which then looks up the name of t itself.
func (c *Client) dial(ctx context.Context, t *Target) (net.Conn, Phase, error) {
	next, guard := t.origin, c.guard
	if t.proxy != nil {
		next, guard = t.proxy.origin, c.proxies.guard
		// The proxy was on the list of the client that made t, which may be another client.
		if err := c.proxies.checkListed(next); err != nil {
			return nil, PhaseDial, t.attributeToProxy(err)
		}
	}
	addrs, err := c.resolve(ctx, next, guard)
	if err != nil {
		return nil, PhaseDNS, t.attributeToProxy(err)
	}
	tcp, err := guard.dialFirst(ctx, addrs)
	return tcp, PhaseDial, t.attributeToProxy(err)
}

// resolve returns the addresses of o, each judged by g. If one of them is forbidden it returns none: a name
// that has forbidden and permitted addresses is probably an attack.
func (c *Client) resolve(ctx context.Context, o origin, g *guard) ([]netip.AddrPort, error) {
	if o.addr.IsValid() {
		ap := netip.AddrPortFrom(o.addr, o.port)
		if err := g.check(ap); err != nil {
			return nil, blocked(err.Error(), err)
		}
		return []netip.AddrPort{ap}, nil
	}
	addrs, err := c.lookup(ctx, o.name, !g.allowPrivate)
	if err != nil {
		return nil, err
	}
	out := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		ap := netip.AddrPortFrom(a.Unmap(), o.port)
		if err := g.check(ap); err != nil {
			return nil, blocked(o.name+" resolves to an address that is not permitted: "+err.Error(), err)
		}
		if !slices.Contains(out, ap) {
			out = append(out, ap)
		}
	}
	return out, nil
}

// lookup asks the resolver for all addresses of name. On a nil error there is at least one. rooted adds a
// trailing dot, so that search domains do not apply.
func (c *Client) lookup(ctx context.Context, name string, rooted bool) ([]netip.Addr, error) {
	if inDomain(name, "localhost") { // which name servers must not be asked about (RFC 6761)
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	bounded, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	asked := name
	if rooted {
		asked += "."
	}
	addrs, err := c.resolver.LookupNetIP(bounded, "ip", asked)
	if err == nil && len(addrs) > 0 {
		return addrs, nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	if IsLocal(err) {
		return nil, &Error{Class: ClassLocal, Phase: PhaseDNS, Detail: localDetail(err), Err: err}
	}
	return nil, &Error{Class: ClassDNS, Phase: PhaseDNS, Detail: dnsDetail(name, bounded.Err(), err), Err: err}
}

// dnsDetail describes the failed lookup of name, which ended with err; late is the error of its deadline. The
// text does not name the name server: that concerns the operator, not everybody who may read the attempt.
func dnsDetail(name string, late, err error) string {
	var dns *net.DNSError
	switch isDNS := errors.As(err, &dns); {
	case err == nil:
		return name + " has no address"
	case isDNS && dns.IsNotFound:
		return "there is no host " + name
	case late != nil, isDNS && dns.IsTimeout:
		return "no answer from the name servers about " + name
	case isDNS:
		return "looking up " + name + ": " + dns.Err
	}
	return "looking up " + name + ": " + rootCause(err).Error()
}

func blocked(detail string, err error) *Error {
	return &Error{Class: ClassBlocked, Phase: PhaseDial, Detail: detail, Err: err}
}

// dialFirst opens a connection to one of addrs, as RFC 8305 describes. It tries them in turn, the address
// families alternating. The next attempt begins when attemptDelay has passed or an attempt has failed. The
// first connection wins, and every other attempt has ended before dialFirst returns.
func (g *guard) dialFirst(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	if len(addrs) == 1 {
		return g.dialOne(ctx, addrs[0])
	}
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	addrs = alternateFamilies(addrs)
	results := make(chan result)
	running := 0
	launch := func() {
		if len(addrs) == 0 {
			return
		}
		a := addrs[0]
		addrs = addrs[1:]
		running++
		go func() {
			conn, err := g.dialOne(ctx, a)
			results <- result{conn, err}
		}()
	}
	var won net.Conn
	// that of the most preferred address, unless its network cannot be reached from here at all; a local one comes
	// first
	var first error
	delay := time.NewTicker(attemptDelay)
	defer delay.Stop()
	for launch(); running > 0; {
		select {
		case <-delay.C:
			launch()
		case r := <-results:
			running--
			switch {
			case r.err == nil && won == nil:
				won, addrs = r.conn, nil
				cancel()
			case r.err == nil:
				r.conn.Close()
			case won == nil:
				if first == nil || errors.Is(first, syscall.ENETUNREACH) || IsLocal(r.err) {
					first = r.err
				}
				if ctx.Err() == nil {
					launch()
				}
			}
		}
	}
	if won == nil {
		return nil, first
	}
	return won, nil
}

// alternateFamilies orders addrs for dialFirst: the address families in turn, beginning with that of the first
// address. It keeps at most maxAttempts.
func alternateFamilies(addrs []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort // that of the first address, and the other
	for _, a := range addrs {
		f := 0
		if a.Addr().Is4() != addrs[0].Addr().Is4() {
			f = 1
		}
		families[f] = append(families[f], a)
	}
	var out []netip.AddrPort
	for i := 0; i < max(len(families[0]), len(families[1])) && len(out) < maxAttempts; i++ {
		for _, family := range families {
			if i < len(family) {
				out = append(out, family[i])
			}
		}
	}
	return out
}

// dialOne connects to a. resolve has judged its port; the address is judged again.
func (g *guard) dialOne(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
	if err := g.checkAddr(a.Addr()); err != nil {
		return nil, blocked(err.Error(), err)
	}
	dial := g.dial
	if dial == nil {
		dial = g.dialer().DialContext
	}
	return dial(ctx, "tcp", a.String())
}

// A dialFunc opens connections as [net.Dialer.DialContext] does.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns a dialer that asks the guard once more, about the address to which the socket is about to
// connect.
func (g *guard) dialer() *net.Dialer {
	return &net.Dialer{
		KeepAlive: -1, // not needed: exchanges have deadlines, and idle connections are closed soon
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err == nil {
				err = g.checkAddr(a.Addr())
			}
			if err != nil {
				return blocked(err.Error(), err)
			}
			return nil
		},
	}
}
