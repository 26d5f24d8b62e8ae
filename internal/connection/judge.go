package connection

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
)

// This file takes note of an API that refuses the tokens which its authority grants. Such a connection is failing
// until a call succeeds: another token proves nothing.

// heard takes note of the answer to a call with the token of s: that the API takes it again. Few connections are
// refused, so this is one comparison.
func (m *Manager) heard(ctx context.Context, s *session, status int) {
	if s.tokens.Refused != "" && status >= 200 && status <= 299 {
		m.judge(ctx, s.noun.ID, s.tokens.Access, "")
	}
}

// heardAgain takes note of the answer to a call that was made again with the new token of s.
func (m *Manager) heardAgain(ctx context.Context, s *session, host string, status int) {
	if status != http.StatusUnauthorized {
		m.heard(ctx, s, status)
		return
	}
	if s.tokens.Refused == "" {
		m.judge(ctx, s.noun.ID, s.tokens.Access, host+" answers 401 to the tokens that the authority "+
			"grants: check the scopes, resource or audience and the permissions, then try it: "+
			"bellhop connections test "+s.noun.Name)
	}
}

// judge stores that the API refuses the stored tokens, and why; or with "", that it takes them. access is the access
// token that was used: another one has not been judged. "" is any. If the store does not take it, the next call tries
// again.
func (m *Manager) judge(ctx context.Context, id, access, why string) {
	l := m.link(id)
	select {
	case l.busy <- struct{}{}:
		defer func() { <-l.busy }()
	case <-ctx.Done():
		return
	}
	ctx = context.WithoutCancel(ctx) // the call has ended, and so may its caller
	l.mu.Lock()
	epoch, unsaved, failing := l.epoch, l.unsaved != nil, l.failure != nil
	l.mu.Unlock()
	noun, err := m.opts.Store.Connection(ctx, id)
	if err != nil || unsaved || noun.State == bellhop.ConnectionSignedOut {
		return
	}
	opened, err := m.open(noun)
	if err != nil || opened.OAuth == nil {
		return
	}
	raw, err := m.opts.Store.ConnectionTokens(ctx, id)
	if err != nil {
		return
	}
	why = plain(why, bellhop.MaxConnectionReason)
	t := readTokens(raw, identity(opened))
	if t.Access == "" || access != "" && t.Access != access || t.Refused == why {
		return
	}
	t.Refused = why
	o := bellhop.ConnectionOutcome{State: bellhop.ConnectionReady, Account: noun.Account, ExpiresAt: noun.ExpiresAt,
		Tokens: t.write()}
	switch {
	case why != "":
		o.State, o.Reason = bellhop.ConnectionFailing, why
	case failing: // the authority does not renew the tokens now
		o.State, o.Reason = noun.State, noun.Reason
	}
	if _, err := m.settle(ctx, l, noun, o); err != nil {
		m.log.Warn("connection.unstored", "connection_id", noun.ID, "connection", noun.Name, "error", err,
			"meaning", "whether the API takes the tokens is not shown with the connection")
		return
	}
	l.hold(&session{noun: noun, opened: opened, tokens: t}, epoch)
	m.sayBack(l)
	if why != "" {
		m.log.Warn("connection.failing", "connection_id", noun.ID, "connection", noun.Name, "reason", why)
	} else {
		m.log.Info("connection.recovered", "connection_id", noun.ID, "connection", noun.Name)
	}
}
