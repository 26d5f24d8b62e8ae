package sqlite

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Sweeping: deleting what is older than the store is to keep it, and cancelling what is owed to destinations that
// are gone. It goes in steps that each take the writer a few milliseconds and leave it to others in between.
const (
	sweepEvery = time.Minute
	sweepStep  = 200                  // rows of one step
	sweepPause = 5 * time.Millisecond // between steps
)

// Run sweeps until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.opts.Logger.Warn("sweep.failed", "component", "store", "error", err)
		}
		if !pause(ctx, sweepEvery) {
			return nil
		}
	}
}

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

// sweep takes one round of steps.
func (s *Store) sweep(ctx context.Context) error {
	from := int64(0)
	for steps := []func() (more bool, err error){
		s.cancelOrphans,
		func() (more bool, err error) { from, more, err = s.deleteOld(from); return more, err },
		s.deleteOldRequests,
	}; len(steps) > 0; {
		more, err := steps[0]()
		if err != nil {
			return err
		}
		if !more {
			steps = steps[1:]
		}
		if !pause(ctx, sweepPause) {
			return nil
		}
	}
	return nil
}

// cancelOrphans cancels some of what is owed to deleted destinations.
func (s *Store) cancelOrphans() (more bool, err error) {
	var n int64
	err = s.do(func(c *conn) error {
		before := c.db.TotalChanges()
		err := c.exec(`UPDATE deliveries SET state = 'cancelled', next_at = NULL, line = NULL, updated_at = ? WHERE n IN (
			SELECT d.n FROM destinations dst CROSS JOIN deliveries d ON d.destination = dst.n AND d.state = 'pending'
			WHERE dst.deleted_at IS NOT NULL LIMIT ?)`, s.opts.Now(), sweepStep)
		n = c.db.TotalChanges() - before
		return err
	})
	if err == nil {
		s.final.cancelled.Add(n)
	}
	return n == sweepStep, err
}

// deleteOld deletes some events that are too old, with their deliveries and attempts, beginning after event
// number from. What is still owed somewhere stays.
func (s *Store) deleteOld(from int64) (last int64, more bool, err error) {
	if s.opts.Retain <= 0 {
		return 0, false, nil
	}
	limit := firstOf(s.opts.Now().Add(-s.opts.Retain))
	err = s.do(func(c *conn) error {
		var old []int64
		last = from
		err := c.query(`SELECT e.n, EXISTS (SELECT 1 FROM deliveries d WHERE d.n >= e.n << 16 AND d.n < (e.n + 1) << 16
			AND d.state IN ('pending', 'leased')) FROM events e WHERE e.n > ? AND e.n < ? ORDER BY e.n LIMIT ?`,
			[]any{from, limit, sweepStep}, func(row *sqlite3.Stmt) error {
				last = row.ColumnInt64(0)
				more = true
				if !row.ColumnBool(1) {
					old = append(old, last)
				}
				return nil
			})
		for i := 0; err == nil && i < len(old); i++ {
			err = deleteEvent(c, old[i])
		}
		s.metrics.deleted.Add(float64(len(old)))
		return err
	})
	return last, more, err
}

func deleteEvent(c *conn, n int64) error {
	first, end := n<<placeBits, (n+1)<<placeBits
	if err := c.exec("DELETE FROM attempts WHERE delivery >= ? AND delivery < ?", first, end); err != nil {
		return err
	}
	if err := c.exec("DELETE FROM deliveries WHERE n >= ? AND n < ?", first, end); err != nil {
		return err
	}
	return c.exec("DELETE FROM events WHERE n = ?", n)
}

// deleteOldRequests deletes some requests that are too old.
func (s *Store) deleteOldRequests() (more bool, err error) {
	if s.opts.Retain <= 0 {
		return false, nil
	}
	limit := firstOf(s.opts.Now().Add(-s.opts.Retain))
	err = s.do(func(c *conn) error {
		before := c.db.TotalChanges()
		err := c.exec(`DELETE FROM requests WHERE n IN (SELECT n FROM requests WHERE n < ? ORDER BY n LIMIT ?)`, limit, sweepStep)
		more = c.db.TotalChanges()-before == sweepStep
		return err
	})
	return more, err
}
