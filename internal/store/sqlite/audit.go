package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// This file notes who changes what, in the transaction of the change: a change that is undone leaves no note, and one
// that is kept has one. What the gateway does by itself is not noted.

// nounNames are the statements that return the name and the tenant of a noun, for those that have both. A delivery has
// those of its destination, and is found by its number.
var nounNames = map[string]string{
	"source":       "SELECT name, tenant FROM sources WHERE id = ?",
	"destination":  "SELECT name, tenant FROM destinations WHERE id = ?",
	"connection":   "SELECT name, tenant FROM connections WHERE id = ?",
	"subscription": "SELECT name, tenant FROM subscriptions WHERE id = ?",
	"key":          "SELECT name, tenant FROM keys WHERE id = ?",
	"tenant":       "SELECT name, name FROM tenants WHERE id = ?",
	"portal_link":  "SELECT '', tenant FROM portal_links WHERE id = ?",
	"file": "SELECT f.name, d.tenant FROM files f LEFT JOIN destinations d ON d.n = " +
		"f.destination WHERE f.id = ?",
	"delivery": "SELECT d.name, d.tenant FROM deliveries l JOIN destinations d ON d.n = l.destination " +
		"WHERE l.n = ?",
}

// noted returns a function that makes a write note who makes it, if ctx says so: noun and id say what it changes, and
// action how.
func (s *Store) noted(ctx context.Context, noun, id, action string) func(w write, err error) (write, error) {
	return func(w write, err error) (write, error) {
		if _, ok := bellhop.ActorOf(ctx); !ok || err != nil {
			return w, err
		}
		apply := w.apply
		w.apply = func(c *conn) error { return s.noteChange(ctx, c, noun, id, action, apply) }
		return w, nil
	}
}

// settling is how long the changes of a subscription by one key count as one.
const settling = 10 * time.Second

// noteChange runs a change, and notes who makes it if ctx says so. A noun that goes is named as it was before.
func (s *Store) noteChange(ctx context.Context, c *conn, noun, id, action string,
	change func(c *conn) error) error {
	actor, ok := bellhop.ActorOf(ctx)
	if !ok {
		return change(c)
	}
	e := bellhop.AuditEntry{At: bellhop.StoredTime(s.opts.Now()), Actor: actor, Noun: noun, NounID: id,
		Tenant: bellhop.TenantOf(ctx), Action: action}
	named := func() error {
		query, by := nounNames[noun], any(id)
		if query == "" {
			return nil
		}
		if noun == "delivery" {
			by, _ = s.ids.ParseDelivery(id)
		}
		return c.query(query, []any{by}, func(row *sqlite3.Stmt) error {
			e.Name, e.Tenant = row.ColumnText(0), row.ColumnText(1)
			return nil
		})
	}
	// One request of a person may save a subscription several times, as its registration proceeds.
	if noun == "subscription" && (action == "updated" || action == "deleted") {
		again, err := c.exists(`SELECT 1 FROM audit WHERE n = (SELECT max(n) FROM audit) AND noun_id = ? AND key_id = ?
			AND at > ? AND (action = ? OR ? = 'updated')`, id, actor.KeyID, e.At.Add(-settling), action, action)
		if err != nil || again {
			return errors.Join(err, change(c))
		}
	}
	err := named()
	if err == nil {
		err = change(c)
	}
	if err == nil {
		err = named()
	}
	if err != nil {
		return err
	}
	return insertAudit(c, e, bellhop.TenantOf(ctx))
}

// NoteChange notes a change that was made outside of the store, if ctx says who made it.
func (s *Store) NoteChange(ctx context.Context, noun, id, name, action string) error {
	actor, ok := bellhop.ActorOf(ctx)
	if !ok {
		return nil
	}
	return s.do(func(c *conn) error {
		e := bellhop.AuditEntry{At: bellhop.StoredTime(s.opts.Now()), Actor: actor, Noun: noun, NounID: id, Name: name,
			Tenant: bellhop.TenantOf(ctx), Action: action}
		if query := nounNames[noun]; query != "" && id != "" {
			err := c.query(query, []any{id}, func(row *sqlite3.Stmt) error {
				e.Name, e.Tenant = row.ColumnText(0), row.ColumnText(1)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return insertAudit(c, e, bellhop.TenantOf(ctx))
	})
}

// unchanged is the change of a note that is made beside one.
func unchanged(*conn) error { return nil }

// insertAudit stores an entry, in place of the oldest one if there are too many. keyTenant is the tenant that the key
// is bound to.
func insertAudit(c *conn, e bellhop.AuditEntry, keyTenant string) error {
	err := c.exec(`INSERT INTO audit (at, key, key_id, key_tenant, noun, noun_id, name, tenant, action)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.At, e.Key, e.KeyID, keyTenant, e.Noun, e.NounID, e.Name, e.Tenant,
		e.Action)
	if err != nil {
		return err
	}
	return c.exec("DELETE FROM audit WHERE n <= ?", c.db.LastInsertRowID()-bellhop.MaxAuditEntries)
}

// Audit lists the changes that people have made, newest first. A caller of one tenant is not told the ids of keys that
// are not of it.
func (s *Store) Audit(ctx context.Context, f bellhop.AuditFilter, page bellhop.Page) ([]bellhop.AuditEntry, string,
	error) {
	l, err := s.newListing("audit", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	l.equal("noun", f.Noun)
	l.equal("action", f.Action)
	l.equal("key", f.Key)
	if f.Name != "" {
		l.and("(name = ? OR noun_id = ?)", f.Name, f.Name)
	}
	l.created("at", f.Since, f.Until)
	tenant := bellhop.TenantOf(ctx)
	return list(ctx, s, l, "SELECT n, at, key, key_id, noun, noun_id, name, tenant, action, key_tenant FROM audit",
		func(row *sqlite3.Stmt) (bellhop.AuditEntry, error) {
			e, err := scanAudit(row)
			if tenant != "" && row.ColumnText(9) != tenant {
				e.KeyID = ""
			}
			return e, err
		})
}

func scanAudit(row *sqlite3.Stmt) (bellhop.AuditEntry, error) {
	return bellhop.AuditEntry{At: timeAt(row, 1),
		Actor: bellhop.Actor{Key: row.ColumnText(2), KeyID: row.ColumnText(3)}, Noun: row.ColumnText(4),
		NounID: row.ColumnText(5), Name: row.ColumnText(6), Tenant: row.ColumnText(7), Action: row.ColumnText(8)}, nil
}
