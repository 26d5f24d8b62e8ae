package ui

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"golang.org/x/net/html"
)

// fakePortals are portals in memory: of visits by their tokens, and of links by theirs.
type fakePortals struct {
	mu      sync.Mutex // guards the fields below
	visits  map[string]Portal
	links   map[string]string // the visit that each begins
	people  *fakeSessions
	refused error // of every call, unless it is nil
}

// newFakePortals returns portals of acme, where the token of a visit is the rights of its link. "framed" is one for
// frames. A sign-out of people ends a visit.
func newFakePortals(people *fakeSessions) *fakePortals {
	of := func(role role, ancestors ...string) Portal {
		return Portal{Tenant: "acme", Role: role, Ends: now.Add(time.Hour), FrameAncestors: ancestors}
	}
	return &fakePortals{people: people, visits: map[string]Portal{"read": of(viewer), "retry": of(operator),
		"manage": of(admin), "framed": of(admin, "https://app.example.com", "https://b.example:8443")},
		links: map[string]string{"good": "retry", "for-frames": "framed"}}
}

// errEnded is the error of what is not there.
var errEnded = &client.Error{Status: 401, Code: "unauthorized", Detail: "this link was opened before"}

func (f *fakePortals) find(token string) (Portal, error) {
	p, ok := f.visits[token]
	if !ok && f.refused == nil {
		return Portal{}, errEnded
	}
	return p, f.refused
}

func (f *fakePortals) Look(_ context.Context, link string) (Portal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.find(f.links[link])
}

func (f *fakePortals) Open(_ context.Context, link, _ string) (string, Portal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := f.links[link]
	delete(f.links, link)
	p, err := f.find(token)
	return token, p, err
}

func (f *fakePortals) Find(ctx context.Context, token string) (context.Context, Portal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := f.find(token)
	return ctx, p, err
}

func (f *fakePortals) Check(_ context.Context, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.find(token)
	return err
}

// end ends the visit with a token.
func (f *fakePortals) end(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.visits, token)
}

var testPortalLink = client.PortalLink{ID: "plk_1", Tenant: "acme", Rights: "retry",
	FrameAncestors: []string{"https://app.example.com"}, Key: "shop", KeyID: "key_1", CreatedAt: at(time.Minute),
	OpenUntil: at(-4 * time.Minute), OpenedAt: at(30 * time.Second), ExpiresAt: at(-time.Hour)}

