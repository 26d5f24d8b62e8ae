package sqlite

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Claim leases deliveries of a destination that are due, those due longest first, and returns them with their
// events: at most limit, and, but for the first, at most maxBytes of bodies. Of the last attempt, each has status and error.
// Those of a key are side by side in the order of their events, and only if what came before them under that key is finished.
// Keys take turns, as do those with a key and those without. What it returns is leased on disk: after a crash it is due again.
//
// A claim looks at so many and no more: it may return nothing though something is due. NextDue says so.
func (s *Store) Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error) {
	destination, ok := s.destinations.get(destinationID)
	if !ok {
		return nil, bellhop.NotFound("destination", destinationID)
	}
	var claimed []bellhop.Delivery
	tried := false
	err := s.do(func(c *conn) (err error) {
		if tried { // what it passed is not claimed after all
			s.turns.forget(destination)
		}
		tried = true
		claimed, err = s.claim(c, destination, destinationID, limit, maxBytes, s.opts.Now())
		return err
	})
	if err != nil {
		s.turns.forget(destination)
		return nil, err
	}
	s.metrics.claimed.Add(float64(len(claimed)))
	return claimed, nil
}

const (
	selectClaimed = `SELECT d.n, d.attempts, e.n, src.id, src.name, e.type, e.subject, e.provider_id, e.tenant, e.time,
			e.received_at, e.content_type, e.header, e.sha256, e.body, d.status, d.error, d.key, d.spared, d.state, d.next_at, d.created_at, d.progress
		FROM deliveries d JOIN events e ON e.n = d.n >> 16 JOIN sources src ON src.n = e.source WHERE d.destination = ?`
	selectDue       = selectClaimed + ` AND (d.key IS NULL) = 1 AND d.state = 'pending' AND d.next_at <= ? ORDER BY d.next_at LIMIT ?`
	selectNextLoose = `SELECT next_at FROM deliveries WHERE destination = ? AND (key IS NULL) = 1 AND state = 'pending' ORDER BY next_at LIMIT 1`
	lease           = `UPDATE deliveries SET state = 'leased', next_at = NULL WHERE n = ? AND state = 'pending'`
)

func (s *Store) claim(c *conn, destination int64, destinationID string, limit int, maxBytes int64, now time.Time) ([]bellhop.Delivery, error) {
	got := &claimed{store: s, destination: destination, destinationID: destinationID, limit: limit, room: maxBytes, full: limit <= 0,
		turn: s.turns.find(destination), keys: map[int64]bool{}}
	parts := [...]func(*conn, *claimed, time.Time) error{s.claimFreed, s.claimLooked, s.claimLoose}
	begin, first := got.turn.first, -1
	for i := range parts {
		if got.full {
			break
		}
		part := (begin + i) % len(parts)
		if err := parts[part](c, got, now); err != nil {
			return nil, err
		}
		if first < 0 && len(got.list) > 0 { // next time it goes last
			first, got.turn.first = part, (part+1)%len(parts)
		}
	}
	if got.keyed {
		s.turns.keep(destination, got.turn)
	}
	for _, n := range got.numbers {
		if err := c.exec(lease, n); err != nil {
			return nil, err
		}
	}
	return got.list, nil
}

// claimLoose adds to got what is due and has no key.
func (s *Store) claimLoose(c *conn, got *claimed, now time.Time) error {
	return c.query(selectDue, []any{got.destination, now, got.limit - len(got.list)}, func(row *sqlite3.Stmt) error {
		got.add(row)
		return nil
	})
}

// claimed is what a claim has gathered.
type claimed struct {
	store         *Store
	destination   int64
	destinationID string
	turn          *turn
	keys          map[int64]bool // dealt with
	keyed         bool           // there are some that have a key
	limit         int
	room          int64 // bytes of bodies and progress
	full          bool

	list    []bellhop.Delivery
	numbers []int64
}

// add takes a row of selectClaimed, if there is room for it.
func (got *claimed) add(row *sqlite3.Stmt) {
	if got.full {
		return
	}
	ev, progress := scanEvent(row, 2, &got.store.ids), row.ColumnBlob(22, nil)
	got.room -= int64(len(ev.Body) + len(progress))
	if got.room < 0 && len(got.list) > 0 {
		got.full = true
		return
	}
	n := row.ColumnInt64(0)
	d := bellhop.Delivery{ID: got.store.ids.Delivery(n), EventID: ev.ID, DestinationID: got.destinationID,
		State: bellhop.DeliveryLeased, Attempts: row.ColumnInt(1), Key: row.ColumnInt64(17), Spared: row.ColumnInt(18), CreatedAt: timeAt(row, 21), Event: &ev, Progress: progress}
	if d.Attempts > 0 {
		d.Last = &bellhop.Attempt{Status: row.ColumnInt(15), Error: row.ColumnText(16)}
	}
	got.list, got.numbers = append(got.list, d), append(got.numbers, n)
	got.full = len(got.list) >= got.limit
}

// scanEvent reads the columns of selectClaimed and selectEvent from col on.
func scanEvent(row *sqlite3.Stmt, col int, ids *store.IDs) bellhop.Event {
	ev := bellhop.Event{
		ID: ids.Event(row.ColumnInt64(col)), SourceID: row.ColumnText(col + 1), Source: row.ColumnText(col + 2),
		Type: row.ColumnText(col + 3), Subject: row.ColumnText(col + 4), ProviderID: row.ColumnText(col + 5),
		Tenant: row.ColumnText(col + 6), Time: timeAt(row, col+7), ReceivedAt: timeAt(row, col+8),
		ContentType: row.ColumnText(col + 9), Header: row.ColumnBlob(col+10, nil), Body: row.ColumnBlob(col+12, nil),
	}
	copy(ev.SHA256[:], row.ColumnRawBlob(col+11))
	return ev
}

// NextDue returns when the next delivery of a destination is due, and whether there is one. It may be one that waits for another
// of its key; the claim that finds so passes it for good.
func (s *Store) NextDue(ctx context.Context, destinationID string) (at time.Time, ok bool, err error) {
	destination, known := s.destinations.get(destinationID)
	if !known {
		return at, false, bellhop.NotFound("destination", destinationID)
	}
	from, n, waits := s.turns.position(destination)
	if waits {
		return s.opts.Now(), true, nil
	}
	err = s.read(ctx, func(c *conn) error {
		earliest := func(next time.Time) {
			if !ok || next.Before(at) {
				at, ok = next, true
			}
		}
		err := c.query(selectNextLoose, []any{destination}, func(row *sqlite3.Stmt) error {
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

// Release gives leased deliveries back, due now. It returns once that is on disk, and waits for room on a full one;
// if ctx ends before, it is still done as soon as it can be.
func (s *Store) Release(ctx context.Context, ids []string) error {
	now := s.opts.Now()
	return s.doPatiently(ctx, func(c *conn) error {
		for _, id := range ids {
			n, ok := s.ids.ParseDelivery(id)
			if !ok {
				continue
			}
			if err := c.exec(`UPDATE deliveries SET state = 'pending', next_at = ? WHERE n = ? AND state = 'leased'`, now, n); err != nil {
				return err
			}
			if err := s.moved(c, n); err != nil {
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
