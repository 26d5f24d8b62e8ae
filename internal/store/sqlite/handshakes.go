package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// AskHandshake remembers that a destination's receiver was asked whether it agrees, to so many deliveries. Until then,
// whoever knows the token whose SHA-256 is given may answer. What was asked before is withdrawn.
func (s *Store) AskHandshake(ctx context.Context, destinationID string, token [32]byte, until time.Time, asked bellhop.Rate) error {
	return s.do(func(c *conn) error {
		err := c.exec(`INSERT OR REPLACE INTO handshakes (destination, token, until, asked)
			SELECT n, ?, ?, ? FROM destinations WHERE id = ? AND deleted_at IS NULL`, token[:], until, orNull(asked), destinationID)
		return changed(c, err, "destination", destinationID)
	})
}

// ExplainUnverified says why a destination still waits for its receiver, if it does. refused is that it need not wait any
// more: nothing that was asked counts then.
func (s *Store) ExplainUnverified(ctx context.Context, destinationID, reason string, refused bool) error {
	return s.do(func(c *conn) error {
		if refused {
			if err := c.exec(`DELETE FROM handshakes WHERE destination = (SELECT n FROM destinations WHERE id = ?)`, destinationID); err != nil {
				return err
			}
		}
		return c.exec(`UPDATE destinations SET state_reason = ?, updated_at = ? WHERE id = ? AND state = 'unverified' AND deleted_at IS NULL`,
			reason, s.opts.Now(), destinationID)
	})
}

// AgreeHandshake takes the receiver's answer to the question with that token, once: its destination may have what is
// granted (nil is what was asked for) and, if it waited for this, becomes active. It returns the destination's id;
// [bellhop.CodeNotFound] if there is no such question, or it was asked too long ago.
func (s *Store) AgreeHandshake(ctx context.Context, token [32]byte, granted *bellhop.Rate) (destinationID string, err error) {
	err = s.do(func(c *conn) error {
		var n int64
		var rate bellhop.Rate
		now := s.opts.Now()
		err := c.query(`DELETE FROM handshakes WHERE token = ? AND until > ? RETURNING destination, asked`, []any{token[:], now}, func(row *sqlite3.Stmt) error {
			n = row.ColumnInt64(0)
			return scanJSON(row, 1, &rate)
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return bellhop.NotFound("handshake", "with this token")
		}
		if granted != nil {
			rate = *granted
		}
		return c.query(`UPDATE destinations SET granted = ?, updated_at = ?,
			state = CASE state WHEN 'unverified' THEN 'active' ELSE state END,
			state_reason = CASE state WHEN 'unverified' THEN '' ELSE state_reason END
			WHERE n = ? RETURNING id`, []any{orNull(rate), now, n}, func(row *sqlite3.Stmt) error {
			destinationID = row.ColumnText(0)
			return nil
		})
	})
	return destinationID, err
}
