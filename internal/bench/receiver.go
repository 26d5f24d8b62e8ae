package bench

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// A receiver is where deliveries arrive: destination 3 is the path /3. It writes them into the ledger of the run under
// way and answers 200. It keeps its addresses from run to run.
type receiver struct {
	listeners []net.Listener
	reception atomic.Pointer[reception]
	accepting sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]chan struct{} // closed when nothing more is done about it
	closed bool
}

// newReceiver returns one that listens at so many addresses, and takes nothing before receive says what to do with it.
func newReceiver(addresses int) (*receiver, error) {
	r := &receiver{conns: make(map[net.Conn]chan struct{})}
	for range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			r.close()
			return nil, err
		}
		r.listeners = append(r.listeners, listener)
		r.accepting.Go(func() { r.accept(listener) })
	}
	return r, nil
}

// receive begins a run: what connects from now on is of it.
func (r *receiver) receive(to *reception) { r.reception.Store(to) }

// url is where a destination is. Few have an address each, as they mostly do, for connections are kept by address; many
// share them.
func (r *receiver) url(destination int) string {
	return r.base(destination) + strconv.Itoa(destination)
}

// base is what the number of a destination is appended to.
func (r *receiver) base(destination int) string {
	return "http://" + r.listeners[destination%len(r.listeners)].Addr().String() + "/"
}

// close is hangUp for good.
func (r *receiver) close() {
	for _, listener := range r.listeners {
		listener.Close()
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.hangUp()
	r.accepting.Wait()
}

// hangUp ends all connections and returns when nothing more is written into the ledger.
func (r *receiver) hangUp() {
	r.mu.Lock()
	var ended []chan struct{}
	for c, done := range r.conns {
		c.Close()
		ended = append(ended, done)
	}
	r.mu.Unlock()
	for _, done := range ended {
		<-done
	}
}

func (r *receiver) accept(from net.Listener) {
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		to := r.reception.Load()
		if r.closed || to == nil {
			c.Close()
		} else {
			done := make(chan struct{})
			r.conns[c] = done
			to.joined.enter()
			go func() {
				defer close(done)
				r.serve(c, to)
			}()
		}
		r.mu.Unlock()
	}
}

// serve answers the requests of one connection.
func (r *receiver) serve(c net.Conn, to *reception) {
	defer func() {
		c.Close()
		to.joined.leave()
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	in := bufio.NewReaderSize(c, 16<<10)
	var h head
	var body []byte
	for h.read(in) == nil && h.length <= maxBody {
		body = slices.Grow(body[:0], h.length)[:h.length]
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		if !to.answer(c, in, destinationOf(h.first), body) || h.close {
			return
		}
	}
}

// maxBody bounds a request: a batch of Bellhop's, written as JSON.
const maxBody = 16 << 20

// destinationOf finds the destination in "POST /3 HTTP/1.1". It is -1 where there is none.
func destinationOf(line []byte) int {
	_, rest, _ := bytes.Cut(line, []byte(" /"))
	number, _, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil {
		return -1
	}
	return n
}
