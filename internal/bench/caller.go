package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

// answerTimeout is how long the producer waits for an answer.
const answerTimeout = 30 * time.Second

// A caller sends requests, one after the other, over a connection that it opens when it needs one.
type caller struct {
	address string
	conn    net.Conn // nil without
	in      *bufio.Reader
	head    head
	forget  func() bool // of closing conn when the context ends
}

type answer struct {
	status int
	text   string // the beginning of the body, unless it is a 2xx
}

// call sends the bytes of a request and reads its answer.
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
