package bench

import (
	"bufio"
	"bytes"
	"net"
	"strconv"
	"sync"
)

// A receiver is where deliveries arrive: destination 3 is the path /3. It writes them into the ledger and answers 200.
type receiver struct {
	ledger   *ledger
	listener net.Listener
	serving  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once closed
}

func newReceiver(l *ledger) (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{ledger: l, listener: listener, conns: make(map[net.Conn]struct{})}
	r.serving.Go(r.accept)
	return r, nil
}

// url is what the path of a destination is appended to.
func (r *receiver) url() string { return "http://" + r.listener.Addr().String() + "/" }

// close ends all connections and returns when nothing more is written into the ledger.
func (r *receiver) close() {
	r.listener.Close()
	r.mu.Lock()
	for c := range r.conns {
		c.Close()
	}
	r.conns = nil
	r.mu.Unlock()
	r.serving.Wait()
}

func (r *receiver) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		if r.conns == nil {
			c.Close()
		} else {
			r.conns[c] = struct{}{}
			r.serving.Go(func() { r.serve(c) })
		}
		r.mu.Unlock()
	}
}

var (
	thanks  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
	baffled = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
)

func (r *receiver) serve(c net.Conn) {
	defer func() {
		c.Close()
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	in := bufio.NewReaderSize(c, 16<<10)
	var h head
	for h.read(in) == nil {
		mark, err := in.Peek(min(markLength, h.length))
		if err != nil {
			return
		}
		event, due, ok := readMark(mark)
		if _, err := in.Discard(h.length); err != nil {
			return
		}
		answer := thanks
		if ok {
			r.ledger.arrive(destinationOf(h.first), event, due)
		} else {
			r.ledger.unwanted.Add(1)
			answer = baffled
		}
		if _, err := c.Write(answer); err != nil || h.close {
			return
		}
	}
}

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
