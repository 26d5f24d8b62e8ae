package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A SessionStore keeps sessions and links. Its errors are *bellhop.Error where a person can act on them.
type SessionStore interface {
	CreateSession(ctx context.Context, s bellhop.Session) error
	Session(ctx context.Context, hash [32]byte) (bellhop.Session, error)
	UseSession(ctx context.Context, hash [32]byte, at time.Time) error
	DeleteSession(ctx context.Context, hash [32]byte) error
	CreateSignInLink(ctx context.Context, l bellhop.SignInLink) error
	// SpendSignInLink deletes a link and returns it: of several callers one gets it.
	SpendSignInLink(ctx context.Context, hash [32]byte) (bellhop.SignInLink, error)
	PortalLinkStore
}

// SessionsOptions say what Sessions may use. All are required but the rules.
type SessionsOptions struct {
	Store  SessionStore
	Keys   *Keys
	Guard  Authenticator        // of the keys that are typed: it counts and limits wrong ones
	Rules  []bellhop.SignInRule // that let people of an OpenID issuer in; none without one
	Now    func() time.Time
	Rand   io.Reader
	Logger *slog.Logger
}

// Sessions let people act in a browser as the holders of keys, without the key. A session has the rights that its key
// has at that moment, and ends with the key: once the key is revoked, has expired or, of the admin key, was replaced.
// That of a person whom an OpenID issuer signed in has the rights of a rule, and ends once there is no such rule.
// That of a visitor of a portal has the rights of a link, and ends with it: see portal.go.
// It ends too after [bellhop.SessionLength], after [bellhop.SessionIdle] without a use, and when the person signs out.
// Tokens are made at the sign-in alone, so a token that somebody put into a browser before is worth nothing.
type Sessions struct {
	opts SessionsOptions
	log  *slog.Logger
}

// NewSessions returns the sessions of o.Store.
func NewSessions(o SessionsOptions) *Sessions {
	return &Sessions{o, o.Logger.With("component", "auth")}
}

// useStored is how old the stored time of the latest use of a session may become.
const useStored = time.Minute

// errNoSession is the error for every session that is not there or has ended.
var errNoSession = &bellhop.Error{Code: bellhop.CodeUnauthorized, Message: "this session has ended: sign in again"}

// errNoLink is the error for every link that cannot be used.
var errNoLink = &bellhop.Error{Code: bellhop.CodeUnauthorized,
	Message: "this link was used before or is older than 5 minutes: make another one"}

// SignIn begins a session for the holder of a key, and returns its token. remoteAddr is "address:port" of the browser.
// The error is that of the Guard, or CodeForbidden if the key cannot read.
func (s *Sessions) SignIn(ctx context.Context, key, remoteAddr string) (token string, err error) {
	key = bellhop.Pasted(key)
	given := &http.Request{Method: http.MethodPost, RemoteAddr: remoteAddr,
		Header: http.Header{"Authorization": {"Bearer " + key}}}
	p, err := s.opts.Guard.Authenticate(given)
	if err != nil {
		return "", err
	}
	return s.start(ctx, bellhop.Session{KeyID: p.KeyID, KeyHash: bellhop.HashKey(key)}, p, "key", remoteAddr)
}

// Link returns the token of a new link, by which the holder of p's key can sign in once until it expires.
func (s *Sessions) Link(ctx context.Context, p Principal) (token string, expiresAt time.Time, err error) {
	hash, ok := s.opts.Keys.hashOf(p.KeyID)
	if !ok {
		return "", time.Time{}, refused(ErrWrongKey)
	}
	token, err = s.newToken()
	if err != nil {
		return "", time.Time{}, err
	}
	l := bellhop.SignInLink{Hash: bellhop.HashToken(token), KeyID: p.KeyID, KeyHash: hash,
		ExpiresAt: bellhop.StoredTime(s.opts.Now().Add(bellhop.SignInLinkValid))}
	return token, l.ExpiresAt, s.opts.Store.CreateSignInLink(ctx, l)
}

// Spend begins a session by the token of a link, and returns the token of the session. The link cannot be used again,
// whatever the result. The error is CodeUnauthorized if it was used, has expired, or its key has ended.
func (s *Sessions) Spend(ctx context.Context, link, remoteAddr string) (token string, err error) {
	l, err := s.opts.Store.SpendSignInLink(ctx, bellhop.HashToken(link))
	if isUnknown(err) {
		return "", errNoLink
	} else if err != nil {
		return "", err
	}
	p, ok := s.opts.Keys.holder(l.KeyID, l.KeyHash)
	if !ok || !s.opts.Now().Before(l.ExpiresAt) {
		return "", errNoLink
	}
	return s.start(ctx, bellhop.Session{KeyID: l.KeyID, KeyHash: l.KeyHash}, p, "link", remoteAddr)
}

