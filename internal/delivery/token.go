package delivery

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// tokenRest is how long a token server is left alone after it gave none, and how old a token is at least that a 401
	// makes us give up: no more often is it asked, however many attempts fail.
	tokenRest = 3 * time.Second
	// tokenLifetime is that of a token whose server does not say; a 401 ends it sooner.
	tokenLifetime = time.Hour
	// tokenMargin is how long before its end a token is not used any more, or a tenth of its life if that is less.
	tokenMargin = 30 * time.Second
	// maxTokenBytes is how long a token may be: it goes into a header of each request.
	maxTokenBytes = 16 << 10
)

// tokens fetches the tokens of one access by OAuth 2 client credentials, and keeps the last.
type tokens struct {
	config clientcredentials.Config
	client *http.Client
	server string // host and port, for messages
	now    func() time.Time

	turn chan struct{} // of whoever fetches; the others wait for what it brings

	mu      sync.Mutex
	text    string // "" is none
	since   time.Time
	until   time.Time
	failure error // of the last fetch
	failed  time.Time
}

func (e *Engine) newTokens(s access.Access) (*tokens, error) {
	u, err := e.opts.Client.CheckURL(s.TokenURL)
	if err != nil {
		return nil, bellhop.Invalid("token_url", err.Error())
	}
	t := &tokens{client: e.opts.Client.HTTP(), server: u.Host, now: e.now, turn: make(chan struct{}, 1)}
	t.config = clientcredentials.Config{TokenURL: u.String(), ClientID: s.ClientID, ClientSecret: s.ClientSecret, Scopes: s.Scopes}
	if s.Audience != "" {
		t.config.EndpointParams = url.Values{"audience": {s.Audience}}
	}
	return t, nil
}

// token returns a token to send, within that time. Its errors are [egress.Error].
func (e *Engine) token(ctx context.Context, t *tokens, within time.Duration) (string, error) {
	if text, _ := t.known(); text != "" {
		return text, nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)() // Stop has lost patience
	text, err := t.get(ctx)
	switch {
	case err == nil:
		return text, nil
	case e.ctx.Err() != nil:
		return "", &egress.Error{Class: egress.ClassCanceled, Detail: "given up while a token was fetched", Err: err}
	}
	return "", &egress.Error{Class: errorToken, Detail: err.Error()}
}

// get returns the token that there is, or fetches one; of many callers one does, and the others get what it got. An
// error says what is wrong in words without secrets.
func (t *tokens) get(ctx context.Context) (string, error) {
	if text, err := t.known(); text != "" || err != nil {
		return text, err
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", t.late()
	}
	if text, err := t.known(); text != "" || err != nil {
		return text, err
	}
	text, life, err := t.fetch(ctx)
	if errors.Is(ctx.Err(), context.Canceled) { // which says nothing of the server
		return "", ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if err != nil {
		t.text, t.failure, t.failed = "", err, now
		return "", err
	}
	t.text, t.since, t.until, t.failure = text, now, now.Add(life-min(tokenMargin, life/10)), nil
	return text, nil
}

// known returns the token while it can be used, or why there was none a moment ago; else neither.
func (t *tokens) known() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	switch {
	case t.text != "" && now.Before(t.until):
		return t.text, nil
	case t.failure != nil && fresh(t.failed, now):
		return "", t.failure
	}
	return "", nil
}

// refused takes back a token that the destination answered with 401, unless it is too fresh for another to help.
func (t *tokens) refused(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text == text && !fresh(t.since, t.now()) {
		t.text = ""
	}
}

// fresh reports whether it is too soon after at to ask again. A clock that was set back makes nothing fresh.
func fresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age >= 0 && age < tokenRest
}

// fetch asks the server once, or twice in all while it is not known which way it takes the secret.
func (t *tokens) fetch(ctx context.Context) (text string, life time.Duration, err error) {
	got, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return "", 0, t.explain(ctx, err)
	}
	life = tokenLifetime
	if !got.Expiry.IsZero() {
		life = time.Until(got.Expiry)
	}
	switch {
	case got.Type() != "Bearer":
		return "", 0, t.wrong("sent a token of another type than Bearer")
	case life <= 0:
		return "", 0, t.wrong("sent a token that has expired already")
	case len(got.AccessToken) > maxTokenBytes, strings.ContainsFunc(got.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", 0, t.wrong("sent a token that cannot stand in a header")
	}
	return got.AccessToken, life, nil
}
