package delivery

import "github.com/bellhop-gateway/bellhop"

// A fifo is a queue in a ring that grows by doubling. The zero fifo is empty and holds no memory.
type fifo struct {
	ring  []queued
	head  int
	n     int
	fresh int // of them, how many were never in the table to be claimed
}

// A queued is a delivery in a lane.
type queued struct {
	*bellhop.Delivery
	fresh bool // it came straight from being accepted
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

// at returns the i-th oldest; there must be so many.
func (q *fifo) at(i int) *bellhop.Delivery { return q.ring[(q.head+i)%len(q.ring)].Delivery }

// pop takes the oldest; the queue must not be empty.
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
