package egress

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A proxy stands between us and a target. It is what we dial, and so what the guard judges.
type proxy struct {
	place
	tls           *tls.Config // to the proxy itself
	agent         string      // "User-Agent: …\r\n"
	authorization string      // "Proxy-Authorization: …\r\n", or ""
}

func (p *proxy) String() string { return "the proxy " + p.header() }

// enter makes tcp, which leads to t's proxy, lead to t: for https through a tunnel; for http the proxy reads each request.
func (c *Client) enter(ctx context.Context, t *Target, tcp net.Conn) (net.Conn, error) {
	p, stream := t.proxy, tcp
	if p.secure {
		secured := tls.Client(tcp, named(p.tls, p.host()))
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, p.failure("cannot be trusted: "+tlsDetail(err), err)
		}
		stream = secured
	}
	if !t.secure {
		return stream, nil
	}
	return stream, p.tunnel(ctx, stream, t.authority())
}

// blame says of what the guard and the lookup complain about that it is the proxy, if t has one.
func (t *Target) blame(err error) error {
	var e *Error
	if t.proxy == nil || !errors.As(err, &e) {
		return err
	}
	ofProxy := *e
	ofProxy.Detail = "the proxy: " + e.Detail
	return &ofProxy
}

// tunnel has the proxy at the other end of c connect it to another place, by the deadline of ctx.
func (p *proxy) tunnel(ctx context.Context, c net.Conn, to string) error {
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	undisturbed := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err := p.connect(c, to)
	if !undisturbed() {
		return ctx.Err()
	}
	c.SetDeadline(time.Time{})
	return err
}

// connect sends CONNECT and reads the answer, of which there may be as much as of a reply's headers.
func (p *proxy) connect(c net.Conn, to string) error {
	if _, err := io.WriteString(c, "CONNECT "+to+" HTTP/1.1\r\nHost: "+to+"\r\n"+p.agent+p.authorization+"\r\n"); err != nil {
		return p.failure(ending(err), err)
	}
	in := readers.Get().(*bufio.Reader)
	in.Reset(c)
	defer func() {
		in.Reset(nil)
		readers.Put(in)
	}()
	if _, err := in.Peek(1); err != nil {
		return p.failure(ending(err), err)
	}
	budget := maxHeaderBytes
	for range maxInterim + 1 {
		h, err := readHead(in, &budget, false)
		switch {
		case err != nil:
			return p.failure(ending(err), err)
		case h.status >= 300:
			return p.fault(refusal(to, h.status), nil)
		case h.status >= 200 && in.Buffered() > 0: // nobody behind it speaks first
			return p.fault("sent more than its answer to CONNECT", nil)
		case h.status >= 200:
			return nil
		}
	}
	return p.fault("sent more than "+strconv.Itoa(maxInterim)+" interim replies (1xx)", nil)
}

// refusal says what a proxy means that answers status instead of connecting us.
func refusal(to string, status int) string {
	detail := fmt.Sprintf("did not connect to %s: it answered %d %s", to, status, http.StatusText(status))
	if status == http.StatusProxyAuthRequired {
		detail += ", which wants a user and password, or others"
	}
	return detail
}

// failure is err, which is ours if it is about patience, and else the proxy's.
func (p *proxy) failure(detail string, err error) error {
	if c := classify(PhaseProxy, err); c == ClassTimeout || c == ClassCanceled {
		return err
	}
	return p.fault(detail, err)
}

func (p *proxy) fault(detail string, err error) *Error {
	return &Error{Class: ClassProxy, Phase: PhaseProxy, Detail: p.String() + " " + detail, Err: err}
}

// ending says how a proxy answered CONNECT that did not.
func ending(err error) string {
	var bad badReply
	switch {
	case errors.As(err, &bad):
		return "did not answer CONNECT properly: " + bad.Error()
	case isReset(err):
		return "reset the connection instead of answering CONNECT"
	}
	return "closed the connection instead of answering CONNECT"
}
