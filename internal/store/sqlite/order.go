package sqlite

import (
	"math"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Order. Deliveries of one destination that share a key go one after the other. The head of a key is its first
// delivery that is not finished: no delivery behind it is claimed before it is finished. A delivery that a
// person retries becomes the head although later ones are leased; it is claimed, and waits in the lane behind
// them. So order needs nothing but the table, and survives whatever happens to the process that claimed.
//
// A head may wait for an hour and have thousands of deliveries behind it that are due by their own time. Claims
// pass each of these once: an orderCursor, in memory, says how far the claims have come and which keys to
// inspect again.

// Bounds of one claim among keys.
const (
	maxKeyRun = 16   // deliveries of one key claimed together, so that one long key leaves room for others
	maxLooked = 250  // deliveries, or keys, that one claim inspects: a few milliseconds
	maxReady  = 8192 // ready keys of one destination
)

// An orderCursor is the scan position over the keyed deliveries of one destination, in the order in which they
// are due. Invariant: for every key whose head is pending, either the head is after the position or the key is
// in ready. So a delivery that waits for its head is not inspected again before the head is finished. A cursor
// may be forgotten at any time: the next claim then begins at the start.
//
// Only the writer's goroutine changes a cursor, and holds the mutex of orderCursors while it does; others read
// with the mutex held. firstPart is the exception: only the writer's goroutine uses it.
type orderCursor struct {
	at, n     int64          // the position: a time in microseconds, and the number of the delivery due then
	behind    bool           // the last scan did not come to the end of the due deliveries
	ready     []int64        // keys whose head may have become due, in the order in which they were added
	isReady   map[int64]bool // the keys in ready
	firstPart int            // the part of the next claim that goes first
}

func newOrderCursor() *orderCursor {
	return &orderCursor{at: math.MinInt64, isReady: map[int64]bool{}}
}

// rewind lowers the position, if need be, so that the delivery n, due at that time, is inspected again.
func (o *orderCursor) rewind(at, n int64) {
	if at < o.at || at == o.at && n <= o.n {
		o.at, o.n = at, n-1
	}
}

// addReady adds a key to ready, unless it is there.
func (o *orderCursor) addReady(key int64) {
	if !o.isReady[key] {
		o.ready, o.isReady[key] = append(o.ready, key), true
	}
}

// orderCursors are the cursors of the destinations that have keyed deliveries. The writer's goroutine changes
// them; readers take their position.
type orderCursors struct {
	bound int // ready keys of one destination; beyond it, its cursor is forgotten

	mu            sync.Mutex // guards what follows
	byDestination map[int64]*orderCursor
}

// find returns the cursor of a destination, or a new one that is not kept.
func (s *orderCursors) find(destination int64) *orderCursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.byDestination[destination]; o != nil {
		return o
	}
	return newOrderCursor()
}

// keep keeps o, which find returned, unless another cursor of the destination is kept.
func (s *orderCursors) keep(destination int64, o *orderCursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byDestination == nil {
		s.byDestination = map[int64]*orderCursor{}
	}
	if s.byDestination[destination] == nil {
		s.byDestination[destination] = o
	}
}

func (s *orderCursors) forget(destination int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byDestination, destination)
}

// position returns from where in the schedule to look, and whether a key is ready besides.
func (s *orderCursors) position(destination int64) (at, n int64, ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.byDestination[destination]; o != nil {
		return o.at, o.n, len(o.ready) > 0
	}
	return math.MinInt64, 0, false
}

// pending notes that a keyed delivery is pending from now on, due at that time. The key of a new delivery is
// ready at once if the scan is behind: the delivery would wait long for the scan to come to it.
func (s *orderCursors) pending(destination, key, at, n int64, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.byDestination[destination]
	if o == nil {
		return
	}
	o.rewind(at, n)
	if isNew && o.behind && len(o.ready) < s.bound {
		o.addReady(key)
	}
}

// finished notes that a keyed delivery is finished: the delivery behind it becomes the head.
func (s *orderCursors) finished(destination, key int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.byDestination[destination]
	if o == nil {
		return
	}
	o.addReady(key)
	if len(o.ready) > s.bound {
		delete(s.byDestination, destination)
	}
}

// takeReady takes the key that has been ready longest.
func (s *orderCursors) takeReady(o *orderCursor) (key int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(o.ready) == 0 {
		return 0, false
	}
	key, o.ready = o.ready[0], o.ready[1:]
	delete(o.isReady, key)
	return key, true
}

// putBackReady makes a key the first again that takeReady took and that could not be claimed from.
func (s *orderCursors) putBackReady(o *orderCursor, key int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.ready, o.isReady[key] = append([]int64{key}, o.ready...), true
}

// advance sets the position. behind says that more is due after it.
func (s *orderCursors) advance(o *orderCursor, at, n int64, behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.at, o.n, o.behind = at, n, behind
}

// rewind is orderCursor.rewind with the mutex held.
func (s *orderCursors) rewind(o *orderCursor, at, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.rewind(at, n)
}

