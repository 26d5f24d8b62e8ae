package connection

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"golang.org/x/oauth2"
)

// Paths of the pages for browsers. The start page of a connection is StartPath and its name.
const (
	StartPath    = "/connect/"
	CallbackPath = StartPath + "callback"
)

// loginTime is how long a sign-in by a browser may take, from the link on.
const loginTime = 10 * time.Minute

// A Login is a sign-in that was begun. It shows nothing secret but the user's code, which is for whoever began it.
type Login struct {
	Kind      LoginKind
	State     LoginState
	Reason    string    // why it failed, with the remedy
	ExpiresAt time.Time // no answer is taken afterwards

	URL         string // of the start page; once, in the answer to Begin
	RedirectURI string // to be registered at the authority

	UserCode        string // of a device code
	VerificationURI string // where the user enters it
}

// A LoginKind says how a user signs in.
type LoginKind string

// The kinds.
const (
	LoginBrowser LoginKind = "browser"
	LoginDevice  LoginKind = "device"
	LoginNone    LoginKind = "none" // nobody signs in: the client got a token on its own behalf
)

// A LoginState says how far a sign-in is.
type LoginState string

// The states.
const (
	LoginWaiting LoginState = "waiting"
	LoginDone    LoginState = "done"
	LoginFailed  LoginState = "failed"
)

// logins are the sign-ins under way. They are in memory alone: after a restart they are begun again.
type logins struct {
	now    func() time.Time
	random io.Reader

	mu      sync.Mutex
	tickets map[[32]byte]ticket // by the hash of the ticket; mu guards it and what follows
	states  map[[32]byte]signIn // by the hash of the state
	latest  map[string]*Login   // by id of the connection
	ends    map[string]func()   // ends the polling of a device code, by id of the connection
}

// A ticket opens the start page of a connection, so that a browser needs no API key.
type ticket struct {
	id, name  string
	expiresAt time.Time
}

// A signIn is what the callback needs of a sign-in.
type signIn struct {
	id, name        string
	session         [32]byte // hash of the cookie of the browser in which it began
	verifier, nonce string
	expiresAt       time.Time
}

// maxLogins bounds the tickets, and the sign-ins, that are kept. Only holders of an API key make tickets.
const maxLogins = 1000

// secret returns a text that nobody can guess.
func (ls *logins) secret() string {
	var b [32]byte
	if _, err := io.ReadFull(ls.random, b[:]); err != nil {
		panic("bellhop: no randomness for a sign-in: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func hash(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// put adds v to entries. It drops those that are over and, if there are too many, one that ends first.
func put[T any](entries map[[32]byte]T, key [32]byte, v T, ends func(T) time.Time, now time.Time) map[[32]byte]T {
	if entries == nil {
		entries = map[[32]byte]T{}
	}
	var first [32]byte
	for k, e := range entries {
		if !now.Before(ends(e)) {
			delete(entries, k)
		} else if first == ([32]byte{}) || ends(e).Before(ends(entries[first])) {
			first = k
		}
	}
	if len(entries) >= maxLogins {
		delete(entries, first)
	}
	entries[key] = v
	return entries
}

// newTicket makes a ticket for the start page of a connection.
func (ls *logins) newTicket(c bellhop.Connection) (text string, expiresAt time.Time) {
	text = ls.secret()
	now := ls.now()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	t := ticket{c.ID, c.Name, now.Add(loginTime)}
	ls.tickets = put(ls.tickets, hash(text), t, func(t ticket) time.Time { return t.expiresAt }, now)
	return text, t.expiresAt
}

// ticket returns the ticket of that text for a connection, and takes it away if used.
func (ls *logins) ticket(text, name string, used bool) (ticket, bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	t, ok := ls.tickets[hash(text)]
	if !ok || t.name != name || !ls.now().Before(t.expiresAt) {
		return ticket{}, false
	}
	if used {
		delete(ls.tickets, hash(text))
	}
	return t, true
}

// expect stores a sign-in under its state.
func (ls *logins) expect(state string, s signIn) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.states = put(ls.states, hash(state), s, func(s signIn) time.Time { return s.expiresAt }, ls.now())
}

// arrived returns the sign-in of a state, once, if it began in the browser that brings one of these cookies, and the
// name of that cookie.
func (ls *logins) arrived(state string, cookies []*http.Cookie) (s signIn, cookie string, ok bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	s, ok = ls.states[hash(state)]
	if !ok || !ls.now().Before(s.expiresAt) {
		return signIn{}, "", false
	}
	own := func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, cookieName) && hash(c.Value) == s.session }
	i := slices.IndexFunc(cookies, own)
	if i < 0 {
		return signIn{}, "", false // the sign-in of another browser: it may still arrive there
	}
	delete(ls.states, hash(state))
	return s, cookies[i].Name, true
}

