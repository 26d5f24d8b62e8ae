package sqlite

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/ncruces/go-sqlite3"
)

// The wall clock may be set while the store is open, or may have been wrong when times were stored. The store compares
// it with a clock that nobody sets. After a jump it makes deliveries due that wait for a time which only a wrong clock
// can have given, and deletes nothing because of its age until the clock has been steady for an hour.
const (
	clockEvery   = 5 * time.Second // between two comparisons
	clockJump    = time.Minute     // by which the clocks may part from one comparison to the next
	clockTrusted = time.Hour       // how long they must have agreed before something is deleted because of its age
	// between the newest number and a start, after which the start does not trust the clock
	clockAway = time.Hour
)

// A watch compares the wall clock with a clock that nobody sets.
type watch struct {
	mu        sync.Mutex // guards what follows
	wall      time.Time  // at the last comparison
	elapsed   time.Duration
	trustedAt time.Duration // from when on the wall clock is trusted, by the other clock
	wrong     bool          // pending deliveries may wait for a time of a wrong clock
}

// start begins with the times of a start. newest is the time of the newest number of the store; zero if it is empty.
// A start cannot tell a clock that is wrong from a long time without events, so it trusts the clock later in both
// cases.
func (w *watch) start(newest, now time.Time, elapsed time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall, w.elapsed, w.wrong = now.Round(0), elapsed, true
	if away := now.Sub(newest); !newest.IsZero() && (away > clockAway || away < -clockJump) {
		w.trustedAt = elapsed + clockTrusted
	}
}

// look compares the clocks. It returns by how much the wall clock has jumped since the last call, zero if it has not,
// and whether it is trusted.
func (w *watch) look(now time.Time, elapsed time.Duration) (jump time.Duration, trusted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now = now.Round(0) // without the monotonic reading, which Sub would use
	jump = now.Sub(w.wall) - (elapsed - w.elapsed)
	w.wall, w.elapsed = now, elapsed
	if jump.Abs() <= clockJump {
		return 0, elapsed >= w.trustedAt
	}
	w.trustedAt, w.wrong = elapsed+clockTrusted, true
	return jump, false
}

// takeWrong reports whether the clock has jumped since the last call, or since the start.
func (w *watch) takeWrong() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	wrong := w.wrong
	w.wrong = false
	return wrong
}

// now returns the time of the wall clock, and whether it is trusted.
func (s *Store) now() (now time.Time, trusted bool) {
	now = s.opts.Now()
	jump, trusted := s.clock.look(now, s.opts.Elapsed())
	if jump != 0 {
		s.opts.Logger.Warn("clock.jumped", "component", "store", "by", jump.String(),
			"meaning", "nothing is deleted because of its age for an hour")
	}
	return now, trusted
}

// checkClock compares the clocks, and after a jump and at the start makes misdated deliveries due.
func (s *Store) checkClock(ctx context.Context) error {
	now, _ := s.now()
	if !s.clock.takeWrong() {
		return nil
	}
	err := s.pullBack(ctx, now)
	if err != nil {
		s.clock.mu.Lock()
		s.clock.wrong = true // so that the next comparison tries again
		s.clock.mu.Unlock()
	}
	return err
}

// A misdated delivery is pending, and its time was made by a clock that was ahead.
type misdated struct {
	n             int64
	destinationID string
}

// selectMisdated returns the deliveries of a schedule that wait for a time in the future although their last change
// was not in the past, or for longer than any wait. A delivery that has not changed since it was accepted was due
// then.
const selectMisdated = `SELECT d.n, dst.id FROM destinations dst CROSS JOIN deliveries d INDEXED BY deliveries_due
	ON d.destination = dst.n AND (d.key IS NULL) = ?1 AND d.state = 'pending' AND d.next_at > ?2
	WHERE dst.deleted_at IS NULL AND (d.updated_at IS NULL OR d.updated_at > ?2 OR d.next_at > ?3)`

// pullBack makes misdated deliveries due now. A reader finds them, and the writer changes them in steps.
func (s *Store) pullBack(ctx context.Context, now time.Time) error {
	var found []misdated
	err := s.read(ctx, func(c *conn) error {
		found = nil
		for _, unkeyed := range []bool{true, false} {
			err := c.query(selectMisdated, []any{unkeyed, now, now.Add(bellhop.MaxWait)},
				func(row *sqlite3.Stmt) error {
					found = append(found, misdated{row.ColumnInt64(0), row.ColumnText(1)})
					return nil
				})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		return err
	}
	for part := range slices.Chunk(found, sweepStep) {
		err := s.do(func(c *conn) error {
			for _, d := range part {
				err := c.exec("UPDATE deliveries SET next_at = ?1 WHERE n = ?2 AND state = 'pending' AND next_at > ?1",
					now, d.n)
				if err == nil {
					err = s.noteState(c, d.n)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if s.opts.Due != nil {
			told := map[string]bool{}
			for _, d := range part {
				if !told[d.destinationID] {
					told[d.destinationID] = true
					s.opts.Due(d.destinationID)
				}
			}
		}
		if !pause(ctx, sweepPause) {
			return ctx.Err()
		}
	}
	s.opts.Logger.Warn("delivery.misdated", "component", "store", "count", len(found),
		"meaning", "these deliveries waited for a time that a wrong clock had given, and are due now")
	return nil
}
