package bench

import (
	"bufio"
	"bytes"
	"net"
	"sync/atomic"
	"time"
)

// A reception is what a receiver does in one run, and what it saw.
type reception struct {
	ledger *ledger
	hangs  bool          // no request is answered
	delay  time.Duration // before each answer

	requests          atomic.Int64
	answering, joined gauge // requests that wait for their answer; connections
}

var (
	thanks  = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
	baffled = []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
)

// answer does with one request what is to be done in this run. It reports whether another may follow on c.
func (r *reception) answer(c net.Conn, in *bufio.Reader, destination int, body []byte) bool {
	r.requests.Add(1)
	r.answering.enter()
	if r.hangs {
		in.Peek(1) // until the gateway hangs up, or we do
		r.answering.leave()
		return false
	}
	answer := thanks
	if !r.arrive(destination, body) {
		r.ledger.unwanted.Add(1)
		answer = baffled
	}
	time.Sleep(r.delay)
	r.answering.leave() // before the gateway can begin its next, for it may do so at once
	_, err := c.Write(answer)
	return err == nil
}

// arrive writes into the ledger what a body holds. It reports whether that was anything.
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

// A gauge counts what is there at a time.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) enter() {
	now := g.now.Add(1)
	for most := g.most.Load(); now > most && !g.most.CompareAndSwap(most, now); {
		most = g.most.Load()
	}
}

func (g *gauge) leave() { g.now.Add(-1) }
