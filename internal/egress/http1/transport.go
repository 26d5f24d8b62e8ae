package http1

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// A Transport makes exchanges and keeps connections between them. It is safe for concurrent use.
type Transport struct{ pool *pool }

// NewTransport makes a transport whose pool has these limits. now tells the age of connections; deadlines always
// follow the real clock.
func NewTransport(l Limits, now func() time.Time) *Transport {
	return &Transport{newPool(l, now)}
}

// CloseIdle closes the connections that are not in use.
func (t *Transport) CloseIdle() { t.pool.closeIdle() }

// Close closes all connections. Exchanges under way fail with [net.ErrClosed], and so do later ones.
func (t *Transport) Close() { t.pool.close() }

// A Phase says how far an exchange had come on its connection.
type Phase string

// The phases, in their order.
const (
	PhaseWrite  Phase = "write"  // sending the request
	PhaseHeader Phase = "header" // waiting for the status line and headers, or reading them
	PhaseBody   Phase = "body"   // reading the body
)

// An Error says why an exchange failed on its connection.
type Error struct {
	Phase Phase
	Sent  bool  // bytes of the request may have left: whether the server acted on it is unknown
	Err   error // the cause: a ProtocolError, or an error of the connection
}

func (e *Error) Error() string { return string(e.Phase) + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// An OpenFunc opens a connection. stream carries the bytes, and tcp is the TCP connection below it, or stream
// itself.
type OpenFunc = func() (stream, tcp net.Conn, err error)

// Do makes one exchange in the calling goroutine, by the deadline of req. It uses a pooled connection with the
// key of req, or else a new one that open returns.
//
// An error of open is returned as it is; every other error is an [*Error], or [net.ErrClosed] after Close. If
// the error occurs within the body, the reply is returned too, with the part of the body that arrived.
//
// Cancelling ctx ends the exchange. A context that cannot be cancelled costs the least.
func (t *Transport) Do(ctx context.Context, req *Request, open OpenFunc) (*Reply, error) {
	if c := t.pool.get(req.Key); c != nil {
		reply, again, err := t.exchange(ctx, c, req)
		if reply != nil {
			reply.Reused = true
		}
		if !again {
			return reply, err
		}
	}
	stream, tcp, err := open()
	if err != nil {
		return nil, err
	}
	fresh := newConn(stream, tcp)
	if err := t.pool.add(req.Key, fresh); err != nil {
		return nil, err
	}
	if fresh.spokeFirst() {
		t.pool.drop(fresh)
		return nil, &Error{Phase: PhaseWrite, Err: ProtocolError("the server sent something before any request")}
	}
	reply, _, err := t.exchange(ctx, fresh, req)
	return reply, err
}

// readers are the read buffers of exchanges under way. A line of a reply that fits into one costs no allocation.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// earlyReply is how long exchange waits for a reply when the server has stopped taking the request.
const earlyReply = 100 * time.Millisecond

// exchange sends req on c and reads the reply. Afterwards c is back in the pool, or closed. again reports that
// the connection had ended before any byte of the request was sent, so that another connection may be tried. A
// request that was sent in part may have been acted upon; sending it once more is for the caller to decide.
func (t *Transport) exchange(ctx context.Context, c *conn, req *Request) (reply *Reply, again bool, err error) {
	c.SetDeadline(req.Deadline)
	undisturbed := always
	if ctx.Done() != nil {
		undisturbed = context.AfterFunc(ctx, func() { interrupt(c) })
	}
	in := readers.Get().(*bufio.Reader)
	in.Reset(c)
	reusable := false
	defer func() {
		in.Reset(nil)
		readers.Put(in)
		if undisturbed() && reusable {
			t.pool.put(c)
		} else {
			t.pool.drop(c)
		}
	}()

	phase := PhaseHeader
	sent, err := req.writeTo(c.Conn)
	if err != nil {
		phase = PhaseWrite
		c.SetDeadline(time.Now().Add(earlyReply))
	}
	if _, silence := in.Peek(1); silence != nil {
		err = cmp.Or(err, silence)
		return nil, !sent && endedByPeer(err), &Error{Phase: phase, Sent: sent, Err: err}
	}
	// A server may reply before it has taken the whole request. That reply counts, whatever the write returned.
	reply, usable, replyErr := readReply(in, req.Method == "HEAD", req.KeepBytes, req.KeepHeader)
	reusable = usable && err == nil
	if replyErr == nil {
		return reply, false, nil
	}
	if reply != nil {
		phase = PhaseBody
	}
	return reply, false, &Error{Phase: phase, Sent: sent, Err: replyErr}
}

// interrupt makes reads and writes on c fail, those under way too.
func interrupt(c net.Conn) { c.SetDeadline(time.Unix(1, 0)) }

func always() bool { return true }

// endedByPeer reports whether err is what reading or writing a connection returns after the peer has ended it.
func endedByPeer(err error) bool {
	return IsReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// IsReset reports whether err is that of a connection which the peer has reset.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
