package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// MaxURLLength bounds a destination's URL, in bytes.
const MaxURLLength = 2048

// CheckURL returns raw in its normal form: scheme and host in lower case, no trailing dot, no default port. It
// refuses everything that can be refused when a URL is set: any text that is not a plain absolute http or https
// URL in ASCII, and hosts and ports that the settings do not permit. It resolves no name: the addresses of a
// name are judged when they are dialled.
//
// Errors are of type [*Error]. Their class is [ClassBlocked] if a setting of the server would permit the URL, and
// [ClassBadURL] otherwise.
func (c *Client) CheckURL(raw string) (*url.URL, error) {
	u, _, err := c.checkURL(raw)
	return u, err
}

func (c *Client) checkURL(raw string) (*url.URL, origin, error) {
	u, err := parseURL(raw, MaxURLLength)
	if err != nil {
		return nil, origin{}, badURL(err.Error())
	}
	o, err := c.guard.checkURL(u)
	if err != nil {
		return nil, origin{}, err
	}
	u.Host = o.hostHeader()
	return u, o, nil
}

// checkURL judges the scheme, host and port of u, and returns them.
func (g *guard) checkURL(u *url.URL) (origin, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return origin{}, badURL("the URL must begin with http:// or https://")
	}
	if u.User != nil {
		return origin{}, badURL("the URL must not hold a user name or password; use access: username and password")
	}
	o, err := parseOrigin(u.Scheme, u.Host)
	if err != nil {
		return origin{}, badURL(err.Error())
	}
	return o, g.checkOrigin(o)
}

// checkOrigin judges the host and port of o.
func (g *guard) checkOrigin(o origin) (err error) {
	if o.addr.IsValid() {
		err = g.checkAddr(o.addr)
	} else {
		err = g.checkName(o.name)
	}
	if err == nil {
		err = g.checkPort(o.addr, o.port)
	}
	if err != nil {
		return &Error{Class: ClassBlocked, Phase: PhaseURL, Detail: err.Error()}
	}
	return nil
}

// parseURL reads raw strictly. Parsers disagree about everything that it refuses. A URL that two parsers
// understand differently could pass the check of one and be dialled as the other understands it.
func parseURL(raw string, maxLength int) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New("the URL is empty")
	}
	if len(raw) > maxLength {
		return nil, fmt.Errorf("the URL is longer than %d bytes", maxLength)
	}
	for i := range len(raw) {
		switch b := raw[i]; {
		case b <= ' ' || b == 0x7f:
			return nil, fmt.Errorf("the URL has a space or control character at byte %d", i)
		case b > 0x7f:
			return nil, fmt.Errorf(
				"the URL has a non-ASCII character at byte %d; write host names in punycode and "+
					"the rest percent-encoded", i)
		case b == '\\':
			return nil, errors.New(`the URL has a backslash; write "/", or %5C within a path or query`)
		case b == '#':
			return nil, errors.New("the URL has a fragment (#…), which would never be sent")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err // the URL may hold a secret
		}
		return nil, fmt.Errorf("the URL cannot be read: %w", err)
	}
	if u.Scheme == "" {
		return nil, errors.New("the URL must begin with http:// or https://")
	}
	if u.Opaque != "" {
		return nil, errors.New("the URL must have // after its scheme")
	}
	return u, nil
}

func badURL(detail string) *Error {
	return &Error{Class: ClassBadURL, Phase: PhaseURL, Detail: detail}
}

// An origin is the scheme, host and port of a URL.
type origin struct {
	secure bool       // https, otherwise http
	name   string     // lower case, without trailing dot; "" if the host is an address
	addr   netip.Addr // zero if the host is a name
	port   uint16
}

// parseOrigin reads the host part of a URL.
func parseOrigin(scheme, hostport string) (origin, error) {
	o := origin{secure: scheme == "https", port: 80}
	if o.secure {
		o.port = 443
	}
	host, port, err := splitPort(hostport)
	if err != nil {
		return o, err
	}
	if port != "" {
		if o.port, err = parsePort(port); err != nil {
			return o, err
		}
	}
	o.name, o.addr, err = parseHost(host)
	return o, err
}

