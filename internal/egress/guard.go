package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// metadata are the addresses at which clouds hand out credentials to whoever asks from inside. No RFC marks
// 168.63.129.16 as special, and most others lie in ranges that --allow-private opens.
var metadata = addresses(
	"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", // instances: nearly every cloud, AWS and Google over IPv6
	"169.254.170.2", "169.254.170.23", "fd00:ec2::23", // AWS containers and pods
	"168.63.129.16",                // Azure's WireServer
	"100.100.100.200",              // Alibaba
	"192.0.0.192",                  // Oracle, legacy
	"169.254.42.42", "fd00:42::42", // Scaleway
)

// private is what --allow-private opens: where local work, company networks and laboratories live. Link-local,
// multicast, unspecified, reserved and IPv6 transition ranges stay closed.
var private = prefixes(
	"127.0.0.0/8", "::1/128",
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
	"100.64.0.0/10",                                                                                    // carriers' NAT, also used by overlay networks
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32", "3fff::/20", // tests, documents
)

// A guard decides to which addresses and ports connections may be made.
type guard struct {
	allowPrivate bool
	allow        []netip.Prefix // v4 prefixes as v4
	toProxies    bool           // is for what is dialled as a proxy
	ports        func(port uint16) bool
	own          func() []netip.Addr // the addresses of this machine's interfaces
	dial         dialFunc            // nil is that of dialer
	public       *ssrf.Guardian      // follows the IANA registries of special addresses
}

func newGuard(cfg *Config, own func() []netip.Addr) *guard {
	g := &guard{allowPrivate: cfg.AllowPrivate, ports: cfg.Ports, own: own, dial: cfg.Dial, public: ssrf.New(ssrf.WithAnyPort())}
	for _, p := range cfg.Allow {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		g.allow = append(g.allow, p.Masked())
	}
	if g.ports == nil {
		g.ports = DefaultPorts
	}
	return g
}

// checkAddr returns nil if connections to a are permitted, or an error that says what a is and how to permit it.
func (g *guard) checkAddr(a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" {
		return errors.New("an address with a zone is never permitted")
	}
	a = a.Unmap()
	if g.toProxies && slices.Contains(metadata, a) {
		return notAProxy(a)
	}
	if slices.Contains(metadata, a) {
		if slices.Contains(g.allow, netip.PrefixFrom(a, a.BitLen())) {
			return nil
		}
		return fmt.Errorf("%s hands out a cloud's credentials; the server permits it only with --allow %s/%d", a, a, a.BitLen())
	}
	if g.listed(a) {
		return nil
	}
	own := slices.Contains(g.own(), a)
	switch {
	case g.allowPrivate && (own || contains(private, a)):
		return nil
	case g.public.SafeAddr(a) != nil:
		return fmt.Errorf("%s is %s%s", a, kind(a), g.howToPermit(a))
	case own:
		return fmt.Errorf("%s is an address of this server%s", a, g.howToPermit(a))
	}
	return nil
}

// checkPort returns nil if connections to port are permitted at a. For a name, a is the zero Addr; what
// depends on its address is then left to the dial.
func (g *guard) checkPort(a netip.Addr, port uint16) error {
	if g.allowPrivate || g.ports(port) || g.listed(a.Unmap()) || !a.IsValid() && len(g.allow) > 0 {
		return nil
	}
	return fmt.Errorf("port %d is not one for webhooks (80, 443, or 1024 and above without well-known services); the server permits any with --allow-private", port)
}

// check judges one address and port: the last word before a connection is made.
func (g *guard) check(ap netip.AddrPort) error {
	if err := g.checkAddr(ap.Addr()); err != nil {
		return err
	}
	return g.checkPort(ap.Addr(), ap.Port())
}

// listed reports whether the operator listed a network that a belongs to.
func (g *guard) listed(a netip.Addr) bool { return contains(g.allow, a) }

// howToPermit ends a refusal with the setting of the server that would lift it.
func (g *guard) howToPermit(a netip.Addr) string {
	if contains(private, a) {
		return "; the server permits it with --allow-private, or --allow CIDR"
	}
	return "; the server permits it with --allow CIDR"
}

// kind says in words what is special about a.
func kind(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "a loopback address"
	case a.IsPrivate():
		return "a private address"
	case a.IsLinkLocalUnicast():
		return "a link-local address"
	case a.IsMulticast():
		return "a multicast address"
	case a.IsUnspecified():
		return "the unspecified address"
	}
	return "not an address of the public internet"
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

func addresses(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}
