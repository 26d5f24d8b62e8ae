package auth

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func (d *drawer) PortalLink(_ context.Context, id string) (bellhop.PortalLink, error) {
	l, ok := d.portals[id]
	if !ok && d.err == nil {
		return l, bellhop.NotFound("portal link", id)
	}
	return l, d.err
}

func (d *drawer) PortalLinkOf(_ context.Context, hash [32]byte) (bellhop.PortalLink, error) {
	for _, l := range d.portals {
		if l.Hash == hash {
			return l, d.err
		}
	}
	return bellhop.PortalLink{}, bellhop.NotFound("portal link", "x")
}

func (d *drawer) CreatePortalLink(_ context.Context, l bellhop.PortalLink) error {
	d.portals[l.ID] = l
	return d.err
}

func (d *drawer) OpenPortalLink(ctx context.Context, id string, at time.Time) error {
	l, ok := d.portals[id]
	actor, named := bellhop.ActorOf(ctx)
	if !ok || !l.OpenedAt.IsZero() || !named || actor != l.Visitor() || bellhop.TenantOf(ctx) != l.Tenant {
		return bellhop.NotFound("portal link", id)
	}
	l.OpenedAt = at
	d.portals[id] = l
	return d.err
}

func (d *drawer) DeletePortalLink(_ context.Context, id string) error {
	delete(d.portals, id)
	return d.err
}

// portal makes a link of acme with rights, which lasts for an hour.
func (l *lobby) portal(p Principal, rights bellhop.PortalRights) (link bellhop.PortalLink, token string) {
	l.desk.t.Helper()
	link, token, err := l.CreatePortalLink(l.desk.t.Context(), p, bellhop.PortalLink{Tenant: "acme", Rights: rights,
		FrameAncestors: []string{"app.example.com"}}, time.Hour)
	if err != nil {
		l.desk.t.Fatal(err)
	}
	return link, token
}

// visits checks what the visitor of a session may do: nothing if rights is "".
func (l *lobby) visits(what, token string, rights bellhop.PortalRights) {
	l.desk.t.Helper()
	checked := l.CheckVisit(l.desk.t.Context(), token)
	p, link, err := l.Visitor(l.desk.t.Context(), token)
	if codeOf(checked) != codeOf(err) {
		l.desk.t.Errorf("%s: a stream: %v", what, checked)
	}
	if rights == "" {
		if codeOf(err) != bellhop.CodeUnauthorized || p != (Principal{}) || link.ID != "" {
			l.desk.t.Errorf("%s: %+v %+v %v", what, p, link, err)
		}
		return
	}
	if want := (Principal{"portal of acme", link.ID, rights.Scope(), "acme", rights}); err != nil || p != want {
		l.desk.t.Errorf("%s: %+v, want %+v: %v", what, p, want, err)
	}
}

