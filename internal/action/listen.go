package action

import (
	"context"
	"crypto/rand"
	"io"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/prometheus/client_golang/prometheus"
)

// This file hands the deliveries of destinations of type listen to those who listen. An attempt of such a destination
// is a bellhop.Handing: it goes to a listener over the API, and ends with the answer that the listener gives for its
// program. While nobody listens to a destination, its deliveries wait and no attempt is made.

// MaxListeners is how many may listen at a time, to all destinations together.
const MaxListeners = 100

// ErrManyListen says that as many listen as may.
var ErrManyListen = &bellhop.Error{Code: bellhop.CodeUnavailable, RetryAfter: 10 * time.Second,
	Message: "as many listen to destinations as may: end one of them, or try again later"}

// errNotInHand answers an answer that comes too late, twice, or for the attempt of another listener.
var errNotInHand = bellhop.Conflict("no attempt of this delivery waits for this answer: it was answered, it " +
	"took too long, or its listener was gone; the delivery shows what came of it")

// A Desk has the listeners of all destinations, and the deliveries in their hands. It is safe for concurrent use.
type Desk struct {
	back    func(destinationID string)
	metrics *deskMetrics

	mu        sync.Mutex // guards the fields below, and those of listeners and handings that say so
	listeners map[string][]*listener
	count     int // of all listeners
	inHand    map[string]*handing
	emptied   chan struct{} // closed once the desk is stopped and inHand is empty; nil before Stop
}

// A listener is somebody who listens to one destination.
type listener struct {
	pending []bellhop.Handing // not fetched yet; Desk.mu guards it
	held    int               // deliveries in its hands, pending ones included; Desk.mu guards it
	ready   chan struct{}     // holds one: pending is not empty
	gone    chan struct{}     // closed when it leaves
}

// A handing is a delivery in the hands of a listener.
type handing struct {
	bellhop.Handing
	to     *listener
	answer chan bellhop.Answer // gets one at most, under Desk.mu
}

// NewDesk returns a desk without listeners. back is told of a destination once somebody listens to it, or goes on to
// listen to it after another one has left. r may be nil.
func NewDesk(back func(destinationID string), r prometheus.Registerer) *Desk {
	return &Desk{back: back, metrics: newDeskMetrics(r), listeners: map[string][]*listener{},
		inHand: map[string]*handing{}}
}

// Attach begins to listen to a destination. next waits for the next delivery; its error is io.EOF once the desk is
// stopped, or that of ctx. leave ends the attempts that are in the listener's hands. The error is ErrManyListen, or
// io.EOF if the desk is stopped.
func (d *Desk) Attach(destinationID string) (next func(ctx context.Context) (bellhop.Handing, error), leave func(),
	err error) {
	d.mu.Lock()
	if d.emptied != nil || d.count >= MaxListeners {
		defer d.mu.Unlock()
		if d.emptied != nil {
			return nil, nil, io.EOF
		}
		return nil, nil, ErrManyListen
	}
	l := &listener{ready: make(chan struct{}, 1), gone: make(chan struct{})}
	d.listeners[destinationID] = append(d.listeners[destinationID], l)
	d.count++
	d.mu.Unlock()
	d.metrics.listeners.Inc()
	d.back(destinationID)
	return func(ctx context.Context) (bellhop.Handing, error) { return d.next(ctx, l) },
		sync.OnceFunc(func() { d.leave(destinationID, l) }), nil
}

// next returns the next delivery for l.
func (d *Desk) next(ctx context.Context, l *listener) (bellhop.Handing, error) {
	for {
		d.mu.Lock()
		if len(l.pending) > 0 {
			h := l.pending[0]
			l.pending = l.pending[1:]
			d.mu.Unlock()
			return h, nil
		}
		emptied := d.emptied
		d.mu.Unlock()
		select { // Stop wakes each listener, which then waits for emptied too
		case <-l.ready:
		case <-emptied:
			return bellhop.Handing{}, io.EOF
		case <-ctx.Done():
			return bellhop.Handing{}, ctx.Err()
		}
	}
}

// leave takes l away. If others listen to the destination, its deliveries go to them at once: that is told before the
// attempts end, so that none of them makes the destination wait for a listener.
func (d *Desk) leave(destinationID string, l *listener) {
	d.mu.Lock()
	var rest []*listener
	for _, other := range d.listeners[destinationID] {
		if other != l {
			rest = append(rest, other)
		}
	}
	d.listeners[destinationID] = rest
	if len(rest) == 0 {
		delete(d.listeners, destinationID)
	}
	d.count--
	d.mu.Unlock()
	d.metrics.listeners.Dec()
	if len(rest) > 0 {
		d.back(destinationID)
	}
	close(l.gone)
}

// hand gives a delivery to the listener of a destination that has the fewest in its hands, of several the one that has
// waited longest. It returns nil if nobody listens.
func (d *Desk) hand(destinationID string, h bellhop.Handing) *handing {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.listeners[destinationID]
	if len(all) == 0 || d.emptied != nil {
		return nil
	}
	chosen := 0
	for i, l := range all {
		if l.held < all[chosen].held {
			chosen = i
		}
	}
	to := all[chosen]
	copy(all[chosen:], all[chosen+1:])
	all[len(all)-1] = to
	h.Token = rand.Text()
	given := &handing{Handing: h, to: to, answer: make(chan bellhop.Answer, 1)}
	d.inHand[h.Token] = given
	to.pending = append(to.pending, h)
	to.held++
	to.wake()
	return given
}

func (l *listener) wake() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Answer ends the attempt of a delivery with an answer. The error is bellhop.CodeInvalid, or bellhop.CodeConflict if
// no attempt of the delivery waits for it.
func (d *Desk) Answer(deliveryID string, a bellhop.Answer) error {
	err := a.Check()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.inHand[a.Token]
	if h == nil || h.DeliveryID != deliveryID {
		return errNotInHand
	}
	h.answer <- a
	d.drop(h)
	return nil
}

