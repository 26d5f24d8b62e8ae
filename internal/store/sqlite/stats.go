package sqlite

import (
	"context"
	"os"
	"sync/atomic"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// finals counts the deliveries that reached a final state since the store was opened.
type finals struct{ delivered, dead, cancelled atomic.Int64 }

func (f *finals) count(state bellhop.DeliveryState) {
	switch state {
	case bellhop.DeliveryDelivered:
		f.delivered.Add(1)
	case bellhop.DeliveryDead:
		f.dead.Add(1)
	case bellhop.DeliveryCancelled:
		f.cancelled.Add(1)
	}
}

// Stats counts what is in the store. It reads whole indexes, but no table: a second for some ten million rows.
func (s *Store) Stats(ctx context.Context) (st bellhop.Stats, err error) {
	st.Deliveries = map[bellhop.DeliveryState]int64{
		bellhop.DeliveryDelivered: s.final.delivered.Load(),
		bellhop.DeliveryDead:      s.final.dead.Load(),
		bellhop.DeliveryCancelled: s.final.cancelled.Load(),
	}
	st.RequestsRefused = s.refused.Load()
	for _, file := range [...]string{s.path, s.path + "-wal"} { // what is not in the one yet is in the other
		if info, err := os.Stat(file); err == nil {
			st.DatabaseBytes += info.Size()
		}
	}
	err = s.read(ctx, func(c *conn) error {
		return c.query(`SELECT (SELECT count(*) FROM sources WHERE deleted_at IS NULL AND `+hasURL+`),
			(SELECT count(*) FROM destinations WHERE deleted_at IS NULL), (SELECT count(*) FROM events),
			(SELECT count(*) FROM deliveries WHERE state = 'pending'), (SELECT count(*) FROM deliveries WHERE state = 'leased'),
			(SELECT min(next_at) FROM deliveries WHERE state = 'pending')`, nil, func(row *sqlite3.Stmt) error {
			st.Sources, st.Destinations, st.Events = row.ColumnInt64(0), row.ColumnInt64(1), row.ColumnInt64(2)
			st.Deliveries[bellhop.DeliveryPending], st.Deliveries[bellhop.DeliveryLeased] = row.ColumnInt64(3), row.ColumnInt64(4)
			st.OldestPendingAt = timeAt(row, 5)
			return nil
		})
	})
	return st, err
}
