package ingest

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestTenantRate: a tenant has as many events a second as its limit allows, over all of its sources. A limit that
// changes holds at once, and a tenant without one is not bounded.
func TestTenantRate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var limits tenantLimits
	first, second, other := limits.of("acme"), limits.of("acme"), limits.of("globex")
	if limits.of("") != nil || first != second || limits.known("nobody") != nil || limits.known("acme") != first {
		t.Fatal("no tenant has a limit, or the sources of one tenant have several")
	}
	for range 100 {
		if first.admit(now, 1, 1) != nil {
			t.Fatal("refused without a limit")
		}
	}
	limits.set([]bellhop.Tenant{{Name: "acme", Limits: bellhop.TenantLimits{Events: bellhop.PerSecond(4)}}})
	accepted := 0
	for i := range 10 {
		if []*tenantLimit{first, second}[i%2].admit(now, 1, 1) == nil {
			accepted++
		}
	}
	if accepted != 4 || other.admit(now, 1000, 1) != nil {
		t.Errorf("%d accepted, want 4", accepted)
	}
	for _, c := range []struct {
		after  time.Duration
		events int
		want   error
	}{
		{250 * time.Millisecond, 1, nil}, {0, 1, errTenantRate}, {time.Second, 0, nil},
		{0, 12, nil}, // more than there can ever be at once
		{time.Second, 1, errTenantRate}, {time.Second, 1, errTenantRate}, {250 * time.Millisecond, 1, nil},
	} {
		now = now.Add(c.after)
		if err := first.admit(now, c.events, 1); err != c.want {
			t.Errorf("at %v: %d events: %v, want %v", now, c.events, err, c.want)
		}
	}
	limits.set(nil)
	if first.admit(now, 1000, 1) != nil {
		t.Error("refused although the tenant is gone")
	}
}

// TestTenantPublished: what the API publishes counts too, and so do the tests of destinations.
func TestTenantPublished(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	d := &Door{}
	d.opts.Env.Now = func() time.Time { return now }
	limits := bellhop.TenantLimits{Events: bellhop.PerSecond(1)}
	d.SetTenants([]bellhop.Tenant{{Name: "acme", Limits: limits}})
	ev := bellhop.Event{Tenant: "acme", Body: []byte("{}")}
	if err := d.admitPublished(&ev); err != nil {
		t.Errorf("the first event: %v", err)
	}
	refused := func(what string, err error, code bellhop.Code) {
		t.Helper()
		var e *bellhop.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want %s", what, err, code)
		}
	}
	_, _, err := d.Publish(t.Context(), ev)
	refused("a second event", err, bellhop.CodeLimited)
	_, _, err = d.PublishTo(t.Context(), ev, "dst_1")
	refused("a test", err, bellhop.CodeLimited)
	d.SetTenants([]bellhop.Tenant{{Name: "acme", Limits: bellhop.TenantLimits{StoredBytes: 2}}})
	_, _, err = d.PublishTo(t.Context(), ev, "dst_1")
	refused("a test beyond the bytes", err, bellhop.CodeForbidden)
	for _, tenant := range []string{"", "label"} {
		if err := d.admitPublished(&bellhop.Event{Tenant: tenant}); err != nil {
			t.Errorf("an event of %q: %v", tenant, err)
		}
	}
}

// TestTenantStored: a tenant stores as many bytes as its limit allows. A count sets what is known, and adds what is
// accepted meanwhile.
func TestTenantStored(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	d := &Door{}
	acme := d.tenants.of("acme")
	d.SetTenants([]bellhop.Tenant{{Name: "acme", Limits: bellhop.TenantLimits{StoredBytes: 100}}})
	admit := func(bytes int, want error) {
		t.Helper()
		if err := acme.admitEvents(now, []bellhop.Event{{Body: make([]byte, bytes)}}); err != want {
			t.Errorf("%d bytes: %v, want %v", bytes, err, want)
		}
	}
	admit(60, nil)
	admit(41, errTenantFull)
	admit(40, nil)
	admit(1, errTenantFull)
	count := func(stored int64, during func()) error {
		return d.CountStored(func() (map[string]int64, error) {
			during()
			return map[string]int64{"acme": stored, "nobody": 5}, nil
		})
	}
	if err := count(20, func() {}); err != nil {
		t.Fatal(err)
	}
	admit(10, nil)
	if err := count(25, func() { admit(5, nil) }); err != nil { // which the count may have seen or not
		t.Fatal(err)
	}
	admit(71, errTenantFull)
	admit(70, nil)
	err := d.CountStored(func() (map[string]int64, error) { return nil, io.ErrUnexpectedEOF })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	admit(1, errTenantFull)
}
