// Package delivery decides when events are delivered to their destinations, and records what came of it.
// internal/outbound makes the requests.
//
// Each destination has a lane: a bounded queue in memory, and as many attempts at a time as the destination
// allows. Events that were just accepted go into their lanes from memory. Deliveries that are due later, did
// not fit, or were left by a crash wait in the deliveries table, which is the only schedule; a lane claims them
// as it drains. A retry is the next attempt of the same delivery, through the same function.
//
// The package promises that a destination which is slow, hangs or is gone delays no other one, and that every
// attempt is recorded with its result. DESIGN.md has the states, and what a crash does.
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
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/prometheus/client_golang/prometheus"
)

// Store is what the engine needs of the store.
type Store interface {
	// Claim leases deliveries of a destination that are due: at most limit, with about maxBytes of bodies. It may
	// return none although some are due, if it had to inspect many; NextDue then says so.
	Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error)
	// NextDue returns when a destination's next delivery is due, and whether there is one.
	NextDue(ctx context.Context, destinationID string) (time.Time, bool, error)
	// Record stores an attempt and the new state of its delivery. It does not wait for the disk.
	Record(r bellhop.Result) error
	// Settle is Record, and returns once the result is on disk. It reports whether the result was stored, and not
	// dropped because its lease is outdated. If ctx ends before that, the result is still written.
	Settle(ctx context.Context, r bellhop.Result) (stored bool, err error)
	// Release makes leased deliveries pending and due now.
	Release(ctx context.Context, deliveryIDs []string) error
	// EndDestination puts a destination into a state in which it gets nothing. It reports false if the destination
	// was changed after updatedAt, and then leaves it alone.
	EndDestination(ctx context.Context, id string, updatedAt time.Time, state bellhop.DestinationState,
		reason string) (bool, error)
	// SetFailing stores since when a destination has been failing; zero if it is not.
	SetFailing(ctx context.Context, id string, since time.Time) error
}

// Options say what an engine may use.
type Options struct {
	Store   Store
	Opener  *outbound.Opener
	CutOff  func() // cuts off the requests that are under way, when Stop may wait no longer
	Now     func() time.Time
	Random  func() float64 // in [0, 1), for jitter
	Logger  *slog.Logger
	Metrics prometheus.Registerer // nil registers no metrics
	Tracer  *trace.Tracer         // nil traces nothing
	Gate    *match.Gate           // of large bodies, for all who evaluate expressions; nil makes one
	Changed func()                // called after the engine disabled or expired a destination; may be nil

	// OrderKey is a secret from which the keys of ordered deliveries are made. They are stored, so a store has the
	// same one at each start.
	OrderKey [16]byte

	// Announce accepts an event of the gateway's own, as the door accepts other events. Nil announces nothing.
	Announce func(ctx context.Context, ev bellhop.Event) error
	// MaxAttempts bounds the attempts under way in all lanes together; 0 is DefaultMaxAttempts.
	MaxAttempts int
}

// Bounds of the deliveries in memory. The others wait in the table.
const (
	laneLength        = 1024 // deliveries in one lane
	maxLaneLength     = 4096 // the same, if many go in one request
	claimLimit        = 512
	maxOvercommitted  = 16 // lanes that may claim one delivery each although memory is full
	overcommitBackoff = 20 * time.Millisecond
)

// byteBounds bounds the bytes of the bodies in memory.
type byteBounds struct {
	queued   int64 // in all lanes
	lane     int64 // in one lane, except that a single body may be larger
	claim    int64 // of one claim
	minClaim int64 // the room that there has to be before a claim
}

// defaultBytes has a source's default limit of a body as the least room of a claim.
var defaultBytes = byteBounds{queued: 64 << 20, lane: 16 << 20, claim: 8 << 20, minClaim: 1 << 20}

// DefaultMaxAttempts is how many attempts are under way at a time, in all lanes together.
const DefaultMaxAttempts = 8192

// An Engine delivers while Run does. Its lanes come and go with SetDestinations.
type Engine struct {
	opts    Options
	bytes   byteBounds // tests have smaller ones
	metrics *metrics
	orders  orderHash

	mu    sync.Mutex // serializes changes of lanes, begun and halted; taken before any lane's mu
	lanes atomic.Pointer[laneTable]
	begun atomic.Bool // Run was called: lanes may claim and send
	// tenants are the names of the tenants. SetTenants replaces the map, nobody changes it.
	tenants atomic.Pointer[map[string]bool]
	halted  bool // by Halt; mu guards it

	limiter       *limiter
	checkNow      chan struct{} // makes Run check the destinations; holds one
	warnedShort   atomic.Int64  // when a shortage of this machine was logged, in Unix nanoseconds; 0 if it was not
	queuedBytes   atomic.Int64  // of all lanes
	overcommitted atomic.Int64  // lanes that hold a delivery although memory is full
	returns       atomic.Int64  // calls of Return
	pulling       atomic.Int64  // calls of Pull that wait
	attempts      sync.WaitGroup
	ctx           context.Context // of attempts; ends when Stop may wait no longer
	cancel        context.CancelFunc
}

