package auth

import (
	"context"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file lets people without a key into the portal of a tenant. A link is made by the API, for a tenant, with
// rights and an end. It begins one session, and is what the session refers to from then on: the session has no rights
// of its own, and ends once the link is gone, too old, or the key that made it is no longer accepted.

// A PortalLinkStore keeps the links to portals.
type PortalLinkStore interface {
	PortalLink(ctx context.Context, id string) (bellhop.PortalLink, error)
	PortalLinkOf(ctx context.Context, hash [32]byte) (bellhop.PortalLink, error)
	// CreatePortalLink stores a link; CodeInvalid if there is no such tenant.
	CreatePortalLink(ctx context.Context, l bellhop.PortalLink) error
	// OpenPortalLink stores when a link was opened; CodeNotFound if it was opened before.
	OpenPortalLink(ctx context.Context, id string, at time.Time) error
	DeletePortalLink(ctx context.Context, id string) error
}

// errPortalLink is the error for every link to a portal that cannot be opened.
var errPortalLink = &bellhop.Error{Code: bellhop.CodeUnauthorized,
	Message: "this link was opened before, was revoked or is older than 5 minutes: ask for " +
		"another one where you got it"}

// errNoVisit is the error for every session of a portal that is not there or has ended.
var errNoVisit = &bellhop.Error{Code: bellhop.CodeUnauthorized,
	Message: "this visit has ended: open the page again where you came from"}

// CreatePortalLink checks and stores a new link with the tenant, rights and ancestors of l, whose session ends after
// lasts. It returns the link and its token, which is kept nowhere. p is who asks, and has the scope admin for the
// tenant.
func (s *Sessions) CreatePortalLink(ctx context.Context, p Principal, l bellhop.PortalLink,
	lasts time.Duration) (_ bellhop.PortalLink, token string, err error) {
	now := bellhop.StoredTime(s.opts.Now())
	l.CreatedAt, l.OpenUntil, l.ExpiresAt = now, now.Add(bellhop.PortalLinkValid), now.Add(lasts)
	err = l.Check()
	if err != nil {
		return l, "", err
	}
	token, err = s.newToken()
	if err != nil {
		return l, "", err
	}
	l.ID, l.Hash = bellhop.NewID(bellhop.PrefixPortalLink, s.opts.Rand), bellhop.HashToken(token)
	l.Key, l.KeyID = p.Name, p.KeyID
	var ok bool
	l.KeyHash, ok = s.opts.Keys.hashOf(p.KeyID)
	if !ok && !strings.HasPrefix(p.KeyID, personPrefix) {
		return l, "", refused(ErrWrongKey)
	}
	err = s.opts.Store.CreatePortalLink(ctx, l)
	if err != nil {
		return l, "", err
	}
	s.log.Info("portal_link.created", "link_id", l.ID, "tenant", l.Tenant, "rights", l.Rights,
		"expires_at", l.ExpiresAt, "by", p.Name)
	return l, token, nil
}

// RevokePortalLink deletes a link: its session ends. p is who asks.
func (s *Sessions) RevokePortalLink(ctx context.Context, p Principal, id string) error {
	err := s.opts.Store.DeletePortalLink(ctx, id)
	if err == nil {
		s.log.Info("portal_link.revoked", "link_id", id, "by", p.Name)
	}
	return err
}

// LookAtPortalLink returns the link with that token, if it can be opened. It changes nothing, so programs that look at
// links in mail and chat use none up.
func (s *Sessions) LookAtPortalLink(ctx context.Context, token string) (bellhop.PortalLink, error) {
	l, err := s.opts.Store.PortalLinkOf(ctx, bellhop.HashToken(token))
	if isUnknown(err) || err == nil && (!l.Opens(s.opts.Now()) || !s.backs(l)) {
		return bellhop.PortalLink{}, errPortalLink
	}
	return l, err
}

// OpenPortalLink begins a session by the token of a link, and returns the token of the session and the link. The link
// cannot be opened again, whatever the result.
func (s *Sessions) OpenPortalLink(ctx context.Context, link, remoteAddr string) (token string, l bellhop.PortalLink,
	err error) {
	l, err = s.LookAtPortalLink(ctx, link)
	if err != nil {
		return "", l, err
	}
	now := bellhop.StoredTime(s.opts.Now())
	err = s.opts.Store.OpenPortalLink(bellhop.WithTenant(bellhop.WithActor(ctx, l.Visitor()), l.Tenant), l.ID, now)
	if isUnknown(err) { // somebody else was faster
		err = errPortalLink
	}
	if err != nil {
		return "", l, err
	}
	l.OpenedAt = now
	token, err = s.start(ctx, bellhop.Session{KeyID: l.ID, Portal: l.ID}, visitorOf(l), "portal_link", remoteAddr)
	return token, l, err
}

// Visitor returns who visits a portal in the session with that token, and the link that lets them in. The error is
// CodeUnauthorized if there is none or it has ended.
func (s *Sessions) Visitor(ctx context.Context, token string) (p Principal, l bellhop.PortalLink, err error) {
	l, session, err := s.findVisit(ctx, token)
	if err != nil {
		return Principal{}, bellhop.PortalLink{}, err
	}
	s.use(ctx, session)
	return visitorOf(l), l, nil
}

// CheckVisit returns the error of [Sessions.Visitor], and is no use of the session.
func (s *Sessions) CheckVisit(ctx context.Context, token string) error {
	_, _, err := s.findVisit(ctx, token)
	return err
}

// findVisit returns the session of a portal with that token and its link, if neither has ended.
func (s *Sessions) findVisit(ctx context.Context, token string) (l bellhop.PortalLink, session bellhop.Session,
	err error) {
	session, err = s.opts.Store.Session(ctx, bellhop.HashToken(token))
	if err == nil && session.Portal != "" {
		l, err = s.opts.Store.PortalLink(ctx, session.Portal)
	}
	now := s.opts.Now()
	if isUnknown(err) || err == nil && (session.Portal == "" || session.Ended(now) || l.Ended(now) || !s.backs(l)) {
		err = errNoVisit
	}
	return l, session, err
}

// backs reports whether who made a link still may: the key is accepted, and has the scope admin for the tenant. A link
// that a person of an OpenID issuer made is bounded by its end alone.
func (s *Sessions) backs(l bellhop.PortalLink) bool {
	if l.KeyHash == ([32]byte{}) {
		return true
	}
	p, ok := s.opts.Keys.holder(l.KeyID, l.KeyHash)
	return ok && p.Scope == bellhop.ScopeAdmin && (p.Tenant == "" || p.Tenant == l.Tenant)
}

// visitorOf returns who acts by a link.
func visitorOf(l bellhop.PortalLink) Principal {
	visitor := l.Visitor()
	return Principal{Name: visitor.Key, KeyID: visitor.KeyID, Scope: l.Rights.Scope(), Tenant: l.Tenant,
		Portal: l.Rights}
}