// show keeps l as the latest sign-in of a connection, and ends the polling of an earlier one.
func (ls *logins) show(id string, l *Login, end func()) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.latest == nil {
		ls.latest, ls.ends = map[string]*Login{}, map[string]func(){}
	}
	if ls.ends[id] != nil {
		ls.ends[id]()
	}
	ls.latest[id], ls.ends[id] = l, end
}

// settle ends l, if it is still the latest of its connection or l is nil: then whichever is.
func (ls *logins) settle(id string, l *Login, state LoginState, reason string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	at := ls.latest[id]
	if at == nil || l != nil && at != l {
		return
	}
	done := *at
	done.State, done.Reason = state, plain(reason, bellhop.MaxConnectionReason)
	ls.latest[id] = &done
}

// forget drops everything about a connection.
func (ls *logins) forget(id string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.ends[id] != nil {
		ls.ends[id]()
	}
	delete(ls.latest, id)
	delete(ls.ends, id)
	for k, t := range ls.tickets {
		if t.id == id {
			delete(ls.tickets, k)
		}
	}
	for k, s := range ls.states {
		if s.id == id {
			delete(ls.states, k)
		}
	}
}

// Login returns the latest sign-in of a connection; ok is false if there was none since the start.
func (m *Manager) Login(id string) (l Login, ok bool) {
	ls := &m.logins
	ls.mu.Lock()
	defer ls.mu.Unlock()
	at := ls.latest[id]
	if at == nil {
		return Login{}, false
	}
	l = *at
	if l.State == LoginWaiting && !ls.now().Before(l.ExpiresAt) {
		l.State, l.Reason = LoginFailed, "nobody signed in within the time: begin again"
	}
	return l, true
}

// RedirectURI is the URL to which an authority leads browsers back; it has to be registered there.
func (m *Manager) RedirectURI() string {
	return strings.TrimSuffix(m.opts.PublicURL, "/") + CallbackPath
}

// UsesRedirect reports whether a user may sign in to a connection by a browser.
func (m *Manager) UsesRedirect(c bellhop.Connection) bool {
	opened, err := m.open(c)
	return err == nil && opened.OAuth != nil && opened.OAuth.ByUser()
}

// Begin begins a sign-in: by a browser, or by a device code. A connection whose grant is the client's own needs
// none: it gets a token at once. The errors are *bellhop.Error.
func (m *Manager) Begin(ctx context.Context, idOrName string, device bool) (Login, error) {
	noun, err := m.opts.Store.Connection(ctx, idOrName)
	if err != nil {
		return Login{}, err
	}
	opened, err := m.open(noun)
	switch {
	case err != nil:
		return Login{}, err
	case opened.OAuth == nil:
		return Login{}, bellhop.Conflict("connection " + noun.Name +
			" signs its calls by keys: there is nothing to sign in to")
	case !opened.OAuth.ByUser():
		ctx, cancel := context.WithTimeout(ctx, changeTime)
		defer cancel()
		if _, err := m.session(ctx, noun.ID, need{force: true, renew: true}); err != nil {
			return Login{}, bellhop.Conflict(err.Error())
		}
		return Login{Kind: LoginNone, State: LoginDone}, nil
	}
	at, f := m.discover(ctx, m.link(noun.ID), opened.OAuth)
	if f != nil {
		return Login{}, bellhop.Conflict(f.Error())
	}
	if device {
		return m.beginDevice(ctx, noun, opened, at)
	}
	if at.auth == "" {
		return Login{}, bellhop.Conflict("the authority of connection " + noun.Name + " has no page for users: " +
			"set authorize_url, or sign in by a device code")
	}
	text, expiresAt := m.logins.newTicket(noun)
	l := Login{Kind: LoginBrowser, State: LoginWaiting, ExpiresAt: expiresAt, RedirectURI: m.RedirectURI()}
	m.logins.show(noun.ID, &l, nil)
	shown := l
	shown.URL = strings.TrimSuffix(m.opts.PublicURL, "/") + StartPath + url.PathEscape(noun.Name) + "?ticket=" + text
	return shown, nil
}

