package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// dnsTimeout bounds one lookup, whatever the attempt has left.
const dnsTimeout = 5 * time.Second

// resolve returns where connections to p may be made: all its addresses, each judged by g. If one of them is
// forbidden it returns none: a name that answers with both is up to something.
func (c *Client) resolve(ctx context.Context, p place, g *guard) ([]netip.AddrPort, error) {
	if p.addr.IsValid() {
		if err := g.check(netip.AddrPortFrom(p.addr, p.port)); err != nil {
			return nil, blocked(err.Error(), err)
		}
		return []netip.AddrPort{netip.AddrPortFrom(p.addr, p.port)}, nil
	}
	addrs, err := c.lookup(ctx, p.name, !g.allowPrivate)
	if err != nil {
		return nil, err
	}
	out := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		ap := netip.AddrPortFrom(a.Unmap(), p.port)
		if err := g.check(ap); err != nil {
			return nil, blocked(p.name+" resolves to an address that is not permitted: "+err.Error(), err)
		}
		if !slices.Contains(out, ap) {
			out = append(out, ap)
		}
	}
	return out, nil
}

// lookup asks the resolver for all addresses of name; there is at least one. Rooted is with a trailing dot.
func (c *Client) lookup(ctx context.Context, name string, rooted bool) ([]netip.Addr, error) {
	if inTree(name, "localhost") { // RFC 6761: not for name servers
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
	return nil, &Error{Class: ClassDNS, Phase: PhaseDNS, Detail: dnsDetail(name, bounded.Err(), err), Err: err}
}

// dnsDetail says what became of the lookup of name. It leaves out which name server was asked: that is the
// operator's affair, not of whoever sees the attempt.
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
	return "looking up " + name + ": " + innermost(err).Error()
}

func blocked(detail string, err error) *Error {
	return &Error{Class: ClassBlocked, Phase: PhaseDial, Detail: detail, Err: err}
}
