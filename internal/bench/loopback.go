package bench

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// dialLoopback connects to an address on this machine, such as "127.0.0.1:8080", and refuses every other, names included.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	if err := checkLoopback(address); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func checkLoopback(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address and port; the bench stays on this machine", address)
	}
	return nil
}

// loopbackHost returns the address in an http URL, which must be a loopback one.
func loopbackHost(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" {
		return "", fmt.Errorf("%s: use an http URL", text)
	}
	return u.Host, checkLoopback(u.Host)
}

// newTransport returns a transport that keeps so many idle connections to each address, and knows no proxy.
func newTransport(idle int) *http.Transport {
	return &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: idle, DisableCompression: true}
}
