package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// enter returns a browser that has opened a link to the portal of a tenant, and the id of the link.
func (h *house) enter(by *client.Client, tenant, rights string) (b *browser, id string) {
	h.t.Helper()
	made, err := by.CreatePortalLink(h.t.Context(), client.NewPortalLink{Tenant: tenant, Rights: rights})
	h.must(err)
	b = &browser{h: h, base: h.URL()}
	path := strings.TrimPrefix(made.LocalURL, h.URL())
	b.is("a look at the link", path, 200)
	status, body, to := b.visit("POST", path, nil)
	if status != 303 || to != "/ui/portal/" || len(b.cookies) != 1 || b.cookies[0].Name != "bellhop-portal" {
		h.t.Fatalf("open the portal: %d %s %s %v", status, to, body, b.cookies)
	}
	again := &browser{h: h, base: h.URL()}
	if status, _, _ := again.visit("POST", path, nil); status != 410 || len(again.cookies) > 0 {
		h.t.Errorf("the link again: %d", status)
	}
	again.is("a look at a spent link", path, 410)
	return b, made.ID
}

// portalPaths are the pages and actions of a portal on the nouns of acme.
func (h *house) portalPaths() (pages, actions []string) {
	pages = []string{"/ui/portal/destinations/" + h.ids["destinations"], "/ui/portal/deliveries/" +
		h.ids["deliveries"],
		"/ui/portal/events/" + h.ids["events"], "/ui/portal/events/" + h.ids["events"] + "/body",
		"/ui/portal/destinations/" + h.ids["destinations"] + "/edit",
		"/ui/portal/destinations/" + h.ids["destinations"] + "/delete", "/ui/portal/destinations/billing"}
	actions = []string{"/ui/portal/deliveries/" + h.ids["deliveries"] + "/retry",
		"/ui/portal/events/" + h.ids["events"] + "/replay"}
	for _, verb := range []string{"edit", "test", "pause", "resume", "delete"} {
		actions = append(actions, "/ui/portal/destinations/"+h.ids["destinations"]+"/"+verb,
			"/ui/portal/destinations/billing/"+verb)
	}
	return pages, actions
}

