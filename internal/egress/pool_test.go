package egress

import (
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// pooled is a pool with its clock, and connections in it that lead nowhere.
func pooled(l limits) (*pool, *clock) {
	now := newClock()
	return newPool(l, now.now), now
}

func (p *pool) mustAdd(t *testing.T, key string) *conn {
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	c := newConn(near, near)
	if err := p.add(key, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func closed(c *conn) bool {
	c.SetReadDeadline(time.Unix(1, 0))
	_, err := c.Read(make([]byte, 1))
	return err == io.ErrClosedPipe
}

func TestPoolLendsTheLastUsed(t *testing.T) {
	p, _ := pooled(limits{perKey: 10, total: 10, idle: time.Minute, age: time.Hour})
	a, b, other := p.mustAdd(t, "a"), p.mustAdd(t, "a"), p.mustAdd(t, "b")
	p.put(a)
	p.put(b)
	p.put(other)
	if p.get("a") != b || p.get("a") != a || p.get("a") != nil || p.get("b") != other {
		t.Error("wrong order")
	}
}

func TestPoolBounds(t *testing.T) {
	p, _ := pooled(limits{perKey: 2, total: 3, idle: time.Minute, age: time.Hour})
	var all []*conn
	for _, key := range []string{"a", "a", "a", "b", "c"} {
		all = append(all, p.mustAdd(t, key))
	}
	for _, c := range all {
		p.put(c)
	}
	// The third of a was one too many for its key; c then displaced the one idle for longest.
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
	if p.idle != 0 || len(p.open) != 0 || len(p.shelves) != 0 || p.sweeper != nil {
		t.Errorf("after closeIdle: %d idle, %d open, %d shelves", p.idle, len(p.open), len(p.shelves))
	}
}

func TestPoolAges(t *testing.T) {
	p, now := pooled(limits{perKey: 10, total: 10, idle: 55 * time.Second, age: 5 * time.Minute})
	a := p.mustAdd(t, "a")
	for range 6 { // in constant use, until it is 5 minutes old
		p.put(a)
		now.advance(50 * time.Second)
		if got := p.get("a"); got != a && now.now().Sub(a.born) < 5*time.Minute {
			t.Fatal("not lent")
		}
	}
	if !closed(a) {
		t.Error("an old connection is still open")
	}

	b, c := p.mustAdd(t, "b"), p.mustAdd(t, "c")
	p.put(b)
	now.advance(30 * time.Second)
	p.put(c)
	now.advance(30 * time.Second)
	p.sweep()
	if !closed(b) || closed(c) {
		t.Error("the sweep closed the wrong one")
	}
	now.advance(30 * time.Second)
	if p.get("c") != nil || !closed(c) {
		t.Error("lent after it was idle for too long")
	}

	d := p.mustAdd(t, "d")
	now.advance(6 * time.Minute)
	if p.put(d); !closed(d) {
		t.Error("an old connection was taken back")
	}
	p.closeIdle()
}

// The timer alone empties a pool that nobody touches, and then ends.
func TestPoolSweepsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(limits{perKey: 10, total: 10, idle: 55 * time.Second, age: time.Hour}, time.Now)
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
	p, _ := pooled(limits{perKey: 10, total: 10, idle: time.Minute, age: time.Hour})
	lent := p.mustAdd(t, "a")
	p.close()
	if !closed(lent) {
		t.Error("what was lent is still open")
	}
	p.put(lent)
	near, far := net.Pipe()
	defer far.Close()
	if p.add("a", newConn(near, near)) == nil || len(p.open) > 0 {
		t.Error("a closed pool takes connections")
	}
}

// A server that hung up while the connection rested is noticed before anything is sent to it.
func TestHangUpIsNoticed(t *testing.T) {
	now := newClock()
	hungUp := make(chan bool)
	addr := serve(t, func(n int, c *net.TCPConn) {
		eachRequest(c, func(*http.Request, []byte) {
			io.WriteString(c, okReply)
			if n == 0 {
				c.CloseWrite()
				hungUp <- true
			}
		})
	})
	c := newClient(t, Config{AllowPrivate: true, Now: now.now})
	target := mustTarget(t, c, "http://"+addr)
	if _, err := post(c, target); err != nil {
		t.Fatal(err)
	}
	<-hungUp
	now.advance(time.Second)
	if got := c.pool.get(target.pool); got != nil {
		t.Error("a connection that was hung up is lent")
	}
	for n := range 2 { // one that was not is lent after a rest
		now.advance(time.Second)
		if reply, err := post(c, target); err != nil || reply.Reused != (n > 0) {
			t.Errorf("got %+v, %v", reply, err)
		}
	}
}