// New returns an engine without destinations. It claims and sends nothing before Run.
func New(opts Options) *Engine {
	e := &Engine{opts: opts, bytes: defaultBytes, metrics: newMetrics(opts.Metrics),
		orders:  newOrderHash(opts.OrderKey),
		limiter: newLimiter(cmp.Or(opts.MaxAttempts, DefaultMaxAttempts)), checkNow: make(chan struct{}, 1)}
	if e.opts.Random == nil {
		e.opts.Random = rand.Float64
	}
	if e.opts.Gate == nil {
		e.opts.Gate = match.NewGate(0)
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.lanes.Store(newLaneTable(nil))
	return e
}

func (e *Engine) now() time.Time { return e.opts.Now() }

// Run delivers until Stop. Until ctx ends, it also expires destinations, warns before, and announces deliveries
// that died.
func (e *Engine) Run(ctx context.Context) error {
	e.begin()
	return e.checkDestinations(ctx)
}

// begin lets the lanes claim and send.
func (e *Engine) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun.Swap(true) || e.halted {
		return
	}
	for _, l := range e.lanes.Load().byID {
		l.resume() // a lane that is made later sees begun
	}
}

// SetDestinations replaces the destinations. The lane of a destination that stays keeps its deliveries. A
// destination that cannot be opened is reported, and gets nothing until it can be; its events are stored for
// it.
func (e *Engine) SetDestinations(ctx context.Context, list []bellhop.Destination) error {
	change := e.replace(list)
	errs := []error{change.err}
	e.release(change.released) // the calls of the store come after replace, which holds up a stop
	for _, l := range change.changed {
		if l.destination.Load().State != bellhop.DestinationActive { // it may stay so for weeks
			errs = append(errs, l.giveBack(l.drain()))
		}
		errs = append(errs, l.lookUpDue(ctx))
	}
	return errors.Join(errs...)
}

// A laneChange is what replace did.
type laneChange struct {
	changed  []*lane  // the lanes that are new or whose destination changed
	released []string // deliveries that were queued for deleted destinations
	err      error    // of the destinations that cannot be opened
}

// replace puts another table of lanes in place, and stops the lanes of deleted destinations.
func (e *Engine) replace(list []bellhop.Destination) (change laneChange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.halted {
		return change
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
		}
		if l == nil {
			l = newLane(e, d.ID)
		}
		l.setDestination(dst)
		lanes[d.ID] = l
		change.changed = append(change.changed, l)
	}
	e.lanes.Store(newLaneTable(lanes))
	e.checkSoon()
	for id, l := range old {
		if lanes[id] == nil { // under mu, since Halt no longer finds it
			change.released = append(append(change.released, l.stop()...), l.revoke()...)
		}
	}
	change.err = errors.Join(errs...)
	return change
}

// A destination is a [bellhop.Destination] made ready. It does not change: a lane gets another one when its
// destination changes.
type destination struct {
	bellhop.Destination
	target   *outbound.Target // nil if the destination cannot be opened
	matcher  *match.Matcher
	batching batching
	limit    bellhop.Rate // the lower of the destination's rate and the rate that its receiver granted
	ordered  bool         // the events of a key go one after the other
}

// open makes d ready. With an error it returns a destination that is disabled: its events are stored, and none
// is sent.
func (e *Engine) open(d bellhop.Destination) (*destination, error) {
	dst := &destination{Destination: d, limit: d.Rate.Min(d.Granted), batching: batching{d.Batch},
		ordered: d.Order != "" && d.Order != bellhop.OrderNone}
	var err error
	if dst.target, err = e.opts.Opener.Open(d); err == nil {
		dst.matcher = dst.target.Matcher
		return dst, nil
	}
	dst.State, dst.StateReason = bellhop.DestinationDisabled, err.Error()
	// A match that cannot be compiled is reduced until it can be. So events are rather stored in vain than not stored.
	for _, m := range []bellhop.Match{d.Match, {Sources: d.Match.Sources, Types: d.Match.Types}, {}} {
		var matchErr error
		if dst.matcher, matchErr = match.Compile(m); matchErr == nil {
			break
		}
	}
	return dst, err
}

