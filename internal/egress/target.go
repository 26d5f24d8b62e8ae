package egress

import (
	"crypto/tls"
	"net/url"
)

// A Target is a URL made ready for many requests: checked, taken apart, its part of each request rendered.
// It is immutable and may be kept for as long as the client.
type Target struct {
	place
	tls   *tls.Config // without ServerName
	proxy *proxy      // nil is none
	pool  string      // the key of its connections
	where string      // host:port for messages
	head  string      // what follows the method in a request: " /path?query HTTP/1.1\r\nHost: …\r\n"
	agent string      // "User-Agent: …\r\n"
}

// Target checks raw as CheckURL does, and the proxy of way as CheckProxy does, and makes raw ready to be reached that way.
func (c *Client) Target(raw string, way Route) (*Target, error) {
	u, p, err := c.checkURL(raw)
	if err != nil {
		return nil, err
	}
	t := &Target{
		place: p,
		tls:   c.tls,
		pool:  p.key(),
		where: p.header(),
		agent: string(AppendHeader(nil, "User-Agent", c.agent)),
	}
	if err := c.lead(t, way); err != nil {
		return nil, err
	}
	t.head = t.requestHead(u)
	return t, nil
}

// WithPath is t for another path and query at the same place, such as that of a handshake; all the rest is that of t.
func (t *Target) WithPath(raw string) (*Target, error) {
	u, err := parseURL(raw, 2*MaxURLLength)
	if err != nil {
		return nil, badURL(err.Error())
	}
	p, err := parsePlace(u.Scheme, u.Host)
	if err != nil {
		return nil, badURL(err.Error())
	}
	if p != t.place {
		return nil, badURL("the URL leads elsewhere")
	}
	other := *t
	other.head = t.requestHead(u)
	return &other, nil
}

// requestHead is what of u goes into each request. A proxy that is to pass on the request itself is told the whole URL.
func (t *Target) requestHead(u *url.URL) string {
	target, end := u.RequestURI(), ""
	if t.proxy != nil && !t.secure {
		target, end = t.key()+target, t.proxy.authorization
	}
	return " " + target + " HTTP/1.1\r\nHost: " + t.header() + "\r\n" + end
}

// ahead is what an exchange in phase deals with, for messages: the proxy, as long as there is no way through it.
func (t *Target) ahead(phase Phase) string {
	if t.proxy != nil && (phase == PhaseDNS || phase == PhaseDial || phase == PhaseProxy) {
		return t.proxy.String()
	}
	return t.where
}

// String is the scheme, host and port: no path, which may hold a secret.
func (t *Target) String() string { return t.key() }
