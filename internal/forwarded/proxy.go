package forwarded

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/pires/go-proxyproto"
)

// A conn is a connection of a trusted proxy, which begins with a header of the PROXY protocol.
type conn struct {
	*proxyproto.Conn
	trust *Trust
	told  sync.Once
}

// NetConn returns the connection below.
func (c *conn) NetConn() net.Conn { return c.Raw() }

// Read implements [net.Conn]. It fails if the header is missing or bad.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && !errors.Is(err, io.EOF) && c.ProxyHeader() == nil {
		c.told.Do(func() { c.trust.refuse(noHeader, c.Raw().RemoteAddr().String()) })
	}
	return n, err
}

// Conn returns c with the address of the client that its header of the PROXY protocol names, version 1 or 2, if it is
// a connection of a trusted proxy: then it has to have one, within timeout. Of any other it returns c. A proxy that
// calls for itself, to see whether the server is well, is the client. Conn calls named, once, with the client's
// address, when that is known.
func (t *Trust) Conn(c net.Conn, timeout time.Duration, named func(client netip.Addr)) net.Conn {
	if !t.trusts(bellhop.ClientAddr(c.RemoteAddr().String())) {
		return c
	}
	return &conn{trust: t, Conn: proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE),
		proxyproto.SetReadHeaderTimeout(timeout), proxyproto.ValidateHeader(func(h *proxyproto.Header) error {
			if h.SourceAddr == nil || h.Command.IsLocal() {
				return nil
			}
			client := bellhop.ClientAddr(h.SourceAddr.String())
			if client.IsValid() {
				named(client)
			} else {
				h.SourceAddr = nil // of a Unix socket; without one, the address is that of the proxy
			}
			return nil
		}))}
}
