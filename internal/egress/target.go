package egress

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/url"
)

// A Route says how one destination is reached, and as whom, where that differs from other destinations.
// Destinations whose routes differ never share connections or TLS sessions. The zero Route is the direct one
// without a certificate.
type Route struct {
	Certificate *tls.Certificate    // shown to a server that asks for one; nil is none
	Authorities []*x509.Certificate // that may sign the server's certificate; none are the client's RootCAs

	Proxy                        string // a URL that Client.CheckProxy accepts; "" is none
	ProxyUsername, ProxyPassword string // sent to the proxy alone, unless the name is ""
}

// A Target is a URL made ready for many requests: checked, taken apart, and its part of each request rendered.
// It is immutable and may be kept for as long as the client.
type Target struct {
	origin
	tls       *tls.Config // without ServerName
	proxy     *proxy      // nil is none
	poolKey   string      // connections of targets with the same key are interchangeable
	label     string      // host[:port] and the proxy, for messages
	head      string      // what follows the method in a request: " /path?query HTTP/1.1\r\nHost: …\r\n"
	userAgent string      // "User-Agent: …\r\n"
}

// Target checks raw as CheckURL does, and the route's proxy as CheckProxy does. It returns the target of
// requests to raw by that route.
func (c *Client) Target(raw string, route Route) (*Target, error) {
	u, o, err := c.checkURL(raw)
	if err != nil {
		return nil, err
	}
	t := &Target{
		origin:    o,
		tls:       c.tls,
		poolKey:   o.String(),
		label:     o.hostHeader(),
		userAgent: string(AppendHeader(nil, "User-Agent", c.userAgent)),
	}
	if err := c.applyRoute(t, route); err != nil {
		return nil, err
	}
	t.head = t.requestHead(u)
	return t, nil
}

// applyRoute makes t be reached by r.
func (c *Client) applyRoute(t *Target, r Route) error {
	if r.Certificate == nil && len(r.Authorities) == 0 && r.Proxy == "" {
		return nil
	}
	t.poolKey += " by " + r.fingerprint()
	t.tls = c.routeTLS(r)
	if r.Proxy == "" {
		return nil
	}
	o, err := c.proxies.parse(r.Proxy)
	if err != nil {
		return err
	}
	t.proxy = &proxy{origin: o, tls: c.tls, userAgent: t.userAgent}
	if r.ProxyUsername != "" {
		login := base64.StdEncoding.EncodeToString([]byte(r.ProxyUsername + ":" + r.ProxyPassword))
		t.proxy.authorization = string(AppendHeader(nil, "Proxy-Authorization", "Basic "+login))
	}
	t.label += " through " + t.proxy.String()
	return nil
}

// WithPath returns t with the path and query of raw, such as the URL of a handshake. raw must have the same
// scheme, host and port as t.
func (t *Target) WithPath(raw string) (*Target, error) {
	u, err := parseURL(raw, 2*MaxURLLength)
	if err != nil {
		return nil, badURL(err.Error())
	}
	o, err := parseOrigin(u.Scheme, u.Host)
	if err != nil {
		return nil, badURL(err.Error())
	}
	if o != t.origin {
		return nil, badURL("the URL has another scheme, host or port")
	}
	other := *t
	other.head = t.requestHead(u)
	return &other, nil
}

// requestHead renders what each request to u has after its method. A proxy that passes on plain requests gets
// the whole URL, and its credentials.
func (t *Target) requestHead(u *url.URL) string {
	target, authorization := u.RequestURI(), ""
	if t.proxy != nil && !t.secure {
		target, authorization = t.origin.String()+target, t.proxy.authorization
	}
	return " " + target + " HTTP/1.1\r\nHost: " + t.hostHeader() + "\r\n" + authorization
}

// peer names the other end of an exchange in phase, for messages: the proxy, until the connection through it
// exists.
func (t *Target) peer(phase Phase) string {
	if t.proxy != nil && (phase == PhaseDNS || phase == PhaseDial || phase == PhaseProxy) {
		return t.proxy.String()
	}
	return t.label
}

// fingerprint distinguishes r from every other route. It reveals nothing of r.
func (r *Route) fingerprint() string {
	h := sha256.New()
	if r.Certificate != nil {
		for _, der := range r.Certificate.Certificate {
			hashPart(h, "certificate", der)
		}
	}
	for _, a := range r.Authorities {
		hashPart(h, "authority", a.Raw)
	}
	hashPart(h, "proxy", []byte(r.Proxy))
	hashPart(h, "user", []byte(r.ProxyUsername))
	hashPart(h, "password", []byte(r.ProxyPassword))
	return hex.EncodeToString(h.Sum(nil))
}

// hashPart writes b with its kind and length, so that different lists of parts are different bytes.
func hashPart(h hash.Hash, kind string, b []byte) {
	fmt.Fprintf(h, "%s %d\n", kind, len(b))
	h.Write(b)
}
