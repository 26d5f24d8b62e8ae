package delivery

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// A laneTable is a snapshot of the lanes, indexed by source and type: of ten thousand destinations with one
// type each, an event asks one. It does not change.
type laneTable struct {
	byID  map[string]*lane
	byKey map[matchKey]*laneList
	where bool // whether the match of some lane reads an event's header or body
}

// A laneList holds the lanes of one key.
type laneList struct {
	lanes []*lane
	needs match.Needs // of their matches together
}

// A matchKey is a source, by name or id, and a type; "" is any.
type matchKey struct{ source, kind string }

// maxKeys bounds the keys of one lane. A lane that would have more is indexed by source alone.
const maxKeys = 100

func newLaneTable(lanes map[string]*lane) *laneTable {
	t := &laneTable{byID: lanes, byKey: make(map[matchKey]*laneList, len(lanes))}
	if t.byID == nil {
		t.byID = map[string]*lane{}
	}
	for _, l := range lanes {
		dst := l.destination.Load()
		t.where = t.where || dst.matcher.Needs().Wheres() > 0
		for _, key := range matchKeys(dst.Match) {
			list := t.byKey[key]
			if list == nil {
				list = new(laneList)
				t.byKey[key] = list
			}
			if n := len(list.lanes); n == 0 || list.lanes[n-1] != l { // the match may name a key twice
				list.lanes = append(list.lanes, l)
				list.needs.Add(dst.matcher)
			}
		}
	}
	return t
}

// matchKeys returns the keys under which a lane is indexed: every pair of its match's sources and types, where
// an empty list means any. Types count only if none of them is a prefix.
func matchKeys(m bellhop.Match) (keys []matchKey) {
	sources, kinds := m.Sources, m.Types
	if len(sources) == 0 {
		sources = []string{""}
	}
	prefixed := slices.ContainsFunc(kinds, func(k string) bool { return strings.HasSuffix(k, "*") })
	if len(kinds) == 0 || prefixed || len(sources)*len(kinds) > maxKeys {
		kinds = []string{""}
	}
	for _, source := range sources {
		for _, kind := range kinds {
			keys = append(keys, matchKey{source, kind})
		}
	}
	return keys
}

// lists yields the lists of lanes that may want ev, with the source of their key.
func (t *laneTable) lists(ev *bellhop.Event) iter.Seq2[string, *laneList] {
	return func(yield func(string, *laneList) bool) {
		for i, source := range [...]string{"", ev.Source, ev.SourceID} {
			if i > 0 && source == "" {
				continue
			}
			for _, kind := range [...]string{"", ev.Type} {
				if list := t.byKey[matchKey{source, kind}]; list != nil && !yield(source, list) {
					return
				}
			}
		}
	}
}

// mayWant yields the lanes that may want ev, each once. Their matchers decide.
func (t *laneTable) mayWant(ev *bellhop.Event) iter.Seq[*lane] {
	return func(yield func(*lane) bool) {
		for source, list := range t.lists(ev) {
			for _, l := range list.lanes {
				if source == ev.SourceID && slices.Contains(l.destination.Load().Match.Sources, ev.Source) {
					continue // it was found by the source's name
				}
				if !yield(l) {
					return
				}
			}
		}
	}
}

// needs returns what the matches of the lanes that may want ev read of it.
func (t *laneTable) needs(ev *bellhop.Event) (needs match.Needs) {
	if t.where {
		for _, list := range t.lists(ev) {
			if list.needs.Wheres() > 0 {
				needs.Merge(list.needs)
			}
		}
	}
	return needs
}

// work returns what deciding about events takes: how many expressions have to be evaluated, over how many bytes.
func (t *laneTable) work(events []bellhop.Event) (evaluations, bytes int) {
	if !t.where {
		return 0, 0
	}
	for i := range events {
		n := 0
		for _, list := range t.lists(&events[i]) {
			n += list.needs.Wheres()
		}
		if n > 0 {
			evaluations, bytes = evaluations+n, bytes+match.Size(&events[i])
		}
	}
	return evaluations, bytes
}

// A busyError reports that the expressions of destinations cannot be evaluated now. Its code is that of the door's
// refusals for lack of memory.
type busyError struct{ error }

func (*busyError) Code() string { return "busy" }

// Unwrap returns what the API answers.
func (e *busyError) Unwrap() error {
	return &bellhop.Error{Code: bellhop.CodeUnavailable, Message: e.Error()}
}

