package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func (s *server) tenants() {
	handle(s, op{http.MethodGet, "/tenants", "list-tenants", "List tenants", 0}, s.listTenants)
	handle(s, op{http.MethodPost, "/tenants", "create-tenant", "Create a tenant", http.StatusCreated}, s.createTenant)
	handle(s, op{http.MethodGet, "/tenants/{id}", "show-tenant", "Show a tenant", 0}, s.showTenant)
	handlePatch(s, op{http.MethodPatch, "/tenants/{id}", "update-tenant", "Change a tenant", 0}, s.updateTenant)
	handle(s, op{http.MethodDelete, "/tenants/{id}", "delete-tenant", "Delete a tenant", 0}, s.deleteTenant)
}

func (s *server) listTenants(ctx context.Context, in *struct{ Paging }) (*listOutput[client.Tenant], error) {
	list, next, err := s.Store.Tenants(ctx, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, tenantJSON), nil
}

func (s *server) showTenant(ctx context.Context, in *one) (*tagged[client.Tenant], error) {
	t, err := s.Store.Tenant(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return taggedBy(t.UpdatedAt, tenantJSON(t)), nil
}

func (s *server) createTenant(
	ctx context.Context, in *struct{ Body client.NewTenant },
) (*createdOutput[client.Tenant], error) {
	t, err := s.Catalog.CreateTenant(ctx, bellhop.Tenant{Name: in.Body.Name, Limits: limitsOf(in.Body.Limits)})
	if err != nil {
		return nil, err
	}
	return created("tenants", t.ID, t.UpdatedAt, tenantJSON(t)), nil
}

func (s *server) updateTenant(ctx context.Context, in *patchInput[client.TenantPatch]) (*tagged[client.Tenant],
	error) {
	t, err := s.Catalog.UpdateTenant(ctx, in.ID, func(before bellhop.Tenant) (bellhop.TenantLimits, error) {
		if err := in.check("tenant", before.UpdatedAt); err != nil {
			return before.Limits, err
		}
		shown := tenantJSON(before)
		if err := in.Body.readOnly(shown, "id", "name", "created_at", "updated_at"); err != nil {
			return before.Limits, err
		}
		shown.Limits.Events = givenRate(before.Limits.Events)
		merged, err := in.Body.apply(s, client.TenantPatch{Limits: shown.Limits})
		return limitsOf(merged.Limits), err
	})
	if err != nil {
		return nil, err
	}
	return taggedBy(t.UpdatedAt, tenantJSON(t)), nil
}

func (s *server) deleteTenant(ctx context.Context, in *oneToDelete) (*none, error) {
	return nil, s.Catalog.DeleteTenant(ctx, in.ID, func(t bellhop.Tenant) error {
		return in.check("tenant", t.UpdatedAt)
	})
}

// tenantJSON returns t in its JSON form.
func tenantJSON(t bellhop.Tenant) client.Tenant {
	return client.Tenant{ID: t.ID, Name: t.Name, CreatedAt: client.Time{Time: t.CreatedAt},
		UpdatedAt: client.Time{Time: t.UpdatedAt}, Limits: client.TenantLimits{Events: rateJSON(t.Limits.Events),
			StoredBytes: t.Limits.StoredBytes, Destinations: t.Limits.Destinations}}
}

// limitsOf returns the limits with the values of in.
func limitsOf(in client.TenantLimits) bellhop.TenantLimits {
	rate := rateOf(in.Events)
	if rate.Burst == 0 {
		rate.Burst = bellhop.PerSecond(rate.PerSecond).Burst
	}
	return bellhop.TenantLimits{Events: rate, StoredBytes: in.StoredBytes, Destinations: in.Destinations}
}
