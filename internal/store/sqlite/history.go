package sqlite

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// markOf returns the mark of the event or request with number n.
func (s *Store) markOf(n int64) string { return bellhop.MarkOf(s.ids.Event(n)) }

// NewestMark returns the mark of the newest event or request. Its contract is store.History.
func (s *Store) NewestMark(ctx context.Context) (mark string, err error) {
	err = s.read(ctx, func(c *conn) error {
		return c.query(`SELECT max((SELECT coalesce(max(n), 0) FROM events),
			(SELECT coalesce(max(n), 0) FROM requests))`, nil, func(row *sqlite3.Stmt) error {
			mark = s.markOf(row.ColumnInt64(0))
			return nil
		})
	})
	return mark, err
}

// selectArrival is selectEvent with three further columns, from column 14 on.
var selectArrival = strings.NewReplacer("%header%",
	"CASE WHEN CAST(substr(e.header, 1, 8) AS TEXT) = 'Bellhop-' THEN e.header END", "%body%", "NULL", " FROM ",
	", length(e.body), (SELECT count(*) FROM deliveries d WHERE d.n BETWEEN e.n << 16 AND e.n << 16 | 65535),"+
		" src.tenant FROM ").Replace(selectEvent)

// A numbered is an arrival with its number.
type numbered struct {
	n int64
	bellhop.Arrival
}

// Arrivals returns events and requests with marks after one and up to another. Its contract is store.History.
func (s *Store) Arrivals(ctx context.Context, after, through string, limit int) (list []bellhop.Arrival, aged bool,
	err error) {
	from, ok := s.ids.ParseEvent(bellhop.PrefixEvent + after)
	if !ok {
		return nil, false, bellhop.Invalid("after", "is no mark of this store")
	}
	to := int64(math.MaxInt64)
	if through != "" {
		if to, ok = s.ids.ParseEvent(bellhop.PrefixEvent + through); !ok {
			return nil, false, bellhop.Invalid("through", "is no mark of this store")
		}
	}
	// The mark 0 is of a store without events: none of those after it is older than the store.
	aged = s.opts.Retain > 0 && from > 0 && timeOf(from).Before(s.opts.Now().Add(-s.opts.Retain))
	var all []numbered
	err = s.read(ctx, func(c *conn) error {
		all = nil
		args := []any{from, to, limit}
		err := c.query(selectArrival+" WHERE e.n > ? AND e.n <= ? ORDER BY e.n LIMIT ?", args,
			func(row *sqlite3.Stmt) error {
				a, err := s.scanArrival(row)
				all = append(all, a)
				return err
			})
		if err != nil {
			return err
		}
		return c.query(strings.Replace(selectRequest, " FROM ", ", src.tenant FROM ", 1)+
			" WHERE r.n > ? AND r.n <= ? ORDER BY r.n LIMIT ?", args, func(row *sqlite3.Stmt) error {
			req, err := s.scanListedRequest(row)
			all = append(all, numbered{row.ColumnInt64(0), bellhop.Arrival{Request: &req, Tenant: row.ColumnText(16)}})
			return err
		})
	})
	if err != nil {
		return nil, false, err
	}
	// Of each table there are the first ones, so the first ones of both are among them.
	slices.SortFunc(all, func(a, b numbered) int { return int(a.n - b.n) })
	for _, a := range all[:min(len(all), limit)] {
		list = append(list, a.Arrival)
	}
	return list, aged, nil
}

func (s *Store) scanArrival(row *sqlite3.Stmt) (numbered, error) {
	ev, err := s.scanSelectedEvent(row)
	a := bellhop.Arrival{Event: &ev, BodyBytes: row.ColumnInt(14), Deliveries: row.ColumnInt(15),
		Tenant: row.ColumnText(16)}
	if a.Tenant == "" {
		a.Tenant = ev.Tenant
	}
	return numbered{row.ColumnInt64(0), a}, err
}

