package sqlite

import (
	"context"
	"fmt"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectKey = `SELECT n, id, name, scope, tenant, hash, created_at, expires_at, last_used_at, last_address
	FROM keys`

func scanKey(row *sqlite3.Stmt) (bellhop.Key, error) {
	k := bellhop.Key{ID: row.ColumnText(1), Name: row.ColumnText(2), Scope: bellhop.Scope(row.ColumnText(3)),
		Tenant: row.ColumnText(4), CreatedAt: timeAt(row, 6), ExpiresAt: timeAt(row, 7), LastUsedAt: timeAt(row, 8),
		LastAddress: row.ColumnText(9)}
	copy(k.Hash[:], row.ColumnRawBlob(5))
	return k, nil
}

// Keys lists the keys, newest first.
func (s *Store) Keys(ctx context.Context, f bellhop.KeyFilter, page bellhop.Page) ([]bellhop.Key, string, error) {
	l, err := s.newListing("keys", "n", page)
	if err != nil {
		return nil, "", err
	}
	l.tenant(ctx, "tenant", f.Tenant, l.and)
	l.equal("scope", string(f.Scope))
	return list(ctx, s, l, selectKey, scanKey)
}

// Key returns the key with that id or name.
func (s *Store) Key(ctx context.Context, idOrName string) (bellhop.Key, error) {
	query := selectKey + " WHERE " + byIDOrName(idOrName, bellhop.PrefixKey)
	return owned(ctx, s, "key", idOrName, query, "tenant", idOrName, scanKey)
}

// CreateKey stores a new key. It is a conflict if another has its name, or if there are bellhop.MaxKeys.
func (s *Store) CreateKey(ctx context.Context, k bellhop.Key) error {
	if err := checkOwner(ctx, "key", k.Tenant); err != nil {
		return err
	}
	return s.write(s.noted(ctx, "key", k.ID, "created")(createKey(k)))
}

func createKey(k bellhop.Key) (write, error) {
	return write{apply: func(c *conn) error {
		n, err := c.number("SELECT count(*) FROM keys")
		if err != nil {
			return err
		}
		if n >= bellhop.MaxKeys {
			return bellhop.Conflict(fmt.Sprintf("there are %d keys, which is the most: revoke an unused one", n))
		}
		err = c.exec(`INSERT INTO keys (id, name, scope, tenant, hash, created_at, expires_at, last_used_at,
			last_address) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, k.ID, k.Name, string(k.Scope), k.Tenant, k.Hash[:],
			k.CreatedAt, k.ExpiresAt, k.LastUsedAt, k.LastAddress)
		return conflictIfTaken(err, "key", k.Name)
	}}, nil
}

// DeleteKey deletes a key.
func (s *Store) DeleteKey(ctx context.Context, id string) error {
	return s.write(s.noted(ctx, "key", id, "deleted")(deleteKey(id)))
}

func deleteKey(id string) (write, error) {
	return write{apply: func(c *conn) error {
		err := c.exec("DELETE FROM keys WHERE id = ?", id)
		return notFoundIfUnchanged(c, err, "key", id)
	}}, nil
}

// UseKeys stores when and from where keys were used last.
func (s *Store) UseKeys(_ context.Context, used map[string]bellhop.KeyUse) error {
	return s.do(func(c *conn) error {
		for id, use := range used {
			err := c.exec("UPDATE keys SET last_used_at = ?, last_address = ? WHERE id = ?", use.At, use.Address, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
