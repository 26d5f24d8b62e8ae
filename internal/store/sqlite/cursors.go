package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// cursorRow is the name under which a cursor is sealed.
func cursorRow(owner, key string) string { return owner + " cursor " + key }

// Cursor returns the cursor of that owner and key; the zero Cursor if there is none.
func (s *Store) Cursor(ctx context.Context, owner, key string) (cursor bellhop.Cursor, err error) {
	err = s.read(ctx, func(c *conn) error {
		cursor = bellhop.Cursor{}
		return c.query("SELECT value, saved_at FROM cursors WHERE owner = ? AND key = ?", []any{owner, key},
			func(row *sqlite3.Stmt) error {
				value, err := s.opts.Keys.Open(row.ColumnRawBlob(0), cursorRow(owner, key))
				cursor = bellhop.Cursor{Value: string(value), SavedAt: timeAt(row, 1)}
				return err
			})
	})
	return cursor, err
}

// SaveCursor stores the cursor of that owner and key. One without a value is deleted.
func (s *Store) SaveCursor(_ context.Context, owner, key string, cursor bellhop.Cursor) error {
	sealed, err := s.sealCursor(owner, key, cursor)
	if err != nil {
		return err
	}
	return s.do(func(c *conn) error { return saveCursor(c, owner, key, sealed, cursor.SavedAt) })
}

// sealCursor returns the value of a cursor as it is stored; nil if there is none.
func (s *Store) sealCursor(owner, key string, cursor bellhop.Cursor) ([]byte, error) {
	switch {
	case cursor.Value == "":
		return nil, nil
	case key == "" || len(key) > bellhop.MaxCursorKey || len(cursor.Value) > bellhop.MaxCursorBytes:
		return nil, bellhop.Invalid("cursor", "the key or the value is too long")
	}
	return s.opts.Keys.Seal([]byte(cursor.Value), cursorRow(owner, key), s.opts.Rand)
}

// saveCursor stores a sealed cursor, or deletes it if sealed is nil. An owner that is gone has no cursors.
func saveCursor(c *conn, owner, key string, sealed []byte, at time.Time) error {
	if sealed == nil {
		return c.exec("DELETE FROM cursors WHERE owner = ? AND key = ?", owner, key)
	}
	err := c.exec(`INSERT INTO cursors (owner, key, value, saved_at) SELECT ?1, ?2, ?3, ?4
		WHERE EXISTS (SELECT 1 FROM subscriptions WHERE id = ?1)
		OR EXISTS (SELECT 1 FROM destinations WHERE id = ?1 AND deleted_at IS NULL)
		ON CONFLICT (owner, key) DO UPDATE SET value = ?3, saved_at = ?4`, owner, key, sealed, at)
	return notFoundIfUnchanged(c, err, "owner", owner)
}

// deleteCursors deletes the cursors of an owner that is being deleted.
func deleteCursors(c *conn, owner string) error {
	return c.exec("DELETE FROM cursors WHERE owner = ?", owner)
}
