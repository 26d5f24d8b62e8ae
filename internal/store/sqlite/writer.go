package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// An op is something to be written. Its statements run in a transaction that it shares with others.
type op interface {
	// apply runs the op's statements. It may run again, in another transaction, if the first is rolled back.
	apply(c *conn) error
	// done is told what became of the op: nil once its transaction is on disk.
	done(err error)
	// patient reports whether the op, when the disk is full, is to wait rather than to fail.
	patient() bool
}

// Bounds of the writer.
const (
	maxBatch   = 512                    // ops of one transaction
	maxWaiting = 8192                   // ops that wait; who comes later waits outside
	fullPause  = 250 * time.Millisecond // between tries to write patient ops to a full disk
)

// The writer owns the connection that writes. Everything that waits when it comes around goes into one
// transaction: there is no timer, a batch is whatever gathered while the one before was written.
type writer struct {
	store                   *Store
	c                       *conn
	begin, commit, rollback *sqlite3.Stmt

	mu      sync.Mutex
	waiting []op
	room    sync.Cond     // waiting is shorter than maxWaiting
	wake    chan struct{} // something waits, or closing; holds one
	closing bool

	spare    []op // the other of two slices that take turns as waiting
	pages    int  // in the log after the latest commit
	full     atomic.Bool
	failed   chan struct{}
	failure  error
	finished chan struct{}
	closeErr error
}

func newWriter(s *Store, c *conn) (*writer, error) {
	w := &writer{store: s, c: c, wake: make(chan struct{}, 1), failed: make(chan struct{}), finished: make(chan struct{})}
	w.room.L = &w.mu
	for sql, at := range map[string]**sqlite3.Stmt{"BEGIN IMMEDIATE": &w.begin, "COMMIT": &w.commit, "ROLLBACK": &w.rollback} {
		stmt, err := c.prepare(sql)
		if err != nil {
			return nil, err
		}
		*at = stmt
	}
	c.db.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		w.pages = pages
		w.full.Store(false) // there was room; a transaction that writes nothing does not come here
		return nil
	})
	return w, nil
}

// submit queues o. Unless it returns an error, o.done will be called, from the writer's goroutine.
func (w *writer) submit(o op) error {
	w.mu.Lock()
	for len(w.waiting) >= maxWaiting && !w.closing {
		w.room.Wait()
	}
	return w.append(o)
}

// append queues o and unlocks w.mu, which the caller has locked after it has seen that there is room.
func (w *writer) append(o op) error {
	if w.closing {
		w.mu.Unlock()
		return store.ErrClosed
	}
	w.waiting = append(w.waiting, o)
	first := len(w.waiting) == 1
	w.mu.Unlock()
	if first {
		w.poke()
	}
	return nil
}

// follow queues o for the writer itself, which cannot wait until there is room. What comes after the last batch is not done.
func (w *writer) follow(o op) {
	w.mu.Lock()
	w.waiting = append(w.waiting, o)
	w.mu.Unlock()
	w.poke()
}

