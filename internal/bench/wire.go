package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// A head is the start line of a request or answer, and what its headers say about the body. Other headers are ignored.
type head struct {
	first  []byte // the start line; overwritten by the next read
	length int    // of the body
	close  bool   // the connection is closed after this message
}

// errChunked: the bench does not implement chunked bodies.
var errChunked = errors.New("a chunked body; the bench reads bodies with a Content-Length")

// read reads a head from in.
func (h *head) read(in *bufio.Reader) error {
	h.first, h.length, h.close = h.first[:0], 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(h.first) == 0:
			h.first = append(h.first, line...)
		case len(line) == 0:
			return nil
		default:
			if err := h.field(line); err != nil {
				return err
			}
		}
	}
}

// field reads one header. The three names differ in length, which saves most comparisons.
func (h *head) field(line []byte) (err error) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch len(name) {
	case len("Connection"):
		if bytes.EqualFold(name, []byte("Connection")) {
			h.close = bytes.EqualFold(value, []byte("close"))
		}
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			h.length, err = strconv.Atoi(string(value))
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			return errChunked
		}
	}
	return err
}

// dialLoopback connects to a loopback address and port, such as "127.0.0.1:8080". It refuses other addresses and
// host names.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	if err := checkLoopback(address); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// checkLoopback returns an error unless address is a loopback address and port.
func checkLoopback(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not a loopback address and port; the bench stays on this machine", address)
	}
	return nil
}

// loopbackHost returns the address and port of an http URL, which must be a loopback address.
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

// newTransport returns a transport that keeps so many idle connections to each address and uses no proxy.
func newTransport(idle int) *http.Transport {
	return &http.Transport{DialContext: dialLoopback, MaxIdleConnsPerHost: idle, DisableCompression: true}
}
