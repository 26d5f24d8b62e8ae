package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/bellhop-gateway/bellhop/internal/egress/http1"
)

// A proxyList is the proxies that the operator listed, and the guard of connections to them. It is immutable.
type proxyList struct {
	guard  *guard
	listed []origin
}

// newProxyList makes a list of those urls that CheckProxyURL accepts. It drops the others.
func newProxyList(g *guard, urls []string) *proxyList {
	p := &proxyList{}
	for _, raw := range urls {
		if o, err := parseProxy(raw); err == nil {
			p.listed = append(p.listed, o)
		}
	}
	p.guard = g.proxyGuard(p.listed)
	return p
}

// proxyGuard returns the guard of connections to the listed proxies. Listing a proxy permits it as --allow
// would: the address it is written as, or any public or private address of its name. Metadata services are
// never permitted.
func (g *guard) proxyGuard(listed []origin) *guard {
	to := *g
	to.forProxies, to.allowPrivate, to.allow = true, true, slices.Clone(g.allow)
	for _, o := range listed {
		if o.addr.IsValid() {
			to.allow = append(to.allow, netip.PrefixFrom(o.addr, o.addr.BitLen()))
		}
	}
	return &to
}

// errMetadataProxy is the refusal of a metadata service as a proxy.
func errMetadataProxy(a netip.Addr) error {
	return fmt.Errorf("%s hands out a cloud's credentials and is no proxy", a)
}

// CheckProxyURL returns nil if raw can be listed as a proxy: an http or https URL of a host and a port alone,
// which is not the address of a metadata service.
func CheckProxyURL(raw string) error {
	_, err := parseProxy(raw)
	return err
}

func parseProxy(raw string) (origin, error) {
	u, err := parseURL(raw, MaxURLLength)
	switch {
	case err != nil:
		return origin{}, badURL(err.Error())
	case u.Scheme != "http" && u.Scheme != "https":
		return origin{}, badURL("the URL must begin with http:// or https://")
	case u.User != nil:
		return origin{}, badURL("the URL of a proxy must not hold a user name or password; " +
			"destinations have their own")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return origin{}, badURL("the URL of a proxy must not have a path or query")
	}
	o, err := parseOrigin(u.Scheme, u.Host)
	if err != nil {
		return origin{}, badURL(err.Error())
	}
	if slices.Contains(metadataAddrs, o.addr) {
		return origin{}, &Error{Class: ClassBlocked, Phase: PhaseURL, Detail: errMetadataProxy(o.addr).Error()}
	}
	return o, nil
}

// CheckProxy returns nil if raw can be a destination's proxy, or an error that says why not. It must be a proxy
// that the operator listed, though it may be written differently, and no metadata service.
func (c *Client) CheckProxy(raw string) error {
	_, err := c.proxies.parse(raw)
	return err
}

func (p *proxyList) parse(raw string) (origin, error) {
	o, err := parseProxy(raw)
	if err == nil {
		err = p.checkListed(o)
	}
	if err == nil {
		err = p.guard.checkOrigin(o)
	}
	return o, err
}

// checkListed refuses a proxy that is not listed.
func (p *proxyList) checkListed(o origin) error {
	if slices.Contains(p.listed, o) {
		return nil
	}
	return &Error{Class: ClassBlocked, Phase: PhaseURL,
		Detail: "the server was not started with this proxy; its operator lists them by --proxies"}
}

// A proxy is that of one target. Its origin is dialled and judged in place of the target's.
type proxy struct {
	origin
	tls           *tls.Config // of the connection to the proxy itself
	userAgent     string      // "User-Agent: …\r\n"
	authorization string      // "Proxy-Authorization: …\r\n", or ""
}

func (p *proxy) String() string { return "the proxy " + p.hostHeader() }

// openTunnel returns a connection through p on which requests to t can be sent. tcp is connected to p. For
// https it asks p for a tunnel. For http it asks for nothing: the proxy reads and passes on each request.
func (p *proxy) openTunnel(ctx context.Context, tcp net.Conn, t *Target) (net.Conn, error) {
	stream := tcp
	if p.secure {
		secured, err := http1.Secure(ctx, tcp, withServerName(p.tls, p.host()))
		if err != nil {
			return nil, p.tunnelError("cannot be trusted: "+tlsDetail(err), err)
		}
		stream = secured
	}
	if !t.secure {
		return stream, nil
	}
	return stream, p.connect(ctx, stream, t.authority())
}

// connect asks p, at the other end of stream, to connect it to the address to.
func (p *proxy) connect(ctx context.Context, stream net.Conn, to string) error {
	status, err := http1.Connect(ctx, stream, to, p.userAgent+p.authorization)
	switch {
	case err != nil:
		return p.tunnelError(connectDetail(err), err)
	case status < 200 || status >= 300:
		return p.refused(to, status)
	}
	return nil
}

// refused is the error of a proxy that answers status instead of connecting us to the address to.
func (p *proxy) refused(to string, status int) *Error {
	detail := fmt.Sprintf("did not connect to %s: it answered %d %s", to, status, http.StatusText(status))
	if status == http.StatusProxyAuthRequired {
		detail += ", which asks for a user and password, or for others"
	}
	return p.failed(detail, nil)
}

// tunnelError returns err if it is a timeout or a cancellation, and otherwise an error that blames the proxy.
func (p *proxy) tunnelError(detail string, err error) error {
	if c := classify(PhaseProxy, err); c == ClassTimeout || c == ClassCanceled || c == ClassLocal {
		return err
	}
	return p.failed(detail, err)
}

func (p *proxy) failed(detail string, err error) *Error {
	return &Error{Class: ClassProxy, Phase: PhaseProxy, Detail: p.String() + " " + detail, Err: err}
}

// connectDetail describes err, with which CONNECT failed before there was a status.
func connectDetail(err error) string {
	var protocol http1.ProtocolError
	switch {
	case errors.As(err, &protocol):
		return "did not answer CONNECT properly: " + protocol.Error()
	case http1.IsReset(err):
		return "reset the connection instead of answering CONNECT"
	}
	return "closed the connection instead of answering CONNECT"
}

// attributeToProxy adds to an error of the guard or the lookup that it concerns t's proxy, if t has one.
func (t *Target) attributeToProxy(err error) error {
	var e *Error
	if t.proxy == nil || !errors.As(err, &e) {
		return err
	}
	ofProxy := *e
	ofProxy.Detail = "the proxy: " + e.Detail
	return &ofProxy
}
