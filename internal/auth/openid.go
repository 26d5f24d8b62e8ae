package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/fetchcache"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// This file signs people in by an OpenID issuer, as OpenID Connect Core 1.0 describes it: the code flow with PKCE
// (S256), a state and a nonce. The issuer says who somebody is; rules of ours say what they may do.

// fits reports whether claims have the value of the rule: as a text, or in a list of texts. An address of mail counts
// only once the issuer has verified it, because at some issuers people choose it themselves.
func fits(r bellhop.SignInRule, claims map[string]any) bool {
	if r.Claim == "email" && claims["email_verified"] != true {
		return false
	}
	switch value := claims[r.Claim].(type) {
	case string:
		return value == r.Value
	case []any:
		return slices.Contains(value, any(r.Value))
	}
	return false
}

// OpenIDOptions say what OpenID may use. All are required but the secret, which public clients do not have.
type OpenIDOptions struct {
	Issuer       string // its URL, to the letter
	ClientID     string
	ClientSecret string
	ReturnURL    string               // to which the issuer sends browsers back
	Scopes       []string             // beside openid
	Rules        []bellhop.SignInRule // the first one that fits decides
	Sessions     *Sessions
	Client       *http.Client
	Now          func() time.Time
	Logger       *slog.Logger
}

// OpenID signs people in by an OpenID issuer. Its document is fetched when somebody signs in, and kept for an hour;
// its keys are fetched when a token has an unknown one.
type OpenID struct {
	opts     OpenIDOptions
	log      *slog.Logger
	provider *fetchcache.Cache[*oidc.Provider]
}

const (
	issuerKept    = time.Hour
	issuerRests   = 3 * time.Second // after it did not answer
	issuerTimeout = 10 * time.Second
)

// NewOpenID returns the sign-in by an issuer.
func NewOpenID(o OpenIDOptions) *OpenID {
	client := *o.Client
	client.Timeout = issuerTimeout
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = bounded{client.Transport}
	o.Client = &client
	s := &OpenID{opts: o, log: o.Logger.With("component", "auth", "issuer", o.Issuer)}
	s.provider = &fetchcache.Cache[*oidc.Provider]{Now: o.Now, RestAfterFailure: issuerRests,
		Fetch: func(ctx context.Context, issuer string) (fetchcache.Value[*oidc.Provider], error) {
			// Keys are fetched with this context later on.
			p, err := oidc.NewProvider(s.outward(context.WithoutCancel(ctx)), issuer)
			return fetchcache.Value[*oidc.Provider]{Value: p, FreshUntil: o.Now().Add(issuerKept)}, err
		}}
	return s
}

// bounded is a transport whose answers end after 1 MiB.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, 1<<20)
	}
	return resp, err
}

// outward returns a context for requests to the issuer.
func (o *OpenID) outward(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, o.opts.Client)
}

// Host returns the host of the issuer, for people.
func (o *OpenID) Host() string {
	u, err := url.Parse(o.opts.Issuer)
	if err != nil {
		return o.opts.Issuer
	}
	return u.Host
}

// A Flow is what a sign-in that has begun has to remember. The browser keeps it, sealed.
type Flow struct {
	State    string
	Nonce    string
	Verifier string
}

// errIssuer is the error for every issuer that is of no use now. The log has the cause.
var errIssuer = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "the OpenID issuer does not answer as it should: try again, or sign in with a key; the log has the cause"}

// errFlow is the error of a browser that comes back without a sign-in of its own that has begun, or whose issuer
// sends something that is no proof.
var errFlow = &bellhop.Error{Code: bellhop.CodeUnauthorized,
	Message: "this sign-in was not begun in this browser, took too long, or was used before: sign in again"}

// Start begins a sign-in. The browser goes to the URL, and its Flow is given to Finish when it comes back.
func (o *OpenID) Start(ctx context.Context) (to string, flow Flow, err error) {
	config, _, err := o.config(ctx)
	if err != nil {
		return "", Flow{}, err
	}
	for _, text := range []*string{&flow.State, &flow.Nonce, &flow.Verifier} {
		*text, err = o.opts.Sessions.newToken()
		if err != nil {
			return "", Flow{}, err
		}
	}
	return config.AuthCodeURL(flow.State, oidc.Nonce(flow.Nonce), oauth2.S256ChallengeOption(flow.Verifier)), flow, nil
}

// config returns how tokens are asked for, and the issuer.
func (o *OpenID) config(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	p, err := o.provider.Get(ctx, o.opts.Issuer, nil)
	if err != nil {
		o.log.Warn("openid.unreachable", "error", err, "meaning", "nobody can sign in by this issuer now")
		return nil, nil, errIssuer
	}
	return &oauth2.Config{ClientID: o.opts.ClientID, ClientSecret: o.opts.ClientSecret, Endpoint: p.Endpoint(),
		RedirectURL: o.opts.ReturnURL, Scopes: append([]string{oidc.ScopeOpenID}, o.opts.Scopes...)}, p, nil
}

