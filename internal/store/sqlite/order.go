package sqlite

import (
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Order. Deliveries of one destination that share a key go one after the other. The first of a key that is not finished is its
// head: nothing behind it is claimed before it is. One that a person retries becomes the head though later ones are leased; it is
// claimed, and waits in the lane behind those. So order needs no more than the table, and survives whatever happens to those who
// claimed.
//
// A head may wait for an hour and have thousands behind it that are due by their own time. A claim passes each of them once:
// where it has come to, and which keys to look at again, is a turn, in memory.

// Bounds of one claim among keys.
const (
	maxKeyRun = 16  // deliveries of one key claimed together, so that one long key leaves room for others
	maxLooked = 250 // deliveries, or keys, looked at: a few milliseconds
)

const (
	selectHead = `SELECT n, state, next_at FROM deliveries INDEXED BY deliveries_order
		WHERE destination = ? AND line = ? AND line IS NOT NULL ORDER BY n LIMIT 1`
	selectRun   = selectClaimed + ` AND d.line = ? AND d.line IS NOT NULL ORDER BY d.n LIMIT ?`
	selectKeyed = `SELECT n, key, next_at FROM deliveries INDEXED BY deliveries_due
		WHERE destination = ? AND (key IS NULL) = 0 AND state = 'pending' AND (next_at, n) > (?, ?)`
	selectDueKeyed  = selectKeyed + ` AND next_at <= ? ORDER BY next_at, n LIMIT ?`
	selectNextKeyed = selectKeyed + ` ORDER BY next_at, n LIMIT 1`
	selectPlace     = `SELECT destination, key, state, next_at FROM deliveries WHERE n = ? AND key IS NOT NULL`
	enterLine       = `UPDATE deliveries SET line = key WHERE n = ? AND line IS NULL`
	leaveLine       = `UPDATE deliveries SET line = NULL WHERE n = ?`
)

// claimFreed adds to got what is due of keys whose first has changed, those that have waited longest first.
func (s *Store) claimFreed(c *conn, got *claimed, now time.Time) error {
	for range maxLooked {
		key, ok := s.turns.nextFreed(got.turn)
		if !ok {
			return nil
		}
		taken, err := s.claimKey(c, got, key, now)
		if err != nil || !taken {
			s.turns.unread(got.turn, key)
			return err
		}
	}
	return nil
}

// claimLooked adds to got what is due of keys that are next in the schedule.
func (s *Store) claimLooked(c *conn, got *claimed, now time.Time) error {
	at, n, ended, looked := got.turn.at, got.turn.n, false, 0
	err := c.query(selectDueKeyed, []any{got.destination, at, n, now, maxLooked}, func(row *sqlite3.Stmt) error {
		if ended {
			return nil
		}
		taken, err := s.claimKey(c, got, row.ColumnInt64(1), now)
		if ended = err != nil || !taken; !ended {
			n, at, looked = row.ColumnInt64(0), row.ColumnInt64(2), looked+1
		}
		return err
	})
	if err != nil {
		return err
	}
	got.keyed = got.keyed || looked > 0
	s.turns.move(got.turn, at, n, ended || looked == maxLooked)
	return nil
}

// claimKey adds the deliveries of key that are due, up to the first that is not; none if its head is leased or waits. taken is
// false if there was no room for the first of them.
func (s *Store) claimKey(c *conn, got *claimed, key int64, now time.Time) (taken bool, err error) {
	if got.keys[key] {
		return true, nil
	}
	due := false
	err = c.query(selectHead, []any{got.destination, key}, func(row *sqlite3.Stmt) error {
		if row.ColumnText(1) == "leased" {
			return nil
		}
		if due = !timeAt(row, 2).After(now); !due { // passed already, if the clock was set back since
			s.turns.back(got.turn, row.ColumnInt64(2), row.ColumnInt64(0))
		}
		return nil
	})
	if err == nil && due {
		before, broken := len(got.list), false
		err = c.query(selectRun, []any{got.destination, key, maxKeyRun}, func(row *sqlite3.Stmt) error {
			broken = broken || row.ColumnText(19) == "leased" || timeAt(row, 20).After(now)
			if !broken {
				got.add(row)
			}
			return nil
		})
		if err == nil && len(got.list) == before {
			return false, nil
		}
	}
	got.keys[key] = true
	return true, err
}

// moved takes note of what has become of a delivery, if it has a key: one that is finished leaves the line of its key, one that
// a person made pending again enters it.
func (s *Store) moved(c *conn, n int64) error {
	if !s.keyed {
		return nil
	}
	change := ""
	err := c.query(selectPlace, []any{n}, func(row *sqlite3.Stmt) error {
		switch destination, key := row.ColumnInt64(0), row.ColumnInt64(1); row.ColumnText(2) {
		case "pending":
			change = enterLine
			s.turns.pending(destination, key, row.ColumnInt64(3), n, false)
		case "delivered", "dead", "cancelled":
			change = leaveLine
			s.turns.finished(destination, key)
		}
		return nil
	})
	if err != nil || change == "" {
		return err
	}
	return c.exec(change, n)
}

// loadKeyed learns whether any delivery has a key. Where none has, nobody looks for one.
func (s *Store) loadKeyed(c *conn) error {
	return c.query("SELECT EXISTS (SELECT 1 FROM deliveries WHERE line IS NOT NULL) OR EXISTS (SELECT 1 FROM destinations WHERE order_by <> 'none')",
		nil, func(row *sqlite3.Stmt) error {
			s.keyed = row.ColumnBool(0)
			return nil
		})
}
