package acs

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// OpenSender implements [provider.Sender]. The Renderer is Event Grid's; with an access key it also signs each
// request.
func (p Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	rest, key, err := takeKey(raw, p.Info().SendSettings)
	if err != nil {
		return nil, err
	}
	r, err := p.Provider.OpenSender(env, rest)
	if err != nil || key == nil {
		return r, err
	}
	s := signer{inner: r.(inner), key: key}
	return s, s.checkHeaders(env)
}

// inner is the type of Event Grid's renderers, in either schema.
type inner interface {
	provider.Batcher
	provider.Handshaker
	provider.ReplyJudge
}

// takeKey returns the access key of raw, nil if there is none, and Event Grid's settings without it.
func takeKey(raw json.RawMessage, known []provider.Setting) (rest json.RawMessage, key []byte, err error) {
	if strictjson.Unambiguous(raw) != nil { // Event Grid's OpenSender reports this error, and takes nothing for {}
		return raw, nil, nil
	}
	others := map[string]json.RawMessage{}
	var given json.RawMessage
	var errs []error
	_ = strictjson.Object(raw, func(name, value []byte) {
		switch {
		case string(name) == accessKey.Name:
			given = slices.Clone(value)
		case slices.ContainsFunc(known, func(s provider.Setting) bool { return s.Name == string(name) }):
			others[string(name)] = slices.Clone(value)
		default:
			errs = append(errs, bellhop.Invalid(string(name), "unknown setting; there are "+names(known)))
		}
	})
	if given != nil {
		key, err = readKey(given)
		errs = append(errs, err)
	}
	if err := bellhop.Join("", errs...); err != nil {
		return nil, nil, err
	}
	rest, err = strictjson.Encode(others)
	return rest, key, err
}

func names(settings []provider.Setting) string {
	var list []string
	for _, s := range settings {
		list = append(list, s.Name)
	}
	return strings.Join(list, ", ")
}

func readKey(value json.RawMessage) ([]byte, error) {
	var secret provider.Secrets
	if json.Unmarshal(value, &secret) != nil {
		return nil, bellhop.Invalid(accessKey.Name, "must be a text")
	}
	if err := secret.CheckOne(accessKey.Name); err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(secret[0])
	if err != nil || len(key) == 0 {
		return nil, bellhop.Invalid(accessKey.Name, "must be Base64, as the portal shows an access key")
	}
	return key, nil
}

// A signer signs the requests that inner renders.
type signer struct {
	inner
	key []byte
}

// checkHeaders refuses settings that use a header of the signature.
func (s signer) checkHeaders(env provider.Env) error {
	now := env.Now()
	probe := &bellhop.Event{ID: "evt_probe", Type: "probe", Time: now, ReceivedAt: now, Body: []byte("{}")}
	m, err := s.inner.Render(probe, provider.AttemptInfo{Time: now})
	if err != nil {
		return err
	}
	for _, name := range []string{authorizationHeader, DateHeader, ContentHashHeader} {
		if m.Header.Values(name) != nil {
			return bellhop.Invalid("header", "access_key writes its signature to this header; use another header, "+
				"or remove access_key")
		}
	}
	return nil
}

// Render implements [provider.Renderer].
func (s signer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	m, err := s.inner.Render(ev, at)
	return s.sign(m, at.URL, at.Time, err)
}

// RenderBatch implements [provider.Batcher].
func (s signer) RenderBatch(events []*bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	m, err := s.inner.RenderBatch(events, at)
	return s.sign(m, at.URL, at.Time, err)
}

// Handshake implements [provider.Handshaker].
func (s signer) Handshake(at provider.AttemptInfo) (provider.HandshakeRequest, error) {
	g, err := s.inner.Handshake(at)
	to := g.URL
	if to == "" {
		to = at.URL
	}
	g.Request, err = s.sign(g.Request, to, at.Time, err)
	return g, err
}

// sign signs m for the URL to. If err, the error of rendering m, is not nil, it returns err.
func (s signer) sign(
	m provider.OutboundRequest, to string, at time.Time, err error,
) (provider.OutboundRequest, error) {
	if err != nil {
		return m, err
	}
	u, err := url.Parse(to)
	if err != nil {
		return m, errors.New("acs: the destination's URL cannot be signed")
	}
	method := m.Method
	if method == "" {
		method = http.MethodPost
	}
	r := Request{Method: method, Target: u.RequestURI(), Host: hostOf(u), Header: m.Header, Body: m.Body}
	return m, Sign(r, s.key, at)
}

// hostOf returns the Host header of a request to u: in lower case, and with the port unless it is the scheme's
// default.
func hostOf(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && !(port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http") {
		host += ":" + port
	}
	return host
}