// authorize uses a ticket and returns the URL of the authority's page, and the cookie value that the browser has to
// bring back.
func (m *Manager) authorize(ctx context.Context, text, name string) (to, cookie string, err error) {
	t, ok := m.logins.ticket(text, name, true)
	if !ok {
		return "", "", errTicket
	}
	noun, err := m.opts.Store.Connection(ctx, t.id)
	if err != nil {
		return "", "", err
	}
	opened, err := m.open(noun)
	if err != nil {
		return "", "", err
	}
	if opened.OAuth == nil || !opened.OAuth.ByUser() {
		return "", "", errTicket
	}
	at, f := m.discover(ctx, m.link(noun.ID), opened.OAuth)
	if f != nil {
		return "", "", bellhop.Conflict(f.Error())
	}
	o := opened.OAuth
	s := signIn{id: noun.ID, name: noun.Name, verifier: oauth2.GenerateVerifier(), nonce: m.logins.secret(),
		expiresAt: t.expiresAt}
	state, cookie := m.logins.secret(), m.logins.secret()
	s.session = hash(cookie)
	m.logins.expect(state, s)
	config := oauth2.Config{ClientID: o.ClientID, Endpoint: oauth2.Endpoint{AuthURL: at.auth},
		RedirectURL: m.RedirectURI(), Scopes: o.UserScopes}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(s.verifier)}
	if slices.Contains(o.UserScopes, "openid") {
		options = append(options, oauth2.SetAuthURLParam("nonce", s.nonce))
	}
	for parameter := range o.Params {
		options = append(options, oauth2.SetAuthURLParam(parameter, o.Params.Get(parameter)))
	}
	return config.AuthCodeURL(state, options...), cookie, nil
}

// errTicket is the error of a link to the start page that cannot be used.
var errTicket error = &bellhop.Error{Code: bellhop.CodeNotFound,
	Message: "this link was used before, is too old, or belongs to another connection"}

// finish exchanges the code of a sign-in for tokens and stores them. Its error is for the user.
func (m *Manager) finish(ctx context.Context, s signIn, code string) (account string, err error) {
	params := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {m.RedirectURI()},
		"code_verifier": {s.verifier}}
	account, f := m.signInBy(ctx, s.id, params, s.nonce)
	if f != nil {
		m.logins.settle(s.id, nil, LoginFailed, f.Error())
		return "", f
	}
	m.logins.settle(s.id, nil, LoginDone, "")
	return account, nil
}

// signInBy asks for tokens of a user by the parameters of a grant, and stores them in place of all earlier ones. If
// nonce is not empty, the ID token of an authority with a discovery document must have it.
func (m *Manager) signInBy(ctx context.Context, id string, params url.Values, nonce string) (string, *failure) {
	l := m.link(id)
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return "", &failure{what: "another request for tokens has not ended"}
	}
	noun, err := m.opts.Store.Connection(ctx, id)
	if err != nil {
		return "", &failure{final: true, what: storeError(err).Message}
	}
	opened, err := m.open(noun)
	if err != nil || opened.OAuth == nil || !opened.OAuth.ByUser() {
		return "", &failure{final: true, what: "the connection was changed meanwhile", remedy: "begin again"}
	}
	at, f := m.discover(ctx, l, opened.OAuth)
	if f != nil {
		return "", f
	}
	got, f := m.ask(ctx, opened, at, params, true)
	if f != nil {
		return "", f
	}
	if at.verifier != nil && got.idToken != "" {
		verified, err := at.verifier.Verify(ctx, got.idToken)
		if err != nil || nonce != "" && verified.Nonce != nonce {
			return "", &failure{foreign: true, what: "the ID token of " + host(at.token) + " is not valid",
				remedy: "check issuer and client_id, and the clock of this machine"}
		}
	}
	kept := context.WithoutCancel(ctx)
	m.metrics.requests.WithLabelValues(noun.Provider, "granted").Inc()
	if err := m.keep(kept, l, noun, got); err != nil {
		return "", &failure{what: err.Error(), remedy: "sign in again if the connection stays signed out"}
	}
	l.mu.Lock()
	l.epoch++
	l.session, l.failure, l.failures, l.retryAt = nil, nil, 0, time.Time{}
	l.nextAt = got.tokens.aheadAt(id)
	l.mu.Unlock()
	m.sayBack(l)
	m.poke()
	m.log.Info("connection.signed_in", "connection_id", noun.ID, "connection", noun.Name)
	return got.tokens.Account, nil
}

