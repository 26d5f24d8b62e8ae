package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Bounds of a request to an authority.
const (
	requestTimeout  = 30 * time.Second
	maxAnswer       = 256 << 10       // bytes
	defaultLifetime = time.Hour       // of a token whose authority names none; a refusal ends it sooner
	maxSkew         = 2 * time.Minute // of another clock against ours; a larger one is told, or obeyed
	discoverEvery   = 24 * time.Hour
)

// assertionType is the parameter client_assertion_type: RFC 7523, section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// A failure says why a request to an authority brought nothing.
type failure struct {
	final      bool          // asking again is of no use: a person has to act
	kind       string        // of RFC 6749, section 5.2: "invalid_grant"; "" if the authority named none
	what       string        // what happened, with the authority's host
	remedy     string        // may be ""
	foreign    bool          // the answer is not one of a token endpoint
	status     int           // of the answer; 0 is none
	retryAfter time.Duration // that the authority asked for
}

func (f *failure) Error() string {
	if f.remedy == "" {
		return f.what
	}
	return f.what + ": " + f.remedy
}

// endpoints are the URLs of an authority.
type endpoints struct {
	auth, token, device string
	revoke              string                // "" if there is none
	verifier            *oidc.IDTokenVerifier // nil without discovery
	at                  time.Time
}

// An exchange is the client of one request to an authority. It bounds the answer, and compares the clocks.
type exchange struct {
	base    http.RoundTripper
	now     func() time.Time
	skew    time.Duration // of the authority's clock against ours, if it is more than maxSkew
	tooLong bool          // the answer
}

// newExchange returns a client of one request and its exchange. Redirects are not followed.
func (m *Manager) newExchange() (*http.Client, *exchange) {
	c := *provider.NoRedirects(m.opts.Env.Client)
	e := &exchange{base: c.Transport, now: m.now}
	c.Transport = e
	return &c, e
}

// RoundTrip implements [http.RoundTripper].
func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := e.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	theirs, err := http.ParseTime(resp.Header.Get("Date"))
	if skew := theirs.Sub(e.now()).Round(time.Second); err == nil && skew.Abs() > maxSkew {
		e.skew = skew
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxAnswer, exchange: e}
	return resp, nil
}

// A boundedBody is a body of at most maxAnswer bytes.
type boundedBody struct {
	io.ReadCloser
	left     int
	exchange *exchange
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.exchange.tooLong = true
		return 0, errors.New("the answer is too long")
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// skewWarning says in words that the clocks differ; "" if they do not.
func (e *exchange) skewWarning(host string) string {
	if e.skew == 0 {
		return ""
	}
	way := "behind"
	if e.skew < 0 {
		way = "ahead of"
	}
	return "the clock of this machine is " + e.skew.Abs().
		Round(time.Minute).
		String() +
		" " + way + " that of " + host +
		": set it, or tokens and signatures are refused"
}

// discover returns the URLs of an authority, from the settings or from the document of its issuer.
func (m *Manager) discover(ctx context.Context, l *link, o *provider.OAuth) (endpoints, *failure) {
	given := endpoints{auth: o.AuthURL, token: o.TokenURL, device: o.DeviceURL, revoke: o.RevokeURL}
	if o.Issuer == "" {
		return given, nil
	}
	l.mu.Lock()
	found := l.found
	l.mu.Unlock()
	if found != nil && m.now().Sub(found.at).Abs() < discoverEvery {
		return *found, nil
	}
	client, e := m.newExchange()
	// The verifier fetches keys later, by a client of its own.
	document, err := oidc.NewProvider(oidc.ClientContext(ctx, client), o.Issuer)
	if err != nil {
		return given, m.discoveryFailure(err, o.Issuer, e)
	}
	at := document.Endpoint()
	var more struct {
		Revoke string `json:"revocation_endpoint"`
	}
	if document.Claims(&more) != nil {
		more.Revoke = "" // that of a document which is odd in other members counts for nothing
	}
	for _, u := range []struct{ to, from *string }{{&given.auth, &at.AuthURL}, {&given.token, &at.TokenURL},
		{&given.device, &at.DeviceAuthURL}, {&given.revoke, &more.Revoke}} {
		if *u.to == "" {
			*u.to = *u.from
		}
	}
	given.verifier = document.VerifierContext(oidc.ClientContext(m.ctx, provider.NoRedirects(m.opts.Env.Client)),
		&oidc.Config{ClientID: o.ClientID, Now: m.now})
	given.at = m.now()
	if given.token == "" {
		return given, &failure{
			final:  true,
			what:   "the discovery document of " + host(o.Issuer) + " names no token endpoint",
			remedy: "set token_url",
		}
	}
	l.mu.Lock()
	l.found = &given
	l.mu.Unlock()
	return given, nil
}

// discoveryFailure explains why there is no discovery document. The library's errors repeat the body.
func (m *Manager) discoveryFailure(err error, issuer string, e *exchange) *failure {
	var unreached *url.Error
	f := &failure{remedy: "check issuer, or set token_url, authorize_url and device_url"}
	switch {
	case errors.As(err, &unreached):
		what, _ := egress.Unanswered(err)
		f.what = "the issuer " + host(issuer) + " " + what
		f.remedy = ""
	case strings.HasPrefix(err.Error(), "oidc: issuer "):
		f.what, f.final = "the discovery document of "+host(issuer)+" is of another issuer", true
		f.remedy = "set issuer letter for letter as the document at /.well-known/openid-configuration has it"
	case e.tooLong:
		f.what, f.foreign = "the discovery document of "+host(issuer)+" is too long", true
	default:
		f.what, f.foreign = "the issuer "+host(issuer)+" has no discovery document", true
	}
	return f
}

// host returns the host of a URL for messages.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "the authority"
	}
	return plain(u.Host, 255)
}

