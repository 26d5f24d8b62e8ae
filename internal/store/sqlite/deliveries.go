package sqlite

import (
	"context"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

const selectDelivery = `SELECT d.n, dst.id, d.state, d.attempts, d.next_at, d.updated_at, e.received_at,
	d.started_at, d.duration, d.status, d.error, d.detail, d.reply, d.key, d.spared, d.created_at
	FROM deliveries d JOIN destinations dst ON dst.n = d.destination JOIN events e ON e.n = d.n >> 16`

func (s *Store) scanDelivery(row *sqlite3.Stmt) (bellhop.Delivery, error) {
	n := row.ColumnInt64(0)
	d := bellhop.Delivery{ID: s.ids.Delivery(n), EventID: s.ids.Event(n >> placeBits),
		DestinationID: row.ColumnText(1),
		State:         bellhop.DeliveryState(row.ColumnText(2)), Attempts: row.ColumnInt(3), NextAt: timeAt(row, 4),
		UpdatedAt: timeAt(row, 5),
		CreatedAt: timeAt(row, 6), Key: row.ColumnInt64(13), Spared: row.ColumnInt(14)}
	if row.ColumnType(15) != sqlite3.NULL {
		d.CreatedAt = timeAt(row, 15)
	}
	if d.UpdatedAt.IsZero() {
		d.UpdatedAt = d.CreatedAt
	}
	if row.ColumnType(7) != sqlite3.NULL {
		last := scanAttempt(row, 7)
		last.DeliveryID, last.Number = d.ID, d.Attempts
		d.Last = &last
	}
	return d, nil
}

// scanAttempt reads started_at, duration, status, error, detail and reply from col on.
func scanAttempt(row *sqlite3.Stmt, col int) bellhop.Attempt {
	return bellhop.Attempt{StartedAt: timeAt(row, col), Duration: time.Duration(row.ColumnInt64(col + 1)),
		Status: row.ColumnInt(col + 2), Error: row.ColumnText(col + 3), Detail: row.ColumnText(col + 4),
		Reply: row.ColumnBlob(col+5, nil)}
}

// Deliveries lists deliveries, those of the newest event first.
func (s *Store) Deliveries(ctx context.Context, f bellhop.DeliveryFilter,
	page bellhop.Page) ([]bellhop.Delivery, string, error) {
	l, err := s.newListing("deliveries", "d.n", page)
	if err != nil {
		return nil, "", err
	}
	l.shift = placeBits
	l.period(f.Since, f.Until)
	if f.EventID != "" {
		n, ok := s.ids.ParseEvent(f.EventID)
		if !ok {
			return nil, "", bellhop.NotFound("event", f.EventID)
		}
		l.between(n<<placeBits, (n+1)<<placeBits)
		l.served = true
	}
	if err := s.ofState(ctx, l, f); err != nil {
		return nil, "", err
	}
	add := l.slowly
	if f.State == bellhop.DeliveryDead && len(f.DestinationIDs) == 1 {
		add = l.and // with the state, an index serves it
	}
	if err := anyOf("destination", "d.destination", f.DestinationIDs, s.anyDestination, add); err != nil {
		return nil, "", err
	}
	if err := l.sources(s, "e.source", f.SourceIDs, l.slowly); err != nil {
		return nil, "", err
	}
	l.failed(f.Error, l.slowly)
	l.like("e.type", f.Type)
	l.like("e.subject", f.Subject)
	l.tenant(ctx, "dst.tenant", f.Tenant, l.slowly)
	return list(ctx, s, l, selectDelivery, s.scanDelivery)
}

// CountDeliveries returns how many deliveries events have, by state: of each at most [bellhop.MaxCounted], the oldest.
// Events without a delivery that the caller with ctx may see are left out.
func (s *Store) CountDeliveries(ctx context.Context,
	eventIDs []string) (counts map[string]map[bellhop.DeliveryState]int, err error) {
	query, tenant := "SELECT d.state FROM deliveries d", bellhop.TenantOf(ctx)
	where, args := " WHERE d.n >= ? AND d.n < ?", []any{}
	if tenant != "" {
		query += " JOIN destinations dst ON dst.n = d.destination"
		where, args = where+" AND dst.tenant = ?", append(args, tenant)
	}
	query += where + " ORDER BY d.n LIMIT " + strconv.Itoa(bellhop.MaxCounted)
	err = s.read(ctx, func(c *conn) error {
		counts = map[string]map[bellhop.DeliveryState]int{}
		for _, id := range eventIDs {
			n, ok := s.ids.ParseEvent(id)
			if !ok {
				return bellhop.NotFound("event", id)
			}
			of := map[bellhop.DeliveryState]int{}
			err := c.query(query, append([]any{n << placeBits, (n + 1) << placeBits}, args...),
				func(row *sqlite3.Stmt) error {
					of[bellhop.DeliveryState(row.ColumnText(0))]++
					return nil
				})
			if err != nil {
				return err
			}
			if len(of) > 0 {
				counts[id] = of
			}
		}
		return nil
	})
	return counts, err
}

// failed narrows a list of deliveries to those whose last attempt has an error that text chooses, as
// [bellhop.CheckError] has it; "" does not narrow. add is and or slowly.
func (l *listing) failed(text string, add func(string, ...any)) {
	from, below, isStatus := bellhop.ErrorStatuses(text)
	switch {
	case text == "":
	case text == bellhop.AnyError:
		add("d.error <> ''")
	case isStatus:
		add("d.error <> '' AND d.status >= ? AND d.status < ?", from, below)
	default:
		add("d.error = ?", text)
	}
}

// anyDestination returns the number of a destination, which may have been deleted.
func (s *Store) anyDestination(id string) (int64, bool) {
	n, ok := s.destinations.get(id)
	if !ok {
		n, ok = s.deletedDestinations.get(id)
	}
	return n, ok
}

// Delivery returns one delivery with its last attempt.
func (s *Store) Delivery(ctx context.Context, id string) (d bellhop.Delivery, err error) {
	n, ok := s.ids.ParseDelivery(id)
	if !ok {
		return d, bellhop.NotFound("delivery", id)
	}
	return owned(ctx, s, "delivery", id, selectDelivery+" WHERE d.n = ?", "dst.tenant", n, s.scanDelivery)
}

func (s *Store) deliveryIn(c *conn, n int64, id string) (bellhop.Delivery, error) {
	return oneIn(c, "delivery", id, selectDelivery+" WHERE d.n = ?", n, s.scanDelivery)
}

// Attempts returns the attempts of a delivery, oldest first.
func (s *Store) Attempts(ctx context.Context, deliveryID string) (list []bellhop.Attempt, err error) {
	n, ok := s.ids.ParseDelivery(deliveryID)
	if !ok {
		return nil, bellhop.NotFound("delivery", deliveryID)
	}
	if _, err := s.Delivery(ctx, deliveryID); err != nil { // it may be of another tenant
		return nil, err
	}
	err = s.read(ctx, func(c *conn) error {
		err := c.query(
			`SELECT number, started_at, duration, status, error, detail, reply FROM attempts WHERE delivery = ?
			ORDER BY number`,
			[]any{n}, func(row *sqlite3.Stmt) error {
				a := scanAttempt(row, 1)
				a.DeliveryID, a.Number = deliveryID, row.ColumnInt(0)
				list = append(list, a)
				return nil
			})
		if err != nil {
			return err
		}
		d, err := s.deliveryIn(c, n, deliveryID)
		if d.Last != nil {
			list = append(list, *d.Last)
		}
		return err
	})
	return list, err
}

const (
	// makeDue makes a delivery pending, unless its destination was deleted. The attempts so far do not count
	// against the schedule.
	makeDue = `UPDATE deliveries SET state = 'pending', next_at = ?, updated_at = ?, spared = nullif(attempts, 0)
		WHERE n = ? AND EXISTS (SELECT 1 FROM destinations dst WHERE dst.n = deliveries.destination
		AND dst.deleted_at IS NULL)`
	makeCancelled = `UPDATE deliveries SET state = 'cancelled', next_at = ?, updated_at = ? WHERE n = ?`
)

// RetryDelivery makes a pending, dead or cancelled delivery due now. Its schedule begins anew.
func (s *Store) RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error) {
	return s.changeDelivery(ctx, id, "retried", makeDue+` AND state IN ('pending', 'dead', 'cancelled')`,
		"can be retried only while pending, dead or cancelled, and only if its destination exists", s.opts.Now())
}

