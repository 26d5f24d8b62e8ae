package store

import (
	"context"
	"math"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// Claim leases deliveries of a destination that are due, those due longest first, and returns them with their
// events: at most limit, and, but for the first, at most maxBytes of bodies. Of the last attempt, each has status and error.
// Those that have a key come first, side by side in the order of their events, and only if what came before them under that
// key is finished. What it returns is leased on disk: after a crash it is due again.
func (s *Store) Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error) {
	destination, ok := s.destinations.get(destinationID)
	if !ok {
		return nil, bellhop.NotFound("destination", destinationID)
	}
	var claimed []bellhop.Delivery
	err := s.do(func(c *conn) (err error) {
		claimed, err = s.claim(c, destination, destinationID, limit, maxBytes, s.opts.Now())
		return err
	})
	if err != nil {
		return nil, err
	}
	s.metrics.claimed.Add(float64(len(claimed)))
	return claimed, nil
}

const (
	selectClaimed = `SELECT d.n, d.attempts, e.n, src.id, src.name, e.type, e.subject, e.provider_id, e.tenant, e.time,
			e.received_at, e.content_type, e.header, e.sha256, e.body, d.status, d.error, d.key, d.spared, d.state, d.next_at, d.created_at
		FROM deliveries d JOIN events e ON e.n = d.n >> 16 JOIN sources src ON src.n = e.source WHERE d.destination = ?`
	selectDue = selectClaimed + ` AND d.key IS NULL AND d.state = 'pending' AND d.next_at <= ? ORDER BY d.next_at LIMIT ?`
	lease     = `UPDATE deliveries SET state = 'leased', next_at = NULL WHERE n = ? AND state = 'pending'`
)

func (s *Store) claim(c *conn, destination int64, destinationID string, limit int, maxBytes int64, now time.Time) ([]bellhop.Delivery, error) {
	got := &claimed{store: s, destinationID: destinationID, limit: limit, room: maxBytes, full: limit <= 0}
	if err := s.claimOrdered(c, got, destination, now); err != nil {
		return nil, err
	}
	if !got.full {
		err := c.query(selectDue, []any{destination, now, limit - len(got.list)}, func(row *sqlite3.Stmt) error {
			got.add(row)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, n := range got.numbers {
		if err := c.exec(lease, n); err != nil {
			return nil, err
		}
	}
	return got.list, nil
}

// claimed is what a claim has gathered.
type claimed struct {
	store         *Store
	destinationID string
	limit         int
	room          int64 // of bodies
	full          bool

	list    []bellhop.Delivery
	numbers []int64
}

// add takes a row of selectClaimed, if there is room for it.
func (got *claimed) add(row *sqlite3.Stmt) {
	if got.full {
		return
	}
	ev := scanEvent(row, 2, &got.store.ids)
	if got.room -= int64(len(ev.Body)); got.room < 0 && len(got.list) > 0 {
		got.full = true
		return
	}
	n := row.ColumnInt64(0)
	d := bellhop.Delivery{ID: got.store.ids.delivery(n), EventID: ev.ID, DestinationID: got.destinationID,
		State: bellhop.DeliveryLeased, Attempts: row.ColumnInt(1), Key: row.ColumnInt64(17), Spared: row.ColumnInt(18), CreatedAt: timeAt(row, 21), Event: &ev}
	if d.Attempts > 0 {
		d.Last = &bellhop.Attempt{Status: row.ColumnInt(15), Error: row.ColumnText(16)}
	}
	got.list, got.numbers = append(got.list, d), append(got.numbers, n)
	got.full = len(got.list) >= got.limit
}

// scanEvent reads the columns of selectClaimed and selectEvent from col on.
func scanEvent(row *sqlite3.Stmt, col int, ids *ids) bellhop.Event {
	ev := bellhop.Event{
		ID: ids.event(row.ColumnInt64(col)), SourceID: row.ColumnText(col + 1), Source: row.ColumnText(col + 2),
		Type: row.ColumnText(col + 3), Subject: row.ColumnText(col + 4), ProviderID: row.ColumnText(col + 5),
		Tenant: row.ColumnText(col + 6), Time: timeAt(row, col+7), ReceivedAt: timeAt(row, col+8),
		ContentType: row.ColumnText(col + 9), Header: row.ColumnBlob(col+10, nil), Body: row.ColumnBlob(col+12, nil),
	}
	copy(ev.SHA256[:], row.ColumnRawBlob(col+11))
	return ev
}

// NextDue returns when the next delivery of a destination is due, and whether there is one.
func (s *Store) NextDue(ctx context.Context, destinationID string) (at time.Time, ok bool, err error) {
	destination, known := s.destinations.get(destinationID)
	if !known {
		return at, false, bellhop.NotFound("destination", destinationID)
	}
	err = s.read(ctx, func(c *conn) error {
		err := c.query(`SELECT next_at FROM deliveries WHERE destination = ? AND key IS NULL AND state = 'pending' ORDER BY next_at LIMIT 1`,
			[]any{destination}, func(row *sqlite3.Stmt) error {
				at, ok = timeAt(row, 0), true
				return nil
			})
		if err != nil {
			return err
		}
		return heads(c, destination, math.MinInt64, func(h head) bool {
			if !h.leased && (!ok || h.nextAt.Before(at)) {
				at, ok = h.nextAt, true
			}
			return true
		})
	})
	return at, ok, err
}

// Release gives leased deliveries back, due now. It returns once that is on disk, and waits for room on a full one;
// if ctx ends before, it is still done as soon as it can be.
func (s *Store) Release(ctx context.Context, ids []string) error {
	now := s.opts.Now()
	return s.doPatiently(ctx, func(c *conn) error {
		for _, id := range ids {
			n, ok := s.ids.parseDelivery(id)
			if !ok {
				continue
			}
			if err := c.exec(`UPDATE deliveries SET state = 'pending', next_at = ? WHERE n = ? AND state = 'leased'`, now, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// freeLeased makes pending what is leased and returns how many those were. Nobody else has leases when a store
// is opened: one process at a time owns the data folder.
func freeLeased(c *conn, now time.Time) (int64, error) {
	before := c.db.TotalChanges()
	err := c.exec(`UPDATE deliveries SET state = 'pending', next_at = ? WHERE state = 'leased'`, now)
	return c.db.TotalChanges() - before, err
}
