package connection

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// API returns the API of a connection, by its id or name. It stays good while the connection is changed; once the
// connection is deleted, its calls fail.
func (m *Manager) API(ctx context.Context, idOrName string) (provider.API, error) {
	noun, err := m.opts.Store.Connection(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	return &api{m: m, id: noun.ID}, nil
}

// Connection returns a connection as actions use it, by its id or name.
func (m *Manager) Connection(ctx context.Context, idOrName string) (provider.Connection, error) {
	noun, err := m.opts.Store.Connection(ctx, idOrName)
	if err != nil {
		return provider.Connection{}, err
	}
	return provider.Connection{ID: noun.ID, Name: noun.Name, Provider: noun.Provider, API: &api{m: m, id: noun.ID},
		BaseURL: func(ctx context.Context) (*url.URL, error) { return m.baseURL(ctx, noun.ID) }}, nil
}

// baseURL returns the base URL of the API of a connection, as its settings have it now. No token is asked for.
func (m *Manager) baseURL(ctx context.Context, id string) (*url.URL, error) {
	l := m.link(id)
	l.mu.Lock()
	s := l.session
	l.mu.Unlock()
	if s == nil {
		noun, err := m.opts.Store.Connection(ctx, id)
		if err != nil {
			return nil, storeError(err)
		}
		s = &session{noun: noun}
		s.opened, err = m.open(noun)
		if err != nil {
			return nil, &provider.APIError{Kind: provider.APIInvalid, Message: "the settings of the connection cannot be used"}
		}
	}
	base, err := url.Parse(s.opened.BaseURL)
	if err != nil {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: "the base URL of the connection cannot be read"}
	}
	return base, nil
}

// An api makes calls in the name of one connection.
type api struct {
	m  *Manager
	id string
}

// Bounds of the renewals of tokens because an API refused them.
const (
	renewalsPerMinute = 5
	renewalWindow     = time.Minute
)

// Do implements [provider.API]. If the API answers 401, the call is repeated once with a new token, or with the next
// key.
func (a *api) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	s, err := a.m.session(ctx, a.id, need{})
	if err != nil {
		return provider.Answer{}, err
	}
	target, err := resolve(s.opened.BaseURL, call.Path)
	if err != nil {
		return provider.Answer{}, err
	}
	l := a.m.link(a.id)
	signer := l.signerIndex()
	answer, err := a.m.send(ctx, s, call, target, signer)
	if err != nil || answer.Status != http.StatusUnauthorized {
		a.m.heard(ctx, s, answer)
		return answer, err
	}
	if s.opened.OAuth == nil {
		next := signer + 1
		if next >= len(s.opened.Signers) {
			next = 0
		}
		if next == signer {
			return answer, nil
		}
		again, err := a.m.send(ctx, s, call, target, next)
		if err == nil && again.Status != http.StatusUnauthorized {
			l.keepSigner(next)
		}
		return again, err
	}
	if !l.mayRenew(a.m.now()) {
		return answer, nil
	}
	renewed, err := a.m.session(ctx, a.id, need{refused: s.tokens.Access})
	if err != nil {
		return provider.Answer{}, err
	}
	if renewed.tokens.Access != s.tokens.Access { // else the authority has no other one
		answer, err = a.m.send(ctx, renewed, call, target, 0)
	}
	if err == nil {
		a.m.heardAgain(ctx, renewed, target.Host, answer)
	}
	return answer, err
}

// signerIndex returns the index of the key that was accepted last.
func (l *link) signerIndex() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signer
}

func (l *link) keepSigner(i int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signer = i
}

// mayRenew reports whether tokens may be asked for because the API refuses the present ones: an API that refuses
// every token must not cause a request for each of its calls.
func (l *link) mayRenew(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent := l.renewals[:0]
	for _, at := range l.renewals {
		if now.Sub(at).Abs() < renewalWindow {
			recent = append(recent, at)
		}
	}
	l.renewals = recent
	if len(recent) >= renewalsPerMinute {
		return false
	}
	l.renewals = append(recent, now)
	return true
}

// resolve returns the URL of a call. It is of the origin of base, so that no token goes elsewhere.
func resolve(base, path string) (*url.URL, error) {
	invalid := func(message string) (*url.URL, error) {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: message}
	}
	root, err := url.Parse(base)
	if err != nil {
		return invalid("the base URL of the connection cannot be read")
	}
	if strings.HasPrefix(path, "/") {
		path = base + path
	}
	u, err := url.Parse(path)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return invalid("the path of the call cannot be read")
	case !provider.SameOrigin(u, root) || u.User != nil:
		return invalid("the call leads to another host than the API of the connection, " + root.Host)
	case u.Fragment != "":
		return invalid("the path of the call has a fragment")
	}
	return u, nil
}

// send makes one call with the token of s, or signed by its key of that index.
func (m *Manager) send(ctx context.Context, s *session, call provider.Call, target *url.URL,
	signer int) (provider.Answer, error) {
	r, err := http.NewRequestWithContext(ctx, call.Method, target.String(), bytes.NewReader(call.Body))
	if err != nil {
		return provider.Answer{}, &provider.APIError{
			Kind: provider.APIInvalid,
			Message: "the call cannot be made: its " +
				"method or URL is invalid",
		}
	}
	for _, header := range []http.Header{s.opened.Header, call.Header} {
		for name, values := range header {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if s.opened.OAuth != nil {
		r.Header.Set("Authorization", "Bearer "+s.tokens.Access)
	} else if signer < len(s.opened.Signers) {
		signed := provider.SignedRequest{Method: call.Method, URL: r.URL, Header: r.Header, Body: call.Body}
		if s.opened.Signers[signer](signed, m.now()) != nil {
			return provider.Answer{}, &provider.APIError{Kind: provider.APIInvalid, Message: "the call cannot be " +
				"signed"}
		}
	}
	m.use(s.noun.ID)
	start := m.now()
	// A redirect is an answer: it may lead anywhere, so the token does not follow it.
	resp, err := provider.NoRedirects(m.opts.Env.Client).Do(r)
	if err != nil {
		return provider.Answer{}, unanswered(ctx, err, call.Method, target.Host)
	}
	defer resp.Body.Close()
	most := call.MaxBytes
	if most <= 0 {
		most = provider.DefaultAnswerBytes
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return provider.Answer{}, unanswered(ctx, err, call.Method, target.Host)
	case err != nil:
		return provider.Answer{}, &provider.APIError{Kind: provider.APIForeign, Status: resp.StatusCode,
			Message: target.Host + " sent an answer that was cut off", MaybeDone: changes(call.Method)}
	case int64(len(body)) > most:
		return provider.Answer{}, &provider.APIError{Kind: provider.APIForeign, Status: resp.StatusCode,
			Message: target.Host + " sent an answer that is too long", MaybeDone: changes(call.Method)}
	}
	return provider.Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Took: m.now().Sub(start)}, nil
}

// changes reports whether a call of that method may change something at the system.
func changes(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// unanswered returns the error of a call without an answer.
func unanswered(ctx context.Context, err error, method, host string) *provider.APIError {
	what, sent := egress.Unanswered(err)
	e := &provider.APIError{
		Kind:      provider.APITemporary,
		Message:   host + " " + what,
		MaybeDone: sent && changes(method),
	}
	var refused *egress.Error
	switch {
	case ctx.Err() != nil:
		e.Message = "given up while waiting for " + host
	case errors.As(err, &refused) && (refused.Class == egress.ClassBlocked || refused.Class == egress.ClassBadURL):
		e.Kind = provider.APIInvalid // until the settings of the server or of the connection change
	}
	return e
}
