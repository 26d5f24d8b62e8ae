package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A producer posts the events of a run to a gateway and writes the answers into the ledger.
type producer struct {
	address     string // "127.0.0.1:8080"
	path        string
	key         []byte // of Standard Webhooks; nil signs nothing
	connections int
	size        int // bytes of a body
	rate        int // events a second; 0 is as fast as they are answered
	ledger      *ledger
	enough      func() bool // asked before each event whether to stop; nil posts all events

	next   atomic.Int64 // number of the next event
	broken atomic.Int64 // requests without an answer
}

// run posts all events. It ends early when ctx ends or the gateway no longer answers.
func (p *producer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var connections sync.WaitGroup
	for range p.connections {
		connections.Go(func() {
			if err := p.post(ctx); err != nil {
				cancel(err)
			}
		})
	}
	connections.Wait()
	return context.Cause(ctx)
}

// post posts events on one connection, one after the other, until none are left.
func (p *producer) post(ctx context.Context) error {
	c := &caller{address: p.address}
	defer c.hangUp()
	r := newRequest(p.address, p.path, p.size, p.key, p.ledger.spread)
	for {
		event := int(p.next.Add(1) - 1)
		if event >= p.ledger.events || p.enough != nil && p.enough() {
			return nil
		}
		due, err := p.due(ctx, event)
		if err != nil {
			return err
		}
		r.set(event, due, time.Now())
		a, err := c.call(ctx, r.bytes)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			p.ledger.refuse(err.Error())
			if p.broken.Add(1) > int64(3*p.connections) {
				return fmt.Errorf("it no longer answers: %w", err)
			}
		case a.status/100 == 2:
			p.ledger.accept(event, due)
		default:
			p.ledger.refuse(fmt.Sprintf("%d %s", a.status, a.text))
		}
	}
}

// due returns when an event is to be sent. At a rate the times are fixed beforehand and waited for, so that the
// latency includes the time for which a slow gateway holds events up. Otherwise it is now.
func (p *producer) due(ctx context.Context, event int) (time.Duration, error) {
	if p.rate == 0 {
		return time.Since(p.ledger.began), ctx.Err()
	}
	due := time.Duration(event) * time.Second / time.Duration(p.rate)
	return due, sleep(ctx, due-time.Since(p.ledger.began))
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// answerTimeout is how long the producer waits for an answer.
const answerTimeout = 30 * time.Second

// A caller sends requests one after the other. It opens a connection when it has none.
type caller struct {
	address string
	conn    net.Conn // nil if there is none
	in      *bufio.Reader
	head    head
	forget  func() bool // cancels that the end of the context closes conn
}

// An answer is the response to a request.
type answer struct {
	status int
	text   string // the beginning of the body; "" for a 2xx
}

// call sends a request and reads its answer.
func (c *caller) call(ctx context.Context, request []byte) (a answer, err error) {
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return a, err
		}
	}
	c.conn.SetDeadline(time.Now().Add(answerTimeout))
	if _, err = c.conn.Write(request); err == nil {
		a, err = c.read()
	}
	if err != nil || c.head.close {
		c.hangUp()
	}
	return a, err
}

func (c *caller) dial(ctx context.Context) (err error) {
	if c.conn, err = dialLoopback(ctx, "tcp", c.address); err != nil {
		return err
	}
	c.in = bufio.NewReaderSize(c.conn, 4<<10)
	conn := c.conn
	c.forget = context.AfterFunc(ctx, func() { conn.Close() })
	return nil
}

func (c *caller) hangUp() {
	if c.conn != nil {
		c.forget()
		c.conn.Close()
		c.conn = nil
	}
}

func (c *caller) read() (a answer, err error) {
	if err := c.head.read(c.in); err != nil {
		return a, err
	}
	_, rest, _ := bytes.Cut(c.head.first, []byte(" "))
	if len(rest) < 3 {
		return a, fmt.Errorf("not an HTTP answer: %q", c.head.first)
	}
	if a.status, err = strconv.Atoi(string(rest[:3])); err != nil {
		return a, err
	}
	if a.status/100 != 2 {
		text, _ := c.in.Peek(min(c.head.length, 200))
		a.text = string(bytes.TrimSpace(text))
	}
	_, err = c.in.Discard(c.head.length)
	return a, err
}

