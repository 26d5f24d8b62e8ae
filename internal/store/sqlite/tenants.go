package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectTenant = `SELECT n, id, name, events, stored_bytes, destinations, created_at, updated_at FROM tenants`

func scanTenant(row *sqlite3.Stmt) (bellhop.Tenant, error) {
	t := bellhop.Tenant{ID: row.ColumnText(1), Name: row.ColumnText(2), CreatedAt: timeAt(row, 6),
		UpdatedAt: timeAt(row, 7),
		Limits:    bellhop.TenantLimits{StoredBytes: row.ColumnInt64(4), Destinations: row.ColumnInt(5)}}
	return t, scanJSON(row, 3, &t.Limits.Events)
}

// Tenants lists the tenants, newest first. A caller who sees the nouns of one tenant alone finds that tenant.
func (s *Store) Tenants(ctx context.Context, page bellhop.Page) ([]bellhop.Tenant, string, error) {
	l, err := s.newListing("tenants", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.tenant(ctx, "name", "", l.and)
	return list(ctx, s, l, selectTenant, scanTenant)
}

// Tenant returns the tenant with that id or name.
func (s *Store) Tenant(ctx context.Context, idOrName string) (bellhop.Tenant, error) {
	query := selectTenant + " WHERE " + byIDOrName(idOrName, bellhop.PrefixTenant)
	return owned(ctx, s, "tenant", idOrName, query, "name", idOrName, scanTenant)
}

// CreateTenant stores a new tenant. It is a conflict if another has its name, or if there are bellhop.MaxTenants.
func (s *Store) CreateTenant(ctx context.Context, t bellhop.Tenant) error {
	if err := checkOwner(ctx, "tenant", t.Name); err != nil {
		return err
	}
	return s.write(s.noted(ctx, "tenant", t.ID, "created")(createTenant(t)))
}

func createTenant(t bellhop.Tenant) (write, error) {
	return write{apply: func(c *conn) error {
		n, err := c.number("SELECT count(*) FROM tenants")
		if err != nil {
			return err
		}
		if n >= bellhop.MaxTenants {
			return bellhop.Conflict(fmt.Sprintf("there are %d tenants, which is the most", n))
		}
		err = c.exec(`INSERT INTO tenants (id, name, events, stored_bytes, destinations, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, t.ID, t.Name, jsonOrNull(t.Limits.Events), t.Limits.StoredBytes,
			t.Limits.Destinations, t.CreatedAt, t.UpdatedAt)
		return conflictIfTaken(err, "tenant", t.Name)
	}}, nil
}

// UpdateTenant replaces the limits of the tenant with the id of t.
func (s *Store) UpdateTenant(ctx context.Context, t bellhop.Tenant) error {
	return s.write(s.noted(ctx, "tenant", t.ID, "updated")(updateTenant(t)))
}

func updateTenant(t bellhop.Tenant) (write, error) {
	return write{apply: func(c *conn) error {
		err := c.exec("UPDATE tenants SET events = ?, stored_bytes = ?, destinations = ?, updated_at = ? WHERE id = ?",
			jsonOrNull(t.Limits.Events), t.Limits.StoredBytes, t.Limits.Destinations, t.UpdatedAt, t.ID)
		return notFoundIfUnchanged(c, err, "tenant", t.ID)
	}}, nil
}

// tenantNouns are the tables whose rows belong to a tenant that cannot be deleted before them, with the condition that
// a row counts.
var tenantNouns = []struct{ noun, table, counts string }{
	{"source", "sources", "deleted_at IS NULL"}, {"destination", "destinations", "deleted_at IS NULL"},
	{"connection", "connections", "1"}, {"subscription", "subscriptions", "1"}, {"key", "keys", "1"},
}

// DeleteTenant deletes a tenant to which nothing belongs.
func (s *Store) DeleteTenant(ctx context.Context, id string) error {
	return s.write(s.noted(ctx, "tenant", id, "deleted")(deleteTenant(id)))
}

func deleteTenant(id string) (write, error) {
	return write{apply: func(c *conn) error {
		t, err := oneIn(c, "tenant", id, selectTenant+" WHERE id = ?", id, scanTenant)
		if err != nil {
			return err
		}
		var owned []string
		for _, of := range tenantNouns {
			n, err := c.number("SELECT count(*) FROM "+of.table+" WHERE tenant = ? AND "+of.counts, t.Name)
			if err != nil {
				return err
			}
			if n > 0 {
				owned = append(owned, bellhop.Count(int(n), of.noun))
			}
		}
		if len(owned) > 0 {
			return bellhop.Conflict("tenant " + t.Name + " still has " + strings.Join(owned, ", ") +
				": delete these first")
		}
		_, err = endPortalLinks(c, "SELECT id FROM portal_links WHERE tenant = ?", t.Name)
		if err != nil {
			return err
		}
		return c.exec("DELETE FROM tenants WHERE id = ?", id)
	}}, nil
}

// TenantDestinations counts the destinations of a tenant.
func (s *Store) TenantDestinations(ctx context.Context, name string) (count int, err error) {
	err = s.read(ctx, func(c *conn) error {
		n, err := c.number("SELECT count(*) FROM destinations WHERE tenant = ? AND deleted_at IS NULL", name)
		count = int(n)
		return err
	})
	return count, err
}

// selectSizes reads the tenants of events and the lengths of their bodies, without the bodies.
const selectSizes = "SELECT e.n, " + eventTenant + ", length(e.body) FROM events e " +
	"JOIN sources src ON src.n = e.source WHERE e.n > ? ORDER BY e.n LIMIT ?"

// countRows is how many events one read of TenantBytes looks at.
const countRows = 20_000

// TenantBytes returns how many bytes are stored of each tenant: the bodies of its events, and its files.
func (s *Store) TenantBytes(ctx context.Context) (map[string]int64, error) {
	total := map[string]int64{}
	for after := int64(-1); ; {
		rows, part := 0, map[string]int64{}
		err := s.read(ctx, func(c *conn) error {
			clear(part)
			rows = 0
			return c.query(selectSizes, []any{after, countRows}, func(row *sqlite3.Stmt) error {
				rows++
				after = row.ColumnInt64(0)
				if tenant := row.ColumnText(1); tenant != "" {
					part[tenant] += row.ColumnInt64(2)
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
		for tenant, bytes := range part {
			total[tenant] += bytes
		}
		if rows < countRows {
			break
		}
	}
	err := s.read(ctx, func(c *conn) error {
		return c.query(`SELECT dst.tenant, sum(f.size) FROM files f JOIN destinations dst ON dst.n = f.destination
			WHERE dst.tenant <> '' AND f.doom IS NULL GROUP BY dst.tenant`, nil, func(row *sqlite3.Stmt) error {
			total[row.ColumnText(0)] += row.ColumnInt64(1)
			return nil
		})
	})
	return total, err
}