// Finish ends a sign-in and begins a session, whose token it returns. query is what the issuer gave the browser. The
// error is CodeUnauthorized if the browser has no proof, CodeForbidden if no rule lets the person in, and
// CodeUnavailable if the issuer does not answer.
func (o *OpenID) Finish(ctx context.Context, flow Flow, query url.Values,
	remoteAddr string) (token string, err error) {
	if flow.State == "" || subtle.ConstantTimeCompare([]byte(flow.State), []byte(query.Get("state"))) != 1 {
		return "", errFlow
	}
	if problem := query.Get("error"); problem != "" {
		o.log.Warn("openid.refused", "code", fmt.Sprintf("%.60q", problem), "remote_addr", remoteAddr,
			"meaning", "the issuer did not sign somebody in")
		return "", &bellhop.Error{Code: bellhop.CodeUnauthorized, Message: "the OpenID issuer did not sign you in; " +
			"the log has its answer"}
	}
	config, p, err := o.config(ctx)
	if err != nil {
		return "", err
	}
	got, err := config.Exchange(o.outward(ctx), query.Get("code"), oauth2.VerifierOption(flow.Verifier))
	if err != nil {
		return "", o.unproven(remoteAddr, exchangeProblem(err))
	}
	text, _ := got.Extra("id_token").(string)
	verifier := p.VerifierContext(o.outward(ctx), &oidc.Config{ClientID: o.opts.ClientID, Now: o.opts.Now})
	proof, err := verifier.Verify(ctx, text)
	if err != nil {
		return "", o.unproven(remoteAddr, err)
	}
	if subtle.ConstantTimeCompare([]byte(proof.Nonce), []byte(flow.Nonce)) != 1 {
		return "", o.unproven(remoteAddr, errors.New("the ID token has another nonce"))
	}
	var claims map[string]any
	err = proof.Claims(&claims)
	if err != nil {
		return "", o.unproven(remoteAddr, err)
	}
	person := nameOf(claims)
	at := slices.IndexFunc(o.opts.Rules, func(r bellhop.SignInRule) bool { return fits(r, claims) })
	if at < 0 {
		o.log.Warn("openid.unknown", "person", person, "subject", proof.Subject, "remote_addr", remoteAddr,
			"meaning", "somebody whom the issuer knows signed in, and no rule of --ui-roles fits")
		return "", &bellhop.Error{Code: bellhop.CodeForbidden, Message: "the OpenID issuer knows you as " + person +
			", and no rule of --ui-roles gives you a role here: ask for one"}
	}
	id := sha256.Sum256([]byte(o.opts.Issuer + "\x00" + proof.Subject))
	session := bellhop.Session{KeyID: personPrefix + hex.EncodeToString(id[:10]), Person: person,
		Rule: o.opts.Rules[at].Text}
	return o.opts.Sessions.start(ctx, session, personOf(session, o.opts.Rules[at]), "openid", remoteAddr)
}

// personPrefix begins what stands in place of the id of a key for people without one.
const personPrefix = "person_"

// personOf returns who acts in the session of a person whom a rule lets in.
func personOf(s bellhop.Session, r bellhop.SignInRule) Principal {
	return Principal{Name: s.Person, KeyID: s.KeyID, Scope: r.Scope, Tenant: r.Tenant}
}

// unproven logs why a sign-in ended, and returns the error for the person.
func (o *OpenID) unproven(remoteAddr string, err error) error {
	o.log.Warn("openid.unproven", "error", err, "remote_addr", remoteAddr,
		"meaning", "a browser came back from the issuer without a proof that holds")
	return errFlow
}

// exchangeProblem returns the error of a token request without what the issuer wrote, which may hold a secret.
func exchangeProblem(err error) error {
	var answered *oauth2.RetrieveError
	if errors.As(err, &answered) {
		return fmt.Errorf("the issuer answered %d to the code (%.60q)", answered.Response.StatusCode,
			answered.ErrorCode)
	}
	return err
}

// maxPerson bounds the name of a person, in bytes.
const maxPerson = 200

// nameOf returns a name for the log and the page: what the issuer calls the person, without control characters.
func nameOf(claims map[string]any) string {
	for _, claim := range []string{"preferred_username", "email", "name", "sub"} {
		text, _ := claims[claim].(string)
		text = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(text, ""))
		if text = strings.TrimSpace(text); text != "" && len(text) <= maxPerson {
			return text
		}
	}
	return "somebody"
}
