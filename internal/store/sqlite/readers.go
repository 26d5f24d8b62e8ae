package sqlite

import (
	"context"
	"errors"
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

// read runs f with a connection that reads. It ends early when ctx ends.
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
		return err
	}
	c.db.SetInterrupt(ctx)
	err = f(c)
	c.db.SetInterrupt(context.Background())
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	r.put(c)
	return err
}

func (r *readers) get() (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, store.ErrClosed
	}
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return c, nil
	}
	return r.store.connect(reading)
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
