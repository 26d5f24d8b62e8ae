package subscription

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file puts the fills of each connection into a line, of which one at a time makes a step.

// A line has the fills of one connection, and those baselines of it that are to be taken. Manager.mu guards it.
type line struct {
	fills   []*fill
	running bool          // a goroutine serves the line
	round   int           // counts the calls of nextFill
	wake    chan struct{} // holds one: the line has changed
}

// enqueue puts the fill of a gap into its line, unless it is there already, and returns it.
func (m *Manager) enqueue(e *entry, gap bellhop.Gap) *fill {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := e.shared.Load().ConnectionID
	l := m.lines[id]
	if l == nil {
		l = &line{wake: make(chan struct{}, 1)}
		m.lines[id] = l
	}
	for _, f := range l.fills {
		if f.id == gap.ID {
			return f
		}
	}
	f := &fill{e: e, id: gap.ID, gap: gap, done: make(chan struct{})}
	if now := m.now(); now.Sub(e.filledAt).Abs() < fillPause && byItself(gap) {
		f.at = now.Add(fillPause)
	}
	l.fills = append(l.fills, f)
	e.gaps++
	return f
}

// hurry has a fill go on at once.
func (m *Manager) hurry(f *fill) {
	m.mu.Lock()
	f.at = time.Time{}
	if l := m.lines[f.e.shared.Load().ConnectionID]; l != nil {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	m.mu.Unlock()
	m.poke()
}

// startLines serves the lines that have something to do. Run calls it.
func (m *Manager) startLines(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, l := range m.lines {
		if len(l.fills) > 0 && !l.running {
			l.running = true
			m.fillers.Go(func() { m.serve(ctx, id, l) })
		}
	}
}

// serve makes steps of the fills of a line until none is left or ctx ends. A fill that waits lets the others go.
func (m *Manager) serve(ctx context.Context, connectionID string, l *line) {
	for ctx.Err() == nil {
		f, wait := m.nextFill(connectionID, l)
		if f == nil && wait < 0 {
			return
		}
		if f == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-l.wake:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		wait, ended := m.fillStep(ctx, f)
		m.mu.Lock()
		f.at = m.now().Add(wait)
		if ended {
			m.leave(l, f)
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	l.running = false
	m.mu.Unlock()
}

// leave takes a fill that has ended out of its line, and has the next one of its subscription wait. The caller holds
// m.mu.
func (m *Manager) leave(l *line, f *fill) {
	l.fills = slices.DeleteFunc(l.fills, func(other *fill) bool { return other == f })
	f.e.filledAt = m.now()
	for _, other := range l.fills {
		if other.e == f.e && !other.begun && byItself(other.gap) {
			other.at = f.e.filledAt.Add(fillPause)
		}
	}
	f.e.gaps--
	close(f.done)
}

// nextFill returns the first fill of a line that may begin or go on now, or nil and after how long to look again;
// negative if the line is empty, which nobody serves any more then. A fill does not begin while another one of its
// subscription holds it back, unless a user asked for its gap.
func (m *Manager) nextFill(connectionID string, l *line) (*fill, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(l.fills) == 0 {
		l.running = false
		return nil, -1
	}
	now := m.now()
	if pause := m.of(connectionID).until.Sub(now); pause > 0 {
		return nil, min(pause, maxLook)
	}
	l.round++
	for _, f := range l.fills {
		if f.begun && f.holds() {
			f.e.heldIn = l.round
		}
	}
	wait := maxLook
	for _, f := range l.fills {
		if f.waits() && f.e.heldIn == l.round {
			continue
		}
		if !f.at.After(now) || f.at.Sub(now) > 25*time.Hour { // the clock was set back since
			f.begun = true
			return f, 0
		}
		wait = min(wait, f.at.Sub(now))
	}
	return nil, wait
}

// waiting counts the gaps that are to be filled.
func (m *Manager) waitingGaps() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		n += len(l.fills)
	}
	return n
}

// loadFills puts the gaps that wait for a fill into their lines, as a start of the gateway does.
func (m *Manager) loadFills(ctx context.Context) error {
	if m.opts.PublishCaughtUp == nil {
		return nil
	}
	gaps, err := m.opts.Store.GapsToFill(ctx)
	if err != nil {
		return err
	}
	for _, gap := range gaps {
		if e, err := m.find(gap.SubscriptionID); err == nil {
			m.enqueue(e, gap)
		}
	}
	return nil
}

// arrived are the keys of the changes whose notifications did arrive.
type arrived map[[16]byte]struct{}

// maxArrived bounds the keys in memory, of 16 bytes each. Events beyond it do not fold; a receiver gets their change
// twice.
const maxArrived = 200_000

func keyOf(key string) (short [16]byte) {
	sum := sha256.Sum256([]byte(key))
	copy(short[:], sum[:])
	return short
}

func (a arrived) has(key string) bool {
	_, ok := a[keyOf(key)]
	return ok
}

// arrivedMargin is how much of the time before a read of what arrived is read again by the next: an event may get its
// number before the read, and its row after.
const arrivedMargin = time.Second

// readArrived reads which changes the source was told of since the begin of the gap. It is called before each page is
// told, and reads what came in since the last call: notifications keep coming in while a gap is filled.
func (m *Manager) readArrived(ctx context.Context, f *fill, sub *bellhop.Subscription) error {
	begin, after := m.now(), ""
	for len(f.arrived) < maxArrived {
		events, err := m.opts.Store.EventsAfter(ctx, sub.SourceID, f.arrivedTo, after, bellhop.MaxPage)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			f.arrivedTo = begin.Add(-arrivedMargin)
			return nil
		}
		after = events[len(events)-1].ID
		for i := range events {
			if key := f.changes.Key(&events[i]); key != "" {
				f.arrived[keyOf(key)] = struct{}{}
			}
		}
		if len(f.arrived) >= maxArrived {
			m.log.Warn("subscription.gap.crowded", "subscription_id", sub.ID, "subscription", sub.Name,
				"gap_id", f.gap.ID, "keys", len(f.arrived),
				"meaning", "changes of later events may be told twice")
		}
	}
	return nil
}
