package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A dialed is a connection that a test made to a limiter, in memory.
type dialed struct {
	net.Conn
	from   string // the address of the other side
	closed atomic.Bool
}

func (d *dialed) RemoteAddr() net.Addr { return addr(d.from) }
func (d *dialed) Close() error {
	d.closed.Store(true)
	return d.Conn.Close()
}

type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

// A dialer is a listener in memory.
type dialer chan net.Conn

func (d dialer) Accept() (net.Conn, error) {
	c, ok := <-d
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (d dialer) Close() error   { return nil }
func (d dialer) Addr() net.Addr { return addr("memory") }

// dial connects from an address.
func (d dialer) dial(from string) *dialed {
	server, _ := net.Pipe()
	c := &dialed{Conn: server, from: from + ":1"}
	d <- c
	return c
}

// A limiterRig is a limiter with its accepted connections.
type limiterRig struct {
	t *testing.T
	*limiter
	dialer

	mu       sync.Mutex
	accepted map[*dialed]net.Conn // mu guards it
}

// conn returns the accepted connection of a dialed one, or nil.
func (r *limiterRig) conn(c *dialed) net.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.accepted[c]
}

// newLimiterRig makes a limiter of that many places and accepts in the background. It is for a synctest bubble.
func newLimiterRig(t *testing.T, limit int) *limiterRig {
	d := make(dialer, 100)
	r := &limiterRig{t: t, limiter: newLimiter(d, limit, time.Now, slog.New(slog.DiscardHandler)), dialer: d,
		accepted: map[*dialed]net.Conn{}}
	r.maxWaiting = 2
	go func() {
		for {
			c, err := r.limiter.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.accepted[c.(*limitedConn).Conn.(*dialed)] = c
			r.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		r.limiter.Close()
		close(d)
	})
	return r
}

// open connects n times from an address, and a millisecond later each. It reports how many were accepted at once.
func (r *limiterRig) open(n int, from string) (list []*dialed, accepted int) {
	for range n {
		c := r.dial(from)
		synctest.Wait()
		list = append(list, c)
		if r.conn(c) != nil {
			accepted++
		}
		time.Sleep(time.Millisecond)
	}
	return list, accepted
}

func (r *limiterRig) idle(list ...*dialed) {
	for _, c := range list {
		r.state(r.conn(c), http.StateIdle)
		time.Sleep(time.Millisecond)
	}
	synctest.Wait()
}

// closed returns which of list are closed, as a text of 0 and 1.
func closed(list []*dialed) (text string) {
	for _, c := range list {
		if c.closed.Load() {
			text += "1"
		} else {
			text += "0"
		}
	}
	return text
}

const (
	attacker = "192.0.2.66"
	honest   = "192.0.2.1"
	proxy    = "127.0.0.1"
)

