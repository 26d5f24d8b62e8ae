package catalog

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
)

// TenantStore keeps the tenants. By a context of [bellhop.WithTenant], every method of a store finds the nouns of that
// tenant alone.
type TenantStore interface {
	Tenant(ctx context.Context, idOrName string) (bellhop.Tenant, error)
	CreateTenant(ctx context.Context, t bellhop.Tenant) error
	UpdateTenant(ctx context.Context, t bellhop.Tenant) error
	// DeleteTenant deletes a tenant; CodeConflict while nouns belong to it.
	DeleteTenant(ctx context.Context, id string) error
	// TenantDestinations counts the destinations of a tenant.
	TenantDestinations(ctx context.Context, name string) (int, error)
}

// CreateTenant checks and stores a new tenant.
func (c *Catalog) CreateTenant(ctx context.Context, t bellhop.Tenant) (bellhop.Tenant, error) {
	if err := bellhop.Join("", bellhop.CheckName(t.Name), bellhop.Join("limits", t.Limits.Check())); err != nil {
		return t, err
	}
	t.ID, t.CreatedAt = c.newID(bellhop.PrefixTenant), bellhop.StoredTime(c.now())
	t.UpdatedAt = t.CreatedAt
	return t, c.change(ctx, func() error {
		if err := c.opts.Store.CreateTenant(ctx, t); err != nil {
			return err
		}
		c.log.Info("tenant.created", "tenant_id", t.ID, "tenant", t.Name)
		return nil
	})
}

// UpdateTenant stores the limits that change makes of those of a tenant, and returns the tenant. An error of change is
// returned as it is.
func (c *Catalog) UpdateTenant(ctx context.Context, idOrName string,
	change func(before bellhop.Tenant) (bellhop.TenantLimits, error)) (t bellhop.Tenant, err error) {
	err = c.change(ctx, func() error {
		if t, err = c.opts.Store.Tenant(ctx, idOrName); err != nil {
			return err
		}
		limits, err := change(t)
		if err == nil {
			err = bellhop.Join("limits", limits.Check())
		}
		if err != nil {
			return err
		}
		t.Limits, t.UpdatedAt = limits, bellhop.StoredTime(c.changedAt(t.UpdatedAt))
		if err := c.opts.Store.UpdateTenant(ctx, t); err != nil {
			return err
		}
		c.log.Info("tenant.updated", "tenant_id", t.ID, "tenant", t.Name)
		return nil
	})
	return t, err
}

// DeleteTenant deletes a tenant that allowed, unless it is nil, returns no error for, and to which nothing belongs any
// more.
func (c *Catalog) DeleteTenant(ctx context.Context, idOrName string, allowed func(bellhop.Tenant) error) error {
	return c.change(ctx, func() error {
		t, err := c.opts.Store.Tenant(ctx, idOrName)
		if err == nil && allowed != nil {
			err = allowed(t)
		}
		if err == nil {
			err = c.opts.Store.DeleteTenant(ctx, t.ID)
		}
		if err != nil {
			return err
		}
		c.log.Info("tenant.deleted", "tenant_id", t.ID, "tenant", t.Name)
		return nil
	})
}

// owner returns the name of the tenant to which a new noun is to belong. asked is the name or id that the caller gave:
// one who sees the nouns of one tenant alone makes nouns of that one, and may leave it out.
func (c *Catalog) owner(ctx context.Context, asked string) (string, error) {
	own := bellhop.TenantOf(ctx)
	if asked == "" {
		return own, nil
	}
	t, err := c.opts.Store.Tenant(ctx, asked)
	switch {
	case isNotFound(err) && own != "":
		return "", bellhop.Invalid("tenant", "this key is bound to tenant "+own+"; leave it out")
	case isNotFound(err):
		return "", bellhop.Invalid("tenant", "there is no such tenant; 'bellhop tenants' lists them")
	}
	return t.Name, err
}

// checkTenants checks the further tenants of a destination. before are those that it has.
func (c *Catalog) checkTenants(ctx context.Context, tenants, before []string) error {
	switch {
	case slices.Equal(tenants, before):
		return nil
	case bellhop.TenantOf(ctx) != "":
		return bellhop.Invalid("tenants", "only a key of all tenants may let events cross from one tenant to another")
	case len(tenants) > bellhop.MaxTenantEntries:
		return bellhop.Invalid("tenants", fmt.Sprintf("use at most %d, or * for all", bellhop.MaxTenantEntries))
	case len(tenants) == 1 && tenants[0] == bellhop.AllTenants:
		return nil
	}
	for i, name := range tenants {
		path := "tenants[" + strconv.Itoa(i) + "]"
		if name == bellhop.AllTenants {
			return bellhop.Invalid(path, "* stands for all tenants; give it alone")
		}
		t, err := c.opts.Store.Tenant(ctx, name)
		switch {
		case isNotFound(err) || err == nil && t.Name != name:
			return bellhop.Invalid(path, "there is no tenant of this name; 'bellhop tenants' lists them")
		case err != nil:
			return err
		}
	}
	return nil
}

// typeExec is the type of destinations that run a program on this machine.
const typeExec = "exec"

// checkTenantOf checks what a destination of a tenant may be. A program runs as the user of the server, who can read
// the nouns of every tenant.
func checkTenantOf(d bellhop.Destination) error {
	if d.Type == typeExec && d.Tenant != "" {
		return bellhop.Invalid("type", "exec runs a program that can reach what belongs to every tenant: a "+
			"destination of this type belongs to none")
	}
	return nil
}

// roomForDestination returns an error if a tenant has as many destinations as it may. The caller holds changing.
func (c *Catalog) roomForDestination(ctx context.Context, tenant string) error {
	if tenant == "" {
		return nil
	}
	t, err := c.opts.Store.Tenant(ctx, tenant)
	if err != nil || t.Limits.Destinations == 0 {
		return err
	}
	count, err := c.opts.Store.TenantDestinations(ctx, tenant)
	if err == nil && count >= t.Limits.Destinations {
		err = &bellhop.Error{Code: bellhop.CodeForbidden, Message: "tenant " + tenant + " has " +
			bellhop.Count(count, "destination") + ", which is its limit: delete one, or have the limit raised"}
	}
	return err
}
