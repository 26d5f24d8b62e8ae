package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/forwarded"
)

// This file holds the addresses at which the server listens, and what is served at each.
//
// The front, at --listen, faces providers: the door, and unless other ports have them, the API and the pages. If the
// API is behind TLS or the PROXY protocol, a port at loopback serves it without, for the commands on this machine:
// they need neither the name nor the issuer of the certificate, send no header, and the key does not leave the
// machine.

// A port is an address at which the server listens, and the server of HTTP there.
type port struct {
	*limiter
	server  *http.Server
	secure  bool                    // clients speak TLS there
	proxied func(net.Conn) net.Conn // finds the client behind a proxy that speaks the PROXY protocol; nil without
}

// maxAPIConnections bounds the connections of a port of the API or the pages alone; more wait.
const maxAPIConnections = 512

// openPort begins to listen at an address. what says what is served there, and setting gives the address, for errors.
func (a *App) openPort(what, setting, address string, limit int, secure bool) (*port, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen%s: %w: choose another address with --%s", what, err, setting)
	}
	a.undoLater("listener"+what, func(context.Context) error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return &port{limiter: newLimiter(listener, limit, time.Now, a.log), secure: secure}, nil
}

// handle makes the server of a port, which serves handler.
func (a *App) handle(p *port, handler http.Handler) {
	p.server = a.newServer(handler)
	p.server.ConnState = p.limiter.state
	if p.secure {
		a.secure(p)
	}
}

// url returns the URL of the port for clients on this machine: "http://127.0.0.1:8080".
func (p *port) url() string {
	scheme := "http://"
	if p.secure {
		scheme = "https://"
	}
	return scheme + reachable(p.Addr())
}

// serve serves the port until its server is shut down.
func (p *port) serve() error {
	var listener net.Listener = p.limiter
	if p.proxied != nil {
		listener = proxiedListener{p.limiter, p.proxied}
	}
	if p.secure {
		return p.server.ServeTLS(listener, "", "")
	}
	return p.server.Serve(listener)
}

// A proxiedListener is a limiter behind proxies that speak the PROXY protocol.
type proxiedListener struct {
	*limiter
	proxied func(net.Conn) net.Conn
}

// Accept implements [net.Listener]. It does not wait for the header.
func (l proxiedListener) Accept() (net.Conn, error) {
	c, err := l.limiter.Accept()
	if err != nil {
		return nil, err
	}
	return l.proxied(c), nil
}

// clientOf returns a connection with the address of the client behind it, if a trusted proxy names it. The limiter
// counts it among that client's from then on.
func (a *App) clientOf(c net.Conn) net.Conn {
	return a.trust.Conn(c, min(readHeaderTimeout, a.opts.Config.ReadTimeout), func(client netip.Addr) {
		if conn := below(c); conn != nil {
			conn.limiter.rename(conn, bellhop.Sender(client.String()))
		}
	})
}

