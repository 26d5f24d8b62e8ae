package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// An op is an operation of the corridor. It shares a transaction with all ops that wait.
type op interface {
	// add adds the rows of the op to a flush. It may do so again, to another one, if the first is undone. It returns
	// false if the op has to wait for the next flush.
	add(f *flush) bool
	// done is called with the result of the op: nil once its transaction is committed.
	done(err error)
	// patient reports whether the op waits, instead of failing, while the database cannot take it.
	patient() bool
}

// Bounds of the writer.
const (
	maxBatch   = 512                    // ops of one transaction
	maxWaiting = 8192                   // queued ops; beyond it, callers block in submit
	retryPause = 250 * time.Millisecond // between tries to write patient ops
	// flushTimeout bounds a flush. A database that takes longer is as good as gone.
	flushTimeout = 5 * time.Second
	// senderPatience is how long a sender waits for an outcome that the node does not know.
	senderPatience = 5 * time.Second
)

// ErrUnreachable says that the database does not answer. Nothing of the write is kept; it may be repeated.
var ErrUnreachable error = &bellhop.Error{Code: bellhop.CodeUnavailable,
	Message: "the database does not answer: nothing of this is kept; send it again"}

// The writer has the connection on which this node's flushes go, one at a time. It takes all queued ops and writes
// them, at most maxBatch in one transaction. There is no timer: ops that are queued during a flush are taken after it.
//
// mu guards waiting, spare and closing. The goroutine of run alone uses c, sequence, abandoned and refusing.
type writer struct {
	store    *Store
	c        *pgxpool.Conn // nil: there is none
	sequence sequence
	// abandoned are committed events whose senders were told that nobody knows: their deliveries are released.
	abandoned []int64
	refusing  bool // the latest flush could not be written

	mu      sync.Mutex
	waiting []op
	spare   []op // the slice that becomes waiting when the writer takes the other one
	closing bool

	room     sync.Cond     // on mu; waiting has become shorter than maxWaiting, or closing is set
	wake     chan struct{} // holds one: something is queued, or closing is set
	finished chan struct{} // closed when run has returned
}

func newWriter(s *Store) *writer {
	w := &writer{store: s, sequence: sequence{slot: s.session.slot, last: s.session.after},
		wake: make(chan struct{}, 1), finished: make(chan struct{})}
	w.room.L = &w.mu
	return w
}

// submit queues o, and waits for room first. Unless it returns an error, the writer's goroutine calls o.done later.
func (w *writer) submit(o op) error {
	w.mu.Lock()
	for len(w.waiting) >= maxWaiting && !w.closing {
		w.room.Wait()
	}
	defer w.mu.Unlock()
	if w.closing {
		return store.ErrClosed
	}
	w.waiting = append(w.waiting, o)
	if len(w.waiting) == 1 {
		w.poke()
	}
	return nil
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
	defer w.disconnect()
	var later []op // ops that are to be tried again
	for {
		if len(later) > 0 {
			select {
			case <-w.wake:
			case <-time.After(retryPause):
			}
		} else {
			<-w.wake
		}
		// Goroutines that are about to submit run first: batches grow by half for the price of one switch.
		runtime.Gosched()
		batch, closing := w.take()
		tried := later
		later = nil
		for _, ops := range [][]op{tried, batch} {
			for part := range slices.Chunk(ops, maxBatch) {
				later = append(later, w.write(part)...)
			}
			clear(ops)
		}
		if closing {
			finish(later, ErrUnreachable)
			return
		}
	}
}

// close lets the writer write everything that is queued, and ends it.
func (w *writer) close() {
	w.mu.Lock()
	w.closing = true
	w.room.Broadcast()
	w.mu.Unlock()
	w.poke()
	<-w.finished
}

// connection returns the connection that writes.
func (w *writer) connection(ctx context.Context) (*pgxpool.Conn, error) {
	if w.c != nil && w.c.Conn().IsClosed() {
		w.disconnect()
	}
	if w.c == nil {
		c, err := w.store.pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		w.c = c
	}
	return w.c, nil
}

func (w *writer) disconnect() {
	if w.c != nil {
		w.c.Release()
		w.c = nil
	}
}

// write writes ops in one transaction and calls done of each. If the transaction fails for a reason that may concern
// one op alone, each op is tried by itself. It returns the ops that are to be tried again.
func (w *writer) write(ops []op) (again []op) {
	f := &flush{store: w.store, now: w.store.session.now(), abandoned: w.abandoned}
	var in []op
	for _, o := range ops {
		if o.add(f) {
			in = append(in, o)
		} else {
			again = append(again, o)
			w.poke() // it waits for this flush alone
		}
	}
	for made := false; ; made = true {
		err := w.transact(f)
		switch {
		case err == nil:
			w.abandoned, w.refusing = nil, false
			finish(in, nil)
			return again
		case errors.Is(err, ErrFenced):
			w.store.session.fail()
			finish(in, store.ErrUnknown)
			return again
		case isUnknown(err):
			return append(again, w.doubt(f, in, err)...)
		case codeOf(err) == codeCheck && !made: // there may be no partition: a clock jumped
			if w.makePartitions(f.now) != nil {
				return append(again, w.refuse(in, err)...)
			}
		case isPassing(err):
			return append(again, w.refuse(in, err)...)
		case len(in) > 1:
			for i := range in {
				again = append(again, w.write(in[i:i+1])...)
			}
			return again
		default:
			finish(in, err)
			return again
		}
	}
}

