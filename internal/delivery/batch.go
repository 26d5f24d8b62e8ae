package delivery

import (
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// fill returns how many deliveries of the queue go into the next request: as many as the destination takes together, no
// more bytes than a request should have, and none behind one that goes alone.
func (b batching) fill(q *fifo) int {
	if b.MaxEvents < 2 || q.len() == 0 || goesAlone(q.at(0)) {
		return min(1, q.len())
	}
	size := 0
	for n := range min(b.MaxEvents, q.len()) {
		d := q.at(n)
		if size += len(d.Event.Body); n > 0 && (size > bellhop.MaxBatchBytes || goesAlone(d)) {
			return n
		}
	}
	return min(b.MaxEvents, q.len())
}

// follow adds to batch what waits behind its deliveries under their keys, as long as there is room.
func (b batching) follow(batch []*bellhop.Delivery, line *behind) []*bellhop.Delivery {
	if goesAlone(batch[0]) {
		return batch
	}
	size := 0
	for _, d := range batch {
		size += len(d.Event.Body)
	}
	for i := 0; i < len(batch) && len(batch) < b.MaxEvents; i++ {
		next := line.peek(batch[i])
		if next == nil || goesAlone(next) || size+len(next.Event.Body) > bellhop.MaxBatchBytes {
			continue
		}
		size += len(next.Event.Body)
		batch = append(batch, line.pass(next.Key))
	}
	return batch
}

// ready returns when the next request may go as far as its batch is concerned: now if that is full, or else when its
// oldest event has waited for as long as it may. behind is how many wait for others of their key.
func (b batching) ready(q *fifo, behind int, now time.Time) time.Time {
	if b.MaxEvents < 2 || q.len() == 0 || q.len()+behind >= b.MaxEvents || b.fill(q) < q.len() {
		return now
	}
	if at := q.at(0).Event.ReceivedAt.Add(b.MaxWait); at.After(now) {
		return at
	}
	return now
}

// batching is a destination's batch, as its lane goes by it.
type batching struct{ bellhop.Batch }

// goesAlone reports whether d is not to be put into a batch: its last attempt failed for what it is, perhaps, so that
// it would fail its neighbours too.
func goesAlone(d *bellhop.Delivery) bool {
	if d.Last == nil {
		return false
	}
	switch d.Last.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return d.Last.Error == errorRender || d.Last.Error == errorSkipped || d.Last.Status >= 400 && d.Last.Status < 500
}

// The errors of what was not sent.
const (
	errorRender  = "render"   // the event could not be written as the destination wants it
	errorSkipped = "skipped"  // the destination does not want it
	errorToken   = "token"    // there is no token to be let in with
	errorOff     = "settings" // the destination itself cannot be opened
)