// offer queues o if there is room, and otherwise calls o.done with an error. It never waits.
func (w *writer) offer(o op) {
	w.mu.Lock()
	if len(w.waiting) >= maxWaiting {
		w.mu.Unlock()
		o.done(store.ErrFull)
		return
	}
	if err := w.append(o); err != nil {
		o.done(err)
	}
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns all that waits, and whether nothing more will come.
func (w *writer) take() (batch []op, closing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	batch, w.waiting = w.waiting, w.spare[:0]
	w.spare = batch
	w.room.Broadcast()
	return batch, w.closing
}

func (w *writer) run() {
	defer close(w.finished)
	var patient []op // that met a full disk
	for {
		if len(patient) > 0 {
			select {
			case <-w.wake:
			case <-time.After(fullPause):
			}
		} else {
			<-w.wake
		}
		// Those who are about to submit go first: batches grow by half for the price of one switch.
		runtime.Gosched()
		batch, closing := w.take()
		tried := patient
		patient = nil
		for _, ops := range [][]op{tried, batch} { // what has waited goes first, and by itself: it may fit alone
			for part := range slices.Chunk(ops, maxBatch) {
				patient = append(patient, w.write(part)...)
			}
			clear(ops) // the slice is used again, and would hold what the ops held
		}
		if closing {
			w.fail(patient, store.ErrFull)
			w.closeErr = w.c.close()
			return
		}
		w.checkpoint()
	}
}

// write writes batch in one transaction and tells each op. If the transaction fails for a reason that
// may be one op's alone, each is tried by itself. It returns the ops that are to be tried again.
func (w *writer) write(batch []op) (again []op) {
	if w.failure != nil {
		w.fail(batch, store.ErrUnknown)
		return nil
	}
	start := time.Now()
	err := w.transact(batch)
	switch {
	case err == nil:
		w.store.metrics.commit(len(batch), time.Since(start))
		for _, o := range batch {
			o.done(nil)
		}
	case isFull(err), isBusy(err):
		answer := store.ErrFull
		if isBusy(err) {
			answer = store.ErrBusy
		}
		if !w.full.Swap(true) {
			w.store.opts.Logger.Error("storage.refused", "component", "store", "file", w.store.path, "error", answer,
				"meaning", "nothing is accepted until it can be written to")
		}
		for _, o := range batch {
			if o.patient() {
				again = append(again, o)
			} else {
				o.done(answer)
			}
		}
	case isFailure(err):
		w.failure = fmt.Errorf("storage failed: %s: %w", w.store.path, err)
		close(w.failed)
		w.fail(batch, store.ErrUnknown)
	case len(batch) > 1:
		for i := range batch {
			again = append(again, w.write(batch[i:i+1])...)
		}
	default:
		w.store.metrics.errors.Inc()
		batch[0].done(err)
	}
	return again
}

func (w *writer) fail(batch []op, err error) {
	for _, o := range batch {
		o.done(err)
	}
}

func (w *writer) transact(batch []op) error {
	err := w.begin.Exec()
	for _, o := range batch {
		if err != nil {
			break
		}
		err = o.apply(w.c)
	}
	if err == nil {
		err = w.commit.Exec()
	}
	if err != nil && !w.c.db.GetAutocommit() {
		if undo := w.rollback.Exec(); undo != nil {
			err = errors.Join(err, undo)
		}
	}
	return err
}

// close lets the writer finish what waits and ends it.
func (w *writer) close() error {
	w.mu.Lock()
	w.closing = true
	w.room.Broadcast()
	w.mu.Unlock()
	w.poke()
	<-w.finished
	return w.closeErr
}

// checkpointPages is how long the log grows before its pages are moved into the database: 16 MiB.
const checkpointPages = 2048

// checkpoint moves the log's pages into the database once there are enough of them.
func (w *writer) checkpoint() {
	if w.pages < checkpointPages || w.failure != nil {
		return
	}
	start := time.Now()
	_, _, err := w.c.db.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	if err == nil {
		w.pages = 0
		w.store.metrics.checkpoints.Observe(time.Since(start).Seconds())
		return
	}
	if isFailure(err) {
		w.failure = fmt.Errorf("storage failed: %s: checkpoint: %w", w.store.path, err)
		close(w.failed)
		return
	}
	w.store.opts.Logger.Warn("checkpoint.postponed", "component", "store", "error", err)
}

// work is an op made of a function, for what is done seldom. Its own errors undo it alone.
type work struct {
	f      func(c *conn) error
	waits  bool // for room on a full disk
	failed error
	result chan error
}

func (o *work) apply(c *conn) error {
	if err := c.exec("SAVEPOINT work"); err != nil {
		return err
	}
	o.failed = o.f(c)
	if o.failed == nil {
		return c.exec("RELEASE work")
	}
	if isFull(o.failed) || isBusy(o.failed) || isFailure(o.failed) {
		return o.failed
	}
	return errors.Join(c.exec("ROLLBACK TO work"), c.exec("RELEASE work"))
}

func (o *work) done(err error) {
	if err == nil {
		err = o.failed
	}
	o.result <- err
}

func (o *work) patient() bool { return o.waits }

// do runs f in the writer's next transaction and returns once that is on disk. f may run more than once.
func (s *Store) do(f func(c *conn) error) error {
	o := &work{f: f, result: make(chan error, 1)}
	if err := s.writer.submit(o); err != nil {
		return err
	}
	return <-o.result
}

// doPatiently is do, but waits while the disk is full. It gives up waiting, not doing, when ctx ends.
func (s *Store) doPatiently(ctx context.Context, f func(c *conn) error) error {
	o := &work{f: f, waits: true, result: make(chan error, 1)}
	if err := s.writer.submit(o); err != nil {
		return err
	}
	select {
	case err := <-o.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
