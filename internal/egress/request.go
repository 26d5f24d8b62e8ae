package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/http1"
)

// Defaults of a [Request].
const (
	DefaultTimeout    = 30 * time.Second
	DefaultReplyBytes = 4 << 10
)

// A Request is one request to be made. Do does not change it, and it may be used again.
type Request struct {
	Target *Target
	Method string // a token; "" is POST
	// Header is rendered lines, "Name: value\r\n" each, as AppendHeader writes them, with names in canonical form.
	// Do adds Host, Content-Length and, if there is none in Header, User-Agent.
	Header []byte
	Body   []byte
	// Timeout bounds the whole attempt, from the lookup of the name to the last byte of the reply. 0 is
	// DefaultTimeout. A deadline of the context counts too, if it is sooner.
	Timeout time.Duration
	// ReplyBytes is how many bytes of the reply's body to keep. 0 is DefaultReplyBytes; a negative number is none.
	ReplyBytes int
	// ReplyHeader keeps the reply's headers, which costs allocations.
	ReplyHeader bool
}

// A Reply is a server's reply: status, the first bytes of the body, and a few headers.
type Reply = http1.Reply

// AppendHeader appends the line "name: value\r\n" to dst, as Request.Header wants it. name is a token in
// canonical form. Bytes of value that would end the line become spaces, so that no value can add a header.
func AppendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	if strings.ContainsAny(value, "\r\n\x00") {
		value = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(value)
	}
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// Do makes one request and reads its reply, all in the calling goroutine. Its errors are of type [*Error]. If
// an error occurs within the reply's body, the reply is returned too, with the part of the body that arrived.
//
// A connection from the pool that proves to be closed before any of the request was sent is replaced by a new
// one. A request that was sent, even in part, is never sent again: whether the server acted on it is unknown,
// and the caller decides about another attempt.
//
// A context that cannot be cancelled, with Request.Timeout, costs the least. [Client.Close] ends that request
// too.
func (c *Client) Do(ctx context.Context, req *Request) (*Reply, error) {
	t, start, within := req.Target, time.Now(), req.Timeout
	if within <= 0 {
		within = DefaultTimeout
	}
	if d, ok := ctx.Deadline(); ok {
		within = min(within, d.Sub(start))
	}
	if err := ctx.Err(); err != nil {
		return nil, attemptError(ctx, t, PhaseDial, within, err)
	}

	wire := http1.Request{
		Key:        t.poolKey,
		Deadline:   start.Add(within),
		Method:     req.method(),
		Head:       t.head,
		UserAgent:  t.userAgent,
		Header:     req.Header,
		Body:       req.Body,
		KeepBytes:  req.keepBytes(),
		KeepHeader: req.ReplyHeader,
	}
	phase := PhaseDial // of an attempt that fails before it has a connection
	reply, err := c.wire.Do(ctx, &wire, func() (stream, tcp net.Conn, err error) {
		bounded, cancel := context.WithDeadline(ctx, wire.Deadline)
		defer cancel()
		stream, tcp, phase, err = c.open(bounded, t)
		return stream, tcp, err
	})
	if reply != nil && reply.Status == http.StatusProxyAuthRequired && t.proxy != nil && !t.secure {
		refused := t.proxy.refused(t.authority(), reply.Status) // only a proxy answers 407
		refused.Sent = true
		reply, err = nil, refused
	}
	if err != nil {
		return reply, attemptError(ctx, t, phase, within, err)
	}
	return reply, nil
}

func (r *Request) method() string {
	if r.Method == "" {
		return http.MethodPost
	}
	return r.Method
}

func (r *Request) keepBytes() int {
	switch {
	case r.ReplyBytes < 0:
		return 0
	case r.ReplyBytes == 0:
		return DefaultReplyBytes
	}
	return r.ReplyBytes
}

// attemptError is the error of an attempt to reach t that was given the time within. phase is how far it had
// come if err occurred before there was a connection; an error of the wire knows its phase itself.
func attemptError(ctx context.Context, t *Target, phase Phase, within time.Duration, err error) *Error {
	sent := false
	var wire *http1.Error
	if errors.As(err, &wire) {
		phase, sent, err = Phase(wire.Phase), wire.Sent, wire.Err
	}
	if canceled := ctx.Err(); errors.Is(canceled, context.Canceled) {
		err = canceled
	}
	e := newError(phase, t.peer(phase), within, err)
	e.Sent = e.Sent || sent
	return e
}
