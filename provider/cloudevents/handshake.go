package cloudevents

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The headers of the handshake, in canonical form.
const (
	RequestOriginHeader   = "Webhook-Request-Origin"
	RequestCallbackHeader = "Webhook-Request-Callback"
	RequestRateHeader     = "Webhook-Request-Rate"
	AllowedOriginHeader   = "Webhook-Allowed-Origin"
	AllowedRateHeader     = "Webhook-Allowed-Rate"
)

// AnswerHandshake answers the handshake of the Web Hooks specification: OPTIONS with a WebHook-Request-Origin. ok
// is false if req is not a handshake.
//
// The whole origin is compared with each of allowed, without regard to case; "*" allows any. For another origin the
// error is provider.ErrMethod, so that the answer is that of a server without the handshake and does not allow
// anything. rate is the largest number of requests a minute that is granted; 0 grants what is requested. The error
// is provider.ErrBody if the origin is not a DNS name, if the rate is not a whole number from 1 to 999999999, or if
// either occurs twice.
//
// AnswerHandshake ignores WebHook-Request-Callback, since the answer itself allows the sender.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
func AnswerHandshake(req *provider.Request, allowed []string, rate int) (reply *provider.Reply, ok bool, err error) {
	origins := req.Header.Values(RequestOriginHeader)
	if req.Method != http.MethodOptions || len(origins) == 0 {
		return nil, false, nil
	}
	if len(origins) > 1 || !dnsName(origins[0]) {
		return nil, true, fmt.Errorf("%w: WebHook-Request-Origin is not a DNS name, or occurs twice", provider.ErrBody)
	}
	if !originAllowed(origins[0], allowed) {
		return nil, true, fmt.Errorf("%w: the origin is not in the allowed origins", provider.ErrMethod)
	}
	granted, err := grantRate(req.Header.Values(RequestRateHeader), rate)
	if err != nil {
		return nil, true, err
	}
	return &provider.Reply{Status: http.StatusOK, Header: http.Header{
		"Allow":             {http.MethodPost},
		AllowedOriginHeader: {origins[0]},
		AllowedRateHeader:   {granted},
	}}, true, nil
}

func originAllowed(origin string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool { return a == "*" || strictjson.EqualFold(origin, a) })
}

// grantRate returns the rate to grant: the requested one, if any, or most if that is lower. most 0 is no limit.
func grantRate(requested []string, most int) (string, error) {
	n := 0
	if len(requested) > 0 {
		var ok bool
		if n, ok = provider.WebHookRate(requested[0]); !ok || len(requested) > 1 {
			return "", fmt.Errorf("%w: WebHook-Request-Rate is not a number of requests a minute, or occurs "+
				"twice", provider.ErrBody)
		}
	}
	if most > 0 && (n == 0 || n > most) {
		n = most
	}
	if n == 0 {
		return "*", nil
	}
	return strconv.Itoa(n), nil
}

// dnsName reports whether text can be an origin: a DNS name, without scheme and port.
func dnsName(text string) bool {
	return text != "" && len(text) <= 253 && provider.Alphanumeric(text, ".-_")
}

// callbacks accepts handshakes by calling the sender back, if its host is allowed.
type callbacks struct {
	hosts  []string // allowed hosts, with a port if it is not 443
	client *http.Client
}

// deferReply returns reply, the answer that accepts a handshake. If h has a callback to an allowed host, it returns
// instead an answer that does not accept, followed by a call to the callback that does. A callback to any other
// host is ignored, because a stranger could otherwise make this server call any host of its network.
func (c callbacks) deferReply(reply *provider.Reply, h http.Header) *provider.Reply {
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

// allowed returns the URL to call, or nil if there is none or its host is not allowed.
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

// agree calls a callback. Its errors do not contain the URL, which is secret.
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
