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

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/ncruces/go-sqlite3"
)

// An op is an operation that writes. Its statements run in a transaction that it shares with other ops.
type op interface {
	// apply runs the statements. It may run again, in another transaction, if the first one is rolled back.
	apply(c *conn) error
	// done is called with the result of the op: nil once its transaction is on disk.
	done(err error)
	// patient reports whether the op, when the disk is full, waits instead of failing.
	patient() bool
}

// Bounds of the writer.
const (
	maxBatch   = 512                    // ops of one transaction
	maxWaiting = 8192                   // queued ops; beyond it, callers block in submit
	fullPause  = 250 * time.Millisecond // between tries to write patient ops to a full disk
)

// The writer owns the connection that writes. It takes all queued ops and writes them, at most maxBatch in one
// transaction. Ops that waited for room on a full disk go first, in transactions of their own. There is no timer: ops
// that are queued during a write are taken after it.
//
// mu guards waiting, spare and closing. The goroutine of run alone uses c, its statements and the fields up to
// copying. failForGood writes failure once and closes failed; then any goroutine may read failure. Once finished
// is closed, any goroutine may read closeErr.
type writer struct {
	store                   *Store
	c                       *conn
	begin, commit, rollback *sqlite3.Stmt
	pages                   int             // in the log after the latest commit
	shrunk                  bool            // the database has become shorter; its file will by the next checkpoint
	checkpointNow           bool            // however short the log is
	copying                 *sqlite3.Backup // of the database, step by step; nil if none is under way

	mu      sync.Mutex
	waiting []op
	spare   []op // the slice that becomes waiting when the writer takes the other one
	closing bool

	room     sync.Cond     // on mu; waiting has become shorter than maxWaiting, or closing is set
	wake     chan struct{} // holds one: something is queued, or closing is set
	between  chan func()   // taken between two transactions, for what cannot be done within one
	full     atomic.Bool   // the latest commit found no room
	failed   chan struct{} // closed when storage has failed for good
	failing  sync.Once     // the first failure
	failure  error
	finished chan struct{} // closed when run has returned
	closeErr error
}

func newWriter(s *Store, c *conn) (*writer, error) {
	w := &writer{store: s, c: c, wake: make(chan struct{}, 1), between: make(chan func()),
		failed: make(chan struct{}), finished: make(chan struct{})}
	w.room.L = &w.mu
	for sql, at := range map[string]**sqlite3.Stmt{"BEGIN IMMEDIATE": &w.begin, "COMMIT": &w.commit,
		"ROLLBACK": &w.rollback} {
		stmt, err := c.prepare(sql)
		if err != nil {
			return nil, err
		}
		*at = stmt
	}
	c.db.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		w.pages = pages
		w.full.Store(false) // there was room; a transaction that writes nothing does not call this hook
		return nil
	})
	return w, nil
}

// submit queues o, and waits for room first. Unless it returns an error, the writer's goroutine calls o.done later.
func (w *writer) submit(o op) error {
	w.mu.Lock()
	for len(w.waiting) >= maxWaiting && !w.closing {
		w.room.Wait()
	}
	return w.queue(o)
}

// offer queues o if there is room, and otherwise calls o.done with an error. It never waits.
func (w *writer) offer(o op) {
	w.mu.Lock()
	if len(w.waiting) >= maxWaiting {
		w.mu.Unlock()
		o.done(store.ErrFull)
		return
	}
	if err := w.queue(o); err != nil {
		o.done(err)
	}
}