// ofIssuer reports whether an answer may be one of the connection's authority: iss, if the answer has it, names the
// issuer of the settings. Otherwise another authority tries to get at a code (RFC 9207).
func (m *Manager) ofIssuer(ctx context.Context, s signIn, iss string) bool {
	noun, err := m.opts.Store.Connection(ctx, s.id)
	if err != nil || iss == "" {
		return err == nil
	}
	opened, err := m.open(noun)
	return err == nil && opened.OAuth != nil && (opened.OAuth.Issuer == "" || opened.OAuth.Issuer == iss)
}

// declined explains the error with which an authority led a browser back. Of what it wrote only known codes are
// shown, and the numbers of Microsoft Entra.
func (m *Manager) declined(r *http.Request, s signIn, code, description string) *failure {
	f := &failure{final: true, kind: code, what: "the authority refused the sign-in"}
	if slices.Contains(finalCodes, code) || slices.Contains(passingCodes, code) {
		f.what += " (" + code + ")"
	}
	f.remedy = commonRemedies[code]
	noun, err := m.opts.Store.Connection(r.Context(), s.id)
	if err != nil {
		return f
	}
	opened, err := m.open(noun)
	number, isEntra := strings.CutPrefix(description, "AADSTS")
	digits := strings.IndexFunc(number, func(r rune) bool { return r < '0' || r > '9' })
	if err != nil || opened.OAuth == nil || opened.OAuth.Explain == nil || !isEntra || digits < 1 || digits > 9 {
		return f
	}
	n, _ := strconv.Atoi(number[:digits])
	text := opened.OAuth.Explain(provider.TokenRefusal{Code: code, Numbers: []int{n}})
	if text != "" {
		f.remedy = text
	}
	return f
}

// Logout has the authority revoke the tokens of a connection, where it can, and forgets them. Its calls fail until
// somebody signs in again. Reason says whether the tokens were revoked; that they were not is no error. The errors are
// *bellhop.Error.
//
// The authority is asked first: after a crash in between, the connection is found to be signed out by its next
// refresh.
func (m *Manager) Logout(ctx context.Context, idOrName string) error {
	noun, err := m.opts.Store.Connection(ctx, idOrName)
	if err != nil {
		return err
	}
	opened, err := m.open(noun)
	if err != nil {
		return err
	}
	if opened.OAuth == nil {
		return bellhop.Conflict("connection " + noun.Name + " signs its calls by keys: delete it, or replace the " +
			"keys")
	}
	l := m.link(noun.ID)
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "a request for tokens has not ended; try " +
			"again"}
	}
	m.logins.forget(noun.ID)
	raw, err := m.opts.Store.ConnectionTokens(ctx, noun.ID)
	if err != nil {
		return err
	}
	before := readTokens(raw, identity(opened))
	revoked := m.revoke(ctx, l, opened.OAuth, before)
	ctx = context.WithoutCancel(ctx) // tokens that were revoked are deleted, whoever waits
	reason := strings.TrimSuffix("signed out on request; "+revoked, "; ") + ": bellhop connections login " + noun.Name
	o := bellhop.ConnectionOutcome{ID: noun.ID, Version: noun.UpdatedAt, State: bellhop.ConnectionSignedOut,
		Reason: plain(reason, bellhop.MaxConnectionReason),
		Tokens: tokens{Identity: before.Identity, ByUser: before.ByUser}.write()}
	l.mu.Lock()
	l.epoch++
	l.session, l.unsaved, l.nextAt, l.state = nil, nil, time.Time{}, bellhop.ConnectionSignedOut
	l.failure, l.failures, l.retryAt = nil, 0, time.Time{}
	l.mu.Unlock()
	if _, err := m.opts.Store.SettleConnection(ctx, o); err != nil {
		return err
	}
	m.log.Info("connection.signed_out", "connection_id", noun.ID, "connection", noun.Name, "reason", o.Reason)
	return nil
}

var _ provider.API = (*api)(nil)
