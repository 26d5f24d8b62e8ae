package delivery

import (
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A laneTable is a snapshot of the lanes, indexed by source and type: of ten thousand destinations with one
// type each, an event asks one. It does not change.
type laneTable struct {
	byID  map[string]*lane
	byKey map[matchKey][]*lane
}

// A matchKey is a source, by name or id, and a type; "" is any.
type matchKey struct{ source, kind string }

// maxKeys bounds the keys of one lane. A lane that would have more is indexed by source alone.
const maxKeys = 100

func newLaneTable(lanes map[string]*lane) *laneTable {
	t := &laneTable{byID: lanes, byKey: make(map[matchKey][]*lane, len(lanes))}
	if t.byID == nil {
		t.byID = map[string]*lane{}
	}
	for _, l := range lanes {
		for _, key := range matchKeys(l.destination.Load().Match) {
			if list := t.byKey[key]; len(list) == 0 || list[len(list)-1] != l { // the match may name a key twice
				t.byKey[key] = append(list, l)
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

// mayWant yields the lanes that may want ev, each once. Their matchers decide.
func (t *laneTable) mayWant(ev *bellhop.Event) iter.Seq[*lane] {
	return func(yield func(*lane) bool) {
		for i, source := range [...]string{"", ev.Source, ev.SourceID} {
			if i > 0 && source == "" {
				continue
			}
			for _, kind := range [...]string{"", ev.Type} {
				for _, l := range t.byKey[matchKey{source, kind}] {
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
}

// Match returns one delivery for each event and each destination that wants it, in the events' order, and
// reserves places for them in the lanes: a delivery with Leased set has a place. The caller passes all of them
// to Deliver or to Unreserve.
func (e *Engine) Match(events []bellhop.Event) []bellhop.NewDelivery {
	t := e.lanes.Load()
	var deliveries []bellhop.NewDelivery
	for i := range events {
		ev := &events[i]
		for l := range t.mayWant(ev) {
			dst := l.destination.Load()
			if e.wants(l, dst, ev) {
				deliveries = append(deliveries, l.newReserved(dst, i, ev))
			}
		}
	}
	return deliveries
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

// Assign appends a delivery for each destination that wants ev, which is the i-th of some events. It reserves
// no places.
func (e *Engine) Assign(deliveries []bellhop.NewDelivery, i int, ev *bellhop.Event) []bellhop.NewDelivery {
	for l := range e.lanes.Load().mayWant(ev) {
		if dst := l.destination.Load(); e.wants(l, dst, ev) {
			deliveries = append(deliveries, l.newDelivery(dst, i, ev))
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

// LooksInside reports whether the match of some destination reads an event's header or body.
func (e *Engine) LooksInside() bool {
	for _, l := range e.lanes.Load().byID {
		if l.destination.Load().Match.Where != "" {
			return true
		}
	}
	return false
}

// wants reports whether dst, the destination of l, is to get ev. If its expression fails, ev does not match;
// that is logged once a minute.
func (e *Engine) wants(l *lane, dst *destination, ev *bellhop.Event) bool {
	if dst.State == bellhop.DestinationExpired || !dst.ExpiresAt.IsZero() && !dst.ExpiresAt.After(e.now()) {
		return false
	}
	wants, err := dst.matcher.Wants(ev)
	if err != nil {
		e.metrics.matchErrors.Inc()
		if l.matchError.record(err, e.now()) {
			e.opts.Logger.Warn("match.failed", "component", "delivery", "destination_id", l.id, "event_type", ev.Type,
				"source_id", ev.SourceID,
				"error", err, "meaning", "the event does not match; more of these are only counted for a minute")
		}
	}
	return wants
}

// newDelivery returns the delivery of ev, the i-th of some events, to l's destination dst.
func (l *lane) newDelivery(dst *destination, i int, ev *bellhop.Event) bellhop.NewDelivery {
	return bellhop.NewDelivery{Event: i, DestinationID: l.id, Key: dst.Order.Key(ev)}
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
