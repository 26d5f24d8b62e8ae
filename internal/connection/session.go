package connection

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A need says what a session is needed for.
type need struct {
	refused string // an access token that the API refused: another one is needed
	ahead   bool   // refresh ahead of the end, although the token can still be used
	force   bool   // a person asks: a connection that is signed out, or rests after a failure, is tried all the same
	renew   bool   // the settings changed: the stored access token proves nothing about them
}

// Times of requests for tokens.
const (
	firstRest   = 3 * time.Second // after a failure, doubled with each further one
	longestRest = 5 * time.Minute
	flightTime  = 2*requestTimeout + 10*time.Second // of obtain: two refresh tokens, and the store
)

// known returns the session in memory if it serves n without waiting. While another caller asks for tokens (asked),
// or while the authority rests after a failure, a token serves until its end.
func (l *link) known(n need, now time.Time, asked bool) (*session, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.session
	switch {
	case s == nil || n.ahead || n.renew:
		return nil, false
	case s.opened.OAuth == nil:
		return s, true
	case s.tokens.Access == n.refused:
		return nil, false
	}
	waiting := asked || l.resting(now) != nil && !n.force
	return s, s.tokens.fresh(now) || waiting && s.tokens.usable(now)
}

// session returns what is needed to call the API. It waits for tokens until ctx ends. Of the callers that need
// tokens at the same time one asks for them; the others wait for its result. The request outlives its caller, so
// that a refresh token which was replaced meanwhile is not lost.
func (m *Manager) session(ctx context.Context, id string, n need) (*session, error) {
	l := m.link(id)
	if s, ok := l.known(n, m.now(), len(l.busy) > 0); ok {
		return s, nil
	}
	if e := l.rests(n, m.now()); e != nil {
		return nil, e
	}
	select {
	case l.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
	// Another caller may have got tokens while this one waited.
	s, ok := l.known(n, m.now(), false)
	if ok || !m.begin() {
		<-l.busy
		if !ok {
			return nil, &provider.APIError{Kind: provider.APITemporary, Message: "the server is stopping"}
		}
		return s, nil
	}
	type result struct {
		session *session
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer m.end()
		flight, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTime)
		defer cancel()
		s, err := m.obtain(flight, l, n)
		m.sayBack(l)
		// before the caller has its result, so that its next call does not take this request for one under way
		<-l.busy
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		return r.session, r.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

// rests returns the failure after which nothing is asked for yet, if there is no token that serves n until then.
func (l *link) rests(n need, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.resting(now)
	if e == nil || n.force || n.ahead || l.session != nil && l.session.tokens.usable(now) || l.unsaved != nil {
		return nil
	}
	return e
}

func gaveUp(ctx context.Context) *provider.APIError {
	message := "given up while waiting for a token"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		message = "no token came in time"
	}
	return &provider.APIError{Kind: provider.APITemporary, Message: message}
}

// obtain reads the connection and its tokens, and asks for new tokens if those do not serve n. The caller holds
// l.busy. A token that has not ended serves while its refresh fails.
func (m *Manager) obtain(ctx context.Context, l *link, n need) (*session, error) {
	if err := m.saveUnsaved(ctx, l); err != nil {
		return nil, err
	}
	l.mu.Lock()
	epoch := l.epoch
	l.mu.Unlock()
	noun, err := m.opts.Store.Connection(ctx, l.id)
	if err != nil {
		return nil, storeError(err)
	}
	l.mu.Lock()
	l.state = noun.State
	l.mu.Unlock()
	opened, err := m.open(noun)
	if err != nil {
		return nil, m.fail(ctx, l, noun, tokens{}, &failure{final: true, what: "the settings cannot be used: " +
			err.Error(), remedy: "change them"})
	}
	s := &session{noun: noun, opened: opened}
	if opened.OAuth == nil {
		if noun.State != bellhop.ConnectionReady && n.renew {
			_, err = m.settle(ctx, l, noun, bellhop.ConnectionOutcome{State: bellhop.ConnectionReady})
		}
		l.adopt(s, epoch, time.Time{})
		return s, err
	}
	raw, err := m.opts.Store.ConnectionTokens(ctx, l.id)
	if err != nil {
		return nil, storeError(err)
	}
	s.tokens = readTokens(raw, identity(opened))
	now := m.now()
	usable := s.tokens.usable(now) && s.tokens.Access != n.refused && !n.renew && s.tokens.fits(opened.OAuth)
	switch {
	case noun.State == bellhop.ConnectionSignedOut && (!n.force || s.tokens.ByUser && s.tokens.Refresh == ""):
		return nil, signedOut(noun) // its reason stays
	case usable && s.tokens.fresh(now) && !(n.ahead && !now.Before(s.tokens.aheadAt(l.id))):
		l.adopt(s, epoch, s.tokens.aheadAt(l.id))
		return s, nil
	}
	l.mu.Lock()
	resting := l.resting(now)
	l.mu.Unlock()
	if resting != nil && !n.force {
		if usable {
			l.hold(s, epoch)
			return s, nil
		}
		return nil, resting
	}
	fresh, f := m.grant(ctx, l, s)
	if f != nil {
		err := m.fail(ctx, l, noun, s.tokens, f)
		if usable && !f.final {
			l.hold(s, epoch)
			return s, nil
		}
		return nil, err
	}
	m.metrics.requests.WithLabelValues(noun.Provider, "granted").Inc()
	if !n.renew { // other settings may be what the API wants
		fresh.tokens.Refused = s.tokens.Refused
	}
	s.tokens = fresh.tokens
	if err := m.keep(ctx, l, noun, fresh); err != nil {
		return nil, err
	}
	l.adopt(s, epoch, s.tokens.aheadAt(l.id))
	m.poke()
	m.log.Info("connection.refreshed", "connection_id", noun.ID, "connection", noun.Name, "expires_at",
		s.tokens.EndsAt.UTC().Format(time.RFC3339), "by_user", s.tokens.ByUser)
	return s, nil
}

// fits reports whether the settings still allow the grant that brought the tokens.
func (t tokens) fits(o *provider.OAuth) bool {
	if t.ByUser {
		return o.ByUser()
	}
	return o.ByClient()
}

// aheadAt returns when Run refreshes the token: before callers would have to wait for that, at a time that differs
// from connection to connection.
func (t tokens) aheadAt(id string) time.Time {
	spread := 0
	for _, c := range []byte(id) {
		spread = (spread*31 + int(c)) % 1000
	}
	life := t.FreshTo.Sub(t.IssuedAt)
	return t.FreshTo.Add(-margin(life) * time.Duration(spread) / 1000)
}

// adopt keeps s in memory after a success. nextAt is when Run refreshes it.
func (l *link) adopt(s *session, epoch int, nextAt time.Time) {
	l.hold(s, epoch)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextAt, l.failure, l.failures, l.retryAt = nextAt, nil, 0, time.Time{}
}

// hold keeps s in memory, unless the connection changed since obtain began.
func (l *link) hold(s *session, epoch int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == epoch {
		l.session = s
	}
}

// resting returns the failure after which no request is made yet; nil if one may be made. The caller holds l.mu.
func (l *link) resting(now time.Time) *provider.APIError {
	wait := l.retryAt.Sub(now)
	if l.failure == nil || wait <= 0 || wait > maxRetryAfter { // a clock was set back
		return nil
	}
	e := *l.failure
	e.RetryAfter = wait
	return &e
}

// grant asks for tokens by the grant that the connection has: the refresh token of the user who signed in, or on
// behalf of the client.
func (m *Manager) grant(ctx context.Context, l *link, s *session) (answer, *failure) {
	o := s.opened.OAuth
	at, f := m.discover(ctx, l, o)
	if f != nil {
		return answer{}, f
	}
	if o.ByClient() && !s.tokens.ByUser {
		return m.ask(ctx, s.opened, at, scopeParam("client_credentials", o.Scopes), false)
	}
	if s.tokens.Refresh == "" {
		what, remedy := "nobody has signed in", "bellhop connections login "+s.noun.Name
		if !s.tokens.EndsAt.IsZero() {
			what = "the access token has ended, and the authority gave no refresh token"
			remedy = "allow offline access at the authority, then sign in: bellhop connections login " + s.noun.Name
		}
		return answer{}, &failure{final: true, what: what, remedy: remedy}
	}
	for _, refresh := range []string{s.tokens.Refresh, s.tokens.Previous} {
		if refresh == "" {
			continue
		}
		params := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
		fresh, refused := m.ask(ctx, s.opened, at, params, true)
		if refused == nil {
			return fresh.after(s.tokens, refresh), nil
		}
		if f == nil {
			f = refused
		}
		if refused.kind != "invalid_grant" { // the token before it may still work
			return answer{}, refused
		}
	}
	f.remedy = strings.TrimPrefix(f.remedy+": bellhop connections login "+s.noun.Name, ": ")
	return answer{}, f
}

// after returns a completed by what the tokens before it had: the refresh token used is kept beside the one that
// replaces it, and texts that the authority did not repeat stay.
func (a answer) after(before tokens, used string) answer {
	t := &a.tokens
	if t.Refresh == "" || t.Refresh == used {
		t.Refresh = used
	} else {
		t.Previous = used
	}
	if len(t.Scopes) == 0 {
		t.Scopes = before.Scopes
	}
	if before.Account != "" {
		t.Account = before.Account
	}
	return a
}

// keep stores new tokens. No one uses them before that. If the store does not take them, they are kept in memory and
// stored before anything else is asked for: an authority may have taken back the refresh token before them.
func (m *Manager) keep(ctx context.Context, l *link, noun bellhop.Connection, a answer) error {
	o := bellhop.ConnectionOutcome{
		State:     bellhop.ConnectionReady,
		Reason:    plain(a.warning, bellhop.MaxConnectionReason),
		Account:   a.tokens.Account,
		ExpiresAt: bellhop.StoredTime(a.tokens.EndsAt),
		Tokens:    a.tokens.write(),
	}
	if a.tokens.Refused != "" {
		o.State, o.Reason = bellhop.ConnectionFailing, a.tokens.Refused
	}
	if _, err := m.settle(ctx, l, noun, o); err != nil {
		l.mu.Lock()
		o.ID, o.Version = noun.ID, noun.UpdatedAt
		l.unsaved = &o
		l.mu.Unlock()
		return err
	}
	l.mu.Lock()
	l.unsaved = nil
	l.mu.Unlock()
	return nil
}

// saveUnsaved stores the tokens that could not be stored before.
func (m *Manager) saveUnsaved(ctx context.Context, l *link) error {
	l.mu.Lock()
	u := l.unsaved
	l.mu.Unlock()
	if u == nil {
		return nil
	}
	if _, err := m.opts.Store.SettleConnection(ctx, *u); err != nil {
		return storeError(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsaved = nil
	return nil
}

// fail stores that a request for tokens failed, and returns what callers get to know. If the failure is final, the
// connection is signed out, and an event says so. Tokens that the authority called invalid are deleted.
func (m *Manager) fail(ctx context.Context, l *link, noun bellhop.Connection, t tokens, f *failure) error {
	o := bellhop.ConnectionOutcome{State: bellhop.ConnectionFailing, Account: noun.Account,
		ExpiresAt: noun.ExpiresAt, Reason: plain(f.Error(), bellhop.MaxConnectionReason)}
	// The message has status and code already: they are the authority's, not those of the API.
	e := &provider.APIError{Kind: provider.APITemporary, RetryAfter: f.retryAfter,
		Message: "connection " + noun.Name + ": " + plain(f.what, provider.MaxAPIText), Remedy: f.remedy}
	result := "failed"
	switch {
	case f.final:
		o.State, o.ExpiresAt = bellhop.ConnectionSignedOut, time.Time{}
		e.Kind, result = provider.APISignedOut, "refused"
		if f.kind == "invalid_grant" {
			o.Tokens = tokens{Identity: t.Identity, ByUser: t.ByUser, Account: t.Account}.write()
		}
	case f.foreign:
		e.Kind = provider.APIForeign
	}
	m.metrics.requests.WithLabelValues(noun.Provider, result).Inc()
	now := m.now()
	l.mu.Lock()
	l.failures++
	rest := min(longestRest, firstRest<<min(l.failures-1, 10))
	l.failure, l.retryAt = e, now.Add(max(rest, f.retryAfter))
	l.nextAt = l.retryAt
	if f.final {
		l.nextAt, l.session = time.Time{}, nil
	}
	l.mu.Unlock()
	m.poke()
	m.log.Warn("connection."+result, "connection_id", noun.ID, "connection", noun.Name, "reason", o.Reason, "status",
		f.status)
	if _, err := m.settle(ctx, l, noun, o); err != nil {
		m.log.Error("connection.unstored", "connection_id", noun.ID, "connection", noun.Name, "error", err,
			"meaning", "the state that is shown is an earlier one")
	}
	return e
}

// settle stores an outcome of a request for tokens, and announces that the connection is signed out before that is
// stored: after a crash in between it is announced again, under the same id.
func (m *Manager) settle(ctx context.Context, l *link, noun bellhop.Connection,
	o bellhop.ConnectionOutcome) (current bool, err error) {
	o.ID, o.Version = noun.ID, noun.UpdatedAt
	wasIn := noun.State != bellhop.ConnectionSignedOut && noun.Account != ""
	if o.State == bellhop.ConnectionSignedOut && wasIn {
		m.announce(ctx, noun, o)
	}
	current, err = m.opts.Store.SettleConnection(ctx, o)
	if err != nil {
		return current, storeError(err)
	}
	if current {
		l.mu.Lock()
		ready := o.State == bellhop.ConnectionReady
		l.back = ready && (l.back || l.state != o.State || noun.State != o.State)
		l.state = o.State
		l.mu.Unlock()
	}
	return current, nil
}

// signedOut is the error of a call in the name of a connection that is signed out.
func signedOut(noun bellhop.Connection) *provider.APIError {
	return &provider.APIError{Kind: provider.APISignedOut,
		Message: plain("connection "+noun.Name+" is signed out: "+noun.Reason, provider.MaxAPIText)}
}

// storeError returns an error of the store for callers of an API: what a person can act on, and nothing else.
func storeError(err error) *provider.APIError {
	e := &provider.APIError{Kind: provider.APITemporary, Message: "the connection cannot be read or stored now"}
	var known *bellhop.Error
	switch {
	case !errors.As(err, &known):
	case known.Code == bellhop.CodeNotFound:
		e.Kind, e.Message = provider.APIInvalid, known.Message
	case known.Code == bellhop.CodeUnavailable:
		e.Message = known.Message
	}
	return e
}
