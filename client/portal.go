package client

import (
	"context"
	"net/http"
	"net/url"
)

// A NewPortalLink holds the values of a new link to the portal of a tenant.
type NewPortalLink struct {
	Tenant    string `json:"tenant,omitempty" maxLength:"255" example:"acme"` // "" is that of the client's key
	Rights    string `json:"rights" example:"retry" enum:"read,retry,manage"`
	ExpiresIn string `json:"expires_in,omitempty" example:"2h"` // the end of the session, from now on; "" is 12h

	// FrameAncestors are hosts or origins whose pages may show the portal in a frame; none: it is shown in none.
	FrameAncestors []string `json:"frame_ancestors,omitempty" maxItems:"10"`
}

// A PortalLink lets somebody without a key into the portal of a tenant. It is opened once, within 5 minutes, and
// begins a session that ends with it.
type PortalLink struct {
	ID             string   `json:"id" example:"plk_01h455vb4pex5vsknk08"`
	Tenant         string   `json:"tenant" example:"acme"`
	Rights         string   `json:"rights" example:"retry" enum:"read,retry,manage"`
	FrameAncestors []string `json:"frame_ancestors"`    // origins: "https://app.example.com"
	Key            string   `json:"key" example:"shop"` // the name of the key that made it
	KeyID          string   `json:"key_id"`             // "" is the admin key
	CreatedAt      Time     `json:"created_at"`
	OpenUntil      Time     `json:"open_until"` // from then on it cannot be opened
	OpenedAt       Time     `json:"opened_at"`  // zero: nobody has opened it
	ExpiresAt      Time     `json:"expires_at"` // the end of its session
}

// A CreatedPortalLink is a new link with its URL, which is shown this once.
type CreatedPortalLink struct {
	PortalLink
	URL string `json:"url" example:"https://hooks.example.com/ui/portal/open/…"`
	// LocalURL is the same page by an address of the gateway's machine, where it is in no frame.
	LocalURL string `json:"local_url" example:"http://127.0.0.1:8080/ui/portal/open/…"`
}

// A PortalLinkFilter narrows a list of links to portals. Zero fields select all.
type PortalLinkFilter struct{ Tenant string }

// PortalLinks lists the links to portals that have not ended.
func (c *Client) PortalLinks(ctx context.Context, f PortalLinkFilter, page Page) (List[PortalLink], error) {
	return list[PortalLink](ctx, c, path("portal-links"), page, url.Values{"tenant": {f.Tenant}})
}

// PortalLink returns a link, without its URL.
func (c *Client) PortalLink(ctx context.Context, id string) (PortalLink, error) {
	return get[PortalLink](ctx, c, path("portal-links", id))
}

// CreatePortalLink makes a link to the portal of a tenant. Its URL is in this answer alone.
func (c *Client) CreatePortalLink(ctx context.Context, n NewPortalLink) (CreatedPortalLink, error) {
	return post[CreatedPortalLink](ctx, c, path("portal-links"), n)
}

// DeletePortalLink revokes a link: its session ends.
func (c *Client) DeletePortalLink(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, path("portal-links", id), nil, nil)
}
