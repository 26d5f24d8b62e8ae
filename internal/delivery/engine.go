// Package delivery brings events to their destinations.
//
// Each destination has a lane: a bounded queue in memory and as many attempts at a time as the destination
// allows. What was just accepted goes into its lane from memory; what is due later, did not fit, or was left by
// a crash waits in the deliveries table, which is the only schedule, and is claimed as the lane drains. A retry
// is the next attempt of the same delivery through the same function.
//
// It promises that a destination that is slow, hangs or is gone delays no other, that an attempt ends within its
// timeout, and that every attempt is recorded with what came of it. DESIGN.md tells states and what a crash does.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is what the engine needs of the deliveries table.
type Store interface {
	// Claim leases what is due for a destination: at most limit deliveries and about maxBytes of bodies.
	Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error)
	// NextDue returns when a destination's next delivery is due, and whether there is one.
	NextDue(ctx context.Context, destinationID string) (time.Time, bool, error)
	// Record keeps an attempt and its delivery's new state; it does not wait for the disk.
	Record(r bellhop.Result) error
	// Release gives leased deliveries back, due now.
	Release(ctx context.Context, deliveryIDs []string) error
	// SetDestinationState changes whether a destination gets its deliveries.
	SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState, reason string) error
}

// Options say what an engine may use.
type Options struct {
	Store     Store
	Client    *egress.Client
	Providers []provider.Provider // those that send make destination types
	Env       provider.Env
	Now       func() time.Time
	Random    func() float64 // in [0, 1), for jitter
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // nil keeps none
	Changed   func()                // called after the engine disabled a destination; may be nil
}

// Bounds of what waits in memory. The rest waits in the table.
const (
	laneLength     = 1024     // deliveries in one lane
	maxQueuedBytes = 64 << 20 // bodies in all lanes
	claimLimit     = 256
	claimBytes     = 8 << 20
	minClaimBytes  = 256 << 10 // which an empty lane may claim though the others have taken all the room
)

// An Engine is ready after New; its lanes come and go with SetDestinations.
type Engine struct {
	opts    Options
	metrics *metrics
	senders map[string]provider.Sender

	mu      sync.Mutex // of SetDestinations and Stop
	stopped bool
	lanes   atomic.Pointer[laneTable]

	queuedBytes atomic.Int64
	attempts    sync.WaitGroup
	ctx         context.Context // of attempts; ends when Stop loses patience
	cancel      context.CancelFunc
}