// Match returns one delivery for each event and each destination that wants it, in the events' order, and
// reserves places for them in the lanes: a delivery with Leased set has a place. The caller passes all of them
// to Deliver or to Unreserve.
//
// A sender waits meanwhile. So the expressions of all destinations share one [match.Budget]; and if they are evaluated
// over a large body, Match waits a little for its turn. Its error is that there are too many of those, or that of ctx;
// then no place is reserved.
func (e *Engine) Match(ctx context.Context, events []bellhop.Event) (deliveries []bellhop.NewDelivery, err error) {
	t := e.lanes.Load()
	evaluations, bytes := t.work(events)
	if evaluations > 0 && bytes >= match.LargeBody {
		if err := e.opts.Gate.EnterSoon(ctx); err != nil {
			if errors.Is(err, match.ErrBusy) {
				e.metrics.matchBusy.Inc()
				err = &busyError{err}
			}
			return nil, err
		}
		defer e.opts.Gate.Leave()
	}
	if len(events) == 0 {
		return nil, nil
	}
	view := match.Open(&events[0], t.needs(&events[0]), match.NewBudget(bytes, evaluations), nil)
	defer view.Close()
	for i := range events {
		ev := &events[i]
		if i > 0 {
			view.Next(ev, t.needs(ev))
		}
		for l := range t.mayWant(ev) {
			dst := l.destination.Load()
			if e.wants(l, dst, view) {
				deliveries = append(deliveries, l.newReserved(dst, i, ev))
			}
		}
	}
	return deliveries, nil
}

// Reserve is Match for one destination, whatever it wants. It returns nil if there is no such destination.
func (e *Engine) Reserve(events []bellhop.Event, destinationID string) []bellhop.NewDelivery {
	l := e.lanes.Load().byID[destinationID]
	if l == nil {
		return nil
	}
	var deliveries []bellhop.NewDelivery
	for i := range events {
		deliveries = append(deliveries, l.newReserved(l.destination.Load(), i, &events[i]))
	}
	return deliveries
}

// Deliver puts deliveries that have been accepted into their lanes. The events must not change any more.
func (e *Engine) Deliver(events []bellhop.Event, deliveries []bellhop.NewDelivery) {
	t := e.lanes.Load()
	for _, d := range deliveries {
		l := t.byID[d.DestinationID]
		ev := &events[d.Event]
		switch {
		case d.Leased && l == nil: // the destination was deleted meanwhile, with its lane
			e.queuedBytes.Add(-weight(ev))
			if d.DeliveryID != "" {
				e.release([]string{d.DeliveryID})
			}
		case d.Leased && d.DeliveryID == "": // the event is a repeat
			l.unreserve(weight(ev))
		case d.Leased:
			l.push(&bellhop.Delivery{ID: d.DeliveryID, EventID: ev.ID, DestinationID: d.DestinationID,
				State: bellhop.DeliveryLeased, Event: ev})
		case l != nil && d.DeliveryID != "":
			l.noteDue(e.now())
		}
	}
}

// Unreserve gives back the places of deliveries that were not accepted.
func (e *Engine) Unreserve(events []bellhop.Event, deliveries []bellhop.NewDelivery) {
	t := e.lanes.Load()
	for _, d := range deliveries {
		if !d.Leased {
			continue
		}
		if l := t.byID[d.DestinationID]; l != nil {
			l.unreserve(weight(&events[d.Event]))
		} else {
			e.queuedBytes.Add(-weight(&events[d.Event]))
		}
	}
}

// Look opens a view of ev for filter, which may be nil, and for Assign. A large body waits for its turn; the error is
// that of ctx. The caller closes the view.
func (e *Engine) Look(ctx context.Context, ev *bellhop.Event, filter *match.Matcher) (*match.View, error) {
	needs := e.lanes.Load().needs(ev)
	needs.Add(filter)
	var leave func()
	if needs.Wheres() > 0 && match.Size(ev) >= match.LargeBody {
		if err := e.opts.Gate.Enter(ctx); err != nil {
			return nil, err
		}
		leave = e.opts.Gate.Leave
	}
	return match.Open(ev, needs, match.NewBudget(match.Size(ev), needs.Wheres()), leave), nil
}

// Assign appends a delivery for each destination that wants the event of view, which is the i-th of some events. It
// reserves no places.
func (e *Engine) Assign(deliveries []bellhop.NewDelivery, i int, view *match.View) []bellhop.NewDelivery {
	for l := range e.lanes.Load().mayWant(view.Event()) {
		if dst := l.destination.Load(); e.wants(l, dst, view) {
			deliveries = append(deliveries, l.newDelivery(dst, i, view.Event()))
		}
	}
	return deliveries
}

// AssignTo returns a delivery of ev, which is the i-th of some events, to one destination, whatever it wants.
// It reserves no place.
func (e *Engine) AssignTo(destinationID string, i int, ev *bellhop.Event) bellhop.NewDelivery {
	if l := e.lanes.Load().byID[destinationID]; l != nil {
		return l.newDelivery(l.destination.Load(), i, ev)
	}
	return bellhop.NewDelivery{Event: i, DestinationID: destinationID}
}