// drop takes a delivery out of the hands of its listener. The caller holds mu.
func (d *Desk) drop(h *handing) {
	if d.inHand[h.Token] != h {
		return
	}
	delete(d.inHand, h.Token)
	h.to.held--
	for i, waiting := range h.to.pending {
		if waiting.Token == h.Token {
			h.to.pending = append(h.to.pending[:i:i], h.to.pending[i+1:]...)
			break
		}
	}
	if d.emptied != nil && len(d.inHand) == 0 {
		close(d.emptied)
	}
}

// end ends an attempt without an answer, and reports the answer if one came in the last moment: whoever gave it was
// told that it counts.
func (d *Desk) end(h *handing) (a bellhop.Answer, answered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(h)
	select {
	case a, answered = <-h.answer:
		return a, answered
	default:
		return a, false
	}
}

// Stop gives no further delivery to a listener, waits until none is in somebody's hands, or ctx ends, and then ends
// all listeners.
func (d *Desk) Stop(ctx context.Context) {
	d.mu.Lock()
	if d.emptied != nil {
		d.mu.Unlock()
		return
	}
	d.emptied = make(chan struct{})
	if len(d.inHand) == 0 {
		close(d.emptied)
	}
	for _, all := range d.listeners {
		for _, l := range all {
			l.wake()
		}
	}
	emptied := d.emptied
	d.mu.Unlock()
	select {
	case <-emptied:
	case <-ctx.Done():
		d.giveUp()
	}
}

// giveUp ends the attempts that are still in somebody's hands as those of listeners that are gone.
func (d *Desk) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.inHand {
		close(h.answer)
		d.drop(h)
	}
}

// Listen is the action of destinations of type listen.
type Listen struct{ Desk *Desk }

// Times of destinations of type listen.
const (
	listenTimeout    = 30 * time.Second
	maxListenTimeout = time.Hour // for somebody who looks at a program with a debugger
)

// Info describes destinations of type listen.
func (Listen) Info() provider.Info {
	return provider.Info{
		Name: bellhop.TypeListen, Title: "Whoever listens", Concurrency: 1, Timeout: listenTimeout,
		MaxTimeout: maxListenTimeout, Errors: []string{bellhop.ErrorUnanswered, bellhop.ErrorListenerGone},
		SendSettings: []provider.Setting{},
		Summary: "Hands events to a program of whoever listens with `bellhop listen --destination NAME`, and takes " +
			"the program's answer for that of the destination. Deliveries wait while nobody listens.",
	}
}

// OpenAction checks that there are no settings.
func (x Listen) OpenAction(_ provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	err := provider.DecodeSettings(d.Settings, new(struct{}))
	if err != nil {
		return nil, bellhop.Join("settings", err)
	}
	return &attended{desk: x.Desk, id: d.ID, name: d.Name}, nil
}

// An attended is the Performer of one destination.
type attended struct {
	desk     *Desk
	id, name string
}

// Perform hands the event to a listener and waits for the answer.
func (x *attended) Perform(ctx context.Context, ev *bellhop.Event, at provider.AttemptInfo) provider.ActionResult {
	until, _ := ctx.Deadline()
	given := x.desk.hand(x.id, bellhop.Handing{DeliveryID: at.DeliveryID, Attempt: at.Attempt, Event: ev.Label(),
		Until: until.UTC()})
	if given == nil {
		return provider.ActionResult{Parked: x.id, Unmade: true, Detail: "nobody listens: " + x.remedy()}
	}
	select {
	case a, answered := <-given.answer:
		return x.result(a, answered)
	case <-given.to.gone:
		return x.result(x.desk.end(given))
	case <-ctx.Done():
	}
	a, answered := x.desk.end(given)
	if !answered {
		x.desk.metrics.count("late")
		return provider.ActionResult{Cut: true}
	}
	return x.result(a, true)
}

// remedy says what to do for a destination to which nobody listens.
func (x *attended) remedy() string {
	return "run bellhop listen --destination " + x.name + " --forward URL"
}

// result returns what an answer means. Without one the listener is gone: the delivery goes to the next listener, and
// that uses up no try.
func (x *attended) result(a bellhop.Answer, answered bool) provider.ActionResult {
	switch {
	case !answered:
		x.desk.metrics.count("gone")
		return provider.ActionResult{Parked: x.id, Error: bellhop.ErrorListenerGone,
			Detail: "the listener went away with the event in its hands, and whether its " +
				"program took it is unknown: " +
				x.remedy()}
	case a.Status == 0:
		x.desk.metrics.count("unanswered")
		return provider.ActionResult{Error: bellhop.ErrorUnanswered, Detail: a.Detail}
	}
	x.desk.metrics.count("answered")
	return provider.ActionResult{Status: a.Status, RetryAfter: a.RetryAfter, Reply: a.Body}
}

// deskMetrics are what a desk counts.
type deskMetrics struct {
	listeners prometheus.Gauge
	handed    *prometheus.CounterVec
}

func newDeskMetrics(r prometheus.Registerer) *deskMetrics {
	m := &deskMetrics{
		listeners: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_listen_listeners",
			Help: "Clients that listen to a destination of type listen now."}),
		handed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_listen_handed_total",
			Help: "Deliveries that were handed to a listener, by outcome: answered, unanswered (by its program), " +
				"late, gone."},
			[]string{"outcome"}),
	}
	if r != nil {
		r.MustRegister(m.listeners, m.handed)
	}
	return m
}

func (m *deskMetrics) count(outcome string) { m.handed.WithLabelValues(outcome).Inc() }