const (
	selectHead = `SELECT n, state, next_at FROM deliveries INDEXED BY deliveries_order
		WHERE destination = ? AND line = ? AND line IS NOT NULL ORDER BY n LIMIT 1`
	selectRun   = selectClaimed + ` AND d.line = ? AND d.line IS NOT NULL ORDER BY d.n LIMIT ?`
	selectKeyed = `SELECT n, key, next_at FROM deliveries INDEXED BY deliveries_due
		WHERE destination = ? AND (key IS NULL) = 0 AND state = 'pending' AND (next_at, n) > (?, ?)`
	selectDueKeyed  = selectKeyed + ` AND next_at <= ? ORDER BY next_at, n LIMIT ?`
	selectNextKeyed = selectKeyed + ` ORDER BY next_at, n LIMIT 1`
	selectKeyState  = `SELECT destination, key, state, next_at FROM deliveries WHERE n = ? AND key IS NOT NULL`
	enterLine       = `UPDATE deliveries SET line = key WHERE n = ? AND line IS NULL`
	leaveLine       = `UPDATE deliveries SET line = NULL WHERE n = ?`
)

// claimReady adds due deliveries of ready keys to got, beginning with the key that has been ready longest.
func (s *Store) claimReady(c *conn, got *claimed, now time.Time) error {
	for range maxLooked {
		key, ok := s.cursors.takeReady(got.cursor)
		if !ok {
			return nil
		}
		inspected, err := s.claimKey(c, got, key, now)
		if err != nil || !inspected {
			s.cursors.putBackReady(got.cursor, key)
			return err
		}
	}
	return nil
}

// claimScheduled adds due deliveries of the keys that come next in the schedule to got, and advances the cursor.
func (s *Store) claimScheduled(c *conn, got *claimed, now time.Time) error {
	at, n, ended, looked := got.cursor.at, got.cursor.n, false, 0
	err := c.query(selectDueKeyed, []any{got.destination, at, n, now, maxLooked}, func(row *sqlite3.Stmt) error {
		if ended {
			return nil
		}
		inspected, err := s.claimKey(c, got, row.ColumnInt64(1), now)
		ended = err != nil || !inspected
		if !ended {
			n, at, looked = row.ColumnInt64(0), row.ColumnInt64(2), looked+1
		}
		return err
	})
	if err != nil {
		return err
	}
	got.hasKeys = got.hasKeys || looked > 0
	s.cursors.advance(got.cursor, at, n, ended || looked == maxLooked)
	return nil
}

// claimKey adds the deliveries of key to got, from its head up to the first that is not due; none if its head
// is leased or not due. inspected is false if there was no room for the head.
func (s *Store) claimKey(c *conn, got *claimed, key int64, now time.Time) (inspected bool, err error) {
	if got.keys[key] {
		return true, nil
	}
	due := false
	err = c.query(selectHead, []any{got.destination, key}, func(row *sqlite3.Stmt) error {
		if row.ColumnText(1) == "leased" {
			return nil
		}
		due = !timeAt(row, 2).After(now)
		if !due { // the cursor may have passed it already, if the clock was set back since
			s.cursors.rewind(got.cursor, row.ColumnInt64(2), row.ColumnInt64(0))
		}
		return nil
	})
	if err == nil && due {
		before, ended := len(got.list), false
		err = c.query(selectRun, []any{got.destination, key, maxKeyRun}, func(row *sqlite3.Stmt) error {
			ended = ended || row.ColumnText(19) == "leased" || timeAt(row, 20).After(now)
			if !ended {
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

// noteState updates the line and the cursor after a state change of a delivery, if it has a key: a finished
// delivery leaves the line of its key, a delivery that is pending again enters it.
func (s *Store) noteState(c *conn, n int64) error {
	if !s.hasKeys {
		return nil
	}
	change := ""
	err := c.query(selectKeyState, []any{n}, func(row *sqlite3.Stmt) error {
		destination, key := row.ColumnInt64(0), row.ColumnInt64(1)
		switch row.ColumnText(2) {
		case "pending":
			change = enterLine
			s.cursors.pending(destination, key, row.ColumnInt64(3), n, false)
		case "delivered", "dead", "cancelled":
			change = leaveLine
			s.cursors.finished(destination, key)
		}
		return nil
	})
	if err != nil || change == "" {
		return err
	}
	return c.exec(change, n)
}

// noteNewKeyed updates the cursor after a new delivery with a key was written, due now.
func (s *Store) noteNewKeyed(destination, key int64, now time.Time, n int64) {
	s.hasKeys = true
	s.cursors.pending(destination, key, now.UnixMicro(), n, true)
}

// loadHasKeys sets whether any delivery has a key, or may soon have one. Without keys, noteState does nothing.
func (s *Store) loadHasKeys(c *conn) error {
	return c.query("SELECT EXISTS (SELECT 1 FROM deliveries WHERE line IS NOT NULL) OR "+
		"EXISTS (SELECT 1 FROM destinations WHERE order_by <> 'none')",
		nil, func(row *sqlite3.Stmt) error {
			s.hasKeys = row.ColumnBool(0)
			return nil
		})
}