// TestWhoGivesWay: what happens to a connection when all places are taken.
func TestWhoGivesWay(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(t *testing.T, r *limiterRig){
		"the longest idle": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, attacker)
			r.idle(list[2], list[0], list[1])
			if _, n := r.open(2, honest); n != 2 || closed(list) != "1010" {
				t.Errorf("%d accepted, closed: %s", n, closed(list))
			}
		},
		"the longest idle of one proxy": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, proxy)
			r.idle(list[1])
			if _, n := r.open(1, proxy); n != 1 || closed(list) != "0100" {
				t.Errorf("%d accepted, closed: %s", n, closed(list))
			}
		},
		"an idle one of the sender with the most": func(t *testing.T, r *limiterRig) {
			other, _ := r.open(1, honest)
			list, _ := r.open(3, attacker)
			r.idle(other...)
			r.idle(list[2])
			if _, n := r.open(1, "192.0.2.2"); n != 1 || closed(list) != "001" || closed(other) != "0" {
				t.Errorf("%d accepted, closed: %s, %s", n, closed(list), closed(other))
			}
		},
		"one that is busy for a second": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, attacker)
			new, n := r.open(1, honest)
			if n != 0 || closed(list) != "0000" {
				t.Errorf("at once: %d accepted, closed: %s", n, closed(list))
			}
			time.Sleep(2 * busyForOthers)
			synctest.Wait()
			if r.conn(new[0]) == nil || closed(list) != "1000" {
				t.Errorf("later: closed: %s", closed(list))
			}
		},
		"one of a proxy that is busy for longer": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, proxy)
			new, _ := r.open(1, proxy)
			time.Sleep(2 * busyForOthers)
			synctest.Wait()
			if r.conn(new[0]) != nil || closed(list) != "0000" {
				t.Errorf("soon: closed: %s", closed(list))
			}
			time.Sleep(busyForOwn)
			synctest.Wait()
			if r.conn(new[0]) == nil || closed(list) != "1000" {
				t.Errorf("later: closed: %s", closed(list))
			}
		},
		"none, if one closes": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, proxy)
			new, _ := r.open(1, proxy)
			r.conn(list[3]).Close()
			r.conn(list[3]).Close() // frees one place, not two
			synctest.Wait()
			if r.conn(new[0]) == nil || closed(list) != "0001" || len(r.conns) != 4 ||
				r.senders[bellhop.Sender(proxy+":1")] != 4 {
				t.Errorf("closed: %s, %d places taken", closed(list), len(r.conns))
			}
		},
		"none, if one becomes idle": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, proxy)
			new, _ := r.open(1, proxy)
			r.idle(list[1])
			if r.conn(new[0]) == nil || closed(list) != "0100" {
				t.Errorf("closed: %s", closed(list))
			}
		},
		"one that is busy for a second, although others of its sender wait": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, attacker)
			more, n := r.open(2, attacker)
			if n != 0 {
				t.Errorf("%d more of the attacker were accepted", n)
			}
			new, _ := r.open(1, honest)
			time.Sleep(busyForOthers + busyForOthers/4)
			synctest.Wait()
			if r.conn(new[0]) == nil || r.conn(more[0]) != nil || closed(list) != "1000" || closed(more) != "01" {
				t.Errorf("closed: %s, %s", closed(list), closed(more))
			}
		},
		"none, and the newest that wait of the sender with the most": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(3, attacker)
			few, _ := r.open(1, honest)
			waiting, _ := r.open(2, attacker) // there is room for two
			new, _ := r.open(1, honest)
			if closed(waiting) != "01" || closed(new) != "0" || closed(list)+closed(few) != "0000" {
				t.Errorf("closed: %s, of those that wait: %s, %s", closed(list), closed(waiting), closed(new))
			}
			time.Sleep(2 * busyForOthers)
			synctest.Wait()
			if closed(waiting) != "01" || r.conn(new[0]) == nil || closed(list)+closed(few) != "1000" {
				t.Errorf("later: closed: %s, of those that wait: %s, %s", closed(list), closed(waiting), closed(new))
			}
		},
		"the one that waits, if the server stops": func(t *testing.T, r *limiterRig) {
			list, _ := r.open(4, proxy)
			new, _ := r.open(1, proxy)
			r.limiter.Close()
			synctest.Wait()
			if closed(new) != "1" || closed(list) != "0000" {
				t.Errorf("closed: %s, %s", closed(new), closed(list))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { f(t, newLimiterRig(t, 4)) })
		})
	}
}

// TestAcceptFails: a failure to accept is logged, once in ten seconds, and is returned, so that net/http tries again.
func TestAcceptFails(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	now := time.Now()
	l := newLimiter(failing{}, 1, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	defer l.Close()
	for range 2000 {
		if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
			t.Fatal(err)
		}
		now = now.Add(5 * time.Millisecond) // ten seconds in all
	}
	if n := strings.Count(log.String(), "accept.failed"); n != 1 {
		t.Errorf("%d lines", n)
	}
	if l.Accept(); !strings.Contains(log.String(), "failures=2000") {
		t.Errorf("the second line: %s", &log)
	}
}

type failing struct{ dialer }

func (failing) Accept() (net.Conn, error) {
	return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
}

// TestIdleConnectionsGiveWay: idle connections take all places of the server, and more are opened all the time. An
// honest sender's requests and the probe of a supervisor are answered meanwhile.
func TestIdleConnectionsGiveWay(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, func(o *Options) { o.Config.MaxConnections = 20 }))
	r.source("src")
	idle := func() {
		c, err := net.Dial("tcp", r.front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
		reply, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, reply.Body)
	}
	for range 10 {
		for range 20 {
			idle()
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
		for path, want := range map[string]int{"/healthz": 200, "/in/src": 202} {
			method := http.MethodGet
			if want == 202 {
				method = http.MethodPost
			}
			req, err := http.NewRequestWithContext(t.Context(), method, r.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			reply, err := client.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			reply.Body.Close()
			if reply.StatusCode != want {
				t.Errorf("%s: %d", path, reply.StatusCode)
			}
		}
	}
}

// TestBound: connections and attempts together leave open files for the database.
func TestBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want    int
		granted uint64
		part    uint64
		most    int
	}{
		{10_000, 0, 3, 10_000}, {10_000, 1 << 20, 3, 10_000}, {10_000, 4096, 3, 1365}, {8192, 4096, 2, 2048},
		{4096, 1024, 8, 128}, {10_000, 100, 3, 33}, {10_000, 20, 3, 16}, {5, 12, 3, 5}, {1365, 4096, 3, 1365},
	} {
		if got := bound(c.want, c.granted, c.part); got != c.most {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