// host returns the host as it is resolved and as certificates name it: no brackets, no port.
func (o origin) host() string {
	if o.addr.IsValid() {
		return o.addr.String()
	}
	return o.name
}

// hostHeader returns the value of the Host header: brackets around an IPv6 address, and the port unless it is the
// scheme's default.
func (o origin) hostHeader() string {
	if o.port == 80 && !o.secure || o.port == 443 && o.secure {
		return strings.TrimSuffix(o.authority(), fmt.Sprintf(":%d", o.port))
	}
	return o.authority()
}

// authority returns the host as CONNECT names it: brackets around an IPv6 address, and always the port.
func (o origin) authority() string { return net.JoinHostPort(o.host(), strconv.Itoa(int(o.port))) }

// String returns "scheme://host[:port]". A path, which may hold a secret, is not part of an origin.
func (o origin) String() string {
	if o.secure {
		return "https://" + o.hostHeader()
	}
	return "http://" + o.hostHeader()
}

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

// parsePort reads a decimal port without sign or leading zero.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] == '0' || s[0] == '+' {
		return 0, errors.New("the port must be a number from 1 to 65535")
	}
	return uint16(n), nil
}

// parseHost reads a host, which is a name or an address. It returns a name in lower case without trailing dot.
func parseHost(host string) (name string, addr netip.Addr, err error) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		switch {
		case err != nil, addr.Is4():
			return "", netip.Addr{}, errors.New("the brackets of the host hold no IPv6 address")
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
	// Some resolvers take 127.1, 0177.0.0.1, 0x7f000001 and 2130706433 for addresses. Only the plain form is
	// accepted.
	if addr, err = netip.ParseAddr(host); err != nil {
		return "", netip.Addr{}, errors.New(
			"a host whose last part is a number must be an IPv4 address of four decimal parts")
	}
	return "", addr, nil
}

// checkLabels checks the form of a name in lower case. Each label has 1 to 63 letters, digits, "-" and "_", and
// the name has at most 253 bytes.
func checkLabels(name string) error {
	if len(name) > 253 {
		return errors.New("the host name is longer than 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("each part of the host name must have 1 to 63 characters")
		}
		for i := range len(label) {
			b := label[i]
			if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
				return fmt.Errorf("the host name has the character %q; letters, digits, - and _ are possible", b)
			}
		}
	}
	return nil
}

// endsInNumber reports whether some resolver takes the last label of name for a number (WHATWG URL, "ends in a
// number"). No top-level domain is a number.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// privateNames are domains whose names have a meaning only inside a machine, a cluster or a company.
var privateNames = []string{
	"internal", "local", "localdomain", "svc", "cluster.local", "corp", "lan", "home", "intranet", "private",
	"arpa", "onion", "i2p", "alt", "invalid",
}

// metadataNames are public names of the metadata services of clouds.
var metadataNames = []string{"metadata.tencentyun.com", "metadata.platformequinix.com", "metadata.packet.net"}

// checkName returns nil if a URL may have name as its host. It tells the person who sets the URL early; the
// protection is the guard's check of the addresses when they are dialled. If the operator permitted private
// networks, names inside them are to be expected, and checkName leaves the decision to that later check.
func (g *guard) checkName(name string) error {
	local := inDomain(name, "localhost") || name == "localhost.localdomain"
	switch {
	case g.allowPrivate, len(g.allow) > 0 && !local:
		return nil
	case local && g.checkAddr(netip.AddrFrom4([4]byte{127, 0, 0, 1})) == nil:
		return nil
	case local || !strings.Contains(name, "."):
		return fmt.Errorf("%s is a name for a machine of its own network%s", name, permitPrivate)
	case slices.Contains(metadataNames, name):
		return fmt.Errorf("%s hands out a cloud's credentials", name)
	case slices.ContainsFunc(privateNames, func(domain string) bool { return inDomain(name, domain) }):
		return fmt.Errorf("%s is a name of a private network%s", name, permitPrivate)
	}
	return nil
}

// inDomain reports whether name is domain or below it.
func inDomain(name, domain string) bool {
	head, ok := strings.CutSuffix(name, domain)
	return ok && (head == "" || strings.HasSuffix(head, "."))
}
