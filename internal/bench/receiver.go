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
	"time"
)

// A receiver is where deliveries arrive: destination 3 is the path /3. It writes them into the ledger of the
// current run and answers 200. It keeps its addresses from run to run.
type receiver struct {
	listeners []net.Listener
	reception atomic.Pointer[reception] // of the current run; nil before the first
	accepting sync.WaitGroup            // a goroutine for each listener

	mu     sync.Mutex                 // guards the fields below
	conns  map[net.Conn]chan struct{} // the channel is closed when the connection is done with
	closed bool
}

// newReceiver returns a receiver that listens at so many addresses. It closes connections until receive is called.
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

// receive begins a run: connections made from now on belong to it.
func (r *receiver) receive(to *reception) { r.reception.Store(to) }

// url returns the URL of a destination. A few destinations have an address each, as is usual, because connections
// are kept by address. Many destinations share the addresses.
func (r *receiver) url(destination int) string {
	return r.base(destination) + strconv.Itoa(destination)
}

// base returns the URL of a destination without its number.
func (r *receiver) base(destination int) string {
	return "http://" + r.listeners[destination%len(r.listeners)].Addr().String() + "/"
}

// close closes all listeners and connections.
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

// hangUp closes all connections and returns when nothing more is written into the ledger.
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

// accept accepts connections until the listener is closed.
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

// maxBody bounds the body of a request: a batch of Bellhop in JSON.
const maxBody = 16 << 20

// destinationOf returns the destination in "POST /3 HTTP/1.1", or -1.
func destinationOf(line []byte) int {
	_, rest, _ := bytes.Cut(line, []byte(" /"))
	number, _, _ := bytes.Cut(rest, []byte(" "))
	n, err := strconv.Atoi(string(number))
	if err != nil {
		return -1
	}
	return n
}

// A reception is how a receiver behaves in one run, and what it has counted.
type reception struct {
	ledger *ledger
	hangs  bool          // requests are not answered
	delay  time.Duration // before each answer

	requests          atomic.Int64
	answering, joined gauge // requests that wait for an answer; open connections
}

// Answers of the receiver.
var (
	okAnswer  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
	badAnswer = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
)

// answer handles one request. It reports whether another request may follow on c.
func (r *reception) answer(c net.Conn, in *bufio.Reader, destination int, body []byte) bool {
	r.requests.Add(1)
	r.answering.enter()
	if r.hangs {
		in.Peek(1) // returns when the gateway or the receiver closes the connection
		r.answering.leave()
		return false
	}
	answer := okAnswer
	if !r.arrive(destination, body) {
		r.ledger.unwanted.Add(1)
		answer = badAnswer
	}
	time.Sleep(r.delay)
	r.answering.leave() // before the write, after which the gateway may begin its next attempt at once
	_, err := c.Write(answer)
	return err == nil
}

// arrive notes the events in a body. It reports whether there were any.
func (r *reception) arrive(destination int, body []byte) (known bool) {
	for {
		at := bytes.Index(body, []byte(markStart))
		if at < 0 {
			return known
		}
		body = body[at:]
		if event, due, ok := readMark(body); ok {
			r.ledger.arrive(destination, event, due)
			known = true
		}
		body = body[len(markStart):]
	}
}

// A gauge counts how many of something there are now, and the most there have been at a time.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) enter() {
	now := g.now.Add(1)
	for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); {
		most = g.most.Load()
	}
}

func (g *gauge) leave() { g.now.Add(-1) }
