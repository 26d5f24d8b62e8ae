package cloudevents

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// callbacks agrees to handshakes by a call, where it may.
type callbacks struct {
	hosts  []string // that may be called; with a port where that is not 443
	client *http.Client
}

// instead returns reply or, if h has a callback to a host that may be called, one that does not agree yet: the
// consent that reply was then goes there. A callback to any other host is passed over, for a stranger who could name
// it would have us call whatever our network reaches.
func (c callbacks) instead(reply *provider.Reply, h http.Header) *provider.Reply {
	to := c.allowed(h[RequestCallbackHeader])
	if to == nil {
		return reply
	}
	rate := reply.Header.Get(AllowedRateHeader)
	return &provider.Reply{
		Status: http.StatusOK,
		Header: http.Header{"Allow": {http.MethodPost}},
		Then:   func(ctx context.Context) error { return c.agree(ctx, to, rate) },
	}
}

// allowed returns the URL to call; nil if there is none that may be.
func (c callbacks) allowed(values []string) *url.URL {
	if len(values) != 1 {
		return nil
	}
	to, err := url.Parse(values[0])
	if err != nil || to.Scheme != "https" || to.User != nil || to.Opaque != "" {
		return nil
	}
	host := to.Host
	if to.Port() == "443" {
		host = to.Hostname()
	}
	if !slices.ContainsFunc(c.hosts, func(known string) bool { return strictjson.EqualFold(host, known) }) {
		return nil
	}
	return to
}

// agree calls a callback. Its errors leave out the URL, which is a secret.
func (c callbacks) agree(ctx context.Context, to *url.URL, rate string) error {
	req := &http.Request{Method: http.MethodGet, URL: to, Header: http.Header{AllowedRateHeader: {rate}}}
	reply, err := c.client.Do(req.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("cloudevents: call the callback: %w", provider.WithoutURL(err))
	}
	reply.Body.Close()
	if reply.StatusCode < 200 || reply.StatusCode > 299 {
		return fmt.Errorf("cloudevents: the callback answered with status %d", reply.StatusCode)
	}
	return nil
}
