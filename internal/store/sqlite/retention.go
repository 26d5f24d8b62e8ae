package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// This file deletes events for two further reasons: the database has grown beyond RetainBytes, and a source has a
// retention of its own. The oldest events whose deliveries are finished go first. An event with a pending or leased
// delivery stays, and so does one with a dead delivery for [store.RetainDead]: so a bound of bytes can be exceeded by
// what is owed.
//
// Events have no index on their source, which every event would pay for. So all events are read, by a connection that
// reads, each retainEvery, if a source has a retention; deletions go to the writer in steps.
const (
	retainEvery = 10 * time.Minute
	retainRows  = 20_000 // events of one read: some 10 ms
)

// The reasons of a deletion, in metrics.
const (
	reasonAge   = "age"
	reasonBytes = "bytes"
)

// deleteOverflow deletes some of the oldest finished events after number from, if the pages in use are more than
// RetainBytes. It returns the number of the last event that it looked at.
func (s *Store) deleteOverflow(from int64) (last int64, more bool, err error) {
	now, trusted := s.now()
	if s.opts.RetainBytes <= 0 || !trusted {
		return 0, false, nil
	}
	var old []oldEvent
	err = s.doThen(func(c *conn) error {
		last, more, old = from, false, nil
		pages, err := c.number("SELECT (SELECT page_count FROM pragma_page_count) - " +
			"(SELECT freelist_count FROM pragma_freelist_count)")
		if err != nil || pages*copiedPage <= s.opts.RetainBytes {
			return err
		}
		rows := 0
		never := now.AddDate(1000, 0, 0) // it does not matter when the last delivery ended
		err = c.query(selectOldest, []any{from, never, now.Add(-store.RetainDead), sweepStep},
			func(row *sqlite3.Stmt) error {
				rows++
				last = row.ColumnInt64(0)
				if !row.ColumnBool(2) {
					old = append(old, oldEventAt(row))
				}
				return nil
			})
		more = rows == sweepStep
		if err == nil {
			err = deleteEvents(c, old)
		}
		return err
	}, func() { s.deletedOld(old, reasonBytes) })
	return last, more, err
}

// A retention is that of a source.
type retention struct {
	age   time.Duration // 0 is that of the server
	bytes int64         // 0 is no bound
}

// keptEvent is an event that a source's retention may delete.
type keptEvent struct {
	n, source, size int64
	aged            bool // older than the source's retention
}

// deleteOfSources applies the retention of sources, if that is due.
func (s *Store) deleteOfSources(ctx context.Context) error {
	now, trusted := s.now()
	if !trusted || now.Sub(s.retainedAt) < retainEvery && now.After(s.retainedAt) {
		return nil
	}
	s.retainedAt = now
	rules := map[int64]retention{}
	bounded := false
	err := s.read(ctx, func(c *conn) error {
		clear(rules)
		return c.query("SELECT n, retain_age, retain_bytes FROM sources WHERE retain_age > 0 OR retain_bytes > 0", nil,
			func(row *sqlite3.Stmt) error {
				r := retention{time.Duration(row.ColumnInt64(1)), row.ColumnInt64(2)}
				rules[row.ColumnInt64(0)] = r
				bounded = bounded || r.bytes > 0
				return nil
			})
	})
	if err != nil || len(rules) == 0 {
		return err
	}
	over := map[int64]int64{} // bytes beyond the bound of a source
	if bounded {
		err := s.walkEvents(ctx, func(ev keptEvent, _ time.Time) error {
			over[ev.source] += ev.size
			return nil
		}, nil)
		if err != nil {
			return err
		}
		for source := range over {
			if over[source] -= rules[source].bytes; rules[source].bytes == 0 {
				delete(over, source)
			}
		}
	}
	var chosen []keptEvent
	return s.walkEvents(ctx, func(ev keptEvent, received time.Time) error {
		rule := rules[ev.source]
		ev.aged = rule.age > 0 && !received.After(now.Add(-rule.age))
		if ev.aged || over[ev.source] > 0 {
			chosen = append(chosen, ev)
		}
		return nil
	}, func() error {
		for len(chosen) > 0 {
			part := chosen[:min(sweepStep, len(chosen))]
			chosen = chosen[len(part):]
			if err := s.deleteChosen(part, rules, over, now); err != nil {
				return err
			}
			if !pause(ctx, sweepPause) {
				return ctx.Err()
			}
		}
		chosen = chosen[:0]
		return nil
	})
}

