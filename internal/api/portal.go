package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
)

// PortalLinks makes and ends the links to the portals of tenants.
type PortalLinks interface {
	// Create stores a link with the tenant, rights and ancestors of l, whose session ends after lasts. The link is
	// answered with its URLs: this once. p is who asks.
	Create(ctx context.Context, p auth.Principal, l bellhop.PortalLink, lasts time.Duration) (made bellhop.PortalLink,
		url, localURL string, err error)
	// Revoke deletes a link and ends its session.
	Revoke(ctx context.Context, p auth.Principal, id string) error
}

func (s *server) portalLinks() {
	handle(s, op{http.MethodGet, "/portal-links", "list-portal-links", "List links to portals", 0}, s.listPortalLinks)
	handle(s, op{http.MethodPost, "/portal-links", "create-portal-link", "Make a link to the portal of a tenant",
		http.StatusCreated}, s.createPortalLink)
	handle(s, op{http.MethodGet, "/portal-links/{id}", "show-portal-link", "Show a link to a portal", 0},
		s.showPortalLink)
	handle(s, op{http.MethodDelete, "/portal-links/{id}", "delete-portal-link", "Revoke a link to a portal", 0},
		s.deletePortalLink)
}

// listPortalLinksInput narrows a list of links.
type listPortalLinksInput struct {
	Owned
	Paging
}

func (s *server) listPortalLinks(ctx context.Context, in *listPortalLinksInput) (*listOutput[client.PortalLink],
	error) {
	list, next, err := s.Store.PortalLinks(ctx, bellhop.PortalLinkFilter{Tenant: in.Tenant}, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, portalLinkJSON), nil
}

// oneByID is the input of an operation on a noun without a name.
type oneByID struct {
	ID string `path:"id" doc:"Its id" example:"plk_01h455vb4pex5vsknk08"`
}

func (s *server) showPortalLink(ctx context.Context, in *oneByID) (*tagged[client.PortalLink], error) {
	l, err := s.Store.PortalLink(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return taggedBy(l.CreatedAt, portalLinkJSON(l)), nil
}

// errNoPages is the error for what needs the pages on a server without them.
var errNoPages = bellhop.Conflict("this server has no pages: start it without --ui=false")

func (s *server) createPortalLink(ctx context.Context, in *struct{ Body client.NewPortalLink }) (
	*createdOutput[client.CreatedPortalLink], error) {
	if s.PortalLinks == nil {
		return nil, errNoPages
	}
	lasts, lastsErr := parseDuration("expires_in", in.Body.ExpiresIn, bellhop.SessionLength)
	if lastsErr != nil {
		lasts = bellhop.SessionLength // the other values are looked at all the same
	}
	tenant, tenantErr := s.portalTenant(ctx, in.Body.Tenant)
	l := bellhop.PortalLink{Tenant: tenant, Rights: bellhop.PortalRights(in.Body.Rights),
		FrameAncestors: in.Body.FrameAncestors}
	if lastsErr != nil || tenantErr != nil {
		l.ExpiresAt = l.CreatedAt.Add(lasts)
		return nil, bellhop.Join("", lastsErr, tenantErr, l.Check())
	}
	p, _ := auth.FromContext(ctx)
	made, url, localURL, err := s.PortalLinks.Create(ctx, p, l, lasts)
	if err != nil {
		return nil, err
	}
	return &createdOutput[client.CreatedPortalLink]{Location: Prefix + "/portal-links/" + made.ID,
		Body: client.CreatedPortalLink{PortalLink: portalLinkJSON(made), URL: url, LocalURL: localURL}}, nil
}

// portalTenant returns the name of the tenant whose portal is meant: that of the caller's key, or the one of an id or
// a name.
func (s *server) portalTenant(ctx context.Context, asked string) (string, error) {
	if asked == "" {
		asked = bellhop.TenantOf(ctx)
	}
	if asked == "" {
		return "", bellhop.Invalid("tenant", "required: the portal is that of one tenant")
	}
	t, err := s.Store.Tenant(ctx, asked)
	var unknown *bellhop.Error
	switch {
	case !errors.As(err, &unknown) || unknown.Code != bellhop.CodeNotFound:
		return t.Name, err
	case bellhop.TenantOf(ctx) != "":
		return "", bellhop.Invalid("tenant", "this key is bound to tenant "+bellhop.TenantOf(ctx)+"; leave it out")
	}
	return "", bellhop.Invalid("tenant", "there is no such tenant; 'bellhop tenants' lists them")
}

// portalLinkToDelete chooses a link to delete.
type portalLinkToDelete struct {
	ID string `path:"id" doc:"Its id" example:"plk_01h455vb4pex5vsknk08"`
	Precondition
}

func (s *server) deletePortalLink(ctx context.Context, in *portalLinkToDelete) (*none, error) {
	if s.PortalLinks == nil {
		return nil, errNoPages
	}
	l, err := s.Store.PortalLink(ctx, in.ID)
	if err == nil {
		err = in.check("portal link", l.CreatedAt)
	}
	if err != nil {
		return nil, err
	}
	p, _ := auth.FromContext(ctx)
	return nil, s.PortalLinks.Revoke(ctx, p, l.ID)
}

// portalLinkJSON returns l in its JSON form.
func portalLinkJSON(l bellhop.PortalLink) client.PortalLink {
	ancestors := l.FrameAncestors
	if ancestors == nil {
		ancestors = []string{}
	}
	return client.PortalLink{ID: l.ID, Tenant: l.Tenant, Rights: string(l.Rights), FrameAncestors: ancestors,
		Key:   l.Key,
		KeyID: l.KeyID, CreatedAt: client.Time{Time: l.CreatedAt}, OpenUntil: client.Time{Time: l.OpenUntil},
		OpenedAt: client.Time{Time: l.OpenedAt}, ExpiresAt: client.Time{Time: l.ExpiresAt}}
}
