package egress

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Do makes one request and reads its reply, all in the calling goroutine. Its errors are of type [*Error]; if
// one occurs within the reply's body, the reply is returned as well, as far as it came.
//
// A connection from the pool that proves to be closed before any of the request was sent is replaced by a new one.
// What was sent is never sent again: whether the server acted on it is unknown, and another attempt's affair.
//
// A context that cannot be cancelled, with Request.Timeout, is the cheapest; [Client.Close] still ends it.
func (c *Client) Do(ctx context.Context, req *Request) (*Reply, error) {
	a := attempt{client: c, ctx: ctx, req: req, within: req.Timeout}
	start := time.Now()
	if a.within <= 0 {
		a.within = DefaultTimeout
	}
	if d, ok := ctx.Deadline(); ok {
		a.within = min(a.within, d.Sub(start))
	}
	a.deadline = start.Add(a.within)

	if err := ctx.Err(); err != nil {
		a.phase = PhaseDial
		return a.result(nil, false, err)
	}
	if c := c.pool.get(req.Target.pool); c != nil {
		reply, retry, err := a.exchange(c)
		if !retry {
			return a.result(reply, true, err)
		}
	}
	fresh, err := a.open()
	if err != nil {
		return a.result(nil, false, err)
	}
	reply, _, err := a.exchange(fresh)
	return a.result(reply, false, err)
}

// An attempt is one call of Do.
type attempt struct {
	client   *Client
	ctx      context.Context
	req      *Request
	within   time.Duration
	deadline time.Time
	phase    Phase
	sent     bool
}

// open makes a new connection.
func (a *attempt) open() (*conn, error) {
	ctx, cancel := context.WithDeadline(a.ctx, a.deadline)
	defer cancel()
	opened, phase, err := a.client.open(ctx, a.req.Target)
	a.phase = phase
	return opened, err
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// earlyReply is how long a reply is looked for that the server sent before it had taken the whole request.
const earlyReply = 100 * time.Millisecond

// exchange sends the request on c and reads the reply; c is back in the pool, or closed, afterwards. again
// reports that the connection failed before any of the request was sent, as one does that was closed while it was
// idle: what was sent may have been acted upon, and trying that once more is for the next attempt.
func (a *attempt) exchange(c *conn) (reply *Reply, again bool, err error) {
	a.phase = PhaseWrite
	c.SetDeadline(a.deadline)
	undisturbed := a.watch(c)
	in := readers.Get().(*bufio.Reader)
	in.Reset(c)
	reusable := false
	defer func() {
		in.Reset(nil)
		readers.Put(in)
		if undisturbed() && reusable {
			a.client.pool.put(c)
		} else {
			a.client.pool.drop(c)
		}
	}()

	sent, err := a.req.writeTo(c.Conn)
	a.sent = a.sent || sent
	if err == nil {
		a.phase = PhaseHeader
	} else {
		c.SetDeadline(time.Now().Add(earlyReply))
	}
	if _, silence := in.Peek(1); silence != nil {
		err = cmp.Or(err, silence)
		class := classify(a.phase, err)
		return nil, !sent && (class == ClassReset || class == ClassClosed), err
	}
	reply, reusable, broken := readReply(in, a.req.Method == "HEAD", a.req.keep(), a.req.ReplyHeader)
	reusable = reusable && err == nil
	if reply != nil {
		a.phase = PhaseBody
	}
	if p := a.req.Target.proxy; p != nil && !a.req.Target.secure && reply != nil && reply.Status == http.StatusProxyAuthRequired { // no other server's to say
		return nil, false, p.fault(refusal(a.req.Target.authority(), reply.Status), nil)
	}
	return reply, false, broken
}

// watch ends what is under way on c when the context is cancelled. The returned function stops watching and
// reports whether c was left alone.
func (a *attempt) watch(c *conn) (undisturbed func() bool) {
	if a.ctx.Done() == nil {
		return always
	}
	return context.AfterFunc(a.ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
}

func always() bool { return true }

// result is what Do returns: it turns err into an Error.
func (a *attempt) result(reply *Reply, reused bool, err error) (*Reply, error) {
	if reply != nil {
		reply.Reused = reused
	}
	if err == nil {
		return reply, nil
	}
	if cause := a.ctx.Err(); errors.Is(cause, context.Canceled) {
		err = cause
	}
	e := failure(a.phase, a.req.Target.ahead(a.phase), a.within, err)
	e.Sent = a.sent
	return reply, e
}
