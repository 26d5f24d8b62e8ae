package sqlite

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// The sweep deletes events and requests for which nothing has happened for Retain, cancels deliveries owed to deleted
// destinations, and gives the freed space back. It goes in steps. Each step takes the writer for a few milliseconds,
// and other operations come in between.
const (
	sweepEvery = time.Minute
	sweepStep  = 200                  // rows of one step
	sweepPause = 5 * time.Millisecond // between steps
	spaceStep  = 128                  // pages that one step gives back: 1 MiB
	spareShare = 5                    // a fifth of the pages may stay free: new events use them
)

// Run sweeps at once and then every minute, and watches the clock, until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	for round := 0; ; round++ {
		if err := s.checkClock(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.Warn("clock.check.failed", "component", "store", "error", err)
		}
		if round%int(sweepEvery/clockEvery) == 0 {
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.opts.Logger.Warn("sweep.failed", "component", "store", "error", err)
			}
		}
		if !pause(ctx, clockEvery) {
			return nil
		}
	}
}

// pause waits for d. It reports false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// sweep takes the steps of one round. Each kind of step is repeated until it has no more to do.
func (s *Store) sweep(ctx context.Context) error {
	if err := s.deleteOfSources(ctx); err != nil {
		return err
	}
	for _, step := range []func() (more bool, err error){s.cancelOrphans, fromStart(s.deleteOld),
		fromStart(s.deleteOverflow), fromStart(s.deleteOldRequests), s.deleteOldSubmissions,
		s.deleteOldSessions, s.saveSeries, s.deleteOldSeries,
		s.giveBackSpace} {
		for more := true; more; {
			var err error
			if more, err = step(); err != nil {
				return err
			}
			if !pause(ctx, sweepPause) {
				return nil
			}
		}
	}
	return nil
}

// cancelOrphans cancels some of the deliveries that are owed to deleted destinations.
func (s *Store) cancelOrphans() (more bool, err error) {
	var cancelled int64
	err = s.do(func(c *conn) error {
		before := c.db.TotalChanges()
		err := c.exec(
			`UPDATE deliveries SET state = 'cancelled', next_at = NULL, line = NULL, updated_at = ? WHERE n IN (
			SELECT d.n FROM destinations dst CROSS JOIN deliveries d ON d.destination = dst.n AND d.state = 'pending'
			WHERE dst.deleted_at IS NOT NULL LIMIT ?)`, s.opts.Now(), sweepStep)
		cancelled = c.db.TotalChanges() - before
		return err
	})
	if err == nil {
		s.finals.cancelled.Add(cancelled)
	}
	return cancelled == sweepStep, err
}

// fromStart returns step as a function whose calls continue each other, beginning with the first row.
func fromStart(step func(from int64) (last int64, more bool, err error)) func() (more bool, err error) {
	from := int64(0)
	return func() (more bool, err error) {
		from, more, err = step(from)
		return more, err
	}
}

// giveBackSpace shortens the database by some of its free pages, unless few are free: giving those back would cost
// more than they take, because new events need pages soon. Pages from the end of the database move into free ones.
func (s *Store) giveBackSpace() (more bool, err error) {
	err = s.do(func(c *conn) error {
		pages, err := c.number("PRAGMA page_count")
		if err != nil {
			return err
		}
		free, err := c.number("PRAGMA freelist_count")
		more = free > pages/spareShare
		if err != nil || !more {
			s.writer.checkpointNow = s.writer.shrunk
			return err
		}
		s.writer.shrunk = true
		return c.exec("PRAGMA incremental_vacuum(" + strconv.Itoa(spaceStep) + ")")
	})
	return more, err
}