// walkEvents calls visit for each event, oldest first, and after for each part of them.
func (s *Store) walkEvents(ctx context.Context, visit func(keptEvent, time.Time) error, after func() error) error {
	for from := int64(-1); ; {
		rows := 0
		err := s.read(ctx, func(c *conn) error {
			rows = 0
			return c.query(`SELECT n, source, length(body) + coalesce(length(header), 0), received_at FROM events
				WHERE n > ? ORDER BY n LIMIT ?`, []any{from, retainRows}, func(row *sqlite3.Stmt) error {
				rows++
				from = row.ColumnInt64(0)
				return visit(keptEvent{n: from, source: row.ColumnInt64(1), size: row.ColumnInt64(2)}, timeAt(row, 3))
			})
		})
		if err == nil && after != nil {
			err = after()
		}
		if err != nil || rows < retainRows {
			return err
		}
	}
}

// deleteChosen deletes those of some events that their sources' retentions want deleted and whose deliveries allow it.
// It lowers over by what it deletes.
func (s *Store) deleteChosen(chosen []keptEvent, rules map[int64]retention, over map[int64]int64,
	now time.Time) error {
	var aged, more []oldEvent
	var freed map[int64]int64
	return s.doThen(func(c *conn) error {
		aged, more, freed = nil, nil, map[int64]int64{}
		for _, ev := range chosen {
			bound := over[ev.source]-freed[ev.source] > 0
			if !ev.aged && !bound {
				continue
			}
			limit := now.AddDate(1000, 0, 0)
			deadLimit := now.Add(-store.RetainDead)
			if !bound {
				age := rules[ev.source].age
				limit, deadLimit = now.Add(-age), now.Add(-max(age, store.RetainDead))
			}
			err := c.query(selectOldest, []any{ev.n - 1, limit, deadLimit, 1}, func(row *sqlite3.Stmt) error {
				if row.ColumnInt64(0) != ev.n || row.ColumnBool(2) {
					return nil
				}
				freed[ev.source] += ev.size
				if bound {
					more = append(more, oldEventAt(row))
				} else {
					aged = append(aged, oldEventAt(row))
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if err := deleteEvents(c, aged); err != nil {
			return err
		}
		return deleteEvents(c, more)
	}, func() {
		s.deletedOld(aged, reasonAge)
		s.deletedOld(more, reasonBytes)
		for source, bytes := range freed {
			over[source] -= bytes
		}
	})
}

// oldEventAt reads a row of selectOldest.
func oldEventAt(row *sqlite3.Stmt) oldEvent {
	return oldEvent{n: row.ColumnInt64(0), leads: row.ColumnBool(3), group: row.ColumnInt64(4),
		size: row.ColumnInt64(6)}
}

// deleteEvents deletes events, whose numbers grow, and dooms their files.
func deleteEvents(c *conn, old []oldEvent) error {
	for _, ev := range old {
		if err := deleteEvent(c, ev); err != nil {
			return fmt.Errorf("delete an event: %w", err)
		}
	}
	if len(old) == 0 {
		return nil
	}
	return doomFilesOfEvents(c, old[0].n, old[len(old)-1].n)
}

// deletedOld counts what retention has deleted. It runs once that is committed.
func (s *Store) deletedOld(old []oldEvent, reason string) {
	if len(old) == 0 {
		return
	}
	s.eventCount.change(-len(old))
	bytes := int64(0)
	for _, ev := range old {
		bytes += ev.size
	}
	s.metrics.deleted.Add(float64(len(old)))
	s.metrics.retained.WithLabelValues(reason).Add(float64(len(old)))
	s.metrics.retainedBytes.WithLabelValues(reason).Add(float64(bytes))
}