// ports returns the ports that exist, but for that of the metrics, which serves until the end of a stop.
func (a *App) ports() (all []*port) {
	for _, p := range []*port{a.front, a.apiPort, a.uiPort, a.localPort, a.plainPort} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// closePorts lets the requests that have begun end until ctx does, at all ports at the same time.
func (a *App) closePorts(ctx context.Context) {
	var closing sync.WaitGroup
	for _, p := range a.ports() {
		closing.Go(func() {
			if err := p.server.Shutdown(ctx); err != nil {
				a.log.Warn("request.interrupted", "error", err, "address", p.Addr().String(),
					"meaning", "requests that had not arrived whole were cut off")
				p.server.Close()
			}
		})
	}
	closing.Wait()
}

// listen begins to listen at every address but that of the metrics. It comes before the engine: a server that cannot
// be reached delivers nothing.
func (a *App) listen() (err error) {
	c := &a.opts.Config
	hasTLS := c.HasTLS()
	limit := a.maxConnections()
	a.streams.free.Store(int64(limit))
	if len(c.TrustedProxies) > 0 {
		a.trust = forwarded.New(c.TrustedProxies, time.Now, a.opts.Logger, a.registry)
	}
	if a.front, err = a.openPort("", "listen", c.Listen, limit, hasTLS); err != nil {
		return err
	}
	withAPI := a.front
	if c.ListenAPI != "" {
		address := localAddress(c.ListenAPI)
		a.apiPort, err = a.openPort(" for the API", "listen-api", address, maxAPIConnections,
			hasTLS && !isLocal(address))
		if err != nil {
			return err
		}
		withAPI = a.apiPort
	}
	if c.UI && c.UIListen != "" {
		address := localAddress(c.UIListen)
		a.uiPort, err = a.openPort(" for the pages", "ui-listen", address, maxAPIConnections,
			hasTLS && !isLocal(address))
		if err != nil {
			return err
		}
	}
	framed := c.ProxyProtocol && withAPI == a.front // a command of this machine may have the address of a proxy
	if withAPI.secure || framed || a.uiPort != nil && a.uiPort.secure {
		a.localPort, err = a.openPort(" for commands", "listen", "127.0.0.1:0", maxAPIConnections, false)
		if err != nil {
			return err
		}
	}
	if c.ListenHTTP != "" {
		a.plainPort, err = a.openPort(" for plain HTTP", "listen-http", c.ListenHTTP, limit, false)
		if err != nil {
			return err
		}
	}
	if c.ProxyProtocol {
		for _, p := range []*port{a.front, a.plainPort} {
			if p != nil {
				p.proxied = a.clientOf
			}
		}
	}
	a.hasPublicURL = c.PublicURL != "" || len(c.ACMEDomains) > 0
	switch {
	case c.PublicURL != "":
	case len(c.ACMEDomains) > 0: // the CA calls there, so providers can too
		c.PublicURL = "https://" + c.ACMEDomains[0]
	default:
		c.PublicURL = a.front.url()
	}
	return nil
}

// isLocal reports whether only this machine reaches an address to listen on.
func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	at, parseErr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || parseErr == nil && at.Unmap().IsLoopback())
}

// reachable returns the address at which a client on this machine finds a server that listens on addr: loopback
// for a server that listens on all addresses.
func reachable(addr net.Addr) string {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil || !at.Addr().IsUnspecified() {
		return addr.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}

// URL returns where the door is for clients on this machine: "http://127.0.0.1:8080".
func (a *App) URL() string { return a.front.url() }

// APIURL returns where the API is for clients on this machine: as [App.URL], unless the API has a port of its own.
func (a *App) APIURL() string {
	if a.apiPort != nil {
		return a.apiPort.url()
	}
	return a.front.url()
}

// commandURL returns the URL at which the commands on this machine call the API.
func (a *App) commandURL() string {
	if a.localPort != nil {
		return a.localPort.url()
	}
	return a.APIURL()
}

// Bounds of one connection of HTTP/2. A place for a connection would otherwise be one for 250 requests and a mebibyte.
const (
	maxStreams        = 32
	maxReceivedBuffer = 256 << 10
)

// secure gives the server of a port its certificate and HTTP/2. net/http bounds the time of a handshake by that of the
// headers, and answers plain HTTP with a short 400.
func (a *App) secure(p *port) {
	p.server.TLSConfig = a.certificate.Config()
	p.server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams,
		MaxReceiveBufferPerConnection: maxReceivedBuffer, MaxReceiveBufferPerStream: maxReceivedBuffer}
	p.server.ConnContext = withConn
	p.server.Handler = a.streams.bound(p.server.Handler, time.Now)
}

// below returns the connection of a limiter below c; nil if there is none.
func below(c net.Conn) *limitedConn {
	for {
		switch conn := c.(type) {
		case *limitedConn:
			return conn
		case interface{ NetConn() net.Conn }: // of TLS, or of a proxy
			c = conn.NetConn()
		default:
			return nil
		}
	}
}