// An answer is what a token endpoint granted.
type answer struct {
	tokens  tokens
	idToken string
	warning string // about the clocks; may be ""
}

// ask makes one request to the token endpoint. params are those of the grant.
func (m *Manager) ask(ctx context.Context, opened provider.Connected, at endpoints, params url.Values,
	byUser bool) (answer, *failure) {
	o := opened.OAuth
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client, e := m.newExchange()
	config := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenURL: at.token,
		AuthStyle: oauth2.AuthStyleInParams, EndpointParams: maps.Clone(params)}
	if o.Basic && o.ClientSecret != "" {
		config.AuthStyle = oauth2.AuthStyleInHeader
	}
	for name, values := range o.Params {
		config.EndpointParams[name] = values
	}
	if o.Assertion != nil {
		assertion, err := o.Assertion(at.token, m.now(), m.opts.Env.Rand)
		if err != nil {
			return answer{}, &failure{final: true, what: "no assertion could be made: " + err.Error()}
		}
		config.ClientSecret = ""
		config.EndpointParams.Set("client_assertion_type", assertionType)
		config.EndpointParams.Set("client_assertion", assertion)
	}
	got, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return answer{}, m.explain(err, o, host(at.token), e)
	}
	a, f := m.read(got, opened, byUser)
	if f != nil {
		f.what = host(at.token) + " " + f.what
		return answer{}, f
	}
	a.warning = e.skewWarning(host(at.token))
	return a, nil
}

// read checks what a token endpoint answered.
func (m *Manager) read(got *oauth2.Token, opened provider.Connected, byUser bool) (answer, *failure) {
	foreign := func(what string) (answer, *failure) { return answer{}, &failure{foreign: true, what: what} }
	life := seconds(got.Extra("expires_in"))
	if life == 0 {
		life = defaultLifetime
	}
	now := m.now()
	switch {
	case got.Type() != "Bearer":
		return foreign("sent a token of another type than Bearer")
	case life < 0:
		return foreign("sent a token that has ended already")
	case len(got.AccessToken) > maxTokenBytes || !provider.Visible(got.AccessToken):
		return foreign("sent a token that cannot stand in a header")
	}
	t := tokens{Identity: identity(opened), ByUser: byUser, Access: got.AccessToken, IssuedAt: now,
		EndsAt: now.Add(life), FreshTo: now.Add(life - margin(life))}
	// Microsoft Entra says so when a long-lived token should be refreshed earlier.
	if in := seconds(got.Extra("refresh_in")); in > 0 && in < life {
		t.FreshTo = now.Add(in)
	}
	t.Refresh = got.RefreshToken
	scope, _ := got.Extra("scope").(string)
	t.Scopes = strings.Fields(scope)
	access := readClaims(got.AccessToken)
	if len(t.Scopes) == 0 {
		t.Scopes = strings.Fields(access.Scope)
	}
	t.Roles = access.Roles
	id, _ := got.Extra("id_token").(string)
	if byUser {
		t.Account = readClaims(id).account(true)
	}
	if t.Account == "" {
		t.Account = access.account(byUser)
	}
	if t.Account == "" && !byUser {
		t.Account = plain("application "+opened.OAuth.ClientID, bellhop.MaxConnectionAccount)
	}
	return answer{tokens: t, idToken: id}, nil
}

