package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/http1"
)

// HTTP returns a standard client behind the same guard, for everything that is not on the hot path: tokens, key
// sets, subscriptions at providers, downloads, our own commands. It always returns the same client.
//
// The client follows no redirect (a 3xx is the response), inflates nothing, keeps no cookies, uses no proxy,
// speaks HTTP/1.1, and gives up after 30 s, the body included. For long downloads copy it, set Timeout to 0 and
// bound the context. The body of a response is not bounded: the reader of it has to do that.
//
// Errors of the guard and the lookup wrap [*Error]. Those of net/http itself are of type [*url.Error] and name
// the whole URL: show what they wrap.
func (c *Client) HTTP() *http.Client { return c.standard() }

// NewLocal returns a client for commands that a person runs on their own machine. It goes where that person
// says, so private addresses are permitted. Otherwise it is as that of [Client.HTTP].
func NewLocal() *http.Client { return New(Config{AllowPrivate: true}).HTTP() }

func (c *Client) newHTTP() *http.Client {
	return &http.Client{
		Transport:     &guardedTransport{client: c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       DefaultTimeout,
	}
}

// A guardedTransport judges the URL of each request as CheckURL would, except for its length: providers hand
// out long URLs. It replaces the transport below it every MaxConnAge, so that no connection is used for longer.
type guardedTransport struct {
	client *Client

	mu   sync.Mutex
	base *http.Transport // protected by mu; nil before the first request
	born time.Time       // of base; protected by mu
}

func (t *guardedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r.URL); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", t.client.userAgent)
	}
	return t.current().RoundTrip(r)
}

func (t *guardedTransport) check(u *url.URL) error {
	if u.Opaque != "" {
		return badURL("the URL must have // after its scheme")
	}
	_, err := t.client.guard.checkURL(u)
	return err
}

// current returns the transport to use now.
func (t *guardedTransport) current() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	limits := t.client.limits
	now := t.client.now()
	if t.base != nil && now.Sub(t.born) < limits.MaxAge {
		return t.base
	}
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
	t.born = now
	t.base = &http.Transport{
		DialContext:            t.client.dialHostPort,
		TLSClientConfig:        t.client.tls.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  DefaultTimeout,
		MaxResponseHeaderBytes: http1.MaxHeaderBytes,
		DisableCompression:     true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        limits.IdleTimeout,
	}
	return t.base
}

// CloseIdleConnections is for [http.Client.CloseIdleConnections].
func (t *guardedTransport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
}

// dialHostPort connects to a "host:port" that the guard permits, as [http.Transport].DialContext.
func (c *Client) dialHostPort(ctx context.Context, _, hostport string) (net.Conn, error) {
	o, err := parseOrigin("http", hostport)
	if err != nil {
		return nil, badURL(err.Error())
	}
	addrs, err := c.resolve(ctx, o, c.guard)
	if err != nil {
		return nil, err
	}
	return c.guard.dialFirst(ctx, addrs)
}

// Unanswered says in words why a request of the client of [Client.HTTP] got no answer, and whether the other end may
// have acted on it: "cannot be reached: dns: …". The words name neither path nor query.
func Unanswered(err error) (what string, sent bool) {
	var failure *Error
	var unreached *url.Error
	var untrusted *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case IsLocal(err):
		return Local(err).Error(), false
	case errors.As(err, &failure):
		return "cannot be reached: " + failure.Error(), failure.Sent
	case errors.As(err, &untrusted):
		return "cannot be trusted: " + untrusted.Error(), false
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &unreached) && unreached.Timeout():
		return "did not answer in time", true
	case errors.As(err, &network) && network.Op == "dial":
		return "cannot be reached: " + network.Err.Error(), false
	}
	return "did not answer as HTTP servers do, or hung up", true // net/http repeats the bytes that it cannot read
}