// A body begins with its mark, by which the receiver recognizes it:
//
//	{"bench":"0000000042 0000001500000000","kind":"bench","pad":"kzqo…"}
//
// The mark holds the number of the event, and when the event was due, in nanoseconds since the run began.
const (
	markStart    = `{"bench":"`
	numberDigits = 10
	dueDigits    = 16
	markLength   = len(markStart) + numberDigits + 1 + dueDigits
	padStart     = `","kind":"bench","pad":"`
	padEnd       = `"}`
	idStart      = "msg_"   // of a webhook-id, before the number
	typeStart    = "bench." // of a type, before the destination
	typeDigits   = 5
	typeHeader   = "X-Bench-Type"
)

// A request holds the bytes of one POST. They are laid out once; then only digits and the signature change for
// each event.
type request struct {
	bytes []byte

	// Parts of bytes.
	number, due, body       []byte
	destination             []byte // in the header of the type; nil unless spread
	id, signedAt, signature []byte // nil unless signed

	spread int // number of destinations of which each event goes to one; 0 if each goes to all

	mac    hash.Hash
	sum    [sha256.Size]byte
	signed []byte // the signed text before the body: "msg_0000000042.1790000000."
}

// newRequest lays out a POST with a body of size bytes to a path at host. It is signed if there is a key, and has
// a type that selects the destination if spread is not 0. Each request has its own random padding.
func newRequest(host, path string, size int, key []byte, spread int) *request {
	r := &request{spread: spread}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		path, host, size)
	r.bytes = append(make([]byte, 0, len(head)+size+256), head...) // a sufficient capacity: parts must not move
	if spread > 0 {
		r.write(typeHeader + ": " + typeStart)
		r.destination = r.blank(typeDigits)
		r.write("\r\n")
	}
	if key != nil {
		r.mac = hmac.New(sha256.New, key)
		r.write("webhook-id: ")
		r.write(idStart)
		r.id = r.blank(numberDigits)
		r.write("\r\nwebhook-timestamp: ")
		r.signedAt = r.blank(numberDigits)
		r.write("\r\nwebhook-signature: v1,")
		r.signature = r.blank(base64.StdEncoding.EncodedLen(sha256.Size))
		r.write("\r\n")
	}
	r.write("\r\n" + markStart)
	bodyAt := len(r.bytes) - len(markStart)
	r.number = r.blank(numberDigits)
	r.write(" ")
	r.due = r.blank(dueDigits)
	r.write(padStart)
	for pad := r.blank(bodyAt + size - len(padEnd) - len(r.bytes)); len(pad) > 0; pad = pad[1:] {
		pad[0] = 'a' + byte(rand.IntN(26))
	}
	r.write(padEnd)
	r.body = r.bytes[bodyAt:]
	return r
}

func (r *request) write(s string) { r.bytes = append(r.bytes, s...) }

func (r *request) blank(n int) []byte {
	r.bytes = append(r.bytes, make([]byte, n)...)
	return r.bytes[len(r.bytes)-n:]
}

// set makes r the request of an event that was due at a time since the run began, and is sent at now.
func (r *request) set(event int, due time.Duration, now time.Time) {
	putDigits(r.number, int64(event))
	putDigits(r.due, int64(due))
	if r.spread > 0 {
		putDigits(r.destination, int64(event%r.spread))
	}
	if r.mac == nil {
		return
	}
	putDigits(r.id, int64(event))
	putDigits(r.signedAt, now.Unix())
	r.mac.Reset()
	r.signed = append(append(append(r.signed[:0], idStart...), r.id...), '.')
	r.signed = append(append(r.signed, r.signedAt...), '.')
	r.mac.Write(r.signed)
	r.mac.Write(r.body)
	base64.StdEncoding.Encode(r.signature, r.mac.Sum(r.sum[:0]))
}

// putDigits fills b with the last decimal digits of v.
func putDigits(b []byte, v int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(v%10)
		v /= 10
	}
}

// readMark reads the event and its due time from the first markLength bytes of a body.
func readMark(b []byte) (event int, due time.Duration, ok bool) {
	if len(b) < markLength || string(b[:len(markStart)]) != markStart {
		return 0, 0, false
	}
	number := b[len(markStart):][:numberDigits]
	event, err1 := strconv.Atoi(string(number))
	nanos, err2 := strconv.ParseInt(string(b[markLength-dueDigits:markLength]), 10, 64)
	return event, time.Duration(nanos), err1 == nil && err2 == nil
}
