package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Claim leases due deliveries of a destination and returns them with their events. Its contract is store.Corridor.
func (s *Store) Claim(ctx context.Context, destinationID string, limit int,
	maxBytes int64) ([]bellhop.Delivery, error) {
	destination, ok := s.destinations.get(destinationID)
	if !ok {
		return nil, bellhop.NotFound("destination", destinationID)
	}
	var claimed []bellhop.Delivery
	tried := false
	err := s.do(func(c *conn) (err error) {
		if tried { // the cursor has passed deliveries whose lease was rolled back
			s.cursors.forget(destination)
		}
		tried = true
		claimed, err = s.claim(c, destination, destinationID, limit, maxBytes, s.opts.Now())
		return err
	})
	if err != nil {
		s.cursors.forget(destination)
		return nil, err
	}
	s.metrics.claimed.Add(float64(len(claimed)))
	return claimed, nil
}

const (
	selectClaimed = `SELECT d.n, d.attempts, e.n, src.id, src.name, e.type, e.subject, e.provider_id,
			` + eventTenant + `, e.time, e.received_at, e.content_type, e.header, e.sha256, e.body, d.status, d.error,
			d.key, d.spared, d.state, d.next_at, d.created_at, d.progress
		FROM deliveries d JOIN events e ON e.n = d.n >> 16 JOIN sources src ON src.n = e.source WHERE d.destination = ?`
	selectDue = selectClaimed +
		` AND (d.key IS NULL) = 1 AND d.state = 'pending' AND d.next_at <= ? ORDER BY d.next_at LIMIT ?`
	selectNextUnkeyed = `SELECT next_at FROM deliveries WHERE destination = ? AND (key IS NULL) = 1 AND state = 'pending'
		ORDER BY next_at LIMIT 1`
	makeReleased = `UPDATE deliveries SET state = 'pending', next_at = ? WHERE n = ? AND state = 'leased'`
	lease        = `UPDATE deliveries SET state = 'leased', next_at = NULL WHERE n = ? AND state = 'pending'`
)

// claim gathers from three parts: keys that are ready, keys that are next in the schedule, and deliveries
// without a key. The part that gave the first delivery goes last next time.
func (s *Store) claim(c *conn, destination int64, destinationID string, limit int, maxBytes int64,
	now time.Time) ([]bellhop.Delivery, error) {
	got := &claimed{ids: s.ids, destination: destination, destinationID: destinationID,
		limit: limit, room: maxBytes, full: limit <= 0,
		cursor: s.cursors.find(destination), keys: map[int64]bool{}}
	parts := [...]func(*conn, *claimed, time.Time) error{s.claimReady, s.claimScheduled, s.claimUnkeyed}
	begin, first := got.cursor.firstPart, -1
	for i := range parts {
		if got.full {
			break
		}
		part := (begin + i) % len(parts)
		if err := parts[part](c, got, now); err != nil {
			return nil, err
		}
		if first < 0 && len(got.list) > 0 {
			first, got.cursor.firstPart = part, (part+1)%len(parts)
		}
	}
	if got.hasKeys {
		s.cursors.keep(destination, got.cursor)
	}
	for _, n := range got.numbers {
		if err := c.exec(lease, n); err != nil {
			return nil, err
		}
	}
	return got.list, nil
}

// claimUnkeyed adds due deliveries without a key to got.
func (s *Store) claimUnkeyed(c *conn, got *claimed, now time.Time) error {
	return c.query(selectDue, []any{got.destination, now, got.limit - len(got.list)}, func(row *sqlite3.Stmt) error {
		got.add(row)
		return nil
	})
}

// claimed has the deliveries that one claim has gathered.
type claimed struct {
	ids           store.IDs
	destination   int64
	destinationID string
	cursor        *orderCursor
	keys          map[int64]bool // the keys that this claim has inspected
	hasKeys       bool           // the destination has deliveries with a key
	limit         int
	room          int64 // bytes of bodies and progress
	full          bool

	list    []bellhop.Delivery
	numbers []int64 // of list
}

// add adds a row of selectClaimed, if there is room for it.
func (got *claimed) add(row *sqlite3.Stmt) {
	if got.full {
		return
	}
	ev, progress := scanEvent(row, 2, got.ids), row.ColumnBlob(22, nil)
	got.room -= int64(len(ev.Body) + len(progress))
	if got.room < 0 && len(got.list) > 0 {
		got.full = true
		return
	}
	n := row.ColumnInt64(0)
	d := bellhop.Delivery{ID: got.ids.Delivery(n), EventID: ev.ID, DestinationID: got.destinationID,
		State: bellhop.DeliveryLeased, Attempts: row.ColumnInt(1), Key: row.ColumnInt64(17), Spared: row.ColumnInt(18),
		CreatedAt: timeAt(row, 21), Event: &ev, Progress: progress}
	if d.Attempts > 0 {
		d.Last = &bellhop.Attempt{Status: row.ColumnInt(15), Error: row.ColumnText(16)}
	}
	got.list, got.numbers = append(got.list, d), append(got.numbers, n)
	got.full = len(got.list) >= got.limit
}

// NextDue returns when the next delivery of a destination is due. Its contract is store.Corridor.
func (s *Store) NextDue(ctx context.Context, destinationID string) (at time.Time, ok bool, err error) {
	destination, known := s.destinations.get(destinationID)
	if !known {
		return at, false, bellhop.NotFound("destination", destinationID)
	}
	from, n, ready := s.cursors.position(destination)
	if ready {
		return s.opts.Now(), true, nil
	}
	err = s.read(ctx, func(c *conn) error {
		earliest := func(next time.Time) {
			if !ok || next.Before(at) {
				at, ok = next, true
			}
		}
		err := c.query(selectNextUnkeyed, []any{destination}, func(row *sqlite3.Stmt) error {
			earliest(timeAt(row, 0))
			return nil
		})
		if err != nil {
			return err
		}
		return c.query(selectNextKeyed, []any{destination, from, n}, func(row *sqlite3.Stmt) error {
			earliest(timeAt(row, 2))
			return nil
		})
	})
	return at, ok, err
}

// Release gives leased deliveries back, due now. Its contract is store.Corridor.
func (s *Store) Release(ctx context.Context, ids []string) error {
	now := s.opts.Now()
	return s.doPatiently(ctx, func(c *conn) error {
		for _, id := range ids {
			n, ok := s.ids.ParseDelivery(id)
			if !ok {
				continue
			}
			if err := c.exec(makeReleased, now, n); err != nil {
				return err
			}
			if err := s.noteState(c, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// freeLeased makes all leased deliveries pending and returns how many it changed. It runs when the store is
// opened, when nobody else can hold a lease: one process at a time owns the data folder.
func freeLeased(c *conn, now time.Time) (int64, error) {
	before := c.db.TotalChanges()
	err := c.exec(`UPDATE deliveries SET state = 'pending', next_at = ? WHERE state = 'leased'`, now)
	return c.db.TotalChanges() - before, err
}
