package connection

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// revokeTime bounds the requests of one sign-out together.
const revokeTime = 10 * time.Second

// revoke asks the authority to revoke tokens, and returns in words what became of it: "" if there are none. Whatever
// it answers, the tokens are deleted here afterwards: see Logout. The caller holds l.busy. Source:
// https://www.rfc-editor.org/rfc/rfc7009
func (m *Manager) revoke(ctx context.Context, l *link, o *provider.OAuth, t tokens) string {
	if t.Access == "" && t.Refresh == "" && t.Previous == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, revokeTime)
	defer cancel()
	const remedy = ", so end the sign-in there, too"
	at, f := m.discover(ctx, l, o)
	switch {
	case f != nil:
		return "the authority was not asked to revoke the tokens, since " + f.what + remedy
	case at.revoke == "":
		return host(at.token) + " has no endpoint that revokes tokens" + remedy
	}
	// RFC 7009, section 2.1: with a refresh token, the authority revokes the access tokens that it brought.
	revoked := false
	for _, each := range []struct{ token, hint string }{{t.Refresh, "refresh_token"}, {t.Previous, "refresh_token"},
		{t.Access, "access_token"}} {
		if each.token == "" {
			continue
		}
		trouble := m.revokeOne(ctx, o, at, each.token, each.hint)
		if trouble == "" {
			revoked = true
			continue
		}
		if each.hint == "access_token" && revoked {
			break
		}
		return host(at.revoke) + " did not revoke the tokens: it " + trouble + remedy
	}
	return host(at.revoke) + " has revoked the tokens"
}

// revokeOne asks for the revocation of one token, and returns what went wrong. An authority answers 200 for a token
// that is not valid, too.
func (m *Manager) revokeOne(ctx context.Context, o *provider.OAuth, at endpoints,
	token, hint string) (trouble string) {
	form := url.Values{"token": {token}, "token_type_hint": {hint}}
	inHeader := o.Basic && o.ClientSecret != ""
	if !inHeader {
		form.Set("client_id", o.ClientID)
	}
	switch {
	case o.Assertion != nil:
		assertion, err := o.Assertion(at.token, m.now(), m.opts.Env.Rand)
		if err != nil {
			return "was not asked, since no assertion could be made"
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	case o.ClientSecret != "" && !inHeader:
		form.Set("client_secret", o.ClientSecret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.revoke, strings.NewReader(form.Encode()))
	if err != nil {
		return "was not asked, since the URL of its endpoint cannot be read"
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if inHeader {
		r.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(o.ClientSecret))
	}
	client, _ := m.newExchange()
	resp, err := client.Do(r)
	if err != nil {
		what, _ := egress.Unanswered(err)
		return what
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	if resp.StatusCode != http.StatusOK {
		return "answered " + egress.DescribeStatus(resp.StatusCode)
	}
	return ""
}
