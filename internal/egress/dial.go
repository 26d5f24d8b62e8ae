package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// headStart is how long one address may try alone before the next joins in (RFC 8305, section 8).
	headStart = 250 * time.Millisecond
	// maxTries is how many addresses of one name are tried at most.
	maxTries = 8
)

// open makes a connection to t, ready for a request, by the deadline of ctx.
func (c *Client) open(ctx context.Context, t *Target) (*conn, Phase, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()
	if err := c.closing.Err(); err != nil {
		return nil, PhaseDial, err
	}

	tcp, phase, err := c.reach(ctx, t)
	if err != nil {
		return nil, phase, err
	}
	stream := tcp
	if t.proxy != nil {
		if stream, err = c.enter(ctx, t, tcp); err != nil {
			tcp.Close()
			return nil, PhaseProxy, err
		}
	}
	if t.secure {
		secured := tls.Client(stream, named(t.tls, t.host()))
		if err := secured.HandshakeContext(ctx); err != nil {
			tcp.Close()
			return nil, PhaseTLS, err
		}
		stream = secured
	}
	opened := newConn(stream, tcp)
	return opened, PhaseDial, c.pool.add(t.pool, opened)
}

// reach connects to where t is, or to its proxy, which then looks up the name of t by itself.
func (c *Client) reach(ctx context.Context, t *Target) (net.Conn, Phase, error) {
	next, guard := t.place, c.guard
	if t.proxy != nil {
		next, guard = t.proxy.place, c.proxies.guard
		if err := c.proxies.check(next); err != nil { // t may be older than the list
			return nil, PhaseDial, t.blame(err)
		}
	}
	addrs, err := c.resolve(ctx, next, guard)
	if err != nil {
		return nil, PhaseDNS, t.blame(err)
	}
	tcp, err := c.connect(ctx, guard, addrs)
	return tcp, PhaseDial, t.blame(err)
}

// connect opens a connection to one of addrs. They are tried in turn, the families alternating, each with a
// short head start over the next; the first to connect wins and the others are given up before connect returns.
func (c *Client) connect(ctx context.Context, g *guard, addrs []netip.AddrPort) (net.Conn, error) {
	if len(addrs) == 1 {
		return g.dialOne(ctx, addrs[0])
	}
	type outcome struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	addrs = alternate(addrs)
	results := make(chan outcome)
	running := 0
	launch := func() {
		if len(addrs) == 0 {
			return
		}
		a := addrs[0]
		addrs = addrs[1:]
		running++
		go func() {
			conn, err := g.dialOne(ctx, a)
			results <- outcome{conn, err}
		}()
	}
	var first error // the most preferred address tells best what is wrong, if it can be reached from here at all
	var won net.Conn
	patience := time.NewTicker(headStart)
	defer patience.Stop()
	for launch(); running > 0; {
		select {
		case <-patience.C:
			launch()
		case r := <-results:
			running--
			switch {
			case r.err == nil && won == nil:
				won, addrs = r.conn, nil
				cancel()
			case r.err == nil:
				r.conn.Close()
			case won == nil:
				if first == nil || errors.Is(first, syscall.ENETUNREACH) {
					first = r.err
				}
				if ctx.Err() == nil {
					launch()
				}
			}
		}
	}
	if won == nil {
		return nil, first
	}
	return won, nil
}

// alternate orders addrs for connect, the families by turns, beginning with the one that the resolver put first,
// and keeps at most maxTries.
func alternate(addrs []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort // that of the first address, and the other
	for _, a := range addrs {
		f := 0
		if a.Addr().Is4() != addrs[0].Addr().Is4() {
			f = 1
		}
		families[f] = append(families[f], a)
	}
	var out []netip.AddrPort
	for i := 0; i < max(len(families[0]), len(families[1])) && len(out) < maxTries; i++ {
		for _, family := range families {
			if i < len(family) {
				out = append(out, family[i])
			}
		}
	}
	return out
}

func (g *guard) dialOne(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
	if err := g.checkAddr(a.Addr()); err != nil { // of its port resolve knows, which is told what it is for
		return nil, blocked(err.Error(), err)
	}
	dial := g.dial
	if dial == nil {
		dial = g.dialer().DialContext
	}
	return dial(ctx, "tcp", a.String())
}

// A dialFunc opens connections as [net.Dialer.DialContext] does.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns a dialer that asks the guard once more, about the address that the socket is about to connect to.
func (g *guard) dialer() *net.Dialer {
	return &net.Dialer{
		KeepAlive: -1, // exchanges have deadlines, and idle connections do not grow old
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err == nil {
				err = g.checkAddr(a.Addr())
			}
			if err != nil {
				return blocked(err.Error(), err)
			}
			return nil
		},
	}
}