// selectAttempted selects the last attempt of each delivery after a number, if the attempt ended after a time. The
// schema has no index for that: each event would pay for it.
const selectAttempted = `SELECT d.n, dst.id, dst.name, dst.tenant, d.state, d.attempts, d.next_at, d.started_at,
	d.duration, d.status, d.error, d.detail, NULL, e.type, e.subject, src.id, src.name
	FROM deliveries d JOIN destinations dst ON dst.n = d.destination JOIN events e ON e.n = d.n >> 16
	JOIN sources src ON src.n = e.source
	WHERE d.n > ? AND d.started_at IS NOT NULL AND d.started_at + d.duration / 1000 > ? ORDER BY d.n LIMIT ?`

// Attempted returns attempts that ended after a time. Its contract is store.History.
func (s *Store) Attempted(ctx context.Context, since time.Time, after string, limit int) (list []bellhop.Attempted,
	next string, complete bool, err error) {
	var from int64
	if after != "" {
		var ok bool
		if from, ok = s.ids.ParseDelivery(after); !ok {
			return nil, "", false, bellhop.Invalid("after", "is no delivery of this store")
		}
	}
	err = s.read(ctx, func(c *conn) error {
		list, next, complete = nil, "", true
		if after == "" {
			from, complete, err = s.searchFrom(c, since)
			if err != nil {
				return err
			}
		}
		rows := 0
		err := c.query(selectAttempted, []any{from, since, limit}, func(row *sqlite3.Stmt) error {
			rows++
			a := s.scanAttempted(row)
			next = a.DeliveryID
			list = append(list, a)
			return nil
		})
		if rows < limit {
			next = ""
		}
		if err == nil {
			list, err = s.withEarlier(c, list, since)
		}
		return err
	})
	return list, next, complete, err
}

// searchFrom returns the number after which Attempted searches, and whether there are no deliveries up to it.
func (s *Store) searchFrom(c *conn, since time.Time) (from int64, complete bool, err error) {
	from, complete = -1, true
	err = c.query("SELECT n FROM deliveries ORDER BY n DESC LIMIT 1 OFFSET ?", []any{store.MaxSearched},
		func(row *sqlite3.Stmt) error {
			from, complete = min(row.ColumnInt64(0), firstOf(since)<<placeBits-1), false
			return nil
		})
	return from, complete, err
}

func (s *Store) scanAttempted(row *sqlite3.Stmt) bellhop.Attempted {
	n := row.ColumnInt64(0)
	a := bellhop.Attempted{Destination: row.ColumnText(2), Tenant: row.ColumnText(3)}
	a.DeliveryID, a.DestinationID = s.ids.Delivery(n), row.ColumnText(1)
	a.State = bellhop.DeliveryState(row.ColumnText(4))
	a.NextAt, a.Attempt = timeAt(row, 6), scanAttempt(row, 7)
	a.Attempt.DeliveryID, a.Attempt.Number = a.DeliveryID, row.ColumnInt(5)
	a.Event = bellhop.EventLabel{ID: s.ids.Event(n >> placeBits), Type: row.ColumnText(13),
		Subject:  row.ColumnText(14),
		SourceID: row.ColumnText(15), Source: row.ColumnText(16)}
	if a.State == bellhop.DeliveryLeased { // for its next attempt
		a.State = bellhop.DeliveryPending
	}
	return a
}

// withEarlier adds the earlier attempts of the deliveries in list that ended after since, each before the last one of
// its delivery. After each of them the delivery was pending.
func (s *Store) withEarlier(c *conn, list []bellhop.Attempted, since time.Time) (all []bellhop.Attempted, err error) {
	for _, last := range list {
		if last.Attempt.Number > 1 {
			n, _ := s.ids.ParseDelivery(last.DeliveryID)
			err = c.query(`SELECT number, started_at, duration, status, error, detail, NULL FROM attempts
				WHERE delivery = ? AND number < ? AND started_at + duration / 1000 > ? ORDER BY number`,
				[]any{n, last.Attempt.Number, since}, func(row *sqlite3.Stmt) error {
					earlier := last
					earlier.State, earlier.NextAt = bellhop.DeliveryPending, time.Time{}
					earlier.Attempt = scanAttempt(row, 1)
					earlier.Attempt.DeliveryID, earlier.Attempt.Number = last.DeliveryID, row.ColumnInt(0)
					all = append(all, earlier)
					return nil
				})
			if err != nil {
				return nil, err
			}
		}
		all = append(all, last)
	}
	return all, nil
}
