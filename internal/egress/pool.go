package egress

import (
	"net"
	"sync"
	"time"
)

// limits are the bounds of a pool.
type limits struct {
	perKey, total int           // idle connections
	idle, age     time.Duration // of one connection
}

// A pool knows all connections of a client and lends the idle ones, the last used first.
type pool struct {
	limits limits
	now    func() time.Time

	mu             sync.Mutex
	shelves        map[string]*shelf
	open           map[*conn]struct{}
	oldest, newest *conn // all idle ones, by when they became idle
	idle           int   // how many those are
	sweeper        *time.Timer
	closed         bool
}

// A shelf holds the idle connections of one scheme, host and port, the last used at the end.
type shelf struct {
	key  string
	idle []*conn
	open int // connections of this key, idle or not; without any the shelf is removed
}

func newPool(l limits, now func() time.Time) *pool {
	return &pool{limits: l, now: now, shelves: make(map[string]*shelf), open: make(map[*conn]struct{})}
}

// add takes c, just opened and on loan to the caller, into account. Of a closed pool it closes c.
func (p *pool) add(key string, c *conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.tcp.Close()
		return net.ErrClosed
	}
	c.born = p.now()
	c.shelf = p.shelves[key]
	if c.shelf == nil {
		c.shelf = &shelf{key: key}
		p.shelves[key] = c.shelf
	}
	c.shelf.open++
	p.open[c] = struct{}{}
	return nil
}

// get lends the idle connection for key that was used last, or returns nil.
func (p *pool) get(key string) *conn {
	now := p.now()
	p.mu.Lock()
	s := p.shelves[key]
	for s != nil && len(s.idle) > 0 {
		c := s.idle[len(s.idle)-1]
		p.unshelve(c)
		rested := now.Sub(c.idleAt)
		p.mu.Unlock()
		if rested < p.limits.idle && now.Sub(c.born) < p.limits.age && !c.hungUp() {
			return c
		}
		p.drop(c)
		p.mu.Lock()
	}
	p.mu.Unlock()
	return nil
}

// put takes back a connection on which another request can follow.
func (p *pool) put(c *conn) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || now.Sub(c.born) >= p.limits.age || len(c.shelf.idle) >= p.limits.perKey {
		p.forget(c)
		return
	}
	p.shelve(c, now)
	if p.idle > p.limits.total {
		victim := p.oldest
		p.unshelve(victim)
		p.forget(victim)
	}
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(p.limits.idle, p.sweep)
	}
}

// drop closes a connection that is on loan.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(c)
}

// sweep closes what has been idle for too long, and comes again as long as anything is idle.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for p.oldest != nil && now.Sub(p.oldest.idleAt) >= p.limits.idle {
		c := p.oldest
		p.unshelve(c)
		p.forget(c)
	}
	if p.oldest == nil {
		p.sweeper = nil
		return
	}
	p.sweeper = time.AfterFunc(p.limits.idle-now.Sub(p.oldest.idleAt), p.sweep)
}

// closeIdle closes all connections that are not on loan.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.oldest != nil {
		c := p.oldest
		p.unshelve(c)
		p.forget(c)
	}
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
}

// close closes all connections, those on loan as well, and any that come later.
func (p *pool) close() {
	p.closeIdle()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.open {
		c.tcp.Close() // whoever has it finds out and drops it
	}
}

// shelve makes c the newest idle connection. The caller holds mu, as for all below.
func (p *pool) shelve(c *conn, now time.Time) {
	c.idleAt = now
	c.shelf.idle = append(c.shelf.idle, c)
	c.older = p.newest
	if c.older == nil {
		p.oldest = c
	} else {
		c.older.newer = c
	}
	p.newest = c
	p.idle++
}

// unshelve takes c, which is idle, from among the idle ones.
func (p *pool) unshelve(c *conn) {
	list := c.shelf.idle
	i := len(list) - 1
	for list[i] != c {
		i--
	}
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	c.shelf.idle = list[:len(list)-1]

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

// forget closes c, which is not idle, at once: without the farewell of TLS, which could block.
func (p *pool) forget(c *conn) {
	c.tcp.Close()
	delete(p.open, c)
	if c.shelf.open--; c.shelf.open == 0 {
		delete(p.shelves, c.shelf.key)
	}
}