// Takes reports whether a destination may get ev, whatever its match says: see [bellhop.Destination.Takes]. It may if
// there is no such destination: then the store knows.
func (e *Engine) Takes(destinationID string, ev *bellhop.Event) bool {
	l := e.lanes.Load().byID[destinationID]
	return l == nil || l.destination.Load().Takes(e.OwnerOf(ev))
}

// Wants reports whether a destination wants the event of view by its match. It does not if there is none of that id.
func (e *Engine) Wants(destinationID string, view *match.View) bool {
	l := e.lanes.Load().byID[destinationID]
	return l != nil && e.wants(l, l.destination.Load(), view)
}

// SetTenants replaces the tenants. As the tenant of a published event, another name is a label that keeps nothing
// apart.
func (e *Engine) SetTenants(list []bellhop.Tenant) {
	names := make(map[string]bool, len(list))
	for _, t := range list {
		names[t.Name] = true
	}
	e.tenants.Store(&names)
}

// OwnerOf returns the tenant that ev belongs to; "" is none. An event of a source belongs to the tenant of the source,
// also once that is deleted.
func (e *Engine) OwnerOf(ev *bellhop.Event) string {
	if ev.Tenant == "" || ev.SourceID != bellhop.SourceAPIID {
		return ev.Tenant
	}
	names := e.tenants.Load()
	if names == nil || !(*names)[ev.Tenant] {
		return ""
	}
	return ev.Tenant
}

// LooksInside reports whether the match of some destination reads an event's header or body.
func (e *Engine) LooksInside() bool { return e.lanes.Load().where }

// wants reports whether dst, the destination of l, is to get the event of view. If its expression fails, the event
// does not match; that is logged once a minute.
func (e *Engine) wants(l *lane, dst *destination, view *match.View) bool {
	if !dst.Takes(e.OwnerOf(view.Event())) { // before the expression, which may look into the body
		return false
	}
	if dst.State == bellhop.DestinationExpired || !dst.ExpiresAt.IsZero() && !dst.ExpiresAt.After(e.now()) {
		return false
	}
	if dst.target != nil && dst.target.LeavesOut(view.Event()) {
		return false
	}
	wants, err := dst.matcher.WantsView(view)
	if err != nil {
		ev := view.Event()
		e.metrics.matchErrors.Inc()
		if l.matchError.record(err, e.now()) {
			e.opts.Logger.Warn("match.failed", "component", "delivery", "destination_id", l.id,
				"destination", l.name(), "event_type", ev.Type, "source_id", ev.SourceID, "source", ev.Source,
				"error", err, "meaning", "the event does not match; more of these are only counted for a minute")
		}
	}
	return wants
}

// newDelivery returns the delivery of ev, the i-th of some events, to l's destination dst.
func (l *lane) newDelivery(dst *destination, i int, ev *bellhop.Event) bellhop.NewDelivery {
	return bellhop.NewDelivery{Event: i, DestinationID: l.id, Key: l.engine.orders.orderKey(dst.Order, ev)}
}

// newReserved is newDelivery with a place in the lane, if there is one.
func (l *lane) newReserved(dst *destination, i int, ev *bellhop.Event) bellhop.NewDelivery {
	d := l.newDelivery(dst, i, ev)
	d.Leased = l.reserve(weight(ev))
	return d
}

// A matchError keeps the last failure of a destination's where expression, for the person who mends it.
type matchError struct {
	mu       sync.Mutex
	last     bellhop.MatchError // mu guards it, and loggedAt
	loggedAt time.Time
}

// logEvery is how often a failing where expression is logged, at most.
const logEvery = time.Minute

// record counts a failure, and reports whether it is to be logged.
func (m *matchError) record(err error, at time.Time) (log bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = bellhop.MatchError{At: at, Message: err.Error(), Count: m.last.Count + 1}
	if log = at.Sub(m.loggedAt) >= logEvery; log {
		m.loggedAt = at
	}
	return log
}

// reset forgets the failures, because the expression has changed.
func (m *matchError) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = bellhop.MatchError{}
}

// MatchError returns how a destination's where expression failed last, and how often since the start or its
// last change. It is zero if the expression did not fail.
func (e *Engine) MatchError(destinationID string) bellhop.MatchError {
	l := e.lanes.Load().byID[destinationID]
	if l == nil {
		return bellhop.MatchError{}
	}
	l.matchError.mu.Lock()
	defer l.matchError.mu.Unlock()
	return l.matchError.last
}