// TestPortalLink: a link can be looked at as often as one likes and opened once, within 5 minutes; its session is that
// of a visitor with the rights of the link, and of nobody on the other pages.
func TestPortalLink(t *testing.T) {
	t.Parallel()
	l := newLobby(t)
	open := func(what, link string, want bellhop.Code) string {
		t.Helper()
		token, _, err := l.OpenPortalLink(t.Context(), link, "192.0.2.7:1234")
		if codeOf(err) != want || (want != "") != (token == "") {
			t.Errorf("%s: %v", what, err)
		}
		return token
	}
	for _, rights := range []bellhop.PortalRights{bellhop.PortalRead, bellhop.PortalRetry, bellhop.PortalManage} {
		made, link := l.portal(adminPrincipal, rights)
		if made.Key != "admin" || made.KeyID != "" || made.OpenUntil.Sub(made.CreatedAt) != 5*time.Minute {
			t.Errorf("%+v", made)
		}
		for range 3 {
			if seen, err := l.LookAtPortalLink(t.Context(), link); err != nil || seen.FrameAncestors[0] !=
				"https://app.example.com" {
				t.Errorf("%+v %v", seen, err)
			}
		}
		session := open("a new link", link, "")
		l.visits("by the link", session, rights)
		l.ended("the session of a portal on the other pages", session)
		if err := l.Check(t.Context(), session); codeOf(err) != bellhop.CodeUnauthorized {
			t.Errorf("a stream by the session of a portal: %v", err)
		}
		open("opened again", link, bellhop.CodeUnauthorized)
		open("the token of a session", session, bellhop.CodeUnauthorized)
		open("the id of a link", made.ID, bellhop.CodeUnauthorized)
		l.visits("the token of a link", link, "")
		if _, err := l.Spend(t.Context(), link, ""); codeOf(err) != bellhop.CodeUnauthorized {
			t.Errorf("spent as a link to the pages: %v", err)
		}
		if err := l.SignOut(t.Context(), session); err != nil {
			t.Error(err)
		}
		l.visits("after the sign-out", session, "")
		if log := l.desk.log.String(); strings.Contains(log, link) || strings.Contains(log, session) {
			t.Error("a token is in the log")
		}
	}
	l.visits("the session of a key", l.signIn(testKey), "")
	l.visits("a planted token", strings.Repeat("A", 43), "")
	l.visits("no token", "", "")
	signIn, _, err := l.Link(t.Context(), adminPrincipal)
	if err != nil {
		t.Fatal(err)
	}
	open("a link to the pages", signIn, bellhop.CodeUnauthorized)
	_, late := l.portal(adminPrincipal, bellhop.PortalRead)
	l.desk.now = l.desk.now.Add(bellhop.PortalLinkValid)
	open("after 5 minutes", late, bellhop.CodeUnauthorized)
	if _, err := l.LookAtPortalLink(t.Context(), late); codeOf(err) != bellhop.CodeUnauthorized {
		t.Errorf("a look after 5 minutes: %v", err)
	}
	for what, lasts := range map[string]time.Duration{"too short": time.Second, "too long": 12*time.Hour + 1} {
		_, _, err := l.CreatePortalLink(t.Context(), adminPrincipal, bellhop.PortalLink{Tenant: "acme",
			Rights: bellhop.PortalRead}, lasts)
		if codeOf(err) != bellhop.CodeInvalid {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPortalEnds: a visit ends with its link, with the key that made the link, by its age and by idleness.
func TestPortalEnds(t *testing.T) {
	t.Parallel()
	boss, _ := newKey(t, "boss", bellhop.ScopeAdmin)
	boss.Tenant = "acme"
	l := newLobby(t, boss)
	begin := func(p Principal) (id, session string) {
		t.Helper()
		made, link := l.portal(p, bellhop.PortalManage)
		session, _, err := l.OpenPortalLink(t.Context(), link, "192.0.2.7:1234")
		if err != nil {
			t.Fatal(err)
		}
		return made.ID, session
	}
	id, revoked := begin(adminPrincipal)
	_, other := begin(adminPrincipal)
	_, ofBoss := begin(principalOf(&boss))
	person := Principal{Name: "ada@example.com", KeyID: "person_1", Scope: bellhop.ScopeAdmin}
	_, ofPerson := begin(person)
	if err := l.RevokePortalLink(t.Context(), adminPrincipal, id); err != nil {
		t.Fatal(err)
	}
	l.visits("of a revoked link", revoked, "")
	l.visits("of another link", other, bellhop.PortalManage)
	l.visits("of a key", ofBoss, bellhop.PortalManage)
	l.visits("of a person", ofPerson, bellhop.PortalManage)
	_, unopened := l.portal(principalOf(&boss), bellhop.PortalRead)
	l.desk.Remove(boss.ID)
	l.visits("of a revoked key", ofBoss, "")
	if _, _, err := l.OpenPortalLink(t.Context(), unopened, ""); codeOf(err) != bellhop.CodeUnauthorized {
		t.Errorf("a link of a revoked key: %v", err)
	}
	l.desk.now = l.desk.now.Add(time.Hour - time.Second)
	l.visits("just before its end", other, bellhop.PortalManage)
	l.desk.now = l.desk.now.Add(time.Second)
	l.visits("at its end", other, "")
	l.visits("of a person at its end", ofPerson, "")

	made, link, err := l.CreatePortalLink(t.Context(), adminPrincipal, bellhop.PortalLink{Tenant: "acme",
		Rights: bellhop.PortalRead}, bellhop.SessionLength)
	if err != nil || made.ID == "" {
		t.Fatal(err)
	}
	idle, _, err := l.OpenPortalLink(t.Context(), link, "")
	if err != nil {
		t.Fatal(err)
	}
	l.desk.now = l.desk.now.Add(bellhop.SessionIdle)
	l.visits("after an hour without a use", idle, "")
}
