package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// splitPort splits "host", "host:port", "[v6]" or "[v6]:port"; brackets are kept.
func splitPort(hostport string) (host, port string, err error) {
	host = hostport
	end := strings.IndexByte(hostport, ']') + 1
	if i := strings.IndexByte(hostport[end:], ':'); i >= 0 {
		host, port = hostport[:end+i], hostport[end+i+1:]
	}
	if strings.HasPrefix(host, "[") != (end > 0) || end > 0 && end != len(host) {
		return "", "", errors.New("the brackets of the host do not match")
	}
	return host, port, nil
}

// parsePort reads a port written plainly: no sign, no leading zero.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return 0, errors.New("the port must be a number from 1 to 65535")
	}
	return uint16(n), nil
}

// parseHost reads a host that is either a name, which it returns in lower case without trailing dot, or an address.
func parseHost(host string) (name string, addr netip.Addr, err error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		switch {
		case err != nil, addr.Is4():
			return "", netip.Addr{}, errors.New("what is in the host's brackets is not an IPv6 address")
		case addr.Zone() != "":
			return "", netip.Addr{}, errors.New("an IPv6 address in a URL must not have a zone (%…)")
		}
		return "", addr.Unmap(), nil
	}
	if host == "" {
		return "", addr, errors.New("the URL has no host")
	}
	name = strings.TrimSuffix(strings.ToLower(host), ".")
	if err = checkLabels(name); err != nil {
		return "", addr, err
	}
	if !endsInNumber(name) {
		return name, addr, nil
	}
	// Resolvers read 127.1, 0177.0.0.1, 0x7f000001 and 2130706433 as addresses; we read only the plain form.
	if addr, err = netip.ParseAddr(host); err != nil {
		return "", netip.Addr{}, errors.New("a host whose last part is a number must be an IPv4 address of four decimal parts")
	}
	return "", addr, nil
}

// checkLabels checks the form of a name in lower case: labels of 1 to 63 letters, digits, "-" and "_", at most
// 253 bytes in all.
func checkLabels(name string) error {
	if len(name) > 253 {
		return errors.New("the host name is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("each part of the host name must have 1 to 63 characters")
		}
		for i := range len(label) {
			if b := label[i]; !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
				return fmt.Errorf("the host name has the character %q; letters, digits, - and _ are possible", b)
			}
		}
	}
	return nil
}

// endsInNumber reports whether the last label of name is one that some resolver takes for a number (WHATWG URL,
// "ends in a number"). No top-level domain is one.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// privateNames are the trees of names that mean something only inside a machine, a cluster or a company.
var privateNames = []string{
	"internal", "local", "localdomain", "svc", "cluster.local", "corp", "lan", "home", "intranet", "private",
	"arpa", "onion", "i2p", "alt", "invalid",
}

// metadataNames are public names that lead to a cloud's metadata service.
var metadataNames = []string{"metadata.tencentyun.com", "metadata.platformequinix.com", "metadata.packet.net"}

// checkName returns nil if a URL may have name as its host. It is a courtesy to whoever sets the URL: what
// counts is the guard's word on the addresses behind it. So where the operator has opened private networks, and
// names for what is in them are to be expected, it leaves the decision to that.
func (g *guard) checkName(name string) error {
	local := inTree(name, "localhost") || name == "localhost.localdomain"
	switch {
	case g.allowPrivate, len(g.allow) > 0 && !local:
		return nil
	case local && g.checkAddr(netip.AddrFrom4([4]byte{127, 0, 0, 1})) == nil:
		return nil
	case local || !strings.Contains(name, "."):
		return fmt.Errorf("%s is a name for a machine of its own network; the server permits it with --allow-private, or --allow CIDR", name)
	case slices.Contains(metadataNames, name):
		return fmt.Errorf("%s hands out a cloud's credentials", name)
	case slices.ContainsFunc(privateNames, func(tree string) bool { return inTree(name, tree) }):
		return fmt.Errorf("%s is a name of a private network; the server permits it with --allow-private, or --allow CIDR", name)
	}
	return nil
}

// inTree reports whether name is tree or below it.
func inTree(name, tree string) bool {
	head, ok := strings.CutSuffix(name, tree)
	return ok && (head == "" || strings.HasSuffix(head, "."))
}