// seconds reads a number of seconds as authorities write it: a number or a text. It returns -1 for a negative
// number, and 0 for anything that is no number.
func seconds(v any) time.Duration {
	n := 0.0
	switch v := v.(type) {
	case float64:
		n = v
	case int64:
		n = float64(v)
	case string:
		n, _ = strconv.ParseFloat(v, 64)
	}
	switch {
	case n < 0:
		return -1
	case n > (365 * 24 * time.Hour).Seconds():
		return 365 * 24 * time.Hour
	case n != n: // NaN
		return 0
	}
	return time.Duration(n * float64(time.Second))
}

// finalCodes are the error codes that asking again does not change.
var finalCodes = []string{"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "invalid_request",
	"invalid_resource", "invalid_target", "unsupported_grant_type", "interaction_required", "consent_required",
	"login_required", "access_denied", "authorization_declined", "expired_token", "bad_verification_code"}

// passingCodes are further codes that may be shown.
var passingCodes = []string{"authorization_pending", "slow_down", "temporarily_unavailable", "server_error"}

// explain says why an authority granted nothing. It repeats nothing that the authority wrote but known codes and
// numbers: anything else may have a secret in it.
func (m *Manager) explain(err error, o *provider.OAuth, host string, e *exchange) *failure {
	var refused *oauth2.RetrieveError
	var unreached *url.Error
	switch {
	case errors.As(err, &refused):
		f := explainRefusal(refused, o, host)
		if warning := e.skewWarning(host); warning != "" {
			f.remedy = strings.TrimSuffix(warning+"; "+f.remedy, "; ")
			if f.kind == "invalid_client" {
				f.final = false // an assertion is refused because of the clock, which may be set
			}
		}
		f.retryAfter = retryAfter(refused.Response.Header, m.now())
		return f
	case errors.As(err, &unreached):
		what, _ := egress.Unanswered(err)
		return &failure{what: host + " " + what}
	case e.tooLong:
		return &failure{foreign: true, what: host + " sent an answer that is too long for a token"}
	}
	return &failure{foreign: true, what: host + " sent an answer that is no token, or was cut off",
		remedy: "check that the authority's URL is right, and that no proxy answers in its place"}
}

// explainRefusal explains an answer whose status is not 200, or which names an error.
func explainRefusal(r *oauth2.RetrieveError, o *provider.OAuth, host string) *failure {
	status := r.Response.StatusCode
	f := &failure{status: status, what: host + " answered " + egress.DescribeStatus(status)}
	known := slices.Contains(finalCodes, r.ErrorCode) || slices.Contains(passingCodes, r.ErrorCode)
	if !known && status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
		f.foreign = true
		f.remedy = "check that the authority's URL is right, and that no proxy answers in its place"
		return f
	}
	if known {
		f.kind = r.ErrorCode
		f.what += " (" + r.ErrorCode + ")"
	}
	f.final = slices.Contains(finalCodes, r.ErrorCode) && status < http.StatusInternalServerError &&
		status != http.StatusTooManyRequests
	var numbers struct {
		Codes []int `json:"error_codes"`
	}
	json.Unmarshal(r.Body, &numbers) // other authorities have none
	if o.Explain != nil {
		f.remedy = o.Explain(provider.TokenRefusal{Status: status, Code: r.ErrorCode, Numbers: numbers.Codes})
	}
	if f.remedy == "" {
		f.remedy = commonRemedies[r.ErrorCode]
	}
	return f
}

// commonRemedies say what to do about the errors of any authority.
var commonRemedies = map[string]string{
	"invalid_grant":        "the sign-in has ended or was revoked: sign in again",
	"invalid_client":       "the authority does not accept this client: check client_id and the secret",
	"unauthorized_client":  "the client may not use this grant: allow it at the authority, or choose another grant",
	"invalid_scope":        "check scopes",
	"invalid_target":       "check resource and audience",
	"invalid_request":      "check the settings of the connection",
	"access_denied":        "the user declined, or the authority refuses the user: sign in again",
	"interaction_required": "the authority wants to see the user: sign in again",
	"login_required":       "the authority wants to see the user: sign in again",
	"consent_required":     "the user has to agree: sign in again",

	"unsupported_grant_type": "the authority does not know this grant: choose another one",
	"authorization_declined": "the user declined: sign in again",
	"expired_token":          "the code has expired: begin again",
}

// maxRetryAfter bounds the wait that an authority may ask for.
const maxRetryAfter = time.Hour

// retryAfter returns how long an answer asks to wait, in seconds or until a date; 0 if it does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	n, err := strconv.ParseUint(text, 10, 31)
	if err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}

// scopeParam returns the parameter scope, beside those of a grant.
func scopeParam(grant string, scopes []string) url.Values {
	v := url.Values{"grant_type": {grant}}
	if len(scopes) > 0 {
		v.Set("scope", strings.Join(scopes, " "))
	}
	return v
}

var _ fmt.Stringer = tokens{}
