package sqlite

import (
	"context"
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

// CheckSecrets opens every secret of the sources, destinations, connections and subscriptions with the master keys of
// the store. The error says of which noun one cannot be opened, and why.
func (s *Store) CheckSecrets(ctx context.Context) error {
	same := func(id string) string { return id }
	for _, sealed := range []struct {
		table, column string
		row           func(id string) string
	}{
		{"sources WHERE n > 2 AND deleted_at IS NULL", "settings", same},
		{"destinations WHERE deleted_at IS NULL", "url", urlRow},
		{"destinations WHERE deleted_at IS NULL", "settings", same},
		{"destinations WHERE deleted_at IS NULL", "access", accessRow},
		{"connections", "settings", same}, {"connections", "tokens", tokenRow},
		{"subscriptions", "settings", same}, {"subscriptions", "secrets", secretsRow},
	} {
		err := s.read(ctx, func(c *conn) error {
			return c.query("SELECT id, "+sealed.column+" FROM "+sealed.table, nil, func(row *sqlite3.Stmt) error {
				blob := row.ColumnRawBlob(1)
				if len(blob) == 0 {
					return nil
				}
				_, err := s.opts.Keys.Open(blob, sealed.row(row.ColumnText(0)))
				return err
			})
		})
		if err != nil {
			return fmt.Errorf("check the secrets: %w", err)
		}
	}
	return nil
}
