package client

import (
	"context"
	"net/http"
)

// A NewTenant holds the values of a new tenant.
type NewTenant struct {
	Name   string       `json:"name" example:"acme"` // it cannot be changed
	Limits TenantLimits `json:"limits,omitzero"`
}

// TenantLimits bound what one tenant uses. A zero field is no limit.
type TenantLimits struct {
	Events       *Rate `json:"events,omitempty"` // accepted at the door
	StoredBytes  int64 `json:"stored_bytes,omitempty" minimum:"0"`
	Destinations int   `json:"destinations,omitempty" minimum:"0"`
}

// A TenantPatch describes the changes that [Client.UpdateTenant] takes.
type TenantPatch struct {
	Limits TenantLimits `json:"limits,omitzero"`
}

// A Tenant is one customer, whose nouns are kept apart from those of all others.
type Tenant struct {
	ID        string       `json:"id" example:"ten_01h455vb4pex5vsknk08"`
	Name      string       `json:"name" example:"acme"`
	Limits    TenantLimits `json:"limits"`
	CreatedAt Time         `json:"created_at"`
	UpdatedAt Time         `json:"updated_at"`

	// ETag names this version, for [Client.IfMatch]; "" in a list.
	ETag string `json:"-"`
}

func (t *Tenant) setETag(tag string) { t.ETag = tag }

// Tenants lists the tenants. With a key that is bound to one, that is all there are.
func (c *Client) Tenants(ctx context.Context, page Page) (List[Tenant], error) {
	return list[Tenant](ctx, c, path("tenants"), page, nil)
}

// Tenant returns the tenant of that id or name.
func (c *Client) Tenant(ctx context.Context, idOrName string) (Tenant, error) {
	return get[Tenant](ctx, c, path("tenants", idOrName))
}

// CreateTenant creates a tenant.
func (c *Client) CreateTenant(ctx context.Context, t NewTenant) (Tenant, error) {
	return post[Tenant](ctx, c, path("tenants"), t)
}

// UpdateTenant changes the members named in changes, a JSON merge patch of a TenantPatch. A nil value removes a limit.
func (c *Client) UpdateTenant(ctx context.Context, idOrName string, changes map[string]any) (Tenant, error) {
	return patch[Tenant](ctx, c, path("tenants", idOrName), changes)
}

// DeleteTenant deletes a tenant to which nothing belongs any more.
func (c *Client) DeleteTenant(ctx context.Context, idOrName string) error {
	return c.call(ctx, http.MethodDelete, path("tenants", idOrName), nil, nil)
}
