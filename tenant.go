package bellhop

import (
	"context"
	"slices"
	"time"
)

// A Tenant is one customer of a gateway, whose sources, events, destinations, connections and files are kept apart
// from those of all others. A noun belongs to the tenant whose name it has, or to none.
type Tenant struct {
	ID     string // "ten_…"
	Name   string // unique, and never changed: the nouns of the tenant have it
	Limits TenantLimits

	CreatedAt time.Time
	UpdatedAt time.Time
}

// TenantLimits bound what one tenant uses. A zero field is no limit.
type TenantLimits struct {
	Events       Rate  // accepted at the door, over all sources of the tenant
	StoredBytes  int64 // of the bodies of its stored events, and of its files
	Destinations int
}

// Bounds of tenants.
const (
	MaxTenants     = 2000 // of a gateway: their names and limits are held in memory
	MaxTenantBytes = 1 << 50
)

// Check returns a [CodeInvalid] error that names each field of l that is out of bounds.
func (l TenantLimits) Check() error {
	var errs [3]error
	if !l.Events.IsZero() {
		errs[0] = Join("events", l.Events.Check())
	}
	if l.StoredBytes < 0 || l.StoredBytes > MaxTenantBytes {
		errs[1] = Invalid("stored_bytes", "use a number of bytes up to 2^50; 0 is no limit")
	}
	if l.Destinations < 0 {
		errs[2] = Invalid("destinations", "use a whole number; 0 is no limit")
	}
	return Join("", errs[:]...)
}

// AllTenants in a list of tenants stands for all of them, and for what belongs to none.
const AllTenants = "*"

// MaxTenantEntries bounds the tenants that a destination names.
const MaxTenantEntries = 100

// Takes reports whether d may get events of a tenant, whatever its match says; "" is those of none. A destination gets
// the events of its own tenant, and of those that an administrator has named in Tenants.
func (d *Destination) Takes(tenant string) bool {
	return tenant == d.Tenant || len(d.Tenants) > 0 &&
		(d.Tenants[0] == AllTenants || slices.Contains(d.Tenants, tenant))
}

type tenantKey struct{}

// WithTenant returns a copy of ctx whose caller sees and touches the nouns of one tenant alone: the store finds no
// others by it. The tenant "" is the right to all nouns, which is also that of a context without a tenant.
func WithTenant(ctx context.Context, tenant string) context.Context {
	if TenantOf(ctx) == tenant {
		return ctx
	}
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf returns the tenant whose nouns the caller with ctx sees; "" is all of them.
func TenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
