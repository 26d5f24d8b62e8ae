package egress

import (
	"fmt"
	"net/netip"
	"slices"
)

// The proxies are those that the operator listed, and the guard of what is dialled as one of them.
type proxies struct {
	guard  *guard
	listed []place
}

// newProxies makes a list of those among urls that CheckProxyURL lets through.
func newProxies(g *guard, urls []string) *proxies {
	p := &proxies{}
	for _, raw := range urls {
		if at, err := parseProxy(raw); err == nil {
			p.listed = append(p.listed, at)
		}
	}
	p.guard = g.forProxies(p.listed)
	return p
}

// forProxies is g for what is dialled as one of the proxies listed. To list one is to permit it, as --allow would: the
// address it is written as, or whatever private network its name leads into. Metadata services are no proxies.
func (g *guard) forProxies(listed []place) *guard {
	to := *g
	to.toProxies, to.allowPrivate, to.allow = true, true, slices.Clone(g.allow)
	for _, at := range listed {
		if at.addr.IsValid() {
			to.allow = append(to.allow, netip.PrefixFrom(at.addr, at.addr.BitLen()))
		}
	}
	return &to
}

// notAProxy says why a metadata service is none.
func notAProxy(a netip.Addr) error {
	return fmt.Errorf("%s hands out a cloud's credentials and is no proxy", a)
}

// CheckProxyURL returns nil if raw can be listed as a proxy: an http or https URL of a host and a port alone, which is no
// metadata service.
func CheckProxyURL(raw string) error {
	_, err := parseProxy(raw)
	return err
}

func parseProxy(raw string) (place, error) {
	u, err := parseURL(raw, MaxURLLength)
	switch {
	case err != nil:
		return place{}, badURL(err.Error())
	case u.Scheme != "http" && u.Scheme != "https":
		return place{}, badURL("the URL must begin with http:// or https://")
	case u.User != nil:
		return place{}, badURL("the URL of a proxy must not hold a user name or password; destinations have their own")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return place{}, badURL("the URL of a proxy must not have a path or query")
	}
	at, err := parsePlace(u.Scheme, u.Host)
	if err != nil {
		return place{}, badURL(err.Error())
	}
	if slices.Contains(metadata, at.addr) {
		return place{}, &Error{Class: ClassBlocked, Phase: PhaseURL, Detail: notAProxy(at.addr).Error()}
	}
	return at, nil
}

// CheckProxy returns nil if raw can be a destination's proxy, or an error that says why not: it must be one of those
// that the operator listed, in whichever way that is written, and no metadata service.
func (c *Client) CheckProxy(raw string) error {
	_, err := c.proxies.parse(raw)
	return err
}

func (p *proxies) parse(raw string) (place, error) {
	at, err := parseProxy(raw)
	if err == nil {
		err = p.check(at)
	}
	if err == nil {
		err = p.guard.permit(at)
	}
	return at, err
}

// check refuses a proxy that is not listed.
func (p *proxies) check(at place) error {
	if slices.Contains(p.listed, at) {
		return nil
	}
	return &Error{Class: ClassBlocked, Phase: PhaseURL, Detail: "that is no proxy that the server was started with; its operator lists them by --proxies"}
}