// queue queues o and unlocks w.mu, which the caller has locked.
func (w *writer) queue(o op) error {
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

// follow queues o from the writer's own goroutine, which cannot wait for room. An op that follows the last
// batch before the store closes is not done.
func (w *writer) follow(o op) {
	w.mu.Lock()
	w.waiting = append(w.waiting, o)
	w.mu.Unlock()
	w.poke()
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns everything that is queued. Once closing is true, nothing more is queued.
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
	var patient []op // ops that met a full disk
	for {
		if len(patient) > 0 {
			select {
			case <-w.wake:
			case <-time.After(fullPause):
			}
		} else {
			select {
			case <-w.wake:
			case f := <-w.between:
				f()
				continue
			}
		}
		// Goroutines that are about to submit run first: batches grow by half for the price of one switch.
		runtime.Gosched()
		batch, closing := w.take()
		tried := patient
		patient = nil
		for _, ops := range [][]op{tried, batch} { // patient ops go first, and by themselves: they may fit alone
			for part := range slices.Chunk(ops, maxBatch) {
				patient = append(patient, w.write(part)...)
			}
			clear(ops) // the slice is used again, and would keep the memory of the ops
		}
		if closing {
			w.fail(patient, store.ErrFull)
			w.closeErr = errors.Join(w.copying.Close(), w.closeConn())
			return
		}
		w.checkpoint()
	}
}

// write writes batch in one transaction and calls done of each op. If the transaction fails for a reason that
// may concern one op alone, each op is tried by itself. It returns the ops that are to be tried again.
func (w *writer) write(batch []op) (again []op) {
	if w.store.Err() != nil {
		w.fail(batch, store.ErrUnknown)
		return nil
	}
	start := time.Now()
	err := w.transact(batch)
	if err == nil && w.store.lost() != nil {
		w.fail(batch, store.ErrUnknown)
		return nil
	}
	switch {
	case err == nil:
		w.store.metrics.commit(len(batch), time.Since(start))
		for _, o := range batch {
			o.done(nil)
		}
	case isFull(err):
		return w.refuse(batch, store.ErrFull)
	case isBusy(err):
		return w.refuse(batch, store.ErrBusy)
	case isFailure(err):
		w.failForGood(fmt.Errorf("storage failed: %s: %w", w.store.path, err))
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

// refuse ends the impatient ops of a batch that could not be written now with err, and returns the patient ones.
func (w *writer) refuse(batch []op, err error) (again []op) {
	if !w.full.Swap(true) {
		w.store.opts.Logger.Error("storage.refused", "component", "store", "file", w.store.path, "error", err,
			"meaning", "nothing is accepted until it can be written to")
	}
	for _, o := range batch {
		if o.patient() {
			again = append(again, o)
		} else {
			o.done(err)
		}
	}
	return again
}

// failForGood makes the writer refuse everything from now on. Any goroutine may call it; the first error counts.
func (w *writer) failForGood(err error) {
	w.failing.Do(func() {
		w.failure = err
		close(w.failed)
	})
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

// close lets the writer write everything that is queued, and ends it.
func (w *writer) close() error {
	w.mu.Lock()
	w.closing = true
	w.room.Broadcast()
	w.mu.Unlock()
	w.poke()
	<-w.finished
	return w.closeErr
}

// closeConn closes the connection, which moves the log into the database and removes it. If storage has failed, or the
// database is no longer at its path, the log stays as it is: SQLite removes it by its name, which may lead to the log
// of another database by now. The next start reads a log that stays.
func (w *writer) closeConn() error {
	var err error
	if w.store.Err() != nil || w.store.lost() != nil {
		_, err = w.c.db.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	return errors.Join(err, w.c.close())
}

// checkpointPages is the length of the log from which its pages are moved into the database: 16 MiB.
const checkpointPages = 2048

// checkpoint moves the pages of the log into the database once there are enough of them.
func (w *writer) checkpoint() {
	if w.pages < checkpointPages && !w.checkpointNow || w.store.Err() != nil || w.store.lost() != nil {
		return // pages must not be moved into a file that is another one
	}
	start := time.Now()
	_, _, err := w.c.db.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	switch {
	case err == nil:
		w.pages, w.shrunk, w.checkpointNow = 0, false, false
		w.store.metrics.checkpoints.Observe(time.Since(start).Seconds())
	case isFailure(err):
		w.failForGood(fmt.Errorf("storage failed: %s: checkpoint: %w", w.store.path, err))
	default:
		w.store.opts.Logger.Warn("checkpoint.postponed", "component", "store", "error", err)
	}
}

// work is an op made of a function, for everything that is not done for each event. An error of its own undoes
// it alone.
type work struct {
	f      func(c *conn) error
	then   func() // runs once f is committed, before the next transaction; nil is nothing
	waits  bool   // for room on a full disk
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
	if err == nil && o.then != nil {
		o.then()
	}
	o.result <- err
}

func (o *work) patient() bool { return o.waits }

// do runs f in the next transaction of the writer and returns once that is on disk. f may run more than once,
// so it sets every variable of its caller anew.
func (s *Store) do(f func(c *conn) error) error { return s.doThen(f, nil) }

// doThen is do, and runs then once f is committed, before the next transaction begins.
func (s *Store) doThen(f func(c *conn) error, then func()) error {
	o := &work{f: f, then: then, result: make(chan error, 1)}
	if err := s.writer.submit(o); err != nil {
		return err
	}
	return <-o.result
}

// doPatiently is do for work that waits while the disk is full. When ctx ends it stops waiting, and the work is
// still done.
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
