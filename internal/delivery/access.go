package delivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// An authorizer is an [access.Access] made ready. nil is none.
type authorizer struct {
	raw    json.RawMessage // what it was made of
	route  egress.Route
	member string  // that makes the Authorization header; "" if none does
	header []byte  // "Authorization: …\r\n"; nil where a token has to be fetched first
	tokens *tokens // nil where none has to
}

// openTarget makes ready how d is reached, and who we are there.
func (e *Engine) openTarget(d bellhop.Destination) (*egress.Target, *authorizer, error) {
	a, accessErr := e.openAccess(d.Access)
	var route egress.Route
	if a != nil {
		route = a.route
	}
	target, err := e.opts.Client.Target(d.URL, route)
	if err != nil {
		err = bellhop.Invalid("url", err.Error())
	} else if !strings.HasPrefix(target.String(), "https:") {
		accessErr = bellhop.Join("", accessErr, noTLS("certificate", route.Certificate != nil), noTLS("ca", len(route.Authorities) > 0))
	}
	return target, a, bellhop.Join("", err, bellhop.Join("access", accessErr))
}

func noTLS(name string, set bool) error {
	if set {
		return bellhop.Invalid(name, "only an https:// URL has a use for it; change url, or leave it out")
	}
	return nil
}

// openAccess reads raw. Its errors are [bellhop.CodeInvalid], with paths within it.
func (e *Engine) openAccess(raw json.RawMessage) (*authorizer, error) {
	s, err := access.Parse(raw)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	certificate, certificateErr := s.TLSCertificate()
	authorities, authoritiesErr := s.Authorities()
	a := &authorizer{raw: raw, member: s.Authorizes(), route: egress.Route{Certificate: certificate, Authorities: authorities,
		Proxy: s.Proxy, ProxyUsername: s.ProxyUsername, ProxyPassword: s.ProxyPassword}}
	var proxyErr, tokenErr error
	if s.Proxy != "" {
		if err := e.opts.Client.CheckProxy(s.Proxy); err != nil {
			proxyErr = bellhop.Invalid("proxy", err.Error())
		}
	}
	switch a.member {
	case "username":
		login := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password))
		a.header = egress.AppendHeader(nil, authorization, "Basic "+login)
	case "token":
		a.header = egress.AppendHeader(nil, authorization, "Bearer "+s.Token)
	case "token_url":
		a.tokens, tokenErr = e.newTokens(s)
	}
	if err := bellhop.Join("", certificateErr, authoritiesErr, proxyErr, tokenErr); err != nil {
		return nil, err
	}
	return a, nil
}

const authorization = "Authorization"

// inherit keeps what old had, its token above all, where nothing of its access has changed.
func (dst *destination) inherit(old *destination) {
	if dst.access != nil && old.access != nil && bytes.Equal(dst.access.raw, old.access.raw) {
		dst.access = old.access
	}
}

// checkAuthorization refuses an access whose header dst's settings make as well.
func (e *Engine) checkAuthorization(dst *destination) error {
	if dst.access == nil || dst.access.member == "" {
		return nil
	}
	if m, err := e.renderProbe(dst); err != nil || !authorizes(m.header) { // of what cannot be rendered exchange decides
		return nil
	}
	return bellhop.Invalid("access."+dst.access.member,
		"the settings make an Authorization header already, a signature or one of headers; leave out that, or this")
}

// clash reports that a rendered header has what a adds to it.
func (a *authorizer) clash(header []byte) error {
	if a == nil || a.member == "" || !authorizes(header) {
		return nil
	}
	return errors.New("the settings and access." + a.member + " both make an Authorization header")
}

// authorizes reports whether an Authorization header is among lines.
func authorizes(lines []byte) bool {
	for line := range bytes.Lines(lines) {
		if name, _, _ := bytes.Cut(line, []byte(":")); len(name) == len(authorization) && strings.EqualFold(string(name), authorization) {
			return true
		}
	}
	return false
}

// exchange makes one request as a says, within req.Timeout, the wait for a token included. Its errors are [egress.Error].
func (e *Engine) exchange(ctx context.Context, a *authorizer, req *egress.Request) (*egress.Reply, error) {
	if a == nil || a.member == "" {
		return e.opts.Client.Do(ctx, req)
	}
	if err := a.clash(req.Header); err != nil {
		return nil, &egress.Error{Class: errorRender, Detail: err.Error()}
	}
	if a.tokens == nil {
		req.Header = append(req.Header, a.header...)
		return e.opts.Client.Do(ctx, req)
	}
	start := time.Now()
	text, err := e.token(ctx, a.tokens, req.Timeout)
	if err != nil {
		return nil, err
	}
	req.Header = egress.AppendHeader(req.Header, authorization, "Bearer "+text)
	req.Timeout = max(req.Timeout-time.Since(start), time.Nanosecond) // none would be the default one
	reply, err := e.opts.Client.Do(ctx, req)
	if reply != nil && reply.Status == http.StatusUnauthorized {
		a.tokens.refused(text)
	}
	return reply, err
}