// CancelDelivery ends a pending delivery.
func (s *Store) CancelDelivery(ctx context.Context, id string) (bellhop.Delivery, error) {
	d, err := s.changeDelivery(ctx, id, "cancelled", makeCancelled+` AND state = 'pending'`,
		"can be cancelled only while pending (pause its destination first: then its queued "+
			"deliveries are pending again)",
		time.Time{})
	if err == nil {
		s.finals.cancelled.Add(1)
	}
	return d, err
}

// changeDelivery runs update, with nextAt, now and the number of the delivery as arguments, and returns the
// delivery afterwards. It is a conflict, told by rule, if update changes nothing. action is for the audit.
func (s *Store) changeDelivery(ctx context.Context, id, action, update, rule string,
	nextAt time.Time) (d bellhop.Delivery, err error) {
	n, ok := s.ids.ParseDelivery(id)
	if !ok {
		return d, bellhop.NotFound("delivery", id)
	}
	if _, err := s.Delivery(ctx, id); err != nil { // it may be of another tenant
		return d, err
	}
	err = s.do(func(c *conn) (err error) {
		if err := c.exec(update, nextAt, s.opts.Now(), n); err != nil {
			return err
		}
		missed := c.db.Changes() == 0
		if d, err = s.deliveryIn(c, n, id); err != nil {
			return err
		}
		if missed {
			return bellhop.Conflict("a delivery " + rule + "; this one is " + string(d.State))
		}
		if err := s.noteChange(ctx, c, "delivery", id, action, unchanged); err != nil {
			return err
		}
		return s.noteState(c, n)
	})
	return d, err
}
