package egress

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// HTTP returns a standard client behind the same guard, for what is not on the hot path: tokens, key sets,
// subscriptions at providers, downloads, our own commands. It is always the same one.
//
// It follows no redirect (a 3xx is the response), inflates nothing, keeps no cookies, uses no proxy, speaks
// HTTP/1.1, and gives up after 30 s, the body included. For long downloads copy it, set Timeout to 0 and bound
// the context. The body of a response is not bounded; whoever reads it does that.
//
// Errors of the guard and the lookup wrap [*Error]. Those of net/http itself name the whole URL: pass them
// through [WithoutURL] before they are shown.
func (c *Client) HTTP() *http.Client { return c.standard() }

func (c *Client) newHTTP() *http.Client {
	return &http.Client{
		Transport:     &transport{client: c},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       DefaultTimeout,
	}
}

// A transport judges the URL of each request as CheckURL would, but for its length: providers hand out long ones.
// What carries the requests is replaced every MaxConnAge, so that no connection is used for longer.
type transport struct {
	client *Client

	mu   sync.Mutex
	base *http.Transport // nil before the first request
	born time.Time
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.check(r.URL); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", t.client.agent)
	}
	return t.current().RoundTrip(r)
}

func (t *transport) check(u *url.URL) error {
	if u.Opaque != "" {
		return badURL("the URL must have // after its scheme")
	}
	_, err := t.client.guard.checkPlace(u)
	return err
}

func (t *transport) current() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	pool := t.client.pool
	now := pool.now()
	if t.base != nil && now.Sub(t.born) < pool.limits.age {
		return t.base
	}
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
	t.born = now
	t.base = &http.Transport{
		DialContext:            t.client.dialContext,
		TLSClientConfig:        t.client.tls.Clone(),
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  DefaultTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        pool.limits.idle,
	}
	return t.base
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.base != nil {
		t.base.CloseIdleConnections()
	}
}

// dialContext connects to a "host:port" that the guard permits.
func (c *Client) dialContext(ctx context.Context, _, hostport string) (net.Conn, error) {
	p, err := parsePlace("http", hostport)
	if err != nil {
		return nil, badURL(err.Error())
	}
	addrs, err := c.resolve(ctx, p, c.guard)
	if err != nil {
		return nil, err
	}
	return c.connect(ctx, c.guard, addrs)
}
