package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) portalLinks() {
	s.page("/portal-links", admin, s.listPortalLinks)
	s.page("/portal-links/new", admin, s.newPortalLink)
	s.act("/portal-links/new", admin, s.createPortalLink)
	s.page("/portal-links/{id}/delete", admin, s.askDeletePortalLink)
	s.act("/portal-links/{id}/delete", admin, s.deletePortalLink)
}

// portalRights are what the visitor of a portal may do.
var portalRights = []option{{"read", "read: look at destinations, deliveries and events"},
	{"retry", "retry: also retry deliveries and replay events"},
	{"manage", "manage: also make, change, pause, test and delete destinations"}}

// portalLinksPage is what the list of links shows.
type portalLinksPage struct {
	listing
	Rows []client.PortalLink
}

func (s *server) listPortalLinks(v *visit) error { return v.listsPortalLinks(http.StatusOK) }

func (v *visit) listsPortalLinks(status int) error {
	query := v.r.URL.Query()
	f := form(v.tenantFilter())
	filter := client.PortalLinkFilter{Tenant: f.get("tenant")}
	l, err := v.API.PortalLinks(v.ctx, filter, client.Page{Cursor: query.Get("cursor")})
	err = f.accepts(err)
	if err != nil {
		return err
	}
	v.show(max(status, statusOf(f)), "portal_links", "Portal links", portalLinksPage{Rows: l.Data,
		listing: newListing(v.r, Root+"portal-links", f, l, v.get("portal-links", "/portal-links",
			flagValue{"tenant", "tenant", filter.Tenant}))})
	return nil
}

// portalLinkEntry returns the form of a new link.
func (v *visit) portalLinkEntry() entry {
	var fields form
	if v.person.Tenant == "" {
		tenant := field{Name: "tenant", Label: "Tenant", Kind: "text", IsRequired: true, Hint: "Whose portal it is.",
			Known: v.tenantNames(), Value: typed(v.r.URL.Query().Get("tenant"))}
		fields = append(fields, tenant)
	}
	return entry{Groups: groups{{Fields: append(fields,
		field{Name: "rights", Label: "Rights", Kind: "choice", Choices: portalRights},
		field{Name: "expires_in", Label: "Ends after", Kind: "text", Hint: "From now on, such as 30m or 2h: 1m to " +
			"12h. Default: 12h."},
		field{Name: "frame_ancestors", Label: "In frames of", Kind: "lines", Rows: 3, Hint: "Hosts whose pages may " +
			"show the portal in a frame, one a line: `app.example.com`. Empty is none. These pages have to be " +
			"reached by https."})}}}
}

// tenantNames returns names of tenants to offer. Without them the page works too.
func (v *visit) tenantNames() (names []string) {
	l, err := v.API.Tenants(v.ctx, client.Page{Limit: 250})
	if err != nil {
		return nil
	}
	for _, t := range l.Data {
		names = append(names, t.Name)
	}
	return names
}

func (v *visit) showPortalLinkForm(status int, e entry) error {
	v.show(status, "noun_form", "New portal link", nounForm{entry: e, Noun: "portal link",
		Plural: Root + "portal-links", Path: Root + "portal-links", Action: Root + "portal-links/new",
		Summary: "It lets somebody without a key into the pages of a tenant, once, within 5 minutes. It is shown " +
			"once, when it is made.",
		Command: v.post("portal-links create --tenant TENANT --rights read", "/portal-links",
			`{"tenant":"TENANT","rights":"read"}`)})
	return nil
}

func (s *server) newPortalLink(v *visit) error {
	return v.showPortalLinkForm(http.StatusOK, v.portalLinkEntry())
}

func (s *server) createPortalLink(v *visit) error {
	err := v.r.ParseForm()
	if err != nil {
		return errNotForm
	}
	e := v.portalLinkEntry()
	_, err = v.read(&e, "portal link")
	if err != nil {
		return err
	}
	l, err := s.API.CreatePortalLink(v.ctx, client.NewPortalLink{Tenant: e.Groups.get("tenant"),
		Rights: e.Groups.get("rights"), ExpiresIn: e.Groups.get("expires_in"),
		FrameAncestors: strings.Fields(e.Groups.get("frame_ancestors"))})
	status, err := v.answered(&e, "", err)
	switch {
	case err != nil:
		return err
	case status != 0:
		return v.showPortalLinkForm(status, e)
	}
	to := l.URL
	if s.hosts.of(v.r) == byItself && len(l.FrameAncestors) == 0 {
		to = l.LocalURL
	}
	v.made = []shownSecret{{"Link to the portal of " + l.Tenant, to}}
	return v.listsPortalLinks(http.StatusCreated)
}

func (s *server) askDeletePortalLink(v *visit) error { return v.asksDeletePortalLink(http.StatusOK) }

func (v *visit) asksDeletePortalLink(status int) error {
	l, err := v.API.PortalLink(v.ctx, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.show(status, "delete", "Revoke the link to the portal of "+l.Tenant, deletion{Noun: "portal link", Name: l.ID,
		Plural: Root + "portal-links", Path: link(Root + "portal-links/" + url.PathEscape(l.ID)),
		Keep:    Root + "portal-links",
		Text:    "Whoever has opened it is out. It leads to the portal of " + l.Tenant + ".",
		Command: v.command("DELETE", "portal-links delete "+quote(l.ID), "/portal-links/"+l.ID, "")})
	return nil
}

func (s *server) deletePortalLink(v *visit) error {
	err := s.API.DeletePortalLink(v.ctx, v.r.PathValue("id"))
	return v.did(err, Root+"portal-links", "unlinked", v.asksDeletePortalLink)
}
