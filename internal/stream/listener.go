package stream

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Listener follows a hub. One goroutine uses it.
type Listener struct {
	hub    *Hub
	filter Filter
	ready  chan struct{} // holds one: pending or ended has changed

	// Set by Attach; only the goroutine that uses the listener reads and writes them after that.
	at uint64 // the number of the latest note that was read from the ring
	// the number of the latest note at Attach: those up to it come from the ring, later ones from Run
	from     uint64
	attached Position // the position at Attach
	live     bool     // the message that says so was written
	closed   bool
	replayed []slot // its memory is used again

	mu      sync.Mutex // guards the fields below
	bucket  bucket     // of the rate of filter
	pending []byte     // messages that nobody has read yet, at most maxPending bytes
	spare   []byte     // the slice that becomes pending when the other one is read
	passed  Position   // the position after everything that Run has looked at for this listener
	ended   bool       // nothing more comes after pending
}

// Filter returns the filter of l.
func (l *Listener) Filter() *Filter { return &l.filter }

// Attach begins to listen: notes that are published from now on reach l. With a position of which the ring still has
// everything after, exact is true, and those notes come first. Otherwise the caller reads from the store what came
// after it, up to and including the mark through; no note that comes to l later has a mark up to that.
func (l *Listener) Attach(after Position) (through string, exact bool) {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.opts.Now()
	exact = h.has(after)
	l.at, l.from = h.head, h.head
	if exact {
		l.at = after.Seq
	}
	l.attached = Position{h.mark, now, h.session, h.head}
	l.passed = l.attached
	if h.stopped {
		l.end(stopping)
		return h.mark, exact
	}
	h.listeners[l] = struct{}{}
	return h.mark, exact
}

// Close gives the place of l back.
func (l *Listener) Close() {
	if l.closed {
		return
	}
	l.closed = true
	h := l.hub
	h.mu.Lock()
	h.open--
	delete(h.listeners, l)
	h.mu.Unlock()
	h.metrics.listeners.Dec()
	h.poke() // so that Run sees whether somebody is left
}

// take adds the messages of those notes of a batch that l wants to pending. lost notes are missing before them. It
// returns false if that is more than l may have pending: then l has ended.
func (l *Listener) take(batch []slot, lost uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return true
	}
	before, skipped, now := len(l.pending), 0, l.hub.opts.Now()
	if lost > 0 {
		l.pending = l.gap(l.pending, "more happened at once than the gateway could pass on", lost)
	}
	for i := range batch {
		s := &batch[i]
		if s.after.Seq <= l.from || !l.filter.Wants(&s.Note) {
			continue
		}
		if !l.bucket.take(l.filter.Rate, now) {
			skipped++
			continue
		}
		text := l.hub.text(s)
		if len(l.pending)+len(text) > maxPending {
			l.endLocked(tooSlow)
			return false
		}
		l.pending = append(l.pending, text...)
	}
	if last := len(batch) - 1; last >= 0 && batch[last].after.Seq > l.passed.Seq {
		l.passed = batch[last].after
	}
	if skipped > 0 {
		l.pending = l.skipped(l.pending, l.passed, skipped)
	}
	if len(l.pending) > before {
		l.poke()
	}
	return true
}

// gap appends the message that notes are lost.
func (l *Listener) gap(dst []byte, why string, lost uint64) []byte {
	return l.hub.Append(dst, Position{}, &Note{Kind: Gap, At: l.hub.opts.Now(), Thing: Control{Reason: "overrun",
		Detail: fmt.Sprintf("%s: %d notes are missing, of which some may be for this stream", why, lost)}})
}

// skipped appends the message that notes until a position are left out because of the rate.
func (l *Listener) skipped(dst []byte, until Position, count int) []byte {
	return l.hub.Append(dst, until, &Note{Kind: Skipped, At: l.hub.opts.Now(), Thing: Control{Count: count}})
}