// refuse ends the impatient ops of a flush that was undone, and returns the patient ones.
func (w *writer) refuse(ops []op, err error) (again []op) {
	if !w.refusing {
		w.store.opts.Logger.Error("storage.refused", "component", "store", "database", w.store.database, "error", err,
			"meaning", "nothing is accepted until the database takes it")
	}
	w.refusing = true
	for _, o := range ops {
		if o.patient() {
			again = append(again, o)
		} else {
			o.done(ErrUnreachable)
		}
	}
	return again
}

func (w *writer) makePartitions(now time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	return w.store.makePartitions(ctx, w.store.pool, now)
}

// transact runs the flush. When it returns an error of the server, the transaction is undone.
func (w *writer) transact(f *flush) error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	c, err := w.connection(ctx)
	if err != nil {
		return &notBegun{err}
	}
	err = fenced(f.run(ctx, c.Conn()))
	if err != nil && !c.Conn().IsClosed() {
		if _, undo := c.Exec(ctx, "ROLLBACK"); undo != nil {
			c.Conn().Close(ctx)
		}
	}
	return err
}

// A notBegun is the error of a flush of which nothing was sent.
type notBegun struct{ error }

func (e *notBegun) Unwrap() error { return e.error }

// isUnknown reports whether a flush that failed with err may have been committed: the server did not say.
func isUnknown(err error) bool {
	var not *notBegun
	if errors.As(err, &not) || pgconn.SafeToRetry(err) {
		return false
	}
	switch code := codeOf(err); {
	case code == "":
		return true
	case code == "57P01" || code == "57P02" || code == "57P03":
		return true // the server goes down, perhaps after the commit
	}
	return false
}

// isPassing reports whether the same flush may succeed later.
func isPassing(err error) bool {
	var not *notBegun
	if errors.As(err, &not) || pgconn.SafeToRetry(err) {
		return true
	}
	switch code := codeOf(err); {
	case code == "40001" || code == "40P01" || code == codeLockNotAvailable || code == "57014" || code == "25006":
		return true // a conflict or deadlock, a lock, a cancelled statement, a primary that has become a standby
	case len(code) == 5 && code[:2] == "53": // no room, no memory, no connections
		return true
	}
	return false
}

// doubt finds out what became of a flush whose connection was lost, and calls done of its ops. If nothing was
// committed it returns the ops that are to be written again, under the same numbers, so that a late original fails.
func (w *writer) doubt(f *flush, ops []op, cause error) (again []op) {
	w.store.opts.Logger.Warn("storage.doubted", "component", "store", "database", w.store.database, "error", cause,
		"meaning", "the connection was lost before the database said whether it has written: it is asked")
	began := w.store.opts.Elapsed()
	var left []int64 // events whose senders were told that nobody knows
	for {
		committed, err := w.ask(f)
		switch {
		case err == nil && committed:
			finish(ops, nil)
			w.abandoned = append(w.abandoned, left...)
			return nil
		case err == nil:
			for _, o := range ops {
				if r, ok := o.(*record); ok && r.stored {
					o.done(nil)
				} else {
					again = append(again, o)
				}
			}
			return again
		case errors.Is(err, ErrFenced):
			w.store.session.fail()
			finish(ops, store.ErrUnknown)
			return nil
		}
		tired := w.store.opts.Elapsed()-began >= senderPatience
		if tired && w.ending() {
			finish(ops, store.ErrUnknown)
			return nil
		}
		if tired {
			ops = slices.DeleteFunc(ops, func(o op) bool {
				if o.patient() {
					return false
				}
				if a, ok := o.(*accept); ok {
					left = append(left, a.numbers...)
				}
				o.done(store.ErrUnknown)
				return true
			})
		}
		time.Sleep(retryPause)
	}
}

// ending reports whether the store is being closed, or the session has ended.
func (w *writer) ending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing || errors.Is(w.store.session.alive(), ErrFenced)
}

func finish(ops []op, err error) {
	for _, o := range ops {
		o.done(err)
	}
}

// ask returns whether a flush was committed. It first waits until the server has ended the transaction: that holds the
// row of the session.
func (w *writer) ask(f *flush) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	w.disconnect()
	c, err := w.connection(ctx)
	if err != nil {
		return false, err
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", endTimeout.Milliseconds())); err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, "SELECT FROM nodes WHERE session = $1 AND ended_at IS NULL FOR UPDATE",
		w.store.session.number)
	if codeOf(err) == codeLockNotAvailable {
		// The server does not know that the connection is lost.
		tx.Rollback(ctx)
		return false, errors.Join(err, terminate(ctx, c, w.store.session.number))
	}
	if err != nil {
		return false, err
	}
	if tag.RowsAffected() == 0 {
		return false, ErrFenced
	}
	return f.committed(ctx, tx)
}
