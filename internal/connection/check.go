package connection

import (
	"context"
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A Check is what a test of a connection showed.
type Check struct {
	OK          bool
	Reason      string // why not, with the remedy; of a good one: a warning, or ""
	Account     string // who we are at the system
	ByToken     bool   // otherwise a key signs the calls
	ByUser      bool
	ExpiresAt   time.Time // of the access token; zero if there is none
	Permissions []provider.Permission
	Took        time.Duration // of the test call, sign-in included
}

// testTime bounds a test. Clients wait for 30 s.
const testTime = 25 * time.Second

// Test makes the cheapest authentic call in the name of a connection. A connection that was refused is tried again.
// The error is that of an unknown connection or of the store; everything else is a Check.
func (m *Manager) Test(ctx context.Context, idOrName string) (Check, error) {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	noun, err := m.opts.Store.Connection(ctx, idOrName)
	if err != nil {
		return Check{}, err
	}
	start := m.now()
	s, err := m.session(ctx, noun.ID, need{force: true})
	if err != nil {
		// Only a connection with tokens can be without a session.
		return Check{Account: noun.Account, Reason: m.reason(ctx, noun.ID, err), ByToken: true,
			ByUser: m.byUser(ctx, noun), Took: m.now().Sub(start)}, nil
	}
	check := Check{OK: true, Account: s.tokens.Account, ByToken: s.opened.OAuth != nil, ByUser: s.tokens.ByUser,
		ExpiresAt: s.tokens.EndsAt}
	if s.opened.Test != nil {
		tested, err := s.opened.Test(ctx, &api{m: m, id: noun.ID}, s.tokens.granted())
		if tested.Account != "" {
			check.Account = plain(tested.Account, bellhop.MaxConnectionAccount)
		}
		check.Permissions = tested.Permissions
		if err != nil {
			check.OK, check.Reason = false, err.Error()
		}
		m.noteTest(ctx, s, check, err)
	}
	check.Took = m.now().Sub(start)
	after, err := m.opts.Store.Connection(ctx, noun.ID)
	if err != nil {
		return check, err
	}
	if check.OK {
		check.Reason = after.Reason
	}
	if !after.ExpiresAt.IsZero() {
		check.ExpiresAt = after.ExpiresAt // the token may have been renewed during the call
	}
	return check, nil
}

// reason returns why there is no session: what is shown with the connection or, if that says nothing, err.
func (m *Manager) reason(ctx context.Context, id string, err error) string {
	noun, readErr := m.opts.Store.Connection(ctx, id)
	if readErr == nil && noun.State != bellhop.ConnectionReady && noun.Reason != "" {
		return noun.Reason
	}
	return err.Error()
}

// byUser reports whether a user has to sign in to a connection that has no session.
func (m *Manager) byUser(ctx context.Context, noun bellhop.Connection) bool {
	opened, err := m.open(noun)
	if err != nil || opened.OAuth == nil {
		return false
	}
	raw, err := m.opts.Store.ConnectionTokens(ctx, noun.ID)
	return err == nil && readTokens(raw, identity(opened)).ByUser || !opened.OAuth.ByClient()
}

// noteTest stores what a test showed beyond the token: who we are, and that the API refuses us or does so no longer.
func (m *Manager) noteTest(ctx context.Context, s *session, check Check, err error) {
	l := m.link(s.noun.ID)
	noun, readErr := m.opts.Store.Connection(ctx, s.noun.ID)
	if readErr != nil {
		return
	}
	o := bellhop.ConnectionOutcome{
		State:     noun.State,
		Reason:    noun.Reason,
		Account:   noun.Account,
		ExpiresAt: noun.ExpiresAt,
	}
	var refused *provider.APIError
	switch {
	case err == nil:
		o.State, o.Account = bellhop.ConnectionReady, check.Account
		if noun.State != bellhop.ConnectionReady {
			o.Reason = ""
		}
	case !errors.As(err, &refused) || refused.Kind != provider.APISignedOut:
	case s.opened.OAuth != nil: // the call was made again with a new token: see api.Do
		m.judge(ctx, noun.ID, "", check.Reason)
		return
	case noun.State == bellhop.ConnectionReady: // no other key comes by itself
		o.State, o.Reason = bellhop.ConnectionSignedOut, plain(check.Reason, bellhop.MaxConnectionReason)
	}
	if o.State == noun.State && o.Account == noun.Account && o.Reason == noun.Reason {
		return
	}
	if _, err := m.settle(ctx, l, noun, o); err != nil {
		m.log.Warn("connection.unstored", "connection_id", noun.ID, "connection", noun.Name, "error", err,
			"meaning", "the result of a test is not shown with the connection")
	}
	m.sayBack(l)
}
