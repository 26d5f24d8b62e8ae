package http1

import (
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/wiretest"
)

// newTestPool makes a pool with a clock that the test moves.
func newTestPool(l Limits) (*pool, *wiretest.Clock) {
	now := wiretest.NewClock()
	return newPool(l, now.Now), now
}

// mustAdd adds a connection that leads nowhere.
func (p *pool) mustAdd(t *testing.T, key string) *conn {
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	c := newConn(near, near)
	if err := p.add(key, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// closed reports whether the pool has closed c.
func closed(c *conn) bool {
	c.SetReadDeadline(time.Unix(1, 0))
	_, err := c.Read(make([]byte, 1))
	return err == io.ErrClosedPipe
}

func TestPoolLendsTheLastUsed(t *testing.T) {
	p, _ := newTestPool(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: time.Minute, MaxAge: time.Hour})
	a, b, other := p.mustAdd(t, "a"), p.mustAdd(t, "a"), p.mustAdd(t, "b")
	p.put(a)
	p.put(b)
	p.put(other)
	if p.get("a") != b || p.get("a") != a || p.get("a") != nil || p.get("b") != other {
		t.Error("wrong order")
	}
}

func TestPoolBounds(t *testing.T) {
	p, _ := newTestPool(Limits{IdlePerKey: 2, Idle: 3, IdleTimeout: time.Minute, MaxAge: time.Hour})
	var all []*conn
	for _, key := range []string{"a", "a", "a", "b", "c"} {
		all = append(all, p.mustAdd(t, key))
	}
	for _, c := range all {
		p.put(c)
	}
	// The third connection of a was one too many for its key. That of c then displaced the one idle for longest.
	var gone []int
	for i, c := range all {
		if closed(c) {
			gone = append(gone, i)
		}
	}
	if !slices.Equal(gone, []int{0, 2}) || p.idle != 3 || len(p.open) != 3 {
		t.Errorf("closed %d, idle %d, open %d", gone, p.idle, len(p.open))
	}
	p.closeIdle()
	if p.idle != 0 || len(p.open) != 0 || len(p.hosts) != 0 || p.sweeper != nil {
		t.Errorf("after closeIdle: %d idle, %d open, %d hosts", p.idle, len(p.open), len(p.hosts))
	}
}

func TestPoolAges(t *testing.T) {
	p, now := newTestPool(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: 55 * time.Second, MaxAge: 5 * time.Minute})
	a := p.mustAdd(t, "a")
	for range 6 { // used all the time, until it is 5 minutes old
		p.put(a)
		now.Advance(50 * time.Second)
		if got := p.get("a"); got != a && now.Now().Sub(a.born) < 5*time.Minute {
			t.Fatal("not lent")
		}
	}
	if !closed(a) {
		t.Error("an old connection is still open")
	}

	b, c := p.mustAdd(t, "b"), p.mustAdd(t, "c")
	p.put(b)
	now.Advance(30 * time.Second)
	p.put(c)
	now.Advance(30 * time.Second)
	p.sweep()
	if !closed(b) || closed(c) {
		t.Error("the sweep closed the wrong one")
	}
	now.Advance(30 * time.Second)
	if p.get("c") != nil || !closed(c) {
		t.Error("lent after it was idle for too long")
	}

	d := p.mustAdd(t, "d")
	now.Advance(6 * time.Minute)
	p.put(d)
	if !closed(d) {
		t.Error("an old connection was taken back")
	}
	p.closeIdle()
}

// TestPoolSweepsItself: the timer empties a pool that is not used, and then ends.
func TestPoolSweepsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: 55 * time.Second, MaxAge: time.Hour}, time.Now)
		a, b := p.mustAdd(t, "a"), p.mustAdd(t, "b")
		p.put(a)
		time.Sleep(20 * time.Second)
		p.put(b)
		time.Sleep(36 * time.Second)
		synctest.Wait()
		if !closed(a) || closed(b) {
			t.Error("after 56 s a should be closed and b open")
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if !closed(b) || p.sweeper != nil {
			t.Error("after 76 s b should be closed and the timer gone")
		}
	})
}

func TestPoolClosed(t *testing.T) {
	p, _ := newTestPool(Limits{IdlePerKey: 10, Idle: 10, IdleTimeout: time.Minute, MaxAge: time.Hour})
	lent := p.mustAdd(t, "a")
	p.close()
	if !closed(lent) {
		t.Error("a lent connection is still open")
	}
	p.put(lent)
	near, far := net.Pipe()
	defer far.Close()
	if p.add("a", newConn(near, near)) == nil || len(p.open) > 0 {
		t.Error("a closed pool takes connections")
	}
}