// Target returns the target that attempts of a destination use now; nil if there is none.
func (e *Engine) Target(destinationID string) *outbound.Target {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		return l.destination.Load().target
	}
	return nil
}

// Closed returns why a stored destination cannot be opened here, so that it gets nothing; "" if it can.
func (e *Engine) Closed(destinationID string) string {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		if dst := l.destination.Load(); dst.target == nil {
			return dst.StateReason
		}
	}
	return ""
}

// Hold returns why a destination is held back and when its next attempt may begin; zero if it is not held back. The
// rate of a destination holds nothing back in this sense.
func (e *Engine) Hold(destinationID string) bellhop.Hold {
	l := e.lanes.Load().byID[destinationID]
	if l == nil {
		return bellhop.Hold{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pacer.hold(e.now())
}

// maxTroubled bounds the ids of Troubled.
const maxTroubled = 1000

// Troubled returns the ids of at most maxTroubled destinations that are closed, held back, or have a where that fails.
func (e *Engine) Troubled() (ids []string) {
	for id := range e.lanes.Load().byID {
		if e.Closed(id) != "" || e.Hold(id) != (bellhop.Hold{}) || e.MatchError(id).Count > 0 {
			ids = append(ids, id)
		}
		if len(ids) == maxTroubled {
			break
		}
	}
	return ids
}

// Wake makes a destination's lane claim, because some of its deliveries have become due.
func (e *Engine) Wake(destinationID string) {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		l.noteDue(e.now())
	}
}

// Return says that a connection which was signed out is back, or that somebody listens to a destination: the lanes
// that rest for what has that id make attempts again at once.
func (e *Engine) Return(id string) {
	e.returns.Add(1) // first: an attempt that began before, and ends after it, parks no lane
	for _, l := range e.lanes.Load().byID {
		if !l.returned(id) {
			continue
		}
		if id == l.id {
			e.opts.Logger.Info("destination.attended", "component", "delivery", "destination_id", l.id,
				"destination", l.name())
		} else {
			e.opts.Logger.Info("destination.unparked", "component", "delivery", "destination_id", l.id,
				"destination", l.name(), "connection_id", id)
		}
		l.resume()
	}
}

// Halt begins no more attempts and claims. Events that are accepted from now on wait in the table.
func (e *Engine) Halt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.halted = true
	for _, l := range e.lanes.Load().byID {
		l.stop()
	}
}

// Stop halts, and waits until the attempts under way have ended and are recorded, or ctx ends; then it cuts
// them off. The next process repeats only the attempts that were cut off. Queued deliveries stay leased, and
// are due for the next process.
func (e *Engine) Stop(ctx context.Context) error {
	defer e.cancel()
	e.Halt()
	e.abandonLeases()
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
	select { // if ctx ended before Stop began, attempts that have ended already are not cut off
	case <-done:
		return nil
	case <-time.After(stopGrace):
	}
	e.cancel()
	e.opts.CutOff()
	<-done
	return fmt.Errorf("delivery: attempts were cut off: %w", ctx.Err())
}

// stopGrace is how much longer than its context a stop waits.
const stopGrace = 500 * time.Millisecond

// release makes leased deliveries pending and due now.
func (e *Engine) release(deliveryIDs []string) error {
	if len(deliveryIDs) == 0 {
		return nil
	}
	err := e.opts.Store.Release(e.ctx, deliveryIDs)
	if err != nil && e.ctx.Err() == nil { // after a stop the next start releases them
		e.opts.Logger.Error("release.failed", "component", "delivery", "count", len(deliveryIDs), "error", err,
			"meaning", "these deliveries stay leased until the next start")
	}
	return err
}

// disable disables a destination that refuses all deliveries, or has failed for too long, unless it was changed
// after dst.
func (e *Engine) disable(l *lane, dst *destination, reason string) {
	resume, ok := l.suspend(dst) // first, so that nothing more is sent there
	if !ok {
		return
	}
	ended, err := e.opts.Store.EndDestination(context.Background(), l.id, dst.UpdatedAt, bellhop.DestinationDisabled,
		reason)
	if err != nil {
		e.opts.Logger.Error("disable.failed", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "error", err, "meaning", "the destination goes on; the next such answer tries "+
				"again")
	}
	if !ended {
		resume()
		return
	}
	e.opts.Logger.Warn("destination.disabled", "component", "delivery", "destination_id", l.id,
		"destination", l.name(), "reason", reason)
	l.giveBack(l.drain())
	e.announce(dst, bellhop.TypeDestinationDisabled, notice{Reason: reason})
	if e.opts.Changed != nil {
		e.opts.Changed()
	}
}
