package delivery

import "github.com/bellhop-gateway/bellhop"

// A behind holds what waits for another delivery of its key, in a lane whose destination asks for order. Of each key one
// delivery at most is in the lane's queue or being attempted; the others are here, in their order. What has no key is never here.
type behind struct {
	waiting map[int64][]*bellhop.Delivery // by key; a key without any is one that is queued or attempted alone
	n       int
}

// joins reports whether d is the first of its key and goes into the queue. Otherwise it is kept here.
func (b *behind) joins(d *bellhop.Delivery) bool {
	if d.Key == 0 {
		return true
	}
	line, busy := b.waiting[d.Key]
	if !busy {
		if b.waiting == nil {
			b.waiting = map[int64][]*bellhop.Delivery{}
		}
		b.waiting[d.Key] = nil
		return true
	}
	b.waiting[d.Key] = append(line, d)
	b.n++
	return false
}

// peek returns what waits directly behind d; nil if nothing does.
func (b *behind) peek(d *bellhop.Delivery) *bellhop.Delivery {
	if line := b.waiting[d.Key]; d.Key != 0 && len(line) > 0 {
		return line[0]
	}
	return nil
}

// pass takes what waits first under key out of its line. If nothing does, the key is idle.
func (b *behind) pass(key int64) *bellhop.Delivery {
	line, busy := b.waiting[key]
	if !busy || len(line) == 0 {
		delete(b.waiting, key)
		return nil
	}
	b.waiting[key] = line[1:]
	b.n--
	return line[0]
}

// block empties the line of key, whose first is to be tried again later: the others wait for it in the table.
func (b *behind) block(key int64) []*bellhop.Delivery {
	line := b.waiting[key]
	delete(b.waiting, key)
	b.n -= len(line)
	return line
}

// drain empties all lines. Keys that are being attempted stay busy.
func (b *behind) drain() (all []*bellhop.Delivery) {
	for key, line := range b.waiting {
		all = append(all, line...)
		b.waiting[key] = nil
	}
	b.n = 0
	return all
}

// any reports whether there is a key at all.
func (b *behind) any() bool { return len(b.waiting) > 0 }

// idle forgets a key of which nothing is queued or attempted any more.
func (b *behind) idle(key int64) { delete(b.waiting, key) }
