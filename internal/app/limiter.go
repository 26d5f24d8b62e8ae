package app

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// How long a connection that is not idle is left alone when places are short: waiting for its first request, or with a
// request under way. It depends on whether a sender with fewer connections needs the place.
const (
	busyForOthers = time.Second
	busyForOwn    = 5 * time.Second
)

// closedAtOnce is the part of the places that is freed at a time, so that a flood of connections at a full server does
// not search all connections for each.
const closedAtOnce = 64

// A limiter is a listener that serves at most limit connections at a time. When all places are taken, a connection of
// the sender with the most connections gives way to the new one: the longest idle, or one that has been busy for long.
// If there is none, the new connection waits and lets others pass, so that a sender with many connections keeps nobody
// else out: those of senders with fewer connections get places first. A sender is an address, see [bellhop.Sender]: a
// reverse proxy in front is one, and may have all places as long as nobody else needs one.
type limiter struct {
	net.Listener
	limit      int
	maxWaiting int // connections that wait for a place
	now        func() time.Time
	log        *slog.Logger

	arrivals chan arrival  // from pump to Accept
	pumping  sync.Once     // starts pump
	changed  chan struct{} // has an element after a connection closed or became idle
	done     chan struct{} // closed by Close
	once     sync.Once     // of Close

	mu      sync.Mutex // guards the fields below
	conns   map[*limitedConn]struct{}
	senders map[netip.Prefix]int // their connections

	// Only Accept uses these.
	waiting  []*limitedConn // have no place; the oldest first
	retry    bool           // whether one of waiting may have a place by now
	failedAt time.Time      // when a failure was logged last
	failures int            // since then
}

// An arrival is a new connection, or the error of accepting one.
type arrival struct {
	conn net.Conn
	err  error
}

// maxWaiting bounds the connections that wait for a place. Each needs a descriptor.
const maxWaiting = 256

// A limitedConn is a connection that has a place.
type limitedConn struct {
	net.Conn
	limiter *limiter
	sender  netip.Prefix
	closed  atomic.Bool

	// since is when the connection became idle or busy, in nanoseconds since 1970; negative while it is idle. It is
	// written twice for each request, without a lock.
	since atomic.Int64

	requests atomic.Int32 // of HTTP/2 that are under way
}

func newLimiter(l net.Listener, limit int, now func() time.Time, log *slog.Logger) *limiter {
	return &limiter{
		Listener: l, limit: limit, maxWaiting: min(limit, maxWaiting), now: now, log: log,
		arrivals: make(chan arrival), changed: make(chan struct{}, 1), done: make(chan struct{}),
		conns: map[*limitedConn]struct{}{}, senders: map[netip.Prefix]int{},
	}
}

// Accept returns the next connection that has a place.
func (l *limiter) Accept() (net.Conn, error) {
	l.pumping.Do(func() { go l.pump() })
	for {
		if c := l.admitWaiting(); c != nil {
			return c, nil
		}
		var tick <-chan time.Time
		if len(l.waiting) > 0 {
			tick = time.After(busyForOthers / 4)
		}
		select {
		case a := <-l.arrivals:
			if a.err != nil {
				l.failed(a.err)
				return nil, a.err
			}
			c := &limitedConn{Conn: a.conn, limiter: l, sender: bellhop.Sender(a.conn.RemoteAddr().String())}
			if l.mayFit(c) && l.add(c) {
				return c, nil
			}
			l.wait(c)
		case <-l.changed:
			l.retry = true
		case <-tick: // another one may have been busy for too long by now
			l.retry = true
		case <-l.done:
			for _, c := range l.waiting {
				c.Conn.Close()
			}
			l.waiting = nil
			return nil, net.ErrClosed
		}
	}
}

// pump hands new connections to Accept until the limiter is closed. Accept cannot call the listener itself: it also
// looks after those that wait.
func (l *limiter) pump() {
	for {
		c, err := l.Listener.Accept()
		select {
		case l.arrivals <- arrival{c, err}:
		case <-l.done:
			if c != nil {
				c.Close()
			}
			return
		}
	}
}

