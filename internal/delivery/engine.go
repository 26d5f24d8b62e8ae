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
	"cmp"
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
	// Claim leases what is due for a destination: at most limit deliveries and about maxBytes of bodies. It may return none though
	// something is due, where it had much to look at; NextDue says so.
	Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error)
	// NextDue returns when a destination's next delivery is due, and whether there is one.
	NextDue(ctx context.Context, destinationID string) (time.Time, bool, error)
	// Record keeps an attempt and its delivery's new state; it does not wait for the disk.
	Record(r bellhop.Result) error
	// Release gives leased deliveries back, due now.
	Release(ctx context.Context, deliveryIDs []string) error
	// EndDestination puts a destination into a state in which it gets nothing, unless it has been changed since updatedAt.
	EndDestination(ctx context.Context, id string, updatedAt time.Time, state bellhop.DestinationState, reason string) (bool, error)
	// SetFailing keeps since when a destination is held back for failing; the zero time is that it is not.
	SetFailing(ctx context.Context, id string, since time.Time) error
}

// Options say what an engine may use.
type Options struct {
	Store     Store
	Client    *egress.Client
	Providers []provider.Provider // those that send make destination types
	Actions   []provider.Action   // as does each of these
	Env       provider.Env        // its clock is the engine's
	Random    func() float64      // in [0, 1), for jitter
	Logger    *slog.Logger
	Metrics   prometheus.Registerer // nil keeps none
	PublicURL string                // of our API, for links to what is not sent: "https://hooks.example.com"
	Changed   func()                // called after the engine disabled a destination, or its time was over; may be nil

	// Announce accepts an event of the gateway's own, as the door does others; nil announces nothing.
	Announce func(ctx context.Context, ev bellhop.Event) error
	// MaxAttempts bounds the attempts under way in all lanes together; 0 is DefaultMaxAttempts.
	MaxAttempts int
}

// Bounds of what waits in memory. The rest waits in the table.
const (
	laneLength     = 1024     // deliveries in one lane
	maxLaneLength  = 4096     // the same, where many go in one request
	maxQueuedBytes = 64 << 20 // bodies in all lanes
	maxLaneBytes   = 16 << 20 // bodies in one lane, but that a single one may be larger
	claimLimit     = 512
	claimBytes     = 8 << 20
	minClaimBytes  = 1 << 20 // for which there has to be room before a claim: what a source takes by default
	maxBeyond      = 16      // lanes that may claim one delivery though others have taken all the room
	beyondPause    = 20 * time.Millisecond
)

// DefaultMaxAttempts is how many attempts are under way at a time, in all lanes together.
const DefaultMaxAttempts = 8192

// An Engine is ready after New; its lanes come and go with SetDestinations.
type Engine struct {
	opts    Options
	metrics *metrics
	senders map[string]provider.Sender
	actions map[string]provider.Action

	mu      sync.Mutex // of replace and Halt
	stopped bool
	lanes   atomic.Pointer[laneTable]

	gate        *gate
	again       chan struct{} // makes Run look at the destinations; holds one
	queuedBytes atomic.Int64
	beyond      atomic.Int64 // lanes that have a delivery in memory though that is full
	attempts    sync.WaitGroup
	ctx         context.Context // of attempts; ends when Stop loses patience
	cancel      context.CancelFunc
}