// A bucket bounds notes by a rate. The zero bucket is full.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// take reports whether one more note is within the rate; 0 is any.
func (b *bucket) take(rate int, now time.Time) bool {
	if rate == 0 {
		return true
	}
	most := max(1, float64(rate)/4)
	if b.at.IsZero() {
		b.tokens = most
	}
	b.tokens = min(most, b.tokens+max(0, now.Sub(b.at).Seconds())*float64(rate))
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// end lets the stream of l end with a last message that gives the reason.
func (l *Listener) end(why Control) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endLocked(why)
}

func (l *Listener) endLocked(why Control) {
	if l.ended {
		return
	}
	l.ended = true
	l.pending = l.hub.Append(l.pending, Position{}, &Note{Kind: End, At: l.hub.opts.Now(), Thing: why})
	l.poke()
}

func (l *Listener) poke() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Next waits for messages and returns their bytes, which are valid until the next call. If none comes for the time of
// a heartbeat, it returns a comment, which tells the client its new position. The error is io.EOF after the last
// message, or that of ctx.
func (l *Listener) Next(ctx context.Context) ([]byte, error) {
	text := l.replay()
	if len(text) > 0 {
		return text, nil
	}
	if !l.live {
		l.live = true
		return l.hub.Append(nil, l.attached, &Note{Kind: Live, At: l.attached.At, Thing: Control{}}), nil
	}
	timer := time.NewTimer(Heartbeat)
	defer timer.Stop()
	for {
		text, ended := l.read()
		switch {
		case len(text) > 0:
			return text, nil
		case ended:
			return nil, io.EOF
		}
		select {
		case <-l.ready:
		case <-timer.C:
			return l.beat(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// keptBytes is how large a buffer a listener keeps until nothing has come for the time of a heartbeat.
const keptBytes = 256 << 10

// read returns the pending messages, and whether none follow.
func (l *Listener) read() (text []byte, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text = l.pending
	l.pending, l.spare = l.spare[:0], text
	if cap(l.spare) > keptBytes {
		l.spare = nil
	}
	return text, l.ended
}

// beat returns a comment with the position that l has reached: an id without data makes no event at the client.
func (l *Listener) beat() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) > 0 { // they are not read yet, and the position is after them
		return []byte(":\n\n")
	}
	l.pending, l.spare = nil, nil
	p := l.passed
	return append(p.Append([]byte(":\nid: ")), "\n\n"...)
}

// replay returns the messages of notes from before Attach, which are in the ring: those of one or several chunks,
// until some are wanted or all are read. If the ring has moved on meanwhile, a gap is the first message.
func (l *Listener) replay() (text []byte) {
	for l.at < l.from && len(text) == 0 {
		lost := l.copyOut()
		if lost > 0 {
			text = l.gap(text, "the gateway has forgotten something meanwhile", lost)
		}
		skipped, last := 0, l.attached
		for i := range l.replayed {
			s := &l.replayed[i]
			last = s.after
			switch {
			case !l.filter.Wants(&s.Note):
			case !l.allows():
				skipped++
			default:
				text = l.hub.Append(text, s.after, &s.Note)
			}
		}
		if skipped > 0 {
			text = l.skipped(text, last, skipped)
		}
	}
	if l.at == l.from {
		l.replayed = nil
	}
	return text
}

// allows reports whether one more note is within the rate of the filter.
func (l *Listener) allows() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket.take(l.filter.Rate, l.hub.opts.Now())
}

// copyOut copies the next notes up to from out of the ring, and returns how many are there no more.
func (l *Listener) copyOut() (lost uint64) {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := h.head - min(h.head, ringLength)
	if l.at < oldest {
		lost = min(oldest, l.from) - l.at
		l.at += lost
	}
	l.replayed = l.replayed[:0]
	for l.at < l.from && len(l.replayed) < chunk {
		l.at++
		l.replayed = append(l.replayed, h.ring[l.at%ringLength])
	}
	return lost
}
