package store

import (
	"math"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Order. Deliveries of one destination that share a key go one after the other. The first of a key that is not finished is its
// head: nothing behind it is claimed before it is, and nothing at all while one of the key is leased. So order needs no more than
// the table, and survives whatever happens to those who claimed.

// Bounds of one claim among keys.
const (
	maxKeyRun  = 16   // deliveries of one key claimed together, so that one long key leaves room for others
	maxKeysRun = 2000 // keys looked at: some milliseconds
)

const (
	selectHead = `SELECT key, n, state, next_at FROM deliveries INDEXED BY deliveries_order
		WHERE destination = ? AND key > ? AND key IS NOT NULL AND (state = 'pending' OR state = 'leased') ORDER BY key, n LIMIT 1`
	selectRun = selectClaimed + ` AND d.key = ? AND d.key IS NOT NULL AND (d.state = 'pending' OR d.state = 'leased') ORDER BY d.n LIMIT ?`
)

// A head is the first delivery of a key that is not finished.
type head struct {
	key    int64
	leased bool
	nextAt time.Time
}

// heads calls visit for the head of each key of a destination beyond after, in the order of the keys, until it returns false.
func heads(c *conn, destination, after int64, visit func(head) bool) error {
	for found := true; found; {
		found = false
		var h head
		err := c.query(selectHead, []any{destination, after}, func(row *sqlite3.Stmt) error {
			found = true
			h = head{key: row.ColumnInt64(0), leased: row.ColumnText(2) == "leased", nextAt: timeAt(row, 3)}
			return nil
		})
		if err != nil || !found || !visit(h) {
			return err
		}
		after = h.key
	}
	return nil
}

// claimOrdered adds to got what is due in order: of each key whose head is due, that and those due behind it. Keys take turns:
// each claim begins where the one before ended.
func (s *Store) claimOrdered(c *conn, got *claimed, destination int64, now time.Time) error {
	from, begun := s.keyTurn[destination]
	if got.full {
		return nil
	}
	if !begun {
		from = math.MinInt64
	}
	var due []int64
	looked, last := 0, from
	look := func(h head) bool {
		looked, last = looked+1, h.key
		if !h.leased && !h.nextAt.After(now) {
			due = append(due, h.key)
		}
		return looked < maxKeysRun && len(due) < got.limit
	}
	if err := heads(c, destination, from, look); err != nil {
		return err
	}
	if looked < maxKeysRun && len(due) < got.limit && begun { // those before the turn's begin
		last = math.MinInt64
		err := heads(c, destination, math.MinInt64, func(h head) bool { return h.key <= from && look(h) })
		if err != nil {
			return err
		}
	}
	if looked == 0 {
		delete(s.keyTurn, destination)
		return nil
	}
	s.keyTurn[destination] = last
	for _, key := range due {
		if err := s.claimRun(c, got, destination, key, now); err != nil || got.full {
			return err
		}
	}
	return nil
}

// claimRun adds the deliveries of key that are due, up to the first that is not.
func (s *Store) claimRun(c *conn, got *claimed, destination, key int64, now time.Time) error {
	broken := false
	return c.query(selectRun, []any{destination, key, maxKeyRun}, func(row *sqlite3.Stmt) error {
		broken = broken || row.ColumnText(19) == "leased" || timeAt(row, 20).After(now)
		if !broken {
			got.add(row)
		}
		return nil
	})
}