// pagesOfPortals are those for visitors, and those of the links that let them in.
var pagesOfPortals = []pageCase{
	{name: "portal_open", path: "/ui/portal/open/good"},
	{name: "portal_open_alone", path: "/ui/portal/open/for-frames"},
	{name: "portal_open_gone", path: "/ui/portal/open/nothing", status: 410},
	{name: "portal_opened_before", path: "/ui/portal/open/nothing", status: 410, form: url.Values{}},
	{name: "portal_ended", path: "/ui/portal/", token: "planted", status: 401},
	{name: "portal_left", path: "/ui/portal/leave", token: "read", form: url.Values{}},
	{name: "portal_forbidden", path: "/ui/portal/destinations/new", token: "retry", status: 403},
	{name: "portal_not_found", path: "/ui/portal/sources", token: "manage", status: 404},
	{name: "portal_destinations", path: "/ui/portal/?did=deleted", token: "manage"},
	{name: "portal_destinations_read", path: "/ui/portal/", token: "read"},
	{name: "portal_destinations_empty", path: "/ui/portal/", token: "manage", change: (*rig).empty},
	{name: "portal_destination", path: "/ui/portal/destinations/dst_1?did=saved", token: "manage"},
	{name: "portal_destination_read", path: "/ui/portal/destinations/dst_3", token: "read", change: func(r *rig) {
		r.api.set("GET /deliveries", listOf{Data: []client.Delivery{}})
	}},
	{name: "portal_destination_not_tested", path: "/ui/portal/destinations/dst_1/test", token: "manage", status: 409,
		form: url.Values{}, change: conflicts("POST /destinations/dst_1/test", "the destination is disabled")},
	{name: "portal_choose", path: "/ui/portal/destinations/new", token: "manage"},
	{name: "portal_new", path: "/ui/portal/destinations/new?type=http", token: "manage"},
	{name: "portal_wrong", path: "/ui/portal/destinations/new", token: "manage", status: 422, form: url.Values{
		"type": {"http"}, "name": {"b"}, "url": {"ftp://x"}, "settings.secret": {"a-secret-that-is-not-shown"}},
		change: refuses("POST /destinations", client.FieldError{Path: "url", Message: "use http"})},
	{name: "portal_tried", path: "/ui/portal/destinations/new", token: "manage", form: url.Values{"type": {"http"},
		"name": {"b"}, "url": {"https://billing.example.com/hooks"}, "do": {"try"}},
		change: func(r *rig) { r.api.set("POST /destinations/try", testTry) }},
	{name: "portal_made", path: "/ui/portal/destinations/new", token: "manage", status: 201, form: url.Values{
		"type": {"http"}, "name": {"b"}, "url": {"https://billing.example.com/hooks"}, "make:settings.secret": {"1"}},
		change: func(r *rig) { r.api.set("POST /destinations", testWhole) }},
	{name: "portal_edit", path: "/ui/portal/destinations/dst_1/edit", token: "manage"},
	{name: "portal_overtaken", path: "/ui/portal/destinations/dst_1/edit", token: "manage", status: 412,
		form: url.Values{"name": {"b2"}, "etag": {"old"}}, change: func(r *rig) {
			r.api.set("PATCH /destinations/dst_1", &client.Error{Status: 412, Code: "changed",
				Detail: "the destination has changed"})
		}},
	{name: "portal_delete", path: "/ui/portal/destinations/dst_1/delete", token: "manage"},
	{name: "portal_deliveries", path: "/ui/portal/deliveries", token: "read", change: func(r *rig) {
		r.api.set("GET /deliveries", listOf{Data: []client.Delivery{testDelivery, testPending}, Next: &next})
	}},
	{name: "portal_deliveries_dead", path: "/ui/portal/deliveries?state=dead&destination=billing", token: "retry"},
	{name: "portal_deliveries_empty", path: "/ui/portal/deliveries", token: "read", change: (*rig).empty},
	{name: "portal_deliveries_bad_time", path: "/ui/portal/deliveries?since=soon", token: "read", status: 422},
	{name: "portal_delivery", path: "/ui/portal/deliveries/dlv_1", token: "retry"},
	{name: "portal_delivery_read", path: "/ui/portal/deliveries/dlv_2", token: "read", change: func(r *rig) {
		r.api.set("GET /events/evt_1", &client.Error{Status: 404, Code: "not_found", Detail: "there is none"})
	}},
	{name: "portal_not_retried", path: "/ui/portal/deliveries/dlv_1/retry", token: "retry", status: 409,
		form: url.Values{}, change: conflicts("POST /deliveries/dlv_1/retry", "the delivery is delivered")},
	{name: "portal_many", path: "/ui/portal/deliveries/many?destination=billing", token: "retry"},
	{name: "portal_many_bad_time", path: "/ui/portal/deliveries/many?since=soon", token: "retry", status: 422},
	{name: "portal_events", path: "/ui/portal/events?type=inv*", token: "read"},
	{name: "portal_events_empty", path: "/ui/portal/events", token: "read", change: (*rig).empty},
	{name: "portal_event", path: "/ui/portal/events/evt_1?did=replayed", token: "retry"},
	{name: "portal_event_read", path: "/ui/portal/events/evt_1?body=hex", token: "read"},
	{name: "portal_not_replayed", path: "/ui/portal/events/evt_1/replay", token: "retry", status: 409,
		form: url.Values{"to": {"billing"}}, change: conflicts("POST /events/evt_1/replay", "billing is disabled")},
	{name: "portal_types", path: "/ui/portal/types", token: "read"},
	{name: "portal_types_empty", path: "/ui/portal/types", token: "read", change: (*rig).empty},

	{name: "portal_links", path: "/ui/portal-links?did=unlinked", token: "admin"},
	{name: "portal_links_empty", path: "/ui/portal-links", token: "admin", change: (*rig).empty},
	{name: "portal_link_new", path: "/ui/portal-links/new?tenant=acme", token: "admin"},
	{name: "portal_link_wrong", path: "/ui/portal-links/new", token: "admin", status: 422, form: url.Values{
		"tenant": {"nobody"}, "rights": {"read"}, "expires_in": {"2d"}, "frame_ancestors": {"a.example\r\n*"}},
		change: refuses("POST /portal-links", client.FieldError{Path: "tenant", Message: "there is no such tenant"},
			client.FieldError{Path: "expires_in", Message: "use 1m to 12h"},
			client.FieldError{Path: "frame_ancestors[1]", Message: "use a host"})},
	{name: "portal_link_made", path: "/ui/portal-links/new", token: "admin", status: 201, form: url.Values{
		"tenant": {"acme"}, "rights": {"retry"}}, change: func(r *rig) {
		made := testPortalLink
		made.FrameAncestors = []string{}
		r.api.set("POST /portal-links", client.CreatedPortalLink{PortalLink: made,
			URL:      "https://hooks.example.com/ui/portal/open/shown-once",
			LocalURL: "http://127.0.0.1:8080/ui/portal/open/shown-once"})
	}},
	{name: "portal_link_delete", path: "/ui/portal-links/plk_1/delete", token: "admin"},
}

// TestPortalLeadsNowhere: no page of a portal has a link or a form that leads out of it, a command, or a noun that is
// not for its visitors.
func TestPortalLeadsNowhere(t *testing.T) {
	t.Parallel()
	for _, c := range pagesOfPortals {
		if !strings.HasPrefix(c.path, PortalRoot) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, page := c.render(t)
			root, err := html.Parse(strings.NewReader(page))
			if err != nil {
				t.Fatal(err)
			}
			for n := range root.Descendants() {
				for name, to := range attributes(n) {
					if (name == "href" || name == "src" || name == "action") && !strings.HasPrefix(to, PortalRoot) &&
						!strings.HasPrefix(to, "/ui/static/") && !strings.HasPrefix(to, "#") {
						t.Errorf("<%s %s=%q>", n.Data, name, to)
					}
				}
			}
			for _, text := range []string{"bellhop ", "curl ", "src_1", "globex", "Sign in to", "X-Two"} {
				if strings.Contains(page, text) {
					t.Errorf("%q is on the page", text)
				}
			}
		})
	}
}
