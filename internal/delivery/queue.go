package delivery

import (
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
)

// A fifo is a queue of deliveries, in a ring that grows by doubling. The zero fifo is empty and holds no memory.
type fifo struct {
	ring  []queued
	head  int
	n     int
	fresh int // how many of the n are fresh
}

// A queued is a delivery in a fifo.
type queued struct {
	*bellhop.Delivery
	fresh bool // it was just accepted, not claimed from the table
}

func (q *fifo) len() int { return q.n }

func (q *fifo) push(d *bellhop.Delivery, fresh bool) {
	if q.n == len(q.ring) {
		bigger := make([]queued, max(16, 2*q.n))
		for i := range q.n {
			bigger[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = queued{d, fresh}
	q.n++
	if fresh {
		q.fresh++
	}
}

// at returns the i-th oldest delivery; there must be as many.
func (q *fifo) at(i int) *bellhop.Delivery { return q.ring[(q.head+i)%len(q.ring)].Delivery }

// pop removes the oldest delivery; the queue must not be empty.
func (q *fifo) pop() *bellhop.Delivery {
	d := q.ring[q.head]
	q.ring[q.head] = queued{}
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	if d.fresh {
		q.fresh--
	}
	return d.Delivery
}

// keyQueues holds the deliveries of an ordered destination that wait for another delivery of their key, in
// their order. At most one delivery of each key is in the lane's queue or being attempted: the key is then
// busy. Deliveries without a key are never here.
type keyQueues struct {
	waiting map[int64][]*bellhop.Delivery // by busy key; empty if no other delivery of the key waits
	n       int                           // deliveries in waiting
}

// add marks d's key as busy, and reports whether it was idle: then d goes into the queue. Otherwise d waits here.
func (k *keyQueues) add(d *bellhop.Delivery) (first bool) {
	if d.Key == 0 {
		return true
	}
	list, busy := k.waiting[d.Key]
	if !busy {
		if k.waiting == nil {
			k.waiting = map[int64][]*bellhop.Delivery{}
		}
		k.waiting[d.Key] = nil
		return true
	}
	k.waiting[d.Key] = append(list, d)
	k.n++
	return false
}

// peek returns the delivery that waits directly behind d, or nil.
func (k *keyQueues) peek(d *bellhop.Delivery) *bellhop.Delivery {
	if list := k.waiting[d.Key]; d.Key != 0 && len(list) > 0 {
		return list[0]
	}
	return nil
}

// pop removes the first delivery that waits under key. If there is none, it returns nil and the key is idle.
func (k *keyQueues) pop(key int64) *bellhop.Delivery {
	list, busy := k.waiting[key]
	if !busy || len(list) == 0 {
		delete(k.waiting, key)
		return nil
	}
	k.waiting[key] = list[1:]
	k.n--
	return list[0]
}

// remove removes the deliveries that wait under key and makes the key idle.
func (k *keyQueues) remove(key int64) []*bellhop.Delivery {
	list := k.waiting[key]
	delete(k.waiting, key)
	k.n -= len(list)
	return list
}

// removeAll removes all deliveries. Keys stay busy.
func (k *keyQueues) removeAll() (all []*bellhop.Delivery) {
	for key, list := range k.waiting {
		all = append(all, list...)
		k.waiting[key] = nil
	}
	k.n = 0
	return all
}

// any reports whether a key is busy.
func (k *keyQueues) any() bool { return len(k.waiting) > 0 }

// forget makes key idle, because its delivery was taken out of the queue.
func (k *keyQueues) forget(key int64) { delete(k.waiting, key) }

// batching is a destination's batch, applied to its lane's queue.
type batching struct{ bellhop.Batch }

// fill returns how many deliveries of q go into the next request: as many as the destination takes together,
// within the bytes of a request, and none after a delivery that goes alone.
func (b batching) fill(q *fifo) int {
	if b.MaxEvents < 2 || q.len() == 0 || goesAlone(q.at(0)) {
		return min(1, q.len())
	}
	size := 0
	for n := range min(b.MaxEvents, q.len()) {
		d := q.at(n)
		size += len(d.Event.Body)
		if n > 0 && (size > bellhop.MaxBatchBytes || goesAlone(d)) {
			return n
		}
	}
	return min(b.MaxEvents, q.len())
}

// follow appends to batch the deliveries that wait behind its deliveries under their keys, as long as there is room.
func (b batching) follow(batch []*bellhop.Delivery, keys *keyQueues) []*bellhop.Delivery {
	if goesAlone(batch[0]) {
		return batch
	}
	size := 0
	for _, d := range batch {
		size += len(d.Event.Body)
	}
	for i := 0; i < len(batch) && len(batch) < b.MaxEvents; i++ {
		next := keys.peek(batch[i])
		if next == nil || goesAlone(next) || size+len(next.Event.Body) > bellhop.MaxBatchBytes {
			continue
		}
		size += len(next.Event.Body)
		batch = append(batch, keys.pop(next.Key))
	}
	return batch
}

// ready returns when the next batch may go: now if it is full, otherwise when its oldest event has waited
// MaxWait. behind is how many deliveries wait for another one of their key.
func (b batching) ready(q *fifo, behind int, now time.Time) time.Time {
	if b.MaxEvents < 2 || q.len() == 0 || q.len()+behind >= b.MaxEvents || b.fill(q) < q.len() {
		return now
	}
	if at := q.at(0).Event.ReceivedAt.Add(b.MaxWait); at.After(now) {
		return at
	}
	return now
}

// goesAlone reports whether d is not put into a batch, because its last attempt may have failed for what its
// event is, and would make the others fail too.
func goesAlone(d *bellhop.Delivery) bool {
	if d.Last == nil {
		return false
	}
	switch d.Last.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return d.Last.Error == outbound.ErrorRender || d.Last.Error == outbound.ErrorSkipped || d.Last.Status >= 400 &&
		d.Last.Status < 500
}
