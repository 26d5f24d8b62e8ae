package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// readers are the connections that only read. They see what is committed and never wait for the writer.
type readers struct {
	store *Store
	slots chan struct{} // one for each connection in use; bounds them

	mu     sync.Mutex // guards what follows
	idle   []*conn
	closed bool
}

// maxReaders bounds the connections, each of which holds about 4 MiB of pages.
const maxReaders = 2

func newReaders(s *Store) *readers {
	return &readers{store: s, slots: make(chan struct{}, maxReaders)}
}

// read runs f with a connection that reads. It ends early when ctx ends. A reader that finds the file damaged makes
// storage fail, as the writer does: what is accepted into a damaged file may not be found again.
func (s *Store) read(ctx context.Context, f func(c *conn) error) error {
	r := s.readers
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c, err := r.get()
	if err != nil {
		s.failIfDamaged(err)
		return err
	}
	c.db.SetInterrupt(ctx)
	err = f(c)
	c.db.SetInterrupt(context.Background())
	s.failIfDamaged(err)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	r.put(c)
	return err
}

// failIfDamaged makes storage fail if err, the error of a read, means that the file is damaged.
func (s *Store) failIfDamaged(err error) {
	if isDamaged(err) {
		s.writer.failForGood(fmt.Errorf("storage failed: %s: read: %w: restore a backup, or save what can be read "+
			"with the command .recover of sqlite3", s.path, err))
	}
}

// get returns a connection that is idle, or a new one. It opens one without the lock: SQLite may sleep meanwhile, and
// put must not wait for that.
func (r *readers) get() (*conn, error) {
	c, err := r.takeIdle()
	if c != nil || err != nil {
		return c, err
	}
	if c, err = r.store.connect(reading); err != nil {
		return nil, err
	}
	if err = r.usable(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// usable returns why a connection that was just opened must not be used: the store has closed meanwhile, or the
// connection may read another database, which has the name now. A store that closes removes its log, which is not lost
// then: so the lock is held for both.
func (r *readers) usable() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return store.ErrClosed
	}
	return r.store.lost()
}

// takeIdle returns an idle connection; nil if there is none.
func (r *readers) takeIdle() (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, store.ErrClosed
	}
	n := len(r.idle)
	if n == 0 {
		return nil, nil
	}
	c := r.idle[n-1]
	r.idle = r.idle[:n-1]
	return c, nil
}

func (r *readers) put(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		c.close()
		return
	}
	r.idle = append(r.idle, c)
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, c := range r.idle {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
