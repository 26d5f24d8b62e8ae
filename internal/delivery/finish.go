package delivery

import (
	"context"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// An ended is what a lane learns from an attempt.
type ended struct {
	delivered bool      // of this, fails and refused at most one; none says nothing of the destination
	fails     bool      // the destination was at fault
	answered  bool      // it said something
	refused   bool      // it is there, and did not want the event
	probe     bool      // it was made to find out whether a destination that is held back is there again
	unsent    bool      // nothing went out, so that no rate was used
	rest      time.Time // until when the destination asked to be left alone; zero if it did not
	why       string    // it failed, in words
	dst       *destination
}

// finish takes in what became of the attempt of batch.
func (l *lane) finish(batch []*bellhop.Delivery, e ended) {
	l.mu.Lock()
	for _, d := range batch {
		l.hold(-weight(d.Event))
	}
	gaveUp := l.note(e)
	back := l.passOn(batch)
	if l.heldForLong() {
		back = append(back, l.empty()...)
	}
	turned := !l.stopped && l.destination.Load().State == bellhop.DestinationActive && !l.pace.breaker.failingSince().Equal(l.kept)
	l.mu.Unlock()
	l.giveBack(back)
	if gaveUp {
		l.engine.disable(l, e.dst, "it has failed for "+e.dst.Breaker.DisableAfter.String()+"; the last attempt: "+e.why)
	} else if turned {
		l.keepFailing(e)
	}
}

// note has the pace learn from an attempt. It reports whether the destination has failed for too long. The caller holds mu.
func (l *lane) note(e ended) (gaveUp bool) {
	if e.unsent {
		l.pace.bucket.giveBack()
	}
	if l.destination.Load() != e.dst { // what was before a change says nothing of what is now
		return false
	}
	if e.rest.After(l.pace.rest) {
		l.pace.rest = e.rest
	}
	switch {
	case e.delivered, e.refused && l.pace.breaker.open:
		l.pace.breaker.succeed()
	case e.fails:
		return l.pace.breaker.fail(e.dst.Breaker, e.probe, e.answered, l.engine.now(), l.engine.opts.Random())
	}
	return false
}

// passOn lets go on what waited behind batch under its keys, or returns the ids of what has to wait in the table behind one that
// is tried again. The caller holds mu.
func (l *lane) passOn(batch []*bellhop.Delivery) (back []string) {
	if !l.behind.any() {
		return nil
	}
	again := map[int64]bool{}
	for _, d := range batch {
		if d.Key != 0 {
			again[d.Key] = again[d.Key] || d.State == bellhop.DeliveryPending || d.State == bellhop.DeliveryLeased
		}
	}
	for key, waits := range again {
		if waits {
			for _, d := range l.behind.block(key) {
				l.hold(-weight(d.Event))
				l.engine.metrics.queued.Dec()
				back = append(back, d.ID)
			}
		} else if next := l.behind.pass(key); next != nil {
			l.queue.push(next, false)
			l.start()
		} else { // the table may have more of it
			l.dueAt = l.engine.now()
			l.fillLater(l.dueAt)
		}
	}
	return back
}

// keepFailing tells the table, and who wants to know, whether the destination fails so that it is held back. Whoever comes
// last tells how it is then. Of one that goes up and down, one failure a minute is announced, and the recovery from that; that a person
// turned the breaker off is no recovery.
func (l *lane) keepFailing(e ended) {
	l.keeping.Lock()
	defer l.keeping.Unlock()
	l.mu.Lock()
	since, before := l.pace.breaker.failingSince(), l.kept
	l.mu.Unlock()
	if since.Equal(before) {
		return
	}
	if err := l.engine.opts.Store.SetFailing(context.Background(), l.id, since); err != nil {
		l.engine.opts.Logger.Error("failing.unkept", "component", "delivery", "destination_id", l.id, "error", err,
			"meaning", "a restart would not know; the next attempt tries again")
		return
	}
	l.mu.Lock()
	l.kept = since
	l.mu.Unlock()
	now := l.engine.now()
	switch {
	case before.IsZero():
		l.engine.opts.Logger.Warn("destination.failing", "component", "delivery", "destination_id", l.id, "since", since, "reason", e.why)
		if l.told = now.Sub(l.toldAt) >= alarmEvery; l.told {
			l.toldAt = now
			l.engine.announce(e.dst, bellhop.TypeDestinationFailing, news{Reason: e.why, Since: since})
		}
	case since.IsZero() && (e.delivered || e.refused):
		l.engine.opts.Logger.Info("destination.recovered", "component", "delivery", "destination_id", l.id, "since", before)
		if l.told {
			l.engine.announce(e.dst, bellhop.TypeDestinationRecovered, news{Since: before})
		}
	}
}
