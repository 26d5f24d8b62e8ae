package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A drawer is a SessionStore in memory. If err is set, every method fails with it.
type drawer struct {
	sessions map[[32]byte]bellhop.Session
	links    map[[32]byte]bellhop.SignInLink
	portals  map[string]bellhop.PortalLink
	err      error
	uses     int
}

func (d *drawer) CreateSession(_ context.Context, s bellhop.Session) error {
	if d.err == nil {
		d.sessions[s.Hash] = s
	}
	return d.err
}

func (d *drawer) Session(_ context.Context, hash [32]byte) (bellhop.Session, error) {
	s, ok := d.sessions[hash]
	if !ok && d.err == nil {
		return s, bellhop.NotFound("session", "x")
	}
	return s, d.err
}

func (d *drawer) UseSession(_ context.Context, hash [32]byte, at time.Time) error {
	d.uses++
	if s, ok := d.sessions[hash]; ok && d.err == nil {
		s.UsedAt = at
		d.sessions[hash] = s
	}
	return d.err
}

func (d *drawer) DeleteSession(_ context.Context, hash [32]byte) error {
	delete(d.sessions, hash)
	return d.err
}

func (d *drawer) CreateSignInLink(_ context.Context, l bellhop.SignInLink) error {
	d.links[l.Hash] = l
	return d.err
}

func (d *drawer) SpendSignInLink(_ context.Context, hash [32]byte) (bellhop.SignInLink, error) {
	l, ok := d.links[hash]
	delete(d.links, hash)
	if !ok && d.err == nil {
		return l, bellhop.NotFound("link", "x")
	}
	return l, d.err
}

// A lobby is the Sessions of a desk.
type lobby struct {
	*Sessions
	desk   *desk
	drawer *drawer
}

func newLobby(t *testing.T, keys ...bellhop.Key) *lobby {
	l := &lobby{desk: newDesk(t, keys...), drawer: &drawer{sessions: map[[32]byte]bellhop.Session{},
		links: map[[32]byte]bellhop.SignInLink{}, portals: map[string]bellhop.PortalLink{}}}
	clock := func() time.Time { return l.desk.now }
	logger := slog.New(slog.NewTextHandler(&l.desk.log, nil))
	l.Sessions = NewSessions(SessionsOptions{Store: l.drawer, Keys: l.desk.Keys, Now: clock, Rand: rand.Reader,
		Logger: logger, Guard: NewGuard(GuardOptions{Next: l.desk.Keys, Now: clock, Logger: logger})})
	return l
}

// signIn signs in with a key.
func (l *lobby) signIn(key string) string {
	l.desk.t.Helper()
	token, err := l.SignIn(l.desk.t.Context(), key, "192.0.2.7:1234")
	if err != nil {
		l.desk.t.Fatal(err)
	}
	return token
}

// goesOn checks that the session of a token is that of a name.
func (l *lobby) goesOn(what, token, name string) {
	l.desk.t.Helper()
	p, _, err := l.Principal(l.desk.t.Context(), token)
	if err != nil || p.Name != name {
		l.desk.t.Errorf("%s: %+v %v", what, p, err)
	}
}

// ended checks that a token has no session.
func (l *lobby) ended(what, token string) {
	l.desk.t.Helper()
	p, ends, err := l.Principal(l.desk.t.Context(), token)
	if codeOf(err) != bellhop.CodeUnauthorized || p != (Principal{}) || !ends.IsZero() {
		l.desk.t.Errorf("%s: %+v %v", what, p, err)
	}
}

// TestSessionEnds: a session ends with its key, by its age, by idleness and by the sign-out, and not before.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	short, shortText := newKey(t, "short", bellhop.ScopeRead)
	revoked, revokedText := newKey(t, "revoked", bellhop.ScopeOperate)
	l := newLobby(t, short, revoked)
	short.ExpiresAt = l.desk.now.Add(2 * time.Hour)
	l.desk.Put(short)
	start := l.desk.now
	admin, byShort, byRevoked, idle := l.signIn(" "+testKey+"\n"), l.signIn(shortText), l.signIn(revokedText),
		l.signIn(testKey)
	if len(admin) != 43 || admin == idle {
		t.Errorf("tokens: %q %q", admin, idle)
	}
	l.goesOn("admin", admin, "admin")
	l.goesOn("revoked", byRevoked, "revoked")
	l.ended("no token", "")
	l.ended("a planted token", strings.Repeat("A", 43))

	l.desk.Remove(revoked.ID)
	l.ended("a revoked key", byRevoked)
	other := revoked
	other.Hash = bellhop.HashKey("another text")
	l.desk.Put(other)
	l.ended("another key with that id", byRevoked)

	for range 3 {
		l.desk.now = l.desk.now.Add(bellhop.SessionIdle - time.Second)
		l.goesOn("used within an hour", admin, "admin")
		if l.desk.now.Before(short.ExpiresAt) {
			l.goesOn("before the key expires", byShort, "short")
		}
	}
	l.ended("the key has expired", byShort)
	l.ended("not used for an hour", idle)
	for l.desk.now.Before(start.Add(bellhop.SessionLength - time.Minute)) {
		l.goesOn("within 12 hours", admin, "admin")
		l.desk.now = l.desk.now.Add(30 * time.Minute)
	}
	l.desk.now = start.Add(bellhop.SessionLength)
	l.ended("after 12 hours", admin)

	signedOut := l.signIn(testKey)
	if err := l.SignOut(t.Context(), signedOut); err != nil {
		t.Error(err)
	}
	l.ended("after the sign-out", signedOut)
	if log := l.desk.log.String(); !strings.Contains(log, "msg=session.begun") || strings.Contains(log, admin) ||
		strings.Contains(log, testKey) || strings.Contains(log, revokedText) {
		t.Errorf("the log: %s", log)
	}
}

