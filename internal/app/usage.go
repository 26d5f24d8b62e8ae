package app

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// countEvery is how often the stored bytes of tenants are counted, if a tenant has a limit of them. A count reads the
// size of every stored event, some million a second.
const countEvery = 10 * time.Minute

// A usage says when the stored bytes of tenants are counted.
type usage struct {
	limited atomic.Bool   // a tenant has a limit of stored bytes
	now     chan struct{} // holds one: count, because that is the first such limit
}

// recountFor notes whether one of the tenants has a limit of stored bytes, and has them counted if that is new.
func (a *App) recountFor(tenants []bellhop.Tenant) {
	limited := slices.ContainsFunc(tenants, func(t bellhop.Tenant) bool { return t.Limits.StoredBytes > 0 })
	if a.usage.limited.Swap(limited) || !limited {
		return
	}
	select {
	case a.usage.now <- struct{}{}:
	default:
	}
}

// countTenants counts the stored bytes of tenants when they are first limited and then every countEvery, until ctx
// ends.
func (a *App) countTenants(ctx context.Context) {
	ticks := time.NewTicker(countEvery)
	defer ticks.Stop()
	for {
		select {
		case <-a.usage.now:
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		if !a.usage.limited.Load() {
			continue
		}
		err := a.door.CountStored(func() (map[string]int64, error) { return a.store.TenantBytes(ctx) })
		if err != nil && ctx.Err() == nil {
			a.log.Error("tenant.uncounted", "error", err, "meaning", "limits of stored bytes go by the count before")
		}
	}
}
