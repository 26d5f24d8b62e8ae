package outbound

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
	"github.com/bellhop-gateway/bellhop/internal/oauth"
)

// An authorizer is an [access.Access] made ready. A nil authorizer is that of a destination without an access.
type authorizer struct {
	raw    json.RawMessage // the access object it was made of
	route  egress.Route
	member string        // the member that makes the Authorization header; "" if none does
	header []byte        // "Authorization: …\r\n"; nil if a token has to be fetched first
	tokens *oauth.Source // nil if header is set
}

// openAddress parses d's URL and access. Its errors are [bellhop.CodeInvalid].
func (o *Opener) openAddress(d bellhop.Destination) (*egress.Target, *authorizer, error) {
	a, accessErr := o.openAccess(d.Access)
	var route egress.Route
	if a != nil {
		route = a.route
	}
	target, err := o.opts.Client.Target(d.URL, route)
	if err != nil {
		err = bellhop.Invalid("url", err.Error())
	} else if !strings.HasPrefix(target.String(), "https:") {
		accessErr = bellhop.Join("", accessErr, refuseWithoutTLS("certificate", route.Certificate != nil),
			refuseWithoutTLS("ca", len(route.Authorities) > 0))
	}
	return target, a, bellhop.Join("", err, bellhop.Join("access", accessErr))
}

func refuseWithoutTLS(name string, set bool) error {
	if set {
		return bellhop.Invalid(name, "only an https:// URL has a use for it; change url, or leave it out")
	}
	return nil
}

// openAccess reads an access object; an empty one is nil. Its errors are [bellhop.CodeInvalid], with paths
// within the object.
func (o *Opener) openAccess(raw json.RawMessage) (*authorizer, error) {
	s, err := access.Parse(raw)
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	certificate, certificateErr := s.TLSCertificate()
	authorities, authoritiesErr := s.Authorities()
	a := &authorizer{raw: raw, member: s.Authorizes(), route: egress.Route{
		Certificate: certificate, Authorities: authorities,
		Proxy: s.Proxy, ProxyUsername: s.ProxyUsername, ProxyPassword: s.ProxyPassword,
	}}
	var proxyErr, tokenErr error
	if s.Proxy != "" {
		if err := o.opts.Client.CheckProxy(s.Proxy); err != nil {
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
		grant := oauth.ClientCredentials{TokenURL: s.TokenURL, ClientID: s.ClientID, ClientSecret: s.ClientSecret,
			Scopes: s.Scopes, Audience: s.Audience}
		if a.tokens, err = oauth.New(o.opts.Client, grant, o.now); err != nil {
			tokenErr = bellhop.Invalid("token_url", err.Error())
		}
	}
	if err := bellhop.Join("", certificateErr, authoritiesErr, proxyErr, tokenErr); err != nil {
		return nil, err
	}
	return a, nil
}

const authorization = "Authorization"

// inherit returns the authorizer that the destination uses now, and with it the token, if a was made of the
// same access object. Otherwise it returns a.
func (o *Opener) inherit(a *authorizer, destinationID string) *authorizer {
	if a == nil || o.opts.Current == nil {
		return a
	}
	if now := o.opts.Current(destinationID); now != nil && now.access != nil && bytes.Equal(now.access.raw, a.raw) {
		return now.access
	}
	return a
}

// checkAuthorization refuses an access that makes a header which the settings make too.
func (t *Target) checkAuthorization() error {
	if t.access == nil || t.access.member == "" {
		return nil
	}
	// if the probe cannot be rendered, authorize checks each request instead
	if m, err := t.renderProbe(); err != nil || !hasAuthorization(m.header) {
		return nil
	}
	return bellhop.Invalid("access."+t.access.member,
		"the settings make an Authorization header already, a signature or one of headers; leave out that, or this")
}

// checkClash reports a rendered header block that has an Authorization header already, if a adds one.
func (a *authorizer) checkClash(header []byte) error {
	if a == nil || a.member == "" || !hasAuthorization(header) {
		return nil
	}
	return errors.New("the settings and access." + a.member + " both make an Authorization header")
}

// hasAuthorization reports whether an Authorization header is among lines.
func hasAuthorization(lines []byte) bool {
	for line := range bytes.Lines(lines) {
		if name, _, _ := bytes.Cut(line, []byte(":")); len(name) == len(authorization) &&
			strings.EqualFold(string(name), authorization) {
			return true
		}
	}
	return false
}

// authorize adds the Authorization header to req. It returns the token that it fetched or had, if the header is
// a fetched token, and takes the time that the fetch took off req's timeout. Its errors are unsentError and, if
// ctx ended, [egress.Error].
func (a *authorizer) authorize(ctx context.Context, req *egress.Request) (token string, err error) {
	if err := a.checkClash(req.Header); err != nil {
		return "", &unsentError{ErrorRender, err.Error()}
	}
	if a.tokens == nil {
		req.Header = append(req.Header, a.header...)
		return "", nil
	}
	start := time.Now()
	token, err = a.tokens.Token(ctx, req.Timeout)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", &egress.Error{Class: egress.ClassCanceled, Detail: "given up while a token was fetched", Err: err}
	case egress.IsLocal(err):
		return "", egress.Local(err)
	case err != nil:
		return "", &unsentError{ErrorToken, err.Error()}
	}
	req.Header = egress.AppendHeader(req.Header, authorization, "Bearer "+token)
	req.Timeout = max(req.Timeout-time.Since(start), time.Nanosecond) // 0 would mean the default timeout
	return token, nil
}

// learn notes the reply to a request that authorize authorized with token. A 401 makes the next request
// fetch another.
func (a *authorizer) learn(token string, reply *egress.Reply) {
	if a.tokens != nil && reply != nil && reply.Status == http.StatusUnauthorized {
		a.tokens.Refused(token)
	}
}