// start begins a session of p, of which session has all but the token and the times. It returns the token.
func (s *Sessions) start(
	ctx context.Context, session bellhop.Session, p Principal, by, remoteAddr string,
) (token string, err error) {
	if !p.Scope.Includes(bellhop.ScopeRead) {
		return "", &bellhop.Error{Code: bellhop.CodeForbidden, Message: "a key of the scope " + string(p.Scope) +
			" sees nothing here: use one of the scope read, operate or admin"}
	}
	token, err = s.newToken()
	if err != nil {
		return "", err
	}
	now := bellhop.StoredTime(s.opts.Now())
	session.Hash, session.CreatedAt, session.UsedAt = bellhop.HashToken(token), now, now
	err = s.opts.Store.CreateSession(ctx, session)
	if err != nil {
		return "", err
	}
	s.log.Info("session.begun", "key", p.Name, "key_id", p.KeyID, "by", by, "remote_addr", remoteAddr)
	return token, nil
}

// Principal returns the holder of the session with that token, and when the session ends at the latest. The error is
// CodeUnauthorized if there is none or it has ended.
func (s *Sessions) Principal(ctx context.Context, token string) (p Principal, ends time.Time, err error) {
	p, session, err := s.find(ctx, token)
	if err != nil {
		return Principal{}, time.Time{}, err
	}
	s.use(ctx, session)
	return p, session.CreatedAt.Add(bellhop.SessionLength), nil
}

// use stores that a session is used, unless that was stored a moment ago.
func (s *Sessions) use(ctx context.Context, session bellhop.Session) {
	now := s.opts.Now()
	if now.Sub(session.UsedAt) < useStored {
		return
	}
	err := s.opts.Store.UseSession(ctx, session.Hash, bellhop.StoredTime(now))
	if err != nil { // the session goes on until it seems to have been idle
		s.log.Warn("session.use.unstored", "key_id", session.KeyID, "error", err,
			"meaning", "when this session was used last is stored later")
	}
}

// find returns the session with that token and its holder, if it has not ended. The session of a portal is none here:
// its visitor sees the portal alone.
func (s *Sessions) find(ctx context.Context, token string) (p Principal, session bellhop.Session, err error) {
	session, err = s.opts.Store.Session(ctx, bellhop.HashToken(token))
	if isUnknown(err) {
		return p, session, errNoSession
	} else if err != nil {
		return p, session, err
	}
	p, ok := s.holder(session)
	if !ok || session.Portal != "" || session.Ended(s.opts.Now()) {
		return Principal{}, session, errNoSession
	}
	return p, session, nil
}

// Check returns an error of CodeUnauthorized if there is no session with that token or it has ended. It is no use of
// the session: looking at a live page for an hour, without doing anything, ends it.
func (s *Sessions) Check(ctx context.Context, token string) error {
	_, _, err := s.find(ctx, token)
	return err
}

// holder returns who acts in a session, if the key or the rule of it still holds.
func (s *Sessions) holder(session bellhop.Session) (p Principal, ok bool) {
	if session.Rule == "" {
		return s.opts.Keys.holder(session.KeyID, session.KeyHash)
	}
	for _, r := range s.opts.Rules {
		if r.Text == session.Rule {
			return personOf(session, r), true
		}
	}
	return Principal{}, false
}

// SignOut ends the session with that token. It is no error if there is none.
func (s *Sessions) SignOut(ctx context.Context, token string) error {
	return s.opts.Store.DeleteSession(ctx, bellhop.HashToken(token))
}

// newToken returns 256 random bits in characters that URLs and cookies may have.
func (s *Sessions) newToken() (string, error) {
	var bits [32]byte
	_, err := io.ReadFull(s.opts.Rand, bits[:])
	return base64.RawURLEncoding.EncodeToString(bits[:]), err
}

// isUnknown reports whether err says that there is none.
func isUnknown(err error) bool {
	var e *bellhop.Error
	return errors.As(err, &e) && e.Code == bellhop.CodeNotFound
}

// hashOf returns the hash of the text of the key with that id; "" is the admin key.
func (k *Keys) hashOf(id string) (hash [32]byte, ok bool) {
	if id == "" {
		return k.admin.hash(), true
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	h := k.byID[id]
	if h == nil {
		return hash, false
	}
	return h.key.Hash, true
}

// holder returns the principal of the key with that id and the hash of its text, if that key is accepted now. It notes
// no use of the key.
func (k *Keys) holder(id string, hash [32]byte) (p Principal, ok bool) {
	now := k.opts.Now()
	if id == "" {
		return adminPrincipal, k.admin.is(hash, now)
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	h := k.byID[id]
	if h == nil || h.key.Hash != hash || h.key.Expired(now) {
		return Principal{}, false
	}
	return principalOf(&h.key), true
}

// principalOf returns the principal of a key.
func principalOf(k *bellhop.Key) Principal {
	return Principal{Name: k.Name, KeyID: k.ID, Scope: k.Scope, Tenant: k.Tenant}
}