// admitWaiting gives a place to one of the connections that wait, and returns it; nil if there is no place. The sender
// with the fewest connections comes first. If there is no place for it, there is none for the others either.
func (l *limiter) admitWaiting() *limitedConn {
	if !l.retry || len(l.waiting) == 0 {
		return nil
	}
	i := l.fewest()
	c := l.waiting[i]
	if !l.add(c) {
		l.retry = false
		return nil
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return c
}

// mayFit reports whether c, a new connection, may get a place although others wait: its sender has fewer connections
// than theirs. Otherwise it is not worth a search.
func (l *limiter) mayFit(c *limitedConn) bool {
	if len(l.waiting) == 0 {
		return true
	}
	best := l.waiting[l.fewest()]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.senders[c.sender] < l.senders[best.sender]
}

// fewest returns the index of the connection that waits and whose sender has the fewest connections; of several, the
// oldest.
func (l *limiter) fewest() (index int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range l.waiting {
		if l.senders[c.sender] < l.senders[l.waiting[index].sender] {
			index = i
		}
	}
	return index
}

// wait makes c wait for a place. If too many wait, the newest one of the sender with the most connections, those that
// wait included, is closed.
func (l *limiter) wait(c *limitedConn) {
	l.waiting = append(l.waiting, c)
	if len(l.waiting) <= l.maxWaiting {
		return
	}
	all := map[netip.Prefix]int{}
	for _, c := range l.waiting {
		all[c.sender]++
	}
	l.mu.Lock()
	worst := 0
	for i, c := range l.waiting {
		most := l.waiting[worst].sender
		if all[c.sender]+l.senders[c.sender] >= all[most]+l.senders[most] {
			worst = i
		}
	}
	l.mu.Unlock()
	l.waiting[worst].Conn.Close()
	l.waiting = slices.Delete(l.waiting, worst, worst+1)
}

// Close makes Accept fail. Connections stay open.
func (l *limiter) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// failed logs that a connection could not be accepted, once every logFailures; net/http tries again. Most often the
// open files are used up.
func (l *limiter) failed(err error) {
	const logFailures = 10 * time.Second
	now := l.now()
	l.failures++
	if errors.Is(err, net.ErrClosed) || now.Sub(l.failedAt) < logFailures {
		return
	}
	l.log.Warn("accept.failed", "error", err, "failures", l.failures,
		"meaning", "connections could not be accepted; tried again within a second")
	l.failedAt, l.failures = now, 0
}

// add gives c a place, if there is one or others give way.
func (l *limiter) add(c *limitedConn) bool {
	l.mu.Lock()
	var closing []*limitedConn
	if len(l.conns) >= l.limit {
		closing = l.giveWay(c.sender)
		for _, old := range closing {
			l.remove(old)
		}
	}
	fits := len(l.conns) < l.limit
	if fits {
		c.since.Store(l.now().UnixNano())
		l.conns[c] = struct{}{}
		l.senders[c.sender]++
	}
	l.mu.Unlock()
	for _, old := range closing {
		old.Close()
	}
	return fits
}

// remove takes the place of c away. A second call changes nothing. The caller holds mu.
func (l *limiter) remove(c *limitedConn) {
	if _, ok := l.conns[c]; !ok {
		return
	}
	delete(l.conns, c)
	if l.senders[c.sender]--; l.senders[c.sender] == 0 {
		delete(l.senders, c.sender)
	}
}

// rename counts c among the connections of another sender: the client of a proxy, once it is known.
func (l *limiter) rename(c *limitedConn, sender netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.conns[c]; !ok {
		return
	}
	l.remove(c)
	c.sender = sender
	l.conns[c] = struct{}{}
	l.senders[sender]++
}

// giveWay returns the connections that are closed in favour of one of a sender: the longest idle of the sender with
// the most connections, else of all; else those of the sender with the most that have been busy for too long. The
// caller holds mu.
func (l *limiter) giveWay(newcomer netip.Prefix) []*limitedConn {
	var most netip.Prefix
	for sender, n := range l.senders {
		if n > l.senders[most] {
			most = sender
		}
	}
	allowed := busyForOthers
	if l.senders[most] <= 2*l.senders[newcomer] {
		allowed = busyForOwn
	}
	busySince := l.now().Add(-allowed).UnixNano()
	var idle, otherIdle, busy []*limitedConn
	for c := range l.conns {
		since := c.since.Load()
		switch {
		case since < 0 && c.sender == most:
			idle = append(idle, c)
		case since < 0:
			otherIdle = append(otherIdle, c)
		case c.sender == most && since <= busySince:
			busy = append(busy, c)
		}
	}
	for _, list := range [][]*limitedConn{idle, otherIdle, busy} {
		if len(list) > 0 {
			return longest(list, max(1, l.limit/closedAtOnce))
		}
	}
	return nil
}

// longest returns the n connections of list that are in their state for the longest time.
func longest(list []*limitedConn, n int) []*limitedConn {
	at := make(map[*limitedConn]int64, len(list)) // since may change meanwhile
	for _, c := range list {
		at[c] = max(c.since.Load(), -c.since.Load())
	}
	slices.SortFunc(list, func(a, b *limitedConn) int { return int(min(1, max(-1, at[a]-at[b]))) })
	return list[:min(n, len(list))]
}

// state is the ConnState of the server: it takes note of what a connection does.
func (l *limiter) state(c net.Conn, state http.ConnState) {
	lc := below(c)
	if lc == nil {
		return
	}
	switch state {
	case http.StateIdle:
		lc.since.Store(-l.now().UnixNano())
		l.wake()
	case http.StateActive:
		lc.since.Store(l.now().UnixNano())
	}
}

// wake wakes Accept, if it waits.
func (l *limiter) wake() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// Close closes the connection and frees its place.
func (c *limitedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.limiter.mu.Lock()
		c.limiter.remove(c)
		c.limiter.mu.Unlock()
		c.limiter.wake()
	}
	return c.Conn.Close()
}