// deleteOld deletes some events that are too old, with their deliveries and attempts, beginning after event number
// from. An event stays while a delivery of it is owed, until Retain has passed since the last of its deliveries
// ended, and until a dead delivery has been kept for [store.RetainDead]. Events of sources with an age of their own
// are left to deleteOfSources. deleteOld returns the number of the last event that it looked at.
func (s *Store) deleteOld(from int64) (last int64, more bool, err error) {
	now, trusted := s.now()
	if s.opts.Retain <= 0 || !trusted {
		return 0, false, nil
	}
	if from == 0 {
		if now.Sub(s.passedAt) >= passedFor || now.Before(s.passedAt) {
			s.passed, s.passedAt = 0, now
		}
		from = s.passed
	}
	passing := from == s.passed
	passed := from
	limit := now.Add(-s.opts.Retain)
	var old []oldEvent
	err = s.doThen(func(c *conn) error {
		last, more, old = from, false, nil
		passing, passed = from == s.passed, from
		err := c.query(selectOldest, []any{from, limit, now.Add(-max(s.opts.Retain, store.RetainDead)), sweepStep},
			func(row *sqlite3.Stmt) error {
				received := timeAt(row, 1)
				more = !received.After(limit) || received.After(now)
				if !more {
					return errYoung
				}
				last = row.ColumnInt64(0)
				stays, own := row.ColumnBool(2), row.ColumnBool(5)
				if !stays && !own && !received.After(limit) {
					old = append(old, oldEventAt(row))
				}
				if passing = passing && own; passing {
					passed = last
				}
				return nil
			})
		if errors.Is(err, errYoung) {
			err = nil
		}
		if err == nil {
			err = deleteEvents(c, old)
		}
		return err
	}, func() { s.deletedOld(old, reasonAge) })
	if err == nil {
		s.passed = passed
	}
	return last, more, err
}

// passedFor is how long deleteOld passes over the oldest events without a look, whose sources keep them for longer.
const passedFor = time.Hour

const (
	// selectOldest returns the oldest events after a number, whether each stays because of its deliveries, and whether
	// its source has an age of its own.
	selectOldest = `SELECT e.n, e.received_at, EXISTS (SELECT 1 FROM deliveries d
			WHERE d.n >= e.n << 16 AND d.n < (e.n + 1) << 16 AND (d.state IN ('pending', 'leased')
			OR d.updated_at > ?2 OR d.state = 'dead' AND d.updated_at > ?3)),
		e.variant = 0 AND e.provider_id IS NOT NULL, coalesce(e.conflicts, e.n),
		EXISTS (SELECT 1 FROM sources src WHERE src.n = e.source AND src.retain_age > 0),
		length(e.body) + coalesce(length(e.header), 0)
		FROM events e WHERE e.n > ?1 ORDER BY e.n LIMIT ?4`
	selectOldestRequests = `SELECT n, received_at FROM requests WHERE n > ? ORDER BY n LIMIT ?`
)

// errYoung ends a walk from old rows to young ones: all further rows are too young to be deleted. It is not returned
// for a row that is younger than now: its number was made by a clock that was ahead, and rows that follow may be old.
var errYoung = errors.New("the row is too young to be deleted")

// An oldEvent is an event that retention deletes.
type oldEvent struct {
	n     int64
	leads bool  // it has a provider_id, and variant 0
	group int64 // the first event with its provider_id
	size  int64 // of its body and its header
}

// deleteEvent deletes an event with its deliveries. If it has variant 0, the oldest event that conflicts with it takes
// that variant over, so that a repeat of that one is still recognized.
func deleteEvent(c *conn, ev oldEvent) error {
	n := ev.n
	first, end := n<<placeBits, (n+1)<<placeBits
	if err := c.exec("DELETE FROM attempts WHERE delivery >= ? AND delivery < ?", first, end); err != nil {
		return err
	}
	if err := c.exec("DELETE FROM deliveries WHERE n >= ? AND n < ?", first, end); err != nil {
		return err
	}
	if err := c.exec("DELETE FROM events WHERE n = ?", n); err != nil || !ev.leads {
		return err
	}
	return c.exec(`UPDATE events SET variant = 0 WHERE n = (SELECT min(n) FROM events WHERE conflicts = ?)`, ev.group)
}

// deleteOldRequests deletes some requests that are too old, beginning after number from. It returns the number of the
// last request that it looked at.
func (s *Store) deleteOldRequests(from int64) (last int64, more bool, err error) {
	now, trusted := s.now()
	if s.opts.Retain <= 0 || !trusted {
		return 0, false, nil
	}
	limit := now.Add(-s.opts.Retain)
	err = s.do(func(c *conn) error {
		var old []int64
		last, more = from, false
		err := c.query(selectOldestRequests, []any{from, sweepStep}, func(row *sqlite3.Stmt) error {
			received := timeAt(row, 1)
			more = !received.After(limit) || received.After(now)
			if !more {
				return errYoung
			}
			last = row.ColumnInt64(0)
			if !received.After(limit) {
				old = append(old, last)
			}
			return nil
		})
		if errors.Is(err, errYoung) {
			err = nil
		}
		for i := 0; err == nil && i < len(old); i++ {
			err = c.exec("DELETE FROM requests WHERE n = ?", old[i])
		}
		return err
	})
	return last, more, err
}
