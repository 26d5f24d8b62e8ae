package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Partitions. The tables of events are cut by the number of the event, and so by time: a day each, or an hour if
// events are kept for less than two days. Old ones are dropped whole. Each is made before it is needed, because a row
// without a partition is refused.

// byNumber are the tables that are cut alike, by the number of the event or the request. seen is cut by days.
var byNumber = []string{"events", "deliveries", "attempts", "requests"}

// partitionOptions are the storage parameters of a table's partitions. Half of each page of deliveries stays free for
// the later versions of its rows.
var partitionOptions = map[string]string{
	"events":     "autovacuum_vacuum_scale_factor = 0.05",
	"deliveries": "fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05",
	"attempts":   "autovacuum_vacuum_scale_factor = 0.05",
	"requests":   "autovacuum_vacuum_scale_factor = 0.05",
	"seen":       "autovacuum_vacuum_scale_factor = 0.05",
}

const (
	spansAhead = 2                // partitions that exist before they are needed
	clockSlack = 10 * time.Minute // how far the clocks of nodes may be behind
	// ddlTimeout is how long a statement on partitions waits for a lock. While it waits, others wait behind it.
	ddlTimeout = 2 * time.Second
)

// A partition is one part of a table. Numbers, or days of seen, from From on and before To are in it.
type partition struct {
	Parent, Name string
	From, To     int64
	Detaching    bool // it was being detached when the node or the connection died
}

// span returns the length of time of a new partition.
func (s *Store) span() time.Duration {
	if s.opts.Retain > 0 && s.opts.Retain < 48*time.Hour {
		return time.Hour
	}
	return 24 * time.Hour
}

// boundExpression is how the server shows the bounds of a partition.
var boundExpression = regexp.MustCompile(`^FOR VALUES FROM \('?(\d+)'?\) TO \('?(\d+)'?\)$`)

// partitions returns the partitions of all tables, by their tables and bounds.
func partitions(ctx context.Context, q querier) ([]partition, error) {
	rows, err := q.Query(ctx, `SELECT p.relname::text, c.relname::text, pg_get_expr(c.relpartbound, c.oid),
		i.inhdetachpending
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
		WHERE p.relkind = 'p' AND p.relname = ANY($1) AND p.relnamespace = current_schema()::regnamespace`,
		append([]string{"seen"}, byNumber...))
	if err != nil {
		return nil, err
	}
	var list []partition
	var p partition
	var bounds string
	_, err = pgx.ForEachRow(rows, []any{&p.Parent, &p.Name, &bounds, &p.Detaching}, func() error {
		parts := boundExpression.FindStringSubmatch(bounds)
		if parts == nil {
			return fmt.Errorf("partition %s has bounds that bellhop has not made: %s", p.Name, bounds)
		}
		p.From, _ = strconv.ParseInt(parts[1], 10, 64)
		p.To, _ = strconv.ParseInt(parts[2], 10, 64)
		list = append(list, p)
		return nil
	})
	slices.SortFunc(list, func(a, b partition) int {
		if a.Parent != b.Parent {
			return slices.Index(byNumber, a.Parent) - slices.Index(byNumber, b.Parent)
		}
		return int(min(max(a.From-b.From, -1), 1))
	})
	return list, err
}

// A beginner is a connection or a pool.
type beginner interface {
	querier
	Begin(ctx context.Context) (pgx.Tx, error)
}

// makePartitions makes the partitions that events from now on need for a while. It changes nothing if they are there.
func (s *Store) makePartitions(ctx context.Context, q beginner, now time.Time) error {
	have, err := partitions(ctx, q)
	if err != nil || len(s.missing(have, now)) == 0 {
		return err
	}
	err = pgx.BeginFunc(ctx, q, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, lockPartitions); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", ddlTimeout.Milliseconds())); err != nil {
			return err
		}
		if have, err = partitions(ctx, tx); err != nil {
			return err
		}
		for _, p := range s.missing(have, now) {
			if err := p.create(ctx, tx); err != nil {
				return fmt.Errorf("partition %s: %w", p.Name, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make partitions: %w", err)
	}
	return nil
}

// missing returns the partitions that are needed at the time now and are not among those that exist.
func (s *Store) missing(have []partition, now time.Time) (list []partition) {
	now = now.UTC()
	for _, t := range spansOf(now, s.span()) {
		for _, parent := range byNumber {
			whole := partition{Parent: parent, From: firstOf(t), To: firstOf(t.Add(s.span()))}
			for _, p := range gaps(have, whole) {
				p.Name = parent + "_" + nameOf(timeOf(p.From), timeOf(p.To))
				list = append(list, p)
			}
		}
	}
	for _, t := range spansOf(now, 24*time.Hour) {
		for _, p := range gaps(have, partition{Parent: "seen", From: dayOf(t), To: dayOf(t) + 1}) {
			p.Name = "seen_" + nameOf(t, t.Add(24*time.Hour))
			list = append(list, p)
		}
	}
	return list
}

// spansOf returns the beginnings of the spans of that length which are needed at the time now.
func spansOf(now time.Time, length time.Duration) (list []time.Time) {
	for t := now.Add(-clockSlack).Truncate(length); !t.After(now.Add(spansAhead * length)); t = t.Add(length) {
		list = append(list, t)
	}
	return list
}

// dayOf returns the day of seen that has the time t.
func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// nameOf returns the end of the name of a partition from one time to another. No two partitions begin at one time.
func nameOf(from, to time.Time) string {
	day, hour := from.Equal(from.Truncate(24*time.Hour)), from.Equal(from.Truncate(time.Hour))
	switch {
	case day && to.Sub(from) == 24*time.Hour:
		return from.Format("20060102")
	case hour:
		return from.Format("2006010215")
	}
	return strconv.FormatInt(from.UnixMilli(), 10)
}

// gaps returns the parts of p that no existing partition of its table has. Partitions differ in length after --retain
// was changed.
func gaps(have []partition, p partition) (list []partition) {
	for _, h := range have { // they are sorted
		if h.Parent != p.Parent || h.To <= p.From || p.To <= h.From {
			continue
		}
		if h.From > p.From {
			gap := p
			gap.To = h.From
			list = append(list, gap)
		}
		p.From = h.To
	}
	if p.From < p.To {
		list = append(list, p)
	}
	return list
}

// create makes the table of a partition first, and then attaches it: that takes a lock beside which others read and
// write.
func (p partition) create(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL) WITH (%s)", p.Name, p.Parent,
		partitionOptions[p.Parent]))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", p.Parent,
		p.Name, p.From, p.To))
	return err
}

