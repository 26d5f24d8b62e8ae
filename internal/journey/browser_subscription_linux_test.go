//go:build browser

package journey

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// TestChromiumSharePoint is story S3 in the page: a subscription is created and its validation seen, it is listed,
// renewed and deleted, and in between a change of the list arrives.
func TestChromiumSharePoint(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := newFarEnd(t, "sharepoint", "--any-token")
	p := newPerson(t, g)
	p.signIn(g)

	p.open("/ui/sources")
	p.follow("New source")
	p.follow("SharePoint Online")
	p.fills("name", "lists")
	p.fills("settings.subscriptions_only", "true")
	p.follow("Create")
	p.sees("/in/lists")
	p.connects("site", "sharepoint", s.url, s.url, nil)
	p.follow("Test it")
	p.sees("The test call")
	p.sees("application bellhop")

	p.registers("documents", "sharepoint", "lists", "site", "Documents", "")
	p.sees("✓ active")
	if calls := find[string](p, `document.querySelector('[aria-labelledby=calls]').innerText`); !strings.Contains(
		calls, "answered 200") {
		t.Errorf("the validation is not to be seen:\n%s", calls)
	}
	p.open("/ui/subscriptions")
	p.sees("documents")
	p.open("/ui/events?source=lists")
	s.happens("Documents", "created", map[string]any{"Title": "a"})
	p.sees("sharepoint.changed")

	p.open("/ui/subscriptions")
	p.follow("documents")
	p.follow("Renew now")
	p.sees("The registration is renewed.")
	p.sees("renew")
	p.follow("Delete")
	p.follow("Delete subscription")
	p.sees("It is deleted.")
	p.sees("No subscriptions yet")
	left, err := g.client().RemoteSubscriptions(t.Context(), "site", "Documents")
	p.must(err)
	for _, remote := range left.Data {
		if remote.Owner != "foreign" {
			t.Errorf("the stand-in still has %+v", remote)
		}
	}
	if !strings.Contains(s.said(), "PATCH") || !strings.Contains(s.said(), "DELETE") {
		t.Error("the stand-in was not asked to renew and to delete")
	}
}

// TestChromiumCalendar is story S2 in the page: somebody consents at Entra, a subscription to a calendar is
// registered, and of what changes there the whole resource is fetched. Both events are seen as they come.
func TestChromiumCalendar(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := newFarEnd(t, "graph", "--page")
	p := newPerson(t, g)
	p.signIn(g)

	p.open("/ui/sources/new?provider=graph")
	p.fills("name", "calendar")
	p.fills("settings.subscriptions_only", "true")
	p.follow("Create")
	p.connects("anna", "graph", s.url, s.url, map[string]string{"grant": "user"})
	p.sees("signed out")
	connection := p.path()
	p.follow("Sign in")
	p.follow("Go there to sign in")
	if !strings.HasPrefix(find[string](p, "location.href"), s.url) {
		p.follow("Continue to " + strings.TrimPrefix(s.url, "http://"))
	}
	p.sees("Sign in as ada@example.com?")
	p.follow("Accept")
	p.open(connection)
	p.sees("as ada@example.com")

	p.registers("meetings", "graph", "calendar", "anna", "/me/events", "created,updated")
	p.sees("✓ active")
	p.open("/ui/destinations/new?type=graph.fetch")
	p.fills("name", "fetch")
	p.fills("settings.connection", "anna")
	p.fills("match.sources", "calendar")
	p.follow("Create")
	p.sees("It is created.")

	p.open("/ui/events")
	s.happens("/me/events", "created", map[string]any{"subject": "Lens review"})
	p.sees("graph.created")
	p.sees("graph.fetched")
	p.follow("graph.fetched")
	p.sees("Lens review")
	p.sees("Caused by")
}

// TestChromiumConsentRefused: who declines at the provider, or comes back with a forged or a used state, is told so,
// and nothing is signed in.
func TestChromiumConsentRefused(t *testing.T) {
	t.Parallel()
	g := newGateway(t)
	s := newFarEnd(t, "graph", "--page")
	p := newPerson(t, g)
	p.signIn(g)
	p.connects("anna", "graph", s.url, s.url, map[string]string{"grant": "user"})
	connection := p.path()
	p.follow("Sign in")
	p.follow("Go there to sign in")
	if !strings.HasPrefix(find[string](p, "location.href"), s.url) {
		p.follow("Continue to " + strings.TrimPrefix(s.url, "http://"))
	}
	p.follow("Cancel")
	p.expects("502")
	p.open(connection)
	p.sees("The latest sign-in failed")
	p.open("/connect/callback?code=stolen&state=forged")
	p.sees("The sign-in cannot be completed")
	p.expects("400")
	l, err := g.client().Connections(t.Context(), client.ConnectionFilter{}, client.Page{})
	p.must(err)
	if len(l.Data) != 1 || l.Data[0].State == "ready" {
		t.Errorf("%+v", l.Data)
	}
}
