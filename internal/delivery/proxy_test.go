package delivery

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// A fault is what a faultyProxy does to one exchange of request and response.
type fault int

const (
	noFault    fault = iota
	cutRequest       // reset after some bytes of the request, or before the first
	cutAnswer        // reset after some bytes of the response, or before the first
	hangUp           // close the connection there instead of a reset
	blackHole        // drop the request, so that no response comes
	slow             // send the request at one kibibyte per second
	late             // delay the response
	faults
)

// A faultyProxy is between the engine and its receivers. On average every other exchange gets a fault.
type faultyProxy struct {
	mu     sync.Mutex
	random *rand.Rand
	count  [faults]int
}

func (p *faultyProxy) roll() (f fault, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.random.IntN(2) == 0 {
		f = fault(p.random.IntN(int(faults)))
	}
	p.count[f]++
	if f == cutRequest {
		return f, p.random.IntN(3) * p.random.IntN(800)
	}
	return f, p.random.IntN(2) * p.random.IntN(60)
}

// A proxied is a connection through a faultyProxy.
type proxied struct {
	net.Conn
	proxy   *faultyProxy
	writing bool // a request is being written
	fault   fault
	left    int // bytes until the connection is cut
}

func (c *proxied) Write(b []byte) (int, error) {
	if !c.writing {
		c.writing = true
		c.fault, c.left = c.proxy.roll()
	}
	switch {
	case c.fault == blackHole:
		return len(b), nil
	case c.fault == slow:
		time.Sleep(time.Duration(len(b)) * time.Second / 1024)
	case c.fault == cutRequest && len(b) >= c.left:
		n, _ := c.Conn.Write(b[:c.left])
		c.Conn.Close()
		return n, syscall.ECONNRESET
	case c.fault == cutRequest:
		c.left -= len(b)
	}
	return c.Conn.Write(b)
}

func (c *proxied) Read(b []byte) (int, error) {
	c.writing = false
	switch c.fault {
	case late:
		time.Sleep(300 * time.Millisecond)
		c.fault = noFault
	case cutAnswer, hangUp:
		if c.left == 0 {
			c.Conn.Close()
			return 0, map[fault]error{cutAnswer: syscall.ECONNRESET, hangUp: io.EOF}[c.fault]
		}
		n, err := c.Conn.Read(b[:min(c.left, len(b))])
		c.left -= n
		return n, err
	}
	return c.Conn.Read(b)
}

// TestFaultyProxy: every event arrives in spite of network faults. An attempt that may have sent bytes records that,
// and an event arrives a second time only after such an attempt.
func TestFaultyProxy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := &faultyProxy{random: rand.New(rand.NewPCG(7, 1))}
		r := newRig(t, func(r *rig) {
			r.network.wrapConn = func(c net.Conn) net.Conn { return &proxied{Conn: c, proxy: p} }
		})
		to := r.network.receiver("far")
		r.destination(to, func(d *bellhop.Destination) {
			d.Retry.Schedule = make(bellhop.Schedule, 40)
			for i := range d.Retry.Schedule {
				d.Retry.Schedule[i] = time.Second
			}
		})
		var events []bellhop.Event
		for i := range 400 {
			events = append(events, bellhop.Event{Body: fmt.Appendf(nil, "%d%s", i, strings.Repeat(" ", 1000))})
		}
		for i := 0; i < len(events); i += 100 {
			r.accept(events[i : i+100]...)
		}
		time.Sleep(time.Hour)
		r.wantStates(map[bellhop.DeliveryState]int{bellhop.DeliveryDelivered: 400})
		if n := len(to.bodies()); n != 400 {
			t.Errorf("%d different bodies arrived", n)
		}
		for f, n := range p.count {
			if n < 10 {
				t.Errorf("fault %d happened %d times only", f, n)
			}
		}
		arrived := map[string]int{} // number of requests by delivery and attempt
		for _, c := range to.got() {
			arrived[c.header.Get("Bellhop-Delivery-Id")+" "+c.header.Get("Bellhop-Attempt")]++
		}
		repeats, unknowns, known := 0, 0, 0
		for _, d := range r.deliveries() {
			attempts, err := r.store.Attempts(context.Background(), d.ID)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range attempts {
				n := arrived[fmt.Sprintf("%s %d", d.ID, a.Number)]
				isUnknown := strings.Contains(a.Detail, outbound.Unknown)
				switch {
				case n > 1:
					t.Errorf("attempt %d of %s arrived %d times", a.Number, d.ID, n)
				case i == len(attempts)-1 && (a.Error != "" || n != 1):
					t.Errorf("the last attempt of %s: %s %s, and %d arrived", d.ID, a.Error, a.Detail, n)
				case i < len(attempts)-1 && n == 1 && !isUnknown:
					t.Errorf("attempt %d of %s arrived, and says %s: %s", a.Number, d.ID, a.Error, a.Detail)
				case i < len(attempts)-1 && a.Error == "":
					t.Errorf("attempt %d of %s was a success, and not the last", a.Number, d.ID)
				}
				switch {
				case isUnknown:
					unknowns++
					repeats += n
				case a.Error != "":
					known++
				}
			}
		}
		if repeats == 0 || unknowns == repeats || known == 0 {
			t.Errorf("%d attempts are unknown, %d of them arrived, of %d it is known that they did not: these "+
				"faults show nothing",
				unknowns, repeats, known)
		}
		t.Logf("faults %v; %d attempts unknown, of which %d had arrived; %d known not to have", p.count, unknowns,
			repeats, known)
		r.wantIdle()
	})
}
