package sqlite

import (
	"context"
	"errors"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// Bounds of one look of a repair into its table, which holds a reader for some milliseconds.
const (
	chooseRows  = 4000    // looked through
	chooseBytes = 4 << 20 // of bodies
)

// Choose returns what r's filter chooses of what comes after r's cursor: at most limit, and, but for the first, at most
// chooseBytes of bodies. Events come with header and body if they are to be whole. at is where the cursor is once all of them are
// taken; there is nothing more when that is r's bound. It may find none and yet there may be more.
func (s *Store) Choose(ctx context.Context, r bellhop.Repair, limit int, whole bool) (chosen []bellhop.Chosen, at int64, err error) {
	if r.Cursor >= r.Bound {
		return nil, r.Bound, nil
	}
	err = s.read(ctx, func(c *conn) (err error) {
		if r.Kind == bellhop.RepairReplay {
			chosen, at, err = s.chooseEvents(c, r, limit, whole)
		} else {
			chosen, at, err = s.chooseDeliveries(c, r, limit)
		}
		return err
	})
	return chosen, at, err
}

// reach returns up to where one look goes.
func reach(c *conn, table string, r bellhop.Repair) (at int64, err error) {
	at = r.Bound
	err = c.query(`SELECT n FROM `+table+` WHERE n > ? AND n <= ? ORDER BY n LIMIT 1 OFFSET ?`, []any{r.Cursor, r.Bound, chooseRows - 1}, func(row *sqlite3.Stmt) error {
		at = row.ColumnInt64(0)
		return nil
	})
	return at, err
}

var errEnough = errors.New("enough")

func (s *Store) chooseEvents(c *conn, r bellhop.Repair, limit int, whole bool) (chosen []bellhop.Chosen, at int64, err error) {
	if at, err = reach(c, "events", r); err != nil {
		return nil, 0, err
	}
	f, l, query := r.Filter, new(listing), selectBareEvent
	if whole {
		query = selectWholeEvent
	}
	l.and("e.n > ? AND e.n <= ?", r.Cursor, at)
	if f.SourceID != "" {
		n, ok := s.sources.get(f.SourceID)
		if !ok {
			return nil, 0, bellhop.NotFound("source", f.SourceID)
		}
		l.and("e.source = ?", n)
	}
	if l.ofType(f.Type); !f.Self() {
		self, _ := s.sources.get(bellhop.SourceSelfID)
		l.and("e.source <> ?", self)
	}
	size := 0
	query, args := l.ascending(query, "e.n", limit)
	err = c.query(query, args, func(row *sqlite3.Stmt) error {
		ev := scanEvent(row, 0, &s.ids)
		if size += len(ev.Body); size > chooseBytes && len(chosen) > 0 {
			return errEnough
		}
		chosen = append(chosen, bellhop.Chosen{Cursor: row.ColumnInt64(0), Event: ev})
		return nil
	})
	if err == nil && len(chosen) < limit {
		return chosen, at, nil
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	if len(chosen) > 0 {
		at = chosen[len(chosen)-1].Cursor
	}
	return chosen, at, err
}

func (s *Store) chooseDeliveries(c *conn, r bellhop.Repair, limit int) (chosen []bellhop.Chosen, at int64, err error) {
	f, l := r.Filter, new(listing)
	destination, err := s.repaired(bellhop.RepairCancel, f.DestinationID)
	if err != nil {
		return nil, 0, err
	}
	// What is dead of one destination has an index; of anything else the rows are looked through, a part at a time.
	at, index := r.Bound, "INDEXED BY deliveries_dead"
	if f.State != bellhop.DeliveryDead || destination == 0 {
		index = "NOT INDEXED"
		if at, err = reach(c, "deliveries", r); err != nil {
			return nil, 0, err
		}
	}
	l.and("d.n > ? AND d.n <= ? AND (d.created_at IS NULL OR d.created_at <= ?)", r.Cursor, at, r.CreatedAt)
	l.and("d.state = '" + store.StateWord(f.State) + "'")
	if destination != 0 {
		l.and("d.destination = ?", destination)
	}
	if f.Error != "" {
		l.and("d.error = ?", f.Error)
	}
	query, args := l.ascending(`SELECT d.n, dst.id FROM deliveries d `+index+` CROSS JOIN destinations dst ON dst.n = d.destination`, "d.n", limit)
	err = c.query(query, args, func(row *sqlite3.Stmt) error {
		n := row.ColumnInt64(0)
		chosen = append(chosen, bellhop.Chosen{Cursor: n, DeliveryID: s.ids.Delivery(n), DestinationID: row.ColumnText(1)})
		return nil
	})
	if len(chosen) == limit && limit > 0 {
		at = chosen[limit-1].Cursor
	}
	return chosen, at, err
}

// ascending completes query with the conditions, the first limit of it in the order of column, and returns it with its arguments.
func (l *listing) ascending(query, column string, limit int) (string, []any) {
	return query + " WHERE " + strings.Join(l.where, " AND ") + " ORDER BY " + column + " LIMIT ?", append(l.args, limit)
}
