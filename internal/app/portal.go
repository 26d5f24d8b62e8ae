package app

import (
	"context"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/ui"
)

// This file holds the links to the portals of tenants, as the API and the pages ask for them.

// portalLinks returns the links as the API asks for them; nil if there are no pages.
func (a *App) portalLinks() api.PortalLinks {
	if !a.opts.Config.UI {
		return nil
	}
	return portalLinks{a}
}

type portalLinks struct{ app *App }

// Create implements [api.PortalLinks].
func (p portalLinks) Create(ctx context.Context, who auth.Principal, l bellhop.PortalLink, lasts time.Duration) (
	made bellhop.PortalLink, url, localURL string, err error) {
	if len(l.FrameAncestors) > 0 && !strings.HasPrefix(p.app.uiURL(), "https://") {
		return l, "", "", bellhop.Invalid("frame_ancestors", "people reach the pages at "+p.app.uiURL()+
			", and browsers keep the cookie of a frame by https alone: start the server with --ui-url or "+
			"--public-url of https, or leave it out")
	}
	made, token, err := p.app.sessions.CreatePortalLink(ctx, who, l, lasts)
	if err != nil {
		return made, "", "", err
	}
	path := ui.PortalLink + token
	return made, p.app.uiURL() + path, p.app.uiLocalURL() + path, nil
}

// Revoke implements [api.PortalLinks].
func (p portalLinks) Revoke(ctx context.Context, who auth.Principal, id string) error {
	return p.app.sessions.RevokePortalLink(ctx, who, id)
}

// portals are the portals as the pages ask for them: with the errors of package client.
type portals struct{ of *auth.Sessions }

var _ ui.Portals = portals{}

// Look implements [ui.Portals].
func (p portals) Look(ctx context.Context, link string) (ui.Portal, error) {
	l, err := p.of.LookAtPortalLink(ctx, link)
	return portalOf(l), clientError(err)
}

// Open implements [ui.Portals].
func (p portals) Open(ctx context.Context, link, remoteAddr string) (string, ui.Portal, error) {
	token, l, err := p.of.OpenPortalLink(ctx, link, remoteAddr)
	return token, portalOf(l), clientError(err)
}

// Find implements [ui.Portals].
func (p portals) Find(ctx context.Context, token string) (context.Context, ui.Portal, error) {
	visitor, l, err := p.of.Visitor(ctx, token)
	if err != nil {
		return ctx, ui.Portal{}, clientError(err)
	}
	return auth.NewContext(ctx, visitor), portalOf(l), nil
}

// Check implements [ui.Portals].
func (p portals) Check(ctx context.Context, token string) error {
	return clientError(p.of.CheckVisit(ctx, token))
}

// portalOf returns the portal that a link leads to.
func portalOf(l bellhop.PortalLink) ui.Portal {
	return ui.Portal{Tenant: l.Tenant, Role: ui.RoleOf(string(l.Rights.Scope())), Ends: l.ExpiresAt,
		FrameAncestors: l.FrameAncestors}
}
