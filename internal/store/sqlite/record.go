package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Record stores the result of an attempt. It returns before the result is on disk. Its contract is store.Corridor.
func (s *Store) Record(r bellhop.Result) error { return s.record(r, nil) }

// Settle stores the result of an attempt and returns once it is on disk. Its contract is store.Corridor.
func (s *Store) Settle(ctx context.Context, r bellhop.Result) (stored bool, err error) {
	settled := make(chan settlement, 1)
	err = s.record(r, settled)
	if err != nil {
		return false, err
	}
	select {
	case got := <-settled:
		return got.stored, got.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// record queues the result of an attempt. settled, which holds one, gets what came of it, unless it is nil.
func (s *Store) record(r bellhop.Result, settled chan settlement) error {
	n, ok := s.ids.ParseDelivery(r.DeliveryID)
	if !ok {
		return bellhop.NotFound("delivery", r.DeliveryID)
	}
	if len(r.Progress) > bellhop.MaxProgressBytes {
		rule := fmt.Sprintf("has %d bytes, more than %d", len(r.Progress), bellhop.MaxProgressBytes)
		return bellhop.Invalid("progress", rule)
	}
	o := s.records.Get().(*record)
	o.store, o.n, o.Result, o.settled, o.at = s, n, r, settled, s.opts.Now()
	return s.writer.submit(o)
}

// record is the op of one Record. It is reused.
type record struct {
	store  *Store
	n      int64
	stored bool // false if the result was dropped because its lease is outdated
	bellhop.Result
	settled chan settlement // of Settle; nil if nobody waits
	at      time.Time       // when the caller came, for the series
}

// A settlement is what came of the result of a Settle.
type settlement struct {
	stored bool
	err    error
}

func newRecord() any { return new(record) }

func (o *record) patient() bool { return true }

func (o *record) done(err error) {
	if err != nil {
		o.store.opts.Logger.Error("attempt.dropped", "component", "store",
			"delivery_id", o.DeliveryID, "attempt", o.Attempt.Number, "error", err,
			"meaning", "it could not be recorded, and will be made again")
		o.store.writer.follow(&unrecorded{store: o.store, n: o.n, destinationID: o.DestinationID,
			attempts: o.Attempt.Number - 1})
	} else if o.stored {
		o.store.finals.count(o.State)
		o.store.countResult(&o.Result, o.at)
		if observer := o.store.opts.Observer; observer != nil && observer.Observing() {
			observer.Recorded(&o.Result)
		}
	}
	if o.settled != nil {
		o.settled <- settlement{o.stored && err == nil, err}
	}
	pool := &o.store.records
	*o = record{}
	pool.Put(o)
}

const (
	// copyLastAttempt copies the last attempt from the row of its delivery to the table of attempts.
	copyLastAttempt = `INSERT INTO attempts (delivery, number, started_at, duration, status, error, detail, reply)
		SELECT n, attempts, started_at, duration, status, coalesce(error, ''), coalesce(detail, ''), reply
		FROM deliveries WHERE n = ? AND attempts = ? AND state = 'leased' AND started_at IS NOT NULL`
	updateDelivery = `UPDATE deliveries SET state = ?, attempts = ?, next_at = ?, updated_at = ?,
		started_at = ?, duration = ?, status = ?, error = ?, detail = ?, reply = ?
		WHERE n = ? AND attempts = ? AND state = 'leased'`
	// addSpared makes the recorded attempt one that does not count against the schedule.
	addSpared = `UPDATE deliveries SET spared = coalesce(spared, 0) + 1 WHERE n = ?`
	// setProgress stores progress for the next attempt; empty progress is stored as none.
	setProgress = `UPDATE deliveries SET progress = nullif(?, x'') WHERE n = ?`
)

// apply stores the attempt in the row of its delivery. When a later attempt is recorded, the earlier one is first
// copied to the table of attempts.
func (o *record) apply(c *conn) error {
	a := &o.Attempt
	if a.Number > 1 {
		if err := c.exec(copyLastAttempt, o.n, a.Number-1); err != nil {
			return err
		}
	}
	s, err := c.prepare(updateDelivery)
	if err != nil {
		return err
	}
	s.BindText(1, string(o.State))
	s.BindInt64(2, int64(a.Number))
	bindTime(s, 3, o.NextAt)
	bindTime(s, 4, a.StartedAt.Add(a.Duration))
	bindTime(s, 5, a.StartedAt)
	s.BindInt64(6, int64(a.Duration))
	s.BindInt64(7, int64(a.Status))
	bindText(s, 8, a.Error)
	bindText(s, 9, a.Detail)
	bindBlob(s, 10, a.Reply)
	s.BindInt64(11, o.n)
	s.BindInt64(12, int64(a.Number-1))
	err = s.Exec()
	o.stored = err == nil && c.db.Changes() > 0
	if !o.stored {
		return err
	}
	if o.Spared {
		err = c.exec(addSpared, o.n)
	}
	if err == nil && o.Progress != nil {
		err = c.exec(setProgress, o.Progress, o.n)
	}
	if err == nil {
		err = o.store.noteState(c, o.n)
	}
	return err
}

// unrecordedPause is how long a delivery waits after its attempt could not be recorded: the next result may
// fail in the same way.
const unrecordedPause = time.Minute

// unrecorded is the op that gives back a delivery after its attempt could not be recorded.
type unrecorded struct {
	store         *Store
	n             int64
	destinationID string
	attempts      int // before the one that could not be recorded
	released      bool
}

func (o *unrecorded) patient() bool { return true }

func (o *unrecorded) apply(c *conn) error {
	err := c.exec(`UPDATE deliveries SET state = 'pending', next_at = ? WHERE n = ? AND attempts = ?
		AND state = 'leased'`,
		o.store.opts.Now().Add(unrecordedPause), o.n, o.attempts)
	o.released = err == nil && c.db.Changes() > 0
	if o.released {
		err = o.store.noteState(c, o.n)
	}
	return err
}

func (o *unrecorded) done(err error) {
	switch {
	case err != nil:
		o.store.opts.Logger.Error("release.failed", "component", "store",
			"delivery_id", o.store.ids.Delivery(o.n), "error", err,
			"meaning", "the delivery stays leased until the next start")
	case o.released && o.store.opts.Due != nil:
		o.store.opts.Due(o.destinationID)
	}
}