// New returns an engine without destinations.
func New(opts Options) *Engine {
	e := &Engine{opts: opts, senders: map[string]provider.Sender{}, actions: map[string]provider.Action{}, metrics: newMetrics(opts.Metrics),
		gate: newGate(cmp.Or(opts.MaxAttempts, DefaultMaxAttempts)), again: make(chan struct{}, 1)}
	if e.opts.Random == nil {
		e.opts.Random = rand.Float64
	}
	for _, p := range opts.Providers {
		if s, ok := p.(provider.Sender); ok {
			e.senders[p.Info().Name] = s
		}
	}
	for _, a := range opts.Actions {
		e.actions[a.Info().Name] = a
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.lanes.Store(newLaneTable(nil))
	return e
}

func (e *Engine) now() time.Time { return e.opts.Env.Now() }

// SetDestinations replaces the destinations. Lanes of those that stay keep what they hold. A destination that
// cannot be opened is reported and gets nothing until it is mended; its events are kept for it.
func (e *Engine) SetDestinations(ctx context.Context, list []bellhop.Destination) error {
	gone, changed, err := e.replace(list)
	errs := []error{err}
	for _, l := range gone { // all that waits for the disk comes after, without holding up a stop
		e.release(l.stop())
	}
	for _, l := range changed {
		if l.destination.Load().State != bellhop.DestinationActive { // it may be so for weeks
			errs = append(errs, l.giveBack(l.drain()))
		}
		errs = append(errs, l.lookDue(ctx))
	}
	return errors.Join(errs...)
}

// replace puts another table of lanes in place. It returns the lanes that are not in it any more, and those that are new or
// whose destination changed.
func (e *Engine) replace(list []bellhop.Destination) (gone, changed []*lane, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, nil, nil
	}
	old := e.lanes.Load().byID
	lanes := make(map[string]*lane, len(list))
	var errs []error
	for _, d := range list {
		l := old[d.ID]
		if l != nil && l.destination.Load().UpdatedAt.Equal(d.UpdatedAt) && l.destination.Load().State == d.State {
			lanes[d.ID] = l
			continue
		}
		dst, err := e.open(d)
		if err != nil {
			errs = append(errs, fmt.Errorf("destination %s (%s): %w", d.ID, d.Name, err))
			dst = closedDestination(d, err)
		}
		if l == nil {
			l = newLane(e, d.ID)
		} else {
			dst.inherit(l.destination.Load())
		}
		l.setDestination(dst)
		lanes[d.ID] = l
		changed = append(changed, l)
	}
	e.lanes.Store(newLaneTable(lanes))
	e.lookAgain()
	for id, l := range old {
		if lanes[id] == nil {
			gone = append(gone, l)
		}
	}
	return gone, changed, errors.Join(errs...)
}

// CheckDestination reports as a [bellhop.CodeInvalid] error what of d cannot be: its URL, settings or match.
func (e *Engine) CheckDestination(d bellhop.Destination) error {
	_, err := e.open(d)
	return err
}

// Closed says why a destination that is stored cannot be opened here, so that it gets nothing; "" if it can.
func (e *Engine) Closed(destinationID string) string {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		if dst := l.destination.Load(); dst.closed {
			return dst.StateReason
		}
	}
	return ""
}

// Wake makes a lane look into the table: something in it has become due.
func (e *Engine) Wake(destinationID string) {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		l.noteDue(e.now())
	}
}

// Halt begins nothing more. What is accepted from now on waits in the table.
func (e *Engine) Halt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	for _, l := range e.lanes.Load().byID {
		l.stop()
	}
}

// Stop lets the attempts under way end, until ctx does, and begins nothing more. Nothing that ended is made again by
// the next process; what ctx cut off is. What was queued stays leased: the next process finds it due.
func (e *Engine) Stop(ctx context.Context) error {
	defer e.cancel()
	e.Halt()
	done := make(chan struct{})
	go func() {
		e.attempts.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select { // a context that was over before we began cuts off nothing that is not there
	case <-done:
		return nil
	case <-time.After(stopGrace):
	}
	e.cancel()
	e.opts.Client.Close()
	<-done
	return fmt.Errorf("delivery: attempts were cut off: %w", ctx.Err())
}

// stopGrace is how much longer than its context a stop waits.
const stopGrace = 50 * time.Millisecond

func (e *Engine) release(ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := e.opts.Store.Release(e.ctx, ids)
	if err != nil && e.ctx.Err() == nil { // after a stop nobody waits for it, and the next start frees what is left
		e.opts.Logger.Error("release.failed", "component", "delivery", "count", len(ids), "error", err,
			"meaning", "these deliveries stay leased until the next start")
	}
	return err
}

// disable stops a destination that said it is gone, or has failed for too long, unless it has been changed since dst.
func (e *Engine) disable(l *lane, dst *destination, reason string) {
	resume, ok := l.suspend(dst) // first, so that nothing more is sent there
	if !ok {
		return
	}
	ended, err := e.opts.Store.EndDestination(context.Background(), l.id, dst.UpdatedAt, bellhop.DestinationDisabled, reason)
	if err != nil {
		e.opts.Logger.Error("disable.failed", "component", "delivery", "destination_id", l.id, "error", err,
			"meaning", "the destination goes on; the next such answer tries again")
	}
	if !ended {
		resume()
		return
	}
	e.opts.Logger.Warn("destination.disabled", "component", "delivery", "destination_id", l.id, "reason", reason)
	l.giveBack(l.drain())
	e.announce(dst, bellhop.TypeDestinationDisabled, news{Reason: reason})
	if e.opts.Changed != nil {
		e.opts.Changed()
	}
}
