package postgres

import (
	"context"
	"fmt"

	"github.com/bellhop-gateway/bellhop"
)

// Record stores the result of an attempt. It returns before the result is committed. Its contract is store.Corridor.
func (s *Store) Record(r bellhop.Result) error { return s.record(r, nil) }

// Settle stores the result of an attempt and returns once it is committed. Its contract is store.Corridor.
func (s *Store) Settle(ctx context.Context, r bellhop.Result) (stored bool, err error) {
	settled := make(chan settlement, 1)
	if err := s.record(r, settled); err != nil {
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
	event, place, ok := s.ids.parseDelivery(r.DeliveryID)
	if !ok {
		return bellhop.NotFound("delivery", r.DeliveryID)
	}
	if len(r.Progress) > bellhop.MaxProgressBytes {
		return bellhop.Invalid("progress", fmt.Sprintf("has %d bytes, more than %d", len(r.Progress),
			bellhop.MaxProgressBytes))
	}
	return s.writer.submit(&record{store: s, event: event, place: place, Result: r, settled: settled})
}

// record is the op of one Record.
type record struct {
	store  *Store
	event  int64
	place  int32
	stored bool // false if the result was dropped because its lease is outdated
	bellhop.Result
	settled chan settlement // of Settle; nil if nobody waits
}

// A settlement is what came of the result of a Settle.
type settlement struct {
	stored bool
	err    error
}

// add leaves a second result of one delivery to the next flush: a statement changes a row once.
func (r *record) add(f *flush) bool {
	if f.attempted == nil {
		f.attempted = map[lease]bool{}
	}
	l := lease{r.event, r.place}
	if f.attempted[l] {
		return false
	}
	f.attempted[l] = true
	f.records = append(f.records, r)
	return true
}

func (r *record) patient() bool { return true }

func (r *record) done(err error) {
	if err != nil {
		r.store.opts.Logger.Error("attempt.dropped", "component", "store", "delivery_id", r.DeliveryID, "attempt",
			r.Attempt.Number, "error", err, "meaning", "it could not be recorded, and will be made again")
	} else if r.stored {
		if observer := r.store.opts.Observer; observer != nil && observer.Observing() {
			observer.Recorded(&r.Result)
		}
	}
	if r.settled != nil {
		r.settled <- settlement{r.stored && err == nil, err}
	}
}
