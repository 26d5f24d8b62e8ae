package http1

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// Limits bound the connections that a transport keeps.
type Limits struct {
	IdlePerKey  int           // idle connections of one key
	Idle        int           // idle connections in all
	IdleTimeout time.Duration // an idle connection is closed after this time
	MaxAge      time.Duration // an older connection is not used again
}

// A pool knows all connections of a transport and lends the idle ones, the most recently used first. A
// connection is idle, in the lists below, or lent: then the caller of get or add owns it, until it hands it to
// put or drop.
type pool struct {
	limits Limits
	now    func() time.Time

	mu sync.Mutex // protects everything below, all hostPools, and the pool's fields of each conn

	hosts          map[string]*hostPool // by key
	open           map[*conn]struct{}   // idle or lent
	oldest, newest *conn                // ends of the list of all idle connections, by idleAt
	idle           int                  // length of that list
	sweeper        *time.Timer          // calls sweep; nil while no connection is idle
	closed         bool
}

// A hostPool holds the connections of one key, which is usually that of a host.
type hostPool struct {
	key  string
	idle []*conn // the most recently used last
	open int     // how many connections, idle or lent; at 0 the hostPool is removed
}

// A conn is a connection of a pool.
type conn struct {
	net.Conn // carries the bytes: TCP, or TLS over it

	tcp net.Conn        // the TCP connection itself
	raw syscall.RawConn // of tcp; nil if it has none

	// Set by pool.add, and constant afterwards.
	host *hostPool
	born time.Time

	// Owned by the pool, while idle.
	idleAt       time.Time
	older, newer *conn
}

func newConn(stream, tcp net.Conn) *conn {
	c := &conn{Conn: stream, tcp: tcp}
	if s, ok := tcp.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	return c
}

// closedByPeer reports whether the server has closed c, or has sent bytes that answer no request. Such bytes may be
// anywhere between the socket and the reader of c: with TLS, some of them may be decrypted already.
func (c *conn) closedByPeer() bool {
	if c.raw != nil {
		quiet := true
		if err := c.raw.Control(func(fd uintptr) { quiet = nothingToRead(fd) }); err != nil || !quiet {
			return true
		}
	}
	return !silent(c.Conn)
}

// spokeFirst reports whether the server has sent bytes on c, a new connection, before any request. With TLS the
// socket, and a part of a record, may be of the end of the handshake.
func (c *conn) spokeFirst() (data bool) {
	if s, ok := c.Conn.(*secured); ok {
		data, _ = s.unread()
	} else if c.raw != nil {
		c.raw.Control(func(fd uintptr) { data = somethingToRead(fd) })
	}
	return data
}

func newPool(l Limits, now func() time.Time) *pool {
	return &pool{limits: l, now: now, hosts: make(map[string]*hostPool), open: make(map[*conn]struct{})}
}

// add registers c, which was just opened and is lent to the caller. If the pool is closed, it closes c.
func (p *pool) add(key string, c *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.tcp.Close()
		return net.ErrClosed
	}
	c.born = p.now()
	c.host = p.hosts[key]
	if c.host == nil {
		c.host = &hostPool{key: key}
		p.hosts[key] = c.host
	}
	c.host.open++
	p.open[c] = struct{}{}
	return nil
}

// get lends the idle connection of key that was used last, or returns nil.
func (p *pool) get(key string) *conn {
	now := p.now()
	p.mu.Lock()
	h := p.hosts[key]
	for h != nil && len(h.idle) > 0 {
		c := h.idle[len(h.idle)-1]
		p.removeIdle(c)
		rested := now.Sub(c.idleAt)
		p.mu.Unlock()
		if rested < p.limits.IdleTimeout && now.Sub(c.born) < p.limits.MaxAge && !c.closedByPeer() {
			return c
		}
		p.drop(c)
		p.mu.Lock()
	}
	p.mu.Unlock()
	return nil
}

// put takes back a lent connection on which another request can follow.
func (p *pool) put(c *conn) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || now.Sub(c.born) >= p.limits.MaxAge || len(c.host.idle) >= p.limits.IdlePerKey {
		p.discard(c)
		return
	}
	p.addIdle(c, now)
	if p.idle > p.limits.Idle {
		p.discardOldest()
	}
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(p.limits.IdleTimeout, p.sweep)
	}
}

// drop closes a lent connection.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.discard(c)
}

// sweep closes connections that have been idle for too long. It schedules itself again while any connection is
// idle.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for p.oldest != nil && now.Sub(p.oldest.idleAt) >= p.limits.IdleTimeout {
		p.discardOldest()
	}
	if p.oldest == nil {
		p.sweeper = nil
		return
	}
	p.sweeper = time.AfterFunc(p.limits.IdleTimeout-now.Sub(p.oldest.idleAt), p.sweep)
}

// closeIdle closes all connections that are not lent.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.oldest != nil {
		p.discardOldest()
	}
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
}

// close closes all connections, the lent ones too, and makes add refuse new ones.
func (p *pool) close() {
	p.closeIdle()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.open {
		c.tcp.Close() // the exchange that uses it fails, and drops it
	}
}

// addIdle makes c, which was lent, the newest idle connection. The caller of this function, and of all below,
// holds mu.
func (p *pool) addIdle(c *conn, now time.Time) {
	c.idleAt = now
	c.host.idle = append(c.host.idle, c)
	c.older = p.newest
	if c.older == nil {
		p.oldest = c
	} else {
		c.older.newer = c
	}
	p.newest = c
	p.idle++
}

// removeIdle removes c from the idle connections.
func (p *pool) removeIdle(c *conn) {
	list := c.host.idle
	i := len(list) - 1
	for list[i] != c {
		i--
	}
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	c.host.idle = list[:len(list)-1]

	if c.older == nil {
		p.oldest = c.newer
	} else {
		c.older.newer = c.newer
	}
	if c.newer == nil {
		p.newest = c.older
	} else {
		c.newer.older = c.older
	}
	c.older, c.newer = nil, nil
	p.idle--
}

// discardOldest closes the connection that has been idle for longest.
func (p *pool) discardOldest() {
	c := p.oldest
	p.removeIdle(c)
	p.discard(c)
}

// discard closes c, which is not idle. It closes the TCP connection, since the closing message of TLS could
// block.
func (p *pool) discard(c *conn) {
	c.tcp.Close()
	delete(p.open, c)
	c.host.open--
	if c.host.open == 0 {
		delete(p.hosts, c.host.key)
	}
}
