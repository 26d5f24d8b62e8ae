package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// MaxURLLength bounds a destination's URL, in bytes.
const MaxURLLength = 2048

// CheckURL refuses all that can be refused when a URL is set: what is not a plain absolute http or https URL in
// ASCII, and hosts and ports that the settings do not permit. It resolves nothing: addresses behind a name are
// judged when they are dialled. The result is normal: scheme and host in lower case, no trailing dot, no default port.
//
// Errors are of type [*Error], of class [ClassBadURL] or, where a setting of the server would lift it, [ClassBlocked].
func (c *Client) CheckURL(raw string) (*url.URL, error) {
	u, _, err := c.checkURL(raw)
	return u, err
}

func (c *Client) checkURL(raw string) (*url.URL, place, error) {
	u, err := parseURL(raw, MaxURLLength)
	if err != nil {
		return nil, place{}, badURL(err.Error())
	}
	p, err := c.guard.checkPlace(u)
	if err != nil {
		return nil, place{}, err
	}
	u.Host = p.header()
	return u, p, nil
}

// checkPlace judges the scheme, host and port of u.
func (g *guard) checkPlace(u *url.URL) (place, error) {
	if u.Scheme != "http" && u.Scheme != "https" {
		return place{}, badURL("the URL must begin with http:// or https://")
	}
	if u.User != nil {
		return place{}, badURL("the URL must not hold a user name or password; use a header for credentials")
	}
	p, err := parsePlace(u.Scheme, u.Host)
	if err != nil {
		return place{}, badURL(err.Error())
	}
	return p, g.permit(p)
}

// permit judges the host and port of p.
func (g *guard) permit(p place) (err error) {
	if p.addr.IsValid() {
		err = g.checkAddr(p.addr)
	} else {
		err = g.checkName(p.name)
	}
	if err == nil {
		err = g.checkPort(p.addr, p.port)
	}
	if err != nil {
		return &Error{Class: ClassBlocked, Phase: PhaseURL, Detail: err.Error()}
	}
	return nil
}

// parseURL reads raw strictly. Parsers disagree about everything that is refused here, and an address that two
// parsers see differently passes the one and is reached by the other.
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
			return nil, fmt.Errorf("the URL has a non-ASCII character at byte %d; write host names in punycode and the rest percent-encoded", i)
		case b == '\\':
			return nil, errors.New(`the URL has a backslash; write "/", or %5C within a path or query`)
		case b == '#':
			return nil, errors.New("the URL has a fragment (#…), which would never be sent")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("the URL cannot be read: %w", WithoutURL(err))
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

// A place is where a URL leads: scheme, host and port.
type place struct {
	secure bool
	name   string     // lower case, without trailing dot; "" if the host is an address
	addr   netip.Addr // zero if the host is a name
	port   uint16
}

// parsePlace reads the host part of a URL.
func parsePlace(scheme, hostport string) (place, error) {
	p := place{secure: scheme == "https", port: 80}
	if p.secure {
		p.port = 443
	}
	host, port, err := splitPort(hostport)
	if err != nil {
		return p, err
	}
	if port != "" {
		if p.port, err = parsePort(port); err != nil {
			return p, err
		}
	}
	p.name, p.addr, err = parseHost(host)
	return p, err
}

// host is the host as it is dialled and certified: no brackets, no port.
func (p place) host() string {
	if p.addr.IsValid() {
		return p.addr.String()
	}
	return p.name
}

// header is the host as the Host header has it: brackets where needed, the port unless it is the scheme's own.
func (p place) header() string {
	if p.port == 80 && !p.secure || p.port == 443 && p.secure {
		return strings.TrimSuffix(p.authority(), fmt.Sprintf(":%d", p.port))
	}
	return p.authority()
}

// authority is the host as a proxy wants it: brackets where needed, the port always.
func (p place) authority() string { return net.JoinHostPort(p.host(), strconv.Itoa(int(p.port))) }

// key names the pool of connections that lead there.
func (p place) key() string {
	if p.secure {
		return "https://" + p.header()
	}
	return "http://" + p.header()
}
