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
// Only if there is none does the new connection wait. A sender is an address, see [bellhop.Sender]: a reverse proxy in
// front is one, and may have all places as long as nobody else needs one.
type limiter struct {
	net.Listener
	limit int
	now   func() time.Time
	log   *slog.Logger

	changed chan struct{} // has an element after a connection closed or became idle
	done    chan struct{} // closed by Close
	once    sync.Once     // of Close

	mu      sync.Mutex // guards the fields below
	conns   map[*limitedConn]struct{}
	senders map[netip.Prefix]int // their connections

	// Only Accept uses these.
	failedAt time.Time // when a failure was logged last
	failures int       // since then
}

// A limitedConn is a connection that has a place.
type limitedConn struct {
	net.Conn
	limiter *limiter
	sender  netip.Prefix
	closed  atomic.Bool

	// since is when the connection became idle or busy, in nanoseconds since 1970; negative while it is idle. It is
	// written twice for each request, without a lock.
	since atomic.Int64
}

func newLimiter(l net.Listener, limit int, now func() time.Time, log *slog.Logger) *limiter {
	return &limiter{
		Listener: l, limit: limit, now: now, log: log, changed: make(chan struct{}, 1), done: make(chan struct{}),
		conns: map[*limitedConn]struct{}{}, senders: map[netip.Prefix]int{},
	}
}

// Accept returns the next connection once there is a place for it.
func (l *limiter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.failed(err)
		return nil, err
	}
	lc := &limitedConn{Conn: c, limiter: l, sender: bellhop.Sender(c.RemoteAddr().String())}
	for !l.add(lc) {
		if !l.await() {
			return nil, errors.Join(net.ErrClosed, c.Close())
		}
	}
	return lc, nil
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

// await waits until add may succeed: a connection has closed or has become idle, or time has passed. It reports false
// once the limiter is closed.
func (l *limiter) await() bool {
	timer := time.NewTimer(busyForOthers / 2)
	defer timer.Stop()
	select {
	case <-l.changed:
	case <-timer.C:
	case <-l.done:
		return false
	}
	return true
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

// giveWay returns the connections that are closed in favour of one of a sender: the longest idle of the sender with the
// most connections, else of all; else those of the sender with the most that have been busy for too long. The caller
// holds mu.
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
	lc, ok := c.(*limitedConn)
	if !ok {
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