// TestSessionOfRotatedAdminKey: a session of the admin key ends when that key does.
func TestSessionOfRotatedAdminKey(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	before := l.signIn(testKey)
	link, _, err := l.Link(t.Context(), adminPrincipal)
	if err != nil {
		t.Fatal(err)
	}
	l.desk.opts.ReplaceAdmin = replace("bhk_second", func() error { return nil })
	if _, _, err := l.desk.RotateAdmin(time.Minute, "ops"); err != nil {
		t.Fatal(err)
	}
	l.goesOn("within the grace", before, "admin")
	l.desk.now = l.desk.now.Add(time.Minute)
	l.ended("after the grace", before)
	if _, err := l.Spend(t.Context(), link, "192.0.2.7:1"); codeOf(err) != bellhop.CodeUnauthorized {
		t.Errorf("a link of the old key: %v", err)
	}
	l.goesOn("of the new key", l.signIn("bhk_second"), "admin")
}

// TestSignInRefuses: a wrong key is counted and limited like that of the API, and a key that only publishes is
// refused.
func TestSignInRefuses(t *testing.T) {
	t.Parallel()
	publisher, text := newKey(t, "ci", bellhop.ScopePublish)
	l := newLobby(t, publisher)
	try := func(key string) bellhop.Code {
		_, err := l.SignIn(t.Context(), key, "192.0.2.7:1234")
		return codeOf(err)
	}
	if got := try(text); got != bellhop.CodeForbidden {
		t.Errorf("a key that publishes: %s", got)
	}
	for range MaxWrongKeys {
		if got := try("bhk_wrong"); got != bellhop.CodeUnauthorized {
			t.Fatalf("a wrong key: %s", got)
		}
	}
	if got := try("bhk_wrong"); got != bellhop.CodeLimited {
		t.Errorf("too many wrong keys: %s", got)
	}
	l.goesOn("a right key after them", l.signIn(testKey), "admin")
	if len(l.drawer.sessions) != 1 {
		t.Errorf("%d sessions", len(l.drawer.sessions))
	}
}

// TestSignInLink: a link begins one session, of the key that made it, within 5 minutes.
func TestSignInLink(t *testing.T) {
	t.Parallel()
	reader, _ := newKey(t, "reader", bellhop.ScopeRead)
	reader.Tenant = "acme"
	l := newLobby(t, reader)
	make := func(p Principal) string {
		t.Helper()
		token, expires, err := l.Link(t.Context(), p)
		if err != nil || !expires.Equal(l.desk.now.Add(5*time.Minute)) {
			t.Fatal(expires, err)
		}
		return token
	}
	spend := func(what, link string, want bellhop.Code) string {
		t.Helper()
		token, err := l.Spend(t.Context(), link, "192.0.2.7:1234")
		if codeOf(err) != want || (want != "") != (token == "") {
			t.Errorf("%s: %v", what, err)
		}
		return token
	}
	used := make(principalOf(&reader))
	session := spend("a new link", used, "")
	if p, _, err := l.Principal(t.Context(), session); err != nil || p != principalOf(&reader) {
		t.Errorf("%+v %v", p, err)
	}
	spend("spent again", used, bellhop.CodeUnauthorized)
	spend("an unknown one", "unknown", bellhop.CodeUnauthorized)
	spend("the token of a session", session, bellhop.CodeUnauthorized)

	revoked := make(principalOf(&reader))
	l.desk.Remove(reader.ID)
	spend("of a revoked key", revoked, bellhop.CodeUnauthorized)
	if _, _, err := l.Link(t.Context(), principalOf(&reader)); codeOf(err) != bellhop.CodeUnauthorized {
		t.Errorf("a link of a revoked key: %v", err)
	}
	late := make(adminPrincipal)
	l.desk.now = l.desk.now.Add(bellhop.SignInLinkValid)
	spend("an expired one", late, bellhop.CodeUnauthorized)
	l.ended("the token of a link", late)
}

// TestSessionsStoreFails: a failure of the store is returned, but a use that cannot be stored ends no session.
func TestSessionsStoreFails(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	token := l.signIn(testKey)
	l.drawer.err = io.ErrUnexpectedEOF
	_, signIn := l.SignIn(t.Context(), testKey, "")
	_, _, principal := l.Principal(t.Context(), token)
	_, spend := l.Spend(t.Context(), "x", "")
	_, _, link := l.Link(t.Context(), adminPrincipal)
	for what, err := range map[string]error{"sign in": signIn, "principal": principal, "spend": spend, "link": link} {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", what, err)
		}
	}
	l.drawer.err = nil
	for range 10 {
		l.goesOn("used often", token, "admin")
	}
	if l.drawer.uses != 0 {
		t.Errorf("%d uses were stored within a minute", l.drawer.uses)
	}
	l.desk.now = l.desk.now.Add(time.Minute)
	l.Sessions.opts.Store = failsToUse{l.drawer}
	l.goesOn("a use that is not stored", token, "admin")
	if !strings.Contains(l.desk.log.String(), "msg=session.use.unstored") {
		t.Errorf("the log: %s", l.desk.log.String())
	}
}

// failsToUse is a SessionStore that cannot store uses.
type failsToUse struct{ *drawer }

func (failsToUse) UseSession(context.Context, [32]byte, time.Time) error { return io.ErrShortWrite }
