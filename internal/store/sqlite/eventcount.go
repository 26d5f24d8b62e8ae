package sqlite

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"
)

// This file knows how many events are stored. SQLite counts rows one by one: two million take a fifth of a second. So
// they are counted once, for the first who asks, and from then on what is stored and deleted is added.

// An eventCount is how many events are stored.
type eventCount struct {
	// changed is by how many events the table has grown since the store was opened. The writer adds to it after each
	// commit, before its next transaction.
	changed atomic.Int64

	// turn has an element while somebody counts. It guards first and known. It is no mutex, because SQLite may sleep
	// meanwhile.
	turn  chan struct{}
	first int64 // how many there were when the store was opened
	known bool
}

func (e *eventCount) change(n int) {
	if n != 0 {
		e.changed.Add(int64(n))
	}
}

// countEvents returns how many events are stored.
func (s *Store) countEvents(ctx context.Context) (int64, error) {
	e := &s.eventCount
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if e.known {
		return e.first + e.changed.Load(), nil
	}
	var count int64
	err := s.read(ctx, func(c *conn) (err error) {
		changed, err := s.freeze(c)
		if err != nil { // as when nothing can be written: count without a memory
			count, err = c.number("SELECT count(*) FROM events")
			return err
		}
		count, err = c.number("SELECT count(*) FROM events")
		e.first, e.known = count-changed, err == nil
		return errors.Join(err, c.exec("COMMIT"))
	})
	if err != nil {
		return 0, err
	}
	if e.known {
		return e.first + e.changed.Load(), nil
	}
	return count, nil
}

// freeze begins a transaction of a reader and returns eventCount.changed of exactly what the transaction sees: it
// begins while the writer is between two commits, and waits there for it.
func (s *Store) freeze(c *conn) (changed int64, err error) {
	written := s.do(func(*conn) error { // the connection of the writer is not used: this writes nothing
		if !c.db.GetAutocommit() { // the transaction of the writer is tried again
			if err = c.exec("ROLLBACK"); err != nil {
				return nil
			}
		}
		changed = s.eventCount.changed.Load()
		if err = c.exec("BEGIN"); err == nil {
			err = c.query("SELECT 1 FROM events LIMIT 1", nil, func(*sqlite3.Stmt) error { return nil })
		}
		return nil
	})
	err = errors.Join(err, written)
	if err != nil && !c.db.GetAutocommit() {
		err = errors.Join(err, c.exec("ROLLBACK"))
	}
	return changed, err
}