// New returns an engine without destinations.
func New(opts Options) *Engine {
	e := &Engine{opts: opts, senders: map[string]provider.Sender{}, metrics: newMetrics(opts.Metrics)}
	if e.opts.Random == nil {
		e.opts.Random = rand.Float64
	}
	for _, p := range opts.Providers {
		if s, ok := p.(provider.Sender); ok {
			e.senders[p.Info().Name] = s
		}
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.lanes.Store(newLaneTable(nil))
	return e
}

// laneTable is a snapshot of the lanes, by what they may want.
type laneTable struct {
	byID     map[string]*lane
	any      []*lane            // that take events of every source
	bySource map[string][]*lane // by source name or id
}

func newLaneTable(lanes map[string]*lane) *laneTable {
	t := &laneTable{byID: lanes, bySource: map[string][]*lane{}}
	if t.byID == nil {
		t.byID = map[string]*lane{}
	}
	for _, l := range lanes {
		sources := l.target.Load().destination.Match.Sources
		if len(sources) == 0 {
			t.any = append(t.any, l)
		}
		for _, s := range sources {
			if !contains(t.bySource[s], l) { // named twice
				t.bySource[s] = append(t.bySource[s], l)
			}
		}
	}
	return t
}

// SetDestinations replaces the destinations. Lanes of those that stay keep what they hold. A destination that
// cannot be opened is reported and gets nothing until it is mended; its events are kept for it.
func (e *Engine) SetDestinations(ctx context.Context, list []bellhop.Destination) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil
	}
	old := e.lanes.Load().byID
	lanes := make(map[string]*lane, len(list))
	var errs []error
	var changed []*lane
	for _, d := range list {
		l := old[d.ID]
		if l != nil && l.target.Load().destination.UpdatedAt.Equal(d.UpdatedAt) && l.target.Load().destination.State == d.State {
			lanes[d.ID] = l
			continue
		}
		t, err := e.open(d)
		if err != nil {
			errs = append(errs, fmt.Errorf("destination %s (%s): %w", d.ID, d.Name, err))
			t = closedTarget(d, err)
		}
		if l == nil {
			l = newLane(e, d.ID)
		}
		l.target.Store(t)
		lanes[d.ID] = l
		changed = append(changed, l)
	}
	e.lanes.Store(newLaneTable(lanes))
	for id, l := range old {
		if lanes[id] == nil {
			e.release(l.stop())
		}
	}
	for _, l := range changed {
		if l.target.Load().destination.State != bellhop.DestinationActive { // it may be so for weeks
			if err := e.release(l.drain()); err != nil {
				errs = append(errs, err)
			}
		}
		if err := l.lookDue(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// CheckDestination reports as a [bellhop.CodeInvalid] error what of d cannot be: its URL, settings or match.
func (e *Engine) CheckDestination(d bellhop.Destination) error {
	_, err := e.open(d)
	return err
}

// Match lists who wants the events, in the events' order, and reserves room in their lanes: what is Leased has a
// place. The caller gives every one of them to Deliver or to Forget.
func (e *Engine) Match(events []bellhop.Event) []bellhop.Owed {
	t := e.lanes.Load()
	var owed []bellhop.Owed
	for i := range events {
		ev := &events[i]
		for _, l := range t.any {
			owed = e.match(owed, i, ev, l)
		}
		byName := t.bySource[ev.Source]
		for _, l := range byName {
			owed = e.match(owed, i, ev, l)
		}
		for _, l := range t.bySource[ev.SourceID] {
			if !contains(byName, l) {
				owed = e.match(owed, i, ev, l)
			}
		}
	}
	return owed
}

func contains(lanes []*lane, l *lane) bool {
	for _, other := range lanes {
		if other == l {
			return true
		}
	}
	return false
}

func (e *Engine) match(owed []bellhop.Owed, i int, ev *bellhop.Event, l *lane) []bellhop.Owed {
	target := l.target.Load()
	wants, err := target.matcher.Wants(ev)
	if err != nil {
		e.metrics.matchErrors.Inc()
		e.opts.Logger.Debug("match failed", "component", "delivery", "destination_id", l.id, "error", err)
	}
	if !wants {
		return owed
	}
	return append(owed, bellhop.Owed{Event: i, DestinationID: l.id, Leased: l.reserve(len(ev.Body))})
}

// Deliver puts what has been accepted into its lanes. Each event stays as it is from now on.
func (e *Engine) Deliver(events []bellhop.Event, owed []bellhop.Owed) {
	t := e.lanes.Load()
	for _, o := range owed {
		l := t.byID[o.DestinationID]
		ev := &events[o.Event]
		switch {
		case o.Leased && (o.DeliveryID == "" || l == nil): // a repeat, or a destination deleted meanwhile
			e.unreserve(l, len(ev.Body))
			if o.DeliveryID != "" {
				e.release([]string{o.DeliveryID})
			}
		case o.Leased:
			l.push(&bellhop.Delivery{ID: o.DeliveryID, EventID: ev.ID, DestinationID: o.DestinationID, State: bellhop.DeliveryLeased, Event: ev})
		case l != nil && o.DeliveryID != "":
			l.noteDue(e.opts.Now())
		}
	}
}

// Forget gives back the room of what was not accepted.
func (e *Engine) Forget(events []bellhop.Event, owed []bellhop.Owed) {
	t := e.lanes.Load()
	for _, o := range owed {
		if o.Leased {
			e.unreserve(t.byID[o.DestinationID], len(events[o.Event].Body))
		}
	}
}

func (e *Engine) unreserve(l *lane, size int) {
	e.queuedBytes.Add(-int64(size))
	if l != nil {
		l.mu.Lock()
		l.reserved--
		if !l.dueAt.IsZero() {
			l.fillLater(e.opts.Now()) // for which there was no room, perhaps
		}
		l.mu.Unlock()
	}
}

// Wake makes a lane look into the table: something in it has become due.
func (e *Engine) Wake(destinationID string) {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		l.noteDue(e.opts.Now())
	}
}

// Stop lets the attempts under way end, until ctx does, and gives back everything that was not begun. Nothing that
// ended is made again by the next process; what ctx cut off is.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	var ids []string
	for _, l := range e.lanes.Load().byID {
		ids = append(ids, l.stop()...)
	}
	done := make(chan struct{})
	go func() {
		e.attempts.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("delivery: attempts were cut off: %w", ctx.Err())
		e.cancel()
		e.opts.Client.Close()
	}
	<-done
	e.cancel()
	return errors.Join(err, e.release(ids))
}

func (e *Engine) release(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := e.opts.Store.Release(context.Background(), ids)
	if err != nil {
		e.opts.Logger.Error("leases were not given back", "component", "delivery", "count", len(ids), "error", err)
	}
	return err
}

// disable stops a destination that said it is gone, unless it has been changed since t.
func (e *Engine) disable(l *lane, t *target, reason string) {
	resume, ok := l.suspend(t) // first, so that nothing more is sent there
	if !ok {
		return
	}
	if err := e.opts.Store.SetDestinationState(context.Background(), l.id, bellhop.DestinationDisabled, reason); err != nil {
		e.opts.Logger.Error("destination could not be disabled", "component", "delivery", "destination_id", l.id, "error", err)
		resume()
		return
	}
	e.opts.Logger.Warn("destination.disabled", "component", "delivery", "destination_id", l.id, "reason", reason)
	e.release(l.drain())
	if e.opts.Changed != nil {
		e.opts.Changed()
	}
}
