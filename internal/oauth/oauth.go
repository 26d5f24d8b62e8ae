// Package oauth gets access tokens of OAuth 2 token servers and keeps them until they expire.
//
// A [Source] has one token. Of the callers that need one at the same time, one fetches it and the others wait
// for the result. A server that gave no token is left alone for some seconds. A token that its receiver refuses
// is fetched again ([Source.Refused]).
//
// A source is made for one grant. Its requests go through internal/egress, which checks where they go.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/fetchcache"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// Rest is how long a token server is left alone after it gave no token. It is also the least age at which a
	// token that was refused is replaced. So the server gets no more requests than that, however many attempts
	// fail.
	Rest = 3 * time.Second
	// defaultLifetime is the lifetime of a token whose server does not name one. A refusal ends it sooner.
	defaultLifetime = time.Hour
	// expiryMargin is how long before its end a token is no longer used, or a tenth of its lifetime if that is less.
	expiryMargin = 30 * time.Second
	// maxTokenBytes bounds a token, because it goes into a header of each request.
	maxTokenBytes = 16 << 10
)

// A Grant says how a token is requested.
type Grant interface {
	// open checks the grant and returns its token server's host and port, and the function that requests a token.
	// The function finds its HTTP client in ctx, under oauth2.HTTPClient.
	open(client *egress.Client) (server string, request func(ctx context.Context) (*oauth2.Token, error), err error)
}

// ClientCredentials is the grant of a client that acts for itself (RFC 6749, section 4.4).
type ClientCredentials struct {
	TokenURL, ClientID, ClientSecret string
	Scopes                           []string
	Audience                         string // "" requests none
}

func (g ClientCredentials) open(client *egress.Client) (string, func(context.Context) (*oauth2.Token, error), error) {
	u, err := client.CheckURL(g.TokenURL)
	if err != nil {
		return "", nil, err
	}
	config := &clientcredentials.Config{TokenURL: u.String(), ClientID: g.ClientID, ClientSecret: g.ClientSecret,
		Scopes: g.Scopes}
	if g.Audience != "" {
		config.EndpointParams = url.Values{"audience": {g.Audience}}
	}
	// Token makes one request, or two until it is known whether the server reads the secret in a header or in the
	// body.
	return u.Host, config.Token, nil
}

// A Source gets the tokens of one grant and keeps the latest. It is safe for concurrent use.
type Source struct {
	client  *http.Client
	server  string // the token server's host and port, for messages
	request func(ctx context.Context) (*oauth2.Token, error)
	tokens  fetchcache.Cache[string] // with a single key, ""
}

// New returns a source of grant's tokens. The error is that of the grant's URL.
func New(client *egress.Client, grant Grant, now func() time.Time) (*Source, error) {
	server, request, err := grant.open(client)
	if err != nil {
		return nil, err
	}
	s := &Source{client: client.HTTP(), server: server, request: request}
	s.tokens = fetchcache.Cache[string]{Now: now, RestAfterFailure: Rest, RestAfterSuccess: Rest,
		Fetch: func(ctx context.Context, _ string) (fetchcache.Value[string], error) { return s.fetch(ctx, now) }}
	return s, nil
}

// Token returns the token, and fetches it first if there is none. It waits for that until ctx ends, and no
// longer than within. Its error says in words without secrets why there is no token.
func (s *Source) Token(ctx context.Context, within time.Duration) (string, error) {
	if text, ok := s.tokens.Fresh(""); ok { // the usual case needs no context
		return text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	text, err := s.tokens.Get(ctx, "", nil)
	if errors.Is(err, context.DeadlineExceeded) { // while another caller fetched it
		err = s.late()
	}
	return text, err
}

// Refused reports that text was answered with status 401. The next Token fetches another, unless text is no
// longer the source's token, or is younger than Rest.
func (s *Source) Refused(text string) {
	s.tokens.Expire("", func(token string) bool { return token == text })
}

// fetch requests a token and checks it.
func (s *Source) fetch(ctx context.Context, now func() time.Time) (fetchcache.Value[string], error) {
	var none fetchcache.Value[string]
	got, err := s.request(context.WithValue(ctx, oauth2.HTTPClient, s.client))
	if err != nil && errors.Is(ctx.Err(), context.Canceled) { // this says nothing about the server
		return none, ctx.Err()
	}
	if err != nil {
		return none, s.explain(ctx, err)
	}
	life := defaultLifetime
	if !got.Expiry.IsZero() {
		life = time.Until(got.Expiry)
	}
	switch {
	case got.Type() != "Bearer":
		return none, s.wrong("sent a token of another type than Bearer")
	case life <= 0:
		return none, s.wrong("sent a token that has expired already")
	case len(got.AccessToken) > maxTokenBytes, strings.ContainsFunc(got.AccessToken,
		func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return none, s.wrong("sent a token that cannot stand in a header")
	}
	return fetchcache.Value[string]{Value: got.AccessToken, FreshUntil: now().Add(life - min(expiryMargin, life/10))},
		nil
}

// wrong returns an error about the token server.
func (s *Source) wrong(what string) error {
	return fmt.Errorf("the token server %s %s", s.server, what)
}

func (s *Source) late() error { return s.wrong("did not send a token in time") }