// endsAt returns when the last row of a partition was written, but for late ones.
func (p partition) endsAt() time.Time {
	if p.Parent == "seen" {
		return time.Unix(p.To*24*60*60, 0).UTC()
	}
	return timeOf(p.To)
}

// analyzeFilled gives each partition statistics once it is full: autovacuum does not look at a table that nobody
// changes any more. It returns how many it has analyzed.
func (s *Store) analyzeFilled(ctx context.Context, now time.Time) (analyzed int, err error) {
	list, err := partitions(ctx, s.pool)
	if err != nil {
		return 0, err
	}
	for _, p := range list {
		if p.Detaching || now.Before(p.endsAt().Add(clockSlack)) {
			continue
		}
		var at *time.Time
		err := s.pool.QueryRow(ctx, `SELECT greatest(last_analyze, last_autoanalyze) FROM pg_stat_user_tables
			WHERE relid = $1::regclass`, p.Name).Scan(&at)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return analyzed, err
		}
		if err != nil || at != nil && at.After(p.endsAt()) {
			continue
		}
		if _, err := s.pool.Exec(ctx, "ANALYZE "+p.Name); err != nil {
			return analyzed, fmt.Errorf("analyze partition %s: %w", p.Name, err)
		}
		analyzed++
	}
	return analyzed, nil
}

// drop removes a partition and its rows. Others read and write the table meanwhile. If a lock takes too long, or the
// connection is lost, the partition stays, or is half detached, and the next drop goes on from there.
func (s *Store) drop(ctx context.Context, p partition) error {
	return s.withLockTimeout(ctx, func(c *pgxpool.Conn) error {
		how := "CONCURRENTLY"
		if p.Detaching {
			how = "FINALIZE"
		}
		if _, err := c.Exec(ctx, "ALTER TABLE "+p.Parent+" DETACH PARTITION "+p.Name+" "+how); err != nil {
			return fmt.Errorf("detach partition %s: %w", p.Name, err)
		}
		if _, err := c.Exec(ctx, "DROP TABLE "+p.Name); err != nil {
			return fmt.Errorf("drop partition %s: %w", p.Name, err)
		}
		return nil
	})
}

// dropDetached drops the tables that were detached, but not dropped, before a crash.
func (s *Store) dropDetached(ctx context.Context) error {
	rows, err := s.pool.Query(ctx, `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND NOT relispartition
		AND relnamespace = current_schema()::regnamespace
		AND relname ~ '^(events|deliveries|attempts|requests|seen)_[0-9]+$'`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return err
	}
	return s.withLockTimeout(ctx, func(c *pgxpool.Conn) error {
		for _, name := range names {
			if _, err := c.Exec(ctx, "DROP TABLE IF EXISTS "+name); err != nil {
				return fmt.Errorf("drop the former partition %s: %w", name, err)
			}
		}
		return nil
	})
}

// withLockTimeout calls f with a connection on which no statement waits longer than ddlTimeout for a lock. DETACH …
// CONCURRENTLY cannot be in a transaction, so the setting is one of the connection for that long.
func (s *Store) withLockTimeout(ctx context.Context, f func(c *pgxpool.Conn) error) error {
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if _, err := c.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", ddlTimeout.Milliseconds())); err != nil {
		return err
	}
	err = f(c)
	_, resetErr := c.Exec(context.WithoutCancel(ctx), "RESET lock_timeout")
	if resetErr != nil {
		resetErr = errors.Join(resetErr, c.Conn().Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(err, resetErr)
}
