package connection

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

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
	a := &api{m: m, id: noun.ID}
	return provider.Connection{ID: noun.ID, Name: noun.Name, Provider: noun.Provider, API: a,
		BaseURL: func(ctx context.Context) (*url.URL, error) { return m.baseURL(ctx, noun.ID) },
		Open:    a.open, Allows: a.allows}, nil
}

// baseURL returns the base URL of the API of a connection, as its settings have it now.
func (m *Manager) baseURL(ctx context.Context, id string) (*url.URL, error) {
	opened, err := m.opened(ctx, id)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(opened.BaseURL)
	if err != nil {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: "the base URL of the connection cannot " +
			"be read"}
	}
	return base, nil
}

// opened returns how the calls of a connection are made, as its settings have it now. No token is asked for.
func (m *Manager) opened(ctx context.Context, id string) (provider.Connected, error) {
	l := m.link(id)
	l.mu.Lock()
	s := l.session
	l.mu.Unlock()
	if s != nil {
		return s.opened, nil
	}
	noun, err := m.opts.Store.Connection(ctx, id)
	if err != nil {
		return provider.Connected{}, storeError(err)
	}
	opened, err := m.open(noun)
	if err != nil {
		return opened, &provider.APIError{Kind: provider.APIInvalid, Message: "the settings of the connection " +
			"cannot be used"}
	}
	return opened, nil
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

// Do implements [provider.API].
func (a *api) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	x, err := a.make(ctx, call, a.m.opts.Env.Client)
	if err != nil {
		return provider.Answer{}, err
	}
	defer x.response.Body.Close()
	return readAnswer(ctx, a.m.now, x, call)
}

// make makes one call by client. If the API answers 401, the call is repeated once with a new token; or, if keys
// sign it, by the clock of the API, and with the next key.
func (a *api) make(ctx context.Context, call provider.Call, client *http.Client) (*answered, error) {
	s, err := a.m.session(ctx, a.id, need{})
	if err != nil {
		return nil, err
	}
	target, err := resolve(s.opened, call)
	if err != nil {
		return nil, err
	}
	l := a.m.link(a.id)
	if s.opened.OAuth == nil && len(s.opened.Signers) > 0 {
		return a.signed(ctx, s, l, call, target, client)
	}
	x, err := a.m.send(ctx, s, call, target, signing{}, client)
	if err != nil {
		return nil, err
	}
	if x.status() != http.StatusUnauthorized || s.opened.OAuth == nil {
		a.m.heard(ctx, s, x.status())
		return x, nil
	}
	if !l.mayRenew(a.m.now()) {
		return x, nil
	}
	renewed, err := a.m.session(ctx, a.id, need{refused: s.tokens.Access})
	if err != nil {
		x.response.Body.Close()
		return nil, err
	}
	if renewed.tokens.Access != s.tokens.Access { // else the authority has no other one
		x.response.Body.Close()
		x, err = a.m.send(ctx, renewed, call, target, signing{}, client)
	}
	if err == nil {
		a.m.heardAgain(ctx, renewed, target.Host, x.status())
	}
	return x, err
}

// signed makes one call that a key signs. If the API answers 401, the call is signed by the clock of the API, if that
// differs, and then with the next key. What the API accepts is used from then on.
func (a *api) signed(ctx context.Context, s *session, l *link, call provider.Call, target *url.URL,
	client *http.Client) (*answered, error) {
	by := l.signing()
	x, err := a.m.send(ctx, s, call, target, by, client)
	again := func(other signing) bool { // reports whether it is over
		x.response.Body.Close()
		x, err = a.m.send(ctx, s, call, target, other, client)
		if err == nil && x.status() != http.StatusUnauthorized {
			l.keepSigning(other)
		}
		return err != nil || x.status() != http.StatusUnauthorized
	}
	if err != nil || x.status() != http.StatusUnauthorized {
		return x, err
	}
	if skew := x.skew(a.m.now()); (skew - by.skew).Abs() > maxSkew {
		a.m.log.Warn("connection.clock", "connection_id", s.noun.ID, "connection", s.noun.Name, "ahead_s",
			int(skew.Seconds()), "meaning", "the clock of the API differs from that of this machine; calls are "+
				"signed by the clock of the API if it accepts that")
		by.skew = skew
		if again(by) {
			return x, err
		}
	}
	next := signing{key: by.key + 1, skew: by.skew}
	if next.key >= len(s.opened.Signers) {
		next.key = 0
	}
	if next.key != by.key {
		again(next)
	}
	return x, err
}

// A signing says how a call is signed.
type signing struct {
	key  int           // index of the key
	skew time.Duration // how far the clock of the API is ahead of ours
}

// An answered is a call that was answered. The body of the response is still to be read.
type answered struct {
	response *http.Response
	host     string // that was called
	begun    time.Time
}

func (x *answered) status() int { return x.response.StatusCode }

// skew returns how far the clock of the API is ahead of now; 0 if the answer does not say.
func (x *answered) skew(now time.Time) time.Duration {
	at, err := http.ParseTime(x.response.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return at.Sub(now)
}

// signing returns how the call was signed that was accepted last.
func (l *link) signing() signing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signer
}

func (l *link) keepSigning(s signing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signer = s
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

// resolve returns the URL of a call. It is of the origin of the API or, of a call to storage, a URL that the
// connection allows, so that no token or signature goes elsewhere.
func resolve(opened provider.Connected, call provider.Call) (*url.URL, error) {
	invalid := func(message string) (*url.URL, error) {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: message}
	}
	root, err := url.Parse(opened.BaseURL)
	if err != nil {
		return invalid("the base URL of the connection cannot be read")
	}
	path := call.Path
	if strings.HasPrefix(path, "/") && !call.Storage {
		path = opened.BaseURL + path
	}
	u, err := url.Parse(path)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return invalid("the path of the call cannot be read")
	case call.Storage && (u.User != nil || !provider.SameOrigin(u, root) &&
		(opened.Storage == nil || !opened.Storage(u))):
		return invalid("the call leads to a host that the connection does not allow")
	case !call.Storage && (!provider.SameOrigin(u, root) || u.User != nil):
		return invalid("the call leads to another host than the API of the connection, " + root.Host)
	case u.Fragment != "":
		return invalid("the path of the call has a fragment")
	}
	return u, nil
}

// send makes one call with the token of s, or signed by one of its keys.
func (m *Manager) send(ctx context.Context, s *session, call provider.Call, target *url.URL, by signing,
	client *http.Client) (*answered, error) {
	r, err := newRequest(ctx, call, target.String(), s.opened.Header)
	if err != nil {
		return nil, err
	}
	if s.opened.OAuth != nil {
		r.Header.Set("Authorization", "Bearer "+s.tokens.Access)
	} else if by.key < len(s.opened.Signers) {
		signed := provider.SignedRequest{Method: call.Method, URL: r.URL, Header: r.Header, Body: call.Body,
			Storage: call.Storage}
		if s.opened.Signers[by.key](signed, m.now().Add(by.skew)) != nil {
			return nil, &provider.APIError{Kind: provider.APIInvalid, Message: "the call cannot be signed"}
		}
	}
	m.use(s.noun.ID)
	return sendRequest(ctx, m.now, client, r)
}
