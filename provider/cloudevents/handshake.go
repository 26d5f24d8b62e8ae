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

// Consent answers the handshake of the Web Hooks specification: OPTIONS with a WebHook-Request-Origin. ok is false if
// req is none.
//
// The origin is compared whole with those of allowed, without regard to case; "*" among them is any. What is not
// allowed is provider.ErrMethod, as if there were no handshake here: an answer without consent in its headers. rate is
// how many requests a minute are granted at most; 0 is as many as are asked for. An origin that is no DNS name, a rate
// that is no whole number from 1 to 999999999, and either of them given twice, is provider.ErrBody.
//
// A WebHook-Request-Callback is not looked at: who agrees at once need not call.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md#4-abuse-protection
func Consent(req *provider.Request, allowed []string, rate int) (reply *provider.Reply, ok bool, err error) {
	origins := req.Header.Values(RequestOriginHeader)
	if req.Method != http.MethodOptions || len(origins) == 0 {
		return nil, false, nil
	}
	if len(origins) > 1 || !dnsName(origins[0]) {
		return nil, true, fmt.Errorf("%w: WebHook-Request-Origin is no DNS name, or there twice", provider.ErrBody)
	}
	if !originAllowed(origins[0], allowed) {
		return nil, true, fmt.Errorf("%w: the origin is not among those allowed", provider.ErrMethod)
	}
	granted, err := grant(req.Header.Values(RequestRateHeader), rate)
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

// grant returns the rate to allow of the one that is asked for, if any, and the most that may be.
func grant(asked []string, most int) (string, error) {
	n := 0
	if len(asked) > 0 {
		var ok bool
		if n, ok = provider.WebHookRate(asked[0]); !ok || len(asked) > 1 {
			return "", fmt.Errorf("%w: WebHook-Request-Rate is no number of requests a minute, or there twice", provider.ErrBody)
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

// dnsName reports whether text can be the name of a sender: no scheme, no port, nothing that does not stand in names.
func dnsName(text string) bool {
	return text != "" && len(text) <= 253 && provider.Alphanumeric(text, ".-_")
}

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
