package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// metadataAddrs are the addresses at which clouds hand out credentials to any caller from inside. No RFC marks
// 168.63.129.16 as special, and most others lie in ranges that --allow-private opens.
var metadataAddrs = addresses(
	"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", // instances: nearly every cloud, AWS and Google over IPv6
	"169.254.170.2", "169.254.170.23", "fd00:ec2::23", // AWS containers and pods
	"168.63.129.16",                // Azure's WireServer
	"100.100.100.200",              // Alibaba
	"192.0.0.192",                  // Oracle, legacy
	"169.254.42.42", "fd00:42::42", // Scaleway
)

// privateNets are the networks that --allow-private opens: those of local work, companies and laboratories.
// Link-local, multicast, unspecified, reserved and IPv6 transition ranges stay closed.
var privateNets = prefixes(
	"127.0.0.0/8", "::1/128",
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
	// Carriers' NAT, also used by overlay networks.
	"100.64.0.0/10",
	// Tests and documentation.
	"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32", "3fff::/20",
)

// A guard decides to which addresses and ports connections may be made. It is immutable.
type guard struct {
	allowPrivate bool
	allow        []netip.Prefix // IPv4 prefixes in their IPv4 form
	forProxies   bool           // judges addresses that are dialled as proxies
	ports        func(port uint16) bool
	local        func() []netip.Addr // returns the addresses of this machine's interfaces
	dial         dialFunc            // nil is that of dialer
	public       *ssrf.Guardian      // follows the IANA registries of special addresses
}

func newGuard(cfg *Config, local func() []netip.Addr) *guard {
	g := &guard{
		allowPrivate: cfg.AllowPrivate,
		ports:        cfg.Ports,
		local:        local,
		dial:         cfg.Dial,
		public:       ssrf.New(ssrf.WithAnyPort()),
	}
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

// checkAddr returns nil if connections to a are permitted, or an error that says what kind of address a is and
// which setting would permit it.
func (g *guard) checkAddr(a netip.Addr) error {
	if !a.IsValid() || a.Zone() != "" {
		return errors.New("an address with a zone is never permitted")
	}
	a = a.Unmap()
	if g.forProxies && slices.Contains(metadataAddrs, a) {
		return errMetadataProxy(a)
	}
	if slices.Contains(metadataAddrs, a) {
		if slices.Contains(g.allow, netip.PrefixFrom(a, a.BitLen())) {
			return nil
		}
		return fmt.Errorf("%s hands out a cloud's credentials; the server permits it only with --allow %s/%d",
			a, a, a.BitLen())
	}
	if g.allowed(a) {
		return nil
	}
	local := slices.Contains(g.local(), a)
	switch {
	case g.allowPrivate && (local || contains(privateNets, a)):
		return nil
	case g.public.SafeAddr(a) != nil:
		return fmt.Errorf("%s is %s%s", a, kind(a), g.howToPermit(a))
	case local:
		return fmt.Errorf("%s is an address of this server%s", a, g.howToPermit(a))
	}
	return nil
}

// checkPort returns nil if connections to port are permitted at a. For a name, a is the zero Addr. A port that
// may be permitted at some address of the name then passes, and is judged when that address is dialled.
func (g *guard) checkPort(a netip.Addr, port uint16) error {
	if g.allowPrivate || g.ports(port) || g.allowed(a.Unmap()) || !a.IsValid() && len(g.allow) > 0 {
		return nil
	}
	return fmt.Errorf("port %d is not one for webhooks (80, 443, or 1024 and above without well-known services); "+
		"the server permits any with --allow-private", port)
}

// check judges one address and port.
func (g *guard) check(ap netip.AddrPort) error {
	if err := g.checkAddr(ap.Addr()); err != nil {
		return err
	}
	return g.checkPort(ap.Addr(), ap.Port())
}

// allowed reports whether a is in a network that the operator listed with --allow.
func (g *guard) allowed(a netip.Addr) bool { return contains(g.allow, a) }

// permitPrivate ends the refusal of a private address or name.
const permitPrivate = "; the server permits it with --allow-private, or --allow CIDR"

// howToPermit returns the end of a refusal: the setting of the server that would permit a.
func (g *guard) howToPermit(a netip.Addr) string {
	if contains(privateNets, a) {
		return permitPrivate
	}
	return "; the server permits it with --allow CIDR"
}

// kind returns in words why a is special.
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

// DefaultPorts is the rule for ports if [Config] has none. It permits 80, 443, and the ports from 1024 up
// except those of well-known services, which might take an HTTP request for a command of theirs. It permits 553
// too, which the validation URLs of Event Grid have.
func DefaultPorts(port uint16) bool {
	switch {
	case port == 80, port == 443, port == 553:
		return true
	case port < 1024:
		return false
	}
	_, known := slices.BinarySearch(servicePorts, port)
	return !known
}

// servicePorts are ports at and above 1024, in order, at which usually another service than a web server
// listens. The list joins the blocked ports of the Fetch standard and ports that are often attacked through
// other servers.
var servicePorts = []uint16{
	1080, 1433, 1434, 1521, 1719, 1720, 1723, 1883, // SOCKS, SQL Server, Oracle, H.323, PPTP, MQTT
	2049, 2181, 2375, 2376, 2379, 2380, // NFS, ZooKeeper, Docker, etcd
	3128, 3260, 3306, 3389, 3659, // Squid, iSCSI, MySQL, RDP, Apple SASL
	4045, 4190, 4369, // NFS lock, ManageSieve, Erlang
	5060, 5061, 5432, 5671, 5672, 5900, 5901, 5984, 5985, 5986, // SIP, PostgreSQL, AMQP, VNC, CouchDB, WinRM
	6000, 6379, 6380, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, // X11, Redis, Kubernetes, SANE, IRC
	7001, 7199, 7474, 7687, // WebLogic, Cassandra, Neo4j
	8086, 8200, 8300, 8301, 8302, 8500, 8501, // InfluxDB, Vault, Consul
	9042, 9092, 9160, 9200, 9300, // Cassandra, Kafka, Elasticsearch
	10080, 10248, 10249, 10250, 10255, 10256, 10257, 10259, // Amanda, Kubernetes nodes
	11211, 15672, 25672, 26379, 27017, 27018, 27019, 28015, // memcached, RabbitMQ, Redis Sentinel, MongoDB, RethinkDB
	50000, 50070, 61616, // Db2, HDFS, ActiveMQ
}
