package sqlite

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	accepts                 prometheus.Histogram
	commits                 prometheus.Histogram
	batches                 prometheus.Histogram
	checkpoints             prometheus.Histogram
	claimed                 prometheus.Counter
	deleted                 prometheus.Counter
	retained, retainedBytes *prometheus.CounterVec
	errors                  prometheus.Counter
}

func newMetrics(to prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 16) // 0.1 ms to 3.3 s
	m := &metrics{
		accepts: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_accept_seconds",
			Help: "Time from handing a request's events to the store until they are on disk.", Buckets: seconds}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_commit_seconds",
			Help: "Time of one transaction, sync included.", Buckets: seconds}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_commit_operations",
			Help:    "Requests and results that shared one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10)}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_checkpoint_seconds",
			Help: "Time of moving the log's pages into the database.", Buckets: seconds}),
		claimed: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_store_claimed_deliveries_total",
			Help: "Deliveries claimed from the table rather than handed over from memory."}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_store_deleted_events_total",
			Help: "Events deleted because of their age, or because there were too many bytes."}),
		retained: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_retention_deleted_events_total",
			Help: "Events that retention deleted, by reason (age, bytes)."}, []string{"reason"}),
		retainedBytes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_retention_deleted_bytes_total",
			Help: "Bytes of the bodies and headers of events that retention deleted, by reason (age, bytes)."},
			[]string{"reason"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_store_errors_total",
			Help: "Operations that storage refused for another reason than being full."}),
	}
	for _, reason := range []string{reasonAge, reasonBytes} {
		m.retained.WithLabelValues(reason)
		m.retainedBytes.WithLabelValues(reason)
	}
	if to != nil {
		to.MustRegister(m.accepts, m.commits, m.batches, m.checkpoints, m.claimed, m.deleted, m.errors, m.retained,
			m.retainedBytes)
	}
	return m
}

func (m *metrics) commit(ops int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.batches.Observe(float64(ops))
}

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

// Stats counts the contents of the store. It reads whole indexes but no table: about a second for ten million rows.
func (s *Store) Stats(ctx context.Context) (st bellhop.Stats, err error) {
	st.Deliveries = map[bellhop.DeliveryState]int64{
		bellhop.DeliveryDelivered: s.finals.delivered.Load(),
		bellhop.DeliveryDead:      s.finals.dead.Load(),
		bellhop.DeliveryCancelled: s.finals.cancelled.Load(),
	}
	st.RequestsRefused = s.refused.Load()
	for _, file := range [...]string{s.path, s.path + "-wal"} { // committed pages are in the log until a checkpoint
		if info, err := os.Stat(file); err == nil {
			st.DatabaseBytes += info.Size()
		}
	}
	if st.Events, err = s.countEvents(ctx); err != nil {
		return st, err
	}
	err = s.read(ctx, func(c *conn) error {
		err := c.query(`SELECT (SELECT count(*) FROM sources WHERE deleted_at IS NULL AND `+hasURL+`),
			(SELECT count(*) FROM destinations WHERE deleted_at IS NULL),
			(SELECT count(*) FROM deliveries WHERE state = 'pending'),
			(SELECT count(*) FROM deliveries WHERE state = 'leased'),
			(SELECT min(next_at) FROM deliveries WHERE state = 'pending')`, nil, func(row *sqlite3.Stmt) error {
			st.Sources, st.Destinations = row.ColumnInt64(0), row.ColumnInt64(1)
			st.Deliveries[bellhop.DeliveryPending] = row.ColumnInt64(2)
			st.Deliveries[bellhop.DeliveryLeased] = row.ColumnInt64(3)
			st.NextDueAt = timeAt(row, 4)
			return nil
		})
		if err == nil {
			st.OldestPendingAt, err = oldestPending(c)
		}
		return err
	})
	return st, err
}

const (
	selectFirstPending = `SELECT d.created_at, e.received_at FROM deliveries d JOIN events e ON e.n = d.n >> 16
		WHERE d.n = (SELECT min(n) FROM deliveries INDEXED BY deliveries_due WHERE state = 'pending')`
	selectOldestPending = `SELECT min(coalesce(d.created_at, e.received_at))
		FROM deliveries d JOIN events e ON e.n = d.n >> 16 WHERE d.state = 'pending'`
)

// oldestPending returns when the oldest pending delivery was created. The first number is that of the oldest event. It
// is looked for in the index of the pending ones: in the order of the table, SQLite would look at all those that are
// delivered, to find the first that is not. Only if that delivery is a replay, which is younger than its event, are
// the rows of all pending deliveries read.
func oldestPending(c *conn) (at time.Time, err error) {
	replay := false
	err = c.query(selectFirstPending, nil, func(row *sqlite3.Stmt) error {
		at, replay = timeAt(row, 1), row.ColumnType(0) != sqlite3.NULL
		return nil
	})
	if err != nil || !replay {
		return at, err
	}
	err = c.query(selectOldestPending, nil, func(row *sqlite3.Stmt) error {
		at = timeAt(row, 0)
		return nil
	})
	return at, err
}

const selectBacklog = `SELECT t.id, t.name, t.state, t.failing_since IS NOT NULL,
		(SELECT count(*) FROM deliveries d WHERE d.destination = t.n AND d.state = 'pending'),
		(SELECT count(*) FROM deliveries d WHERE d.destination = t.n AND d.state = 'dead')
	FROM destinations t WHERE t.deleted_at IS NULL ORDER BY t.n`

// Backlog returns what there is to deliver. It reads only the indexes of unfinished and dead deliveries, unless the
// oldest pending delivery is a replay.
func (s *Store) Backlog(ctx context.Context) (b bellhop.Backlog, err error) {
	err = s.read(ctx, func(c *conn) error {
		err := c.query(selectBacklog, nil, func(row *sqlite3.Stmt) error {
			b.Destinations = append(b.Destinations, bellhop.DestinationBacklog{
				ID: row.ColumnText(0), Name: row.ColumnText(1), State: bellhop.DestinationState(row.ColumnText(2)),
				Failing: row.ColumnInt64(3) != 0, Pending: row.ColumnInt64(4), Dead: row.ColumnInt64(5),
			})
			return nil
		})
		if err != nil {
			return err
		}
		err = c.query(`SELECT count(*) FROM deliveries WHERE state = 'leased'`, nil, func(row *sqlite3.Stmt) error {
			b.Leased = row.ColumnInt64(0)
			return nil
		})
		if err == nil {
			b.OldestPendingAt, err = oldestPending(c)
		}
		return err
	})
	return b, err
}
