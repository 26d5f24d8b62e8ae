package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// AskHandshake stores that the receiver of a destination was asked to agree to the rate asked. An earlier
// question is withdrawn.
func (s *Store) AskHandshake(ctx context.Context, destinationID string, token [32]byte, until time.Time,
	asked bellhop.Rate) error {
	return s.do(func(c *conn) error {
		err := c.exec(`INSERT OR REPLACE INTO handshakes (destination, token, until, asked)
			SELECT n, ?, ?, ? FROM destinations WHERE id = ? AND deleted_at IS NULL`, token[:], until, jsonOrNull(asked),
			destinationID)
		return notFoundIfUnchanged(c, err, "destination", destinationID)
	})
}

// withdrawHandshake deletes the question to the receiver of a destination, if there is one.
func withdrawHandshake(c *conn, destinationID string) error {
	return c.exec(`DELETE FROM handshakes WHERE destination = (SELECT n FROM destinations WHERE id = ?)`,
		destinationID)
}

// ExplainUnverified sets why an unverified destination still waits for its receiver. If refused, the question
// is withdrawn.
func (s *Store) ExplainUnverified(ctx context.Context, destinationID, reason string, refused bool) error {
	return s.do(func(c *conn) error {
		if refused {
			if err := withdrawHandshake(c, destinationID); err != nil {
				return err
			}
		}
		return c.exec(`UPDATE destinations SET state_reason = ?, updated_at = ? WHERE id = ? AND state = 'unverified'
			AND deleted_at IS NULL`,
			reason, s.opts.Now(), destinationID)
	})
}

// AgreeHandshake takes the answer to the question with that token, once, and returns the id of the destination.
func (s *Store) AgreeHandshake(ctx context.Context, token [32]byte,
	granted *bellhop.Rate) (destinationID string, err error) {
	err = s.do(func(c *conn) error {
		var n int64
		var rate bellhop.Rate
		now := s.opts.Now()
		err := c.query(`DELETE FROM handshakes WHERE token = ? AND until > ? RETURNING destination, asked`,
			[]any{token[:], now}, func(row *sqlite3.Stmt) error {
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
			WHERE n = ? RETURNING id`, []any{jsonOrNull(rate), now, n}, func(row *sqlite3.Stmt) error {
			destinationID = row.ColumnText(0)
			return nil
		})
	})
	return destinationID, err
}
