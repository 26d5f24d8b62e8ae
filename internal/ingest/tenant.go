package ingest

import (
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A tenantLimit bounds what the sources of one tenant accept: events in a second, and bytes that are stored. A source
// without a tenant has none, and costs nothing.
//
// How many bytes are stored is counted from time to time, by package app; in between, what is accepted is added, and
// what is deleted is not noticed. So the limit may hold a little early, and never late.
type tenantLimit struct {
	mu      sync.Mutex // guards the fields below
	limits  bellhop.TenantLimits
	bucket  bucket
	stored  int64 // bytes, as far as they are known
	arrived int64 // of stored: accepted since the latest count began
}

// admit counts a request with n events of so many bytes together, or refuses it. One that has more events than the
// limit allows at once is accepted when the bucket is full, and those behind it wait: otherwise its sender would
// repeat it for ever.
func (l *tenantLimit) admit(now time.Time, n int, bytes int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := l.limits.Events
	switch {
	case n == 0:
		return nil
	case l.limits.StoredBytes > 0 && l.stored+bytes > l.limits.StoredBytes:
		return errTenantFull
	case !rate.IsZero() && !l.bucket.takeMany(now, n, rate.PerSecond, float64(rate.Burst)):
		return errTenantRate
	}
	l.stored, l.arrived = l.stored+bytes, l.arrived+bytes
	return nil
}

// admitEvents is admit for events.
func (l *tenantLimit) admitEvents(now time.Time, events []bellhop.Event) error {
	bytes := int64(0)
	for i := range events {
		bytes += int64(len(events[i].Body))
	}
	return l.admit(now, len(events), bytes)
}

// tenantLimits are the limits of tenants, by name. Sources keep pointers into it: a limit that changes holds at once,
// for all of them.
type tenantLimits struct {
	mu     sync.Mutex // guards byName
	byName map[string]*tenantLimit
}

// of returns the limit of a tenant, which has no effect until it is set; nil for no tenant.
func (t *tenantLimits) of(tenant string) *tenantLimit {
	if tenant == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.byName[tenant]
	if l == nil {
		if t.byName == nil {
			t.byName = map[string]*tenantLimit{}
		}
		l = &tenantLimit{}
		t.byName[tenant] = l
	}
	return l
}

// known returns the limit of a tenant; nil if there is none, as for an event that names a tenant which does not exist.
func (t *tenantLimits) known(tenant string) *tenantLimit {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byName[tenant]
}

// set sets the limits of all tenants. A tenant that is not in the list has none any more.
func (t *tenantLimits) set(tenants []bellhop.Tenant) {
	limits := make(map[string]bellhop.TenantLimits, len(tenants))
	for _, tenant := range tenants {
		limits[tenant.Name] = tenant.Limits
		t.of(tenant.Name)
	}
	t.each(func(name string, l *tenantLimit) { l.limits = limits[name] })
}

// each calls f for each limit, which is locked.
func (t *tenantLimits) each(f func(name string, l *tenantLimit)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, l := range t.byName {
		l.mu.Lock()
		f(name, l)
		l.mu.Unlock()
	}
}

// SetTenants replaces the limits of tenants. They hold for requests that come afterwards.
func (d *Door) SetTenants(tenants []bellhop.Tenant) { d.tenants.set(tenants) }

// CountStored has count tell how many bytes are stored of each tenant, by name, and goes by that from then on. What is
// accepted while it counts is added.
func (d *Door) CountStored(count func() (map[string]int64, error)) error {
	d.tenants.each(func(_ string, l *tenantLimit) { l.arrived = 0 })
	stored, err := count()
	if err != nil {
		return err
	}
	d.tenants.each(func(name string, l *tenantLimit) { l.stored = stored[name] + l.arrived })
	return nil
}

// admitPublished returns an error unless an event that the API publishes is within the limits of its tenant.
func (d *Door) admitPublished(ev *bellhop.Event) error {
	l := d.tenants.known(ev.Tenant)
	if l == nil {
		return nil
	}
	switch l.admit(d.opts.Env.Now(), 1, int64(len(ev.Body))) {
	case errTenantRate:
		return &bellhop.Error{Code: bellhop.CodeLimited,
			Message: "tenant " + ev.Tenant + " has as many events a second as its limit allows; try again"}
	case errTenantFull:
		return &bellhop.Error{Code: bellhop.CodeForbidden, Message: "tenant " + ev.Tenant + " stores as many " +
			"bytes as its limit allows: wait until older events are deleted, or have the limit raised"}
	}
	return nil
}
