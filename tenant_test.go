package bellhop

import (
	"context"
	"errors"
	"testing"
)

// TestTakes: events cross from one tenant to another only into a destination that names the other one, or all.
func TestTakes(t *testing.T) {
	for _, c := range []struct {
		own    string
		named  []string
		event  string
		wanted bool
	}{
		{"", nil, "", true}, {"", nil, "acme", false}, {"acme", nil, "acme", true}, {"acme", nil, "", false},
		{"acme", nil, "globex", false}, {"acme", []string{"globex"}, "globex", true},
		{"acme", []string{"globex"}, "acme", true}, {"acme", []string{"globex"}, "initech", false},
		{"acme", []string{"globex"}, "", false}, {"", []string{"acme", "globex"}, "globex", true},
		{"", []string{AllTenants}, "acme", true}, {"", []string{AllTenants}, "", true},
		{"acme", []string{AllTenants}, "", true}, {"acme", []string{"acme"}, AllTenants, false},
	} {
		d := Destination{Tenant: c.own, Tenants: c.named}
		if got := d.Takes(c.event); got != c.wanted {
			t.Errorf("a destination of %q with %q takes an event of %q: %v", c.own, c.named, c.event, got)
		}
	}
}

// TestTenantOfContext: a context has the right to everything until it is narrowed, and can be widened again.
func TestTenantOfContext(t *testing.T) {
	ctx := context.Background()
	if got := TenantOf(ctx); got != "" {
		t.Errorf("without a tenant: %q", got)
	}
	narrowed := WithTenant(ctx, "acme")
	if got := TenantOf(context.WithoutCancel(narrowed)); got != "acme" {
		t.Errorf("narrowed: %q", got)
	}
	if got := TenantOf(WithTenant(narrowed, "")); got != "" {
		t.Errorf("widened: %q", got)
	}
}

// TestTenantLimits: values out of bounds are named.
func TestTenantLimits(t *testing.T) {
	if err := (TenantLimits{Events: PerSecond(100), StoredBytes: 1 << 30, Destinations: 5}).Check(); err != nil {
		t.Error(err)
	}
	if err := (TenantLimits{}).Check(); err != nil {
		t.Error(err)
	}
	err := TenantLimits{Events: Rate{PerSecond: -1}, StoredBytes: -1, Destinations: -1}.Check()
	var e *Error
	if !errors.As(err, &e) || len(e.Fields) != 4 || e.Fields[0].Path != "events.per_second" ||
		e.Fields[2].Path != "stored_bytes" || e.Fields[3].Path != "destinations" {
		t.Errorf("%v", err)
	}
}