// TestPortalOfATenant: a visitor sees and does what the link allows within its tenant, and it is noted as theirs.
func TestPortalOfATenant(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	reader, _ := h.enter(h.admin, "acme", "read")
	for path, want := range map[string]string{
		"/ui/portal/": "billing", "/ui/portal/deliveries": h.ids["deliveries"], "/ui/portal/events": h.ids["events"],
		"/ui/portal/types": "paid", "/ui/portal/events/" + h.ids["events"]: "&#34;n&#34;: 1",
		"/ui/portal/deliveries/" + h.ids["deliveries"]:     "Delivery to billing",
		"/ui/portal/destinations/" + h.ids["destinations"]: "It is paused",
	} {
		if body := reader.is("read", path, 200); !strings.Contains(body, want) || !strings.Contains(body, "acme") {
			t.Errorf("%s does not have %s: %s", path, want, body)
		}
	}
	if body := reader.is("download", "/ui/portal/events/"+h.ids["events"]+"/body", 200); body != `{"n":1}` {
		t.Errorf("downloaded %q", body)
	}
	before := h.shown()
	_, actions := h.portalPaths()
	for _, path := range append(actions, "/ui/portal/deliveries/many", "/ui/portal/destinations/new") {
		if status, _, _ := reader.visit("POST", path, nil); status != 403 {
			t.Errorf("%s with the right read: %d", path, status)
		}
	}
	if after := h.shown(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	retrier, _ := h.enter(h.admin, "acme", "retry")
	status, _, to := retrier.visit("POST", "/ui/portal/events/"+h.ids["events"]+"/replay",
		url.Values{"to": {"billing"}})
	if status != 303 {
		t.Errorf("replay: %d %s", status, to)
	}
	if status, _, _ := retrier.visit("POST", "/ui/portal/destinations/billing/resume", nil); status != 403 {
		t.Errorf("resume with the right retry: %d", status)
	}
	manager, link := h.enter(h.acme, "", "manage")
	status, body, to := manager.visit("POST", "/ui/portal/destinations/new", url.Values{"type": {"http"},
		"name": {"acme-new"}, "url": {"http://127.0.0.1:9/hooks"}, "settings.format": {"raw"}, "tenant": {"globex"}})
	if status != 303 {
		t.Fatalf("create: %d %s", status, body)
	}
	d, err := h.admin.Destination(t.Context(), "acme-new")
	if err != nil || d.Tenant != "acme" || !strings.HasPrefix(to, "/ui/portal/destinations/"+d.ID) {
		t.Errorf("created: %+v %v %s", d, err, to)
	}
	for _, verb := range []string{"pause", "resume", "delete"} {
		if status, body, _ := manager.visit("POST", "/ui/portal/destinations/"+d.ID+"/"+verb, nil); status != 303 {
			t.Errorf("%s: %d %s", verb, status, body)
		}
	}
	entries, err := h.admin.Audit(t.Context(), client.AuditFilter{Key: "portal of acme"}, client.Page{})
	h.must(err)
	var did []string
	for _, e := range entries.Data {
		if e.KeyID == link {
			did = append(did, e.Action+" "+e.Noun)
		}
	}
	if want := []string{"deleted destination", "resumed destination", "paused destination", "created destination",
		"opened portal_link"}; !slices.Equal(did, want) {
		t.Errorf("noted: %q", did)
	}
	for _, path := range []string{"/ui/", "/ui/sources", "/ui/portal-links"} {
		manager.is("a page that is none of the portal", path, 303)
	}
	if status, _ := h.ask("all", "GET", "/api/v1/portal-links", ""); status != 200 {
		t.Errorf("the list: %d", status)
	}
}

// TestForeignPortal: a visitor of the portal of globex gets 404 for every noun of acme, by its id and by its name, and
// changes nothing of acme with any action, those on many included.
func TestForeignPortal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	before := h.shown()
	b, _ := h.enter(h.globex, "globex", "manage")
	pages, actions := h.portalPaths()
	for _, path := range pages {
		b.is("a noun of acme", path, 404)
	}
	for _, path := range actions {
		if status, body, _ := b.visit("POST", path, url.Values{"name": {"mine"}, "to": {"billing"}}); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/ui/portal/", "/ui/portal/events", "/ui/portal/deliveries", "/ui/portal/types",
		"/ui/portal/deliveries?event=" + h.ids["events"]} {
		body := b.is("a list", path, 200)
		for _, id := range h.ids {
			if strings.Contains(strings.ReplaceAll(body, path, ""), id) && !strings.Contains(path, id) {
				t.Errorf("%s has %s", path, id)
			}
		}
		if strings.Contains(body, "billing") {
			t.Errorf("%s names a noun of acme", path)
		}
	}
	for _, form := range []url.Values{{}, {"destination": {"billing"}}, {"destination": {h.ids["destinations"]}},
		{"event": {h.ids["events"]}}} {
		b.visit("POST", "/ui/portal/deliveries/many", form)
		b.visit("GET", "/ui/portal/deliveries/many?"+form.Encode(), nil)
	}
	_, err := h.globex.CreateDestination(t.Context(), client.NewDestination{Name: "globex-own",
		URL: "http://127.0.0.1:9", Settings: client.Settings{"format": "raw"}})
	h.must(err)
	if status, _, _ := b.visit("POST", "/ui/portal/events/"+h.ids["events"]+"/replay",
		url.Values{"to": {"globex-own"}}); status != 404 {
		t.Errorf("replay an event of acme to a destination of globex: %d", status)
	}
	if after := h.shown(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := h.globex.CreatePortalLink(
		t.Context(), client.NewPortalLink{Tenant: "acme", Rights: "read"}); err == nil {
		t.Error("globex made a link to the portal of acme")
	}
	if _, err := h.admin.CreatePortalLink(t.Context(), client.NewPortalLink{Rights: "read"}); err == nil {
		t.Error("a link to the portal of no tenant was made")
	}
}

// TestPortalEnds: a visit ends at once with its link, with the key that made the link, with the tenant, and when the
// visitor leaves. Forged and planted tokens are worth nothing.
func TestPortalEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	const out = 401
	b, link := h.enter(h.admin, "acme", "read")
	list, err := h.acme.PortalLinks(ctx, client.PortalLinkFilter{}, client.Page{})
	if err != nil || len(list.Data) != 2 || list.Data[0].ID != link || list.Data[0].OpenedAt.IsZero() {
		t.Errorf("%+v %v", list, err)
	}
	if err := h.globex.DeletePortalLink(ctx, link); err == nil {
		t.Error("globex revoked a link of acme")
	}
	b.is("before it is revoked", "/ui/portal/", 200)
	h.must(h.acme.DeletePortalLink(ctx, link))
	b.is("revoked", "/ui/portal/", out)

	key, err := h.admin.CreateKey(ctx, client.NewKey{Name: "shop", Scope: "admin"})
	h.must(err)
	b, _ = h.enter(client.New(h.URL(), key.Text, nil), "acme", "read")
	h.must(h.admin.DeleteKey(ctx, key.ID))
	b.is("the key that made the link is revoked", "/ui/portal/", out)

	_, err = h.admin.CreateTenant(ctx, client.NewTenant{Name: "initech"})
	h.must(err)
	b, _ = h.enter(h.admin, "initech", "manage")
	b.is("before the tenant is deleted", "/ui/portal/", 200)
	h.must(h.admin.DeleteTenant(ctx, "initech"))
	b.is("the tenant is deleted", "/ui/portal/", out)
	_, err = h.admin.CreateTenant(ctx, client.NewTenant{Name: "initech"})
	h.must(err)
	b.is("another tenant of the name", "/ui/portal/", out)

	b, _ = h.enter(h.admin, "acme", "read")
	kept := b.cookies
	if status, _, _ := b.visit("POST", "/ui/portal/leave", nil); status != 200 {
		t.Errorf("leave: %d", status)
	}
	b.cookies = kept
	b.is("after leaving", "/ui/portal/", out)

	person := h.signIn(h.keys["all"])
	for what, value := range map[string]string{"planted": strings.Repeat("A", 43),
		"of a person": person.cookies[0].Value,
		"empty":       ""} {
		b := &browser{h: h, base: h.URL(), cookies: []*http.Cookie{{Name: "bellhop-portal", Value: value}}}
		b.is(what, "/ui/portal/", out)
	}
	for _, path := range []string{"/ui/portal/open/" + strings.Repeat("A", 43), "/ui/portal/open/" + link} {
		b := &browser{h: h, base: h.URL()}
		if status, _, _ := b.visit("POST", path, nil); status != 410 || len(b.cookies) > 0 {
			t.Errorf("a forged link: %d", status)
		}
	}
}

// TestFramesNeedHTTPS: a link for frames is refused where the pages are not reached by https, and says why.
func TestFramesNeedHTTPS(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	code, text := h.ask("all", "POST", "/api/v1/portal-links",
		`{"tenant":"acme","rights":"read","frame_ancestors":["app.example.com"]}`)
	var problem client.Problem
	h.must(json.Unmarshal([]byte(text), &problem))
	if code != 422 || len(problem.Errors) != 1 || problem.Errors[0].Path != "frame_ancestors" ||
		!strings.Contains(problem.Errors[0].Message, "https alone") {
		t.Errorf("%d %s", code, text)
	}
}
