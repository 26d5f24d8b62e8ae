package postgres

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/store"
)

// Accept stores the events of one request and one delivery for each entry of owed, in one transaction, and returns
// once it is committed. Its contract is store.Corridor.
func (s *Store) Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event,
	owed []bellhop.NewDelivery) (bellhop.Accepted, error) {
	if err := s.session.alive(); err != nil {
		return bellhop.Accepted{}, fmt.Errorf("%w (%w)", ErrUnreachable, err)
	}
	a := &accept{store: s, req: req, events: events, owed: owed, result: make(chan error, 1)}
	if err := a.resolve(ctx); err != nil {
		return bellhop.Accepted{}, err
	}
	if err := s.writer.submit(a); err != nil {
		return bellhop.Accepted{}, err
	}
	if err := <-a.result; err != nil {
		return bellhop.Accepted{}, err
	}
	return a.report(), nil
}

// accept is the op of one Accept. Its caller's goroutine uses it until it submits it and after it has received from
// result; the writer's goroutine uses it in between.
type accept struct {
	store  *Store
	req    *bellhop.Request
	events []bellhop.Event
	owed   []bellhop.NewDelivery
	result chan error

	// Set by resolve.
	source       int64
	destinations []int64 // of owed; 0 if the destination was deleted
	places       []int32 // of owed

	// Set by the first add, and kept: what is written again has the same numbers.
	numbers  []int64 // of events
	requestN int64

	// Set by decide.
	folds     []folding
	repeats   []int64 // of events: the event that it repeats; 0 if it is new
	conflicts []int64 // of events: the event with which it conflicts; 0 if there is none

	reported bool
	accepted bellhop.Accepted
}

// resolve turns the ids of source and destinations into the numbers of their rows, and refuses events that the schema
// would refuse.
func (a *accept) resolve(ctx context.Context) (err error) {
	id := ""
	if a.req != nil {
		id = a.req.SourceID
	}
	for i := range a.events {
		ev := &a.events[i]
		if id == "" {
			id = ev.SourceID
		}
		if ev.Type == "" || utf8.RuneCountInString(ev.Type) > bellhop.MaxTypeLength ||
			utf8.RuneCountInString(ev.ProviderID) > bellhop.MaxProviderIDLength {
			return fmt.Errorf("accept: event %d: the length of its type or provider id is out of bounds", i)
		}
	}
	if a.source, err = a.store.sources.get(ctx, a.store.pool, id); err != nil {
		return err
	}
	if a.source == 0 {
		return bellhop.NotFound("source", id)
	}
	a.destinations, a.places = make([]int64, len(a.owed)), make([]int32, len(a.owed))
	place, last := 0, -1
	for i := range a.owed {
		place++
		if a.owed[i].Event != last {
			place, last = 0, a.owed[i].Event
		}
		if place >= maxPlaces {
			return fmt.Errorf("accept: more than %d deliveries of one event", maxPlaces)
		}
		a.places[i] = int32(place)
		// 0: it was deleted since the event was matched
		if a.destinations[i], err = a.store.destinations.get(ctx, a.store.pool, a.owed[i].DestinationID); err != nil {
			return err
		}
	}
	return nil
}

func (a *accept) add(f *flush) bool {
	if a.numbers == nil {
		a.numbers = make([]int64, len(a.events))
		for i := range a.numbers {
			a.numbers[i] = f.store.writer.sequence.next(f.now)
		}
		if a.req != nil {
			a.requestN = f.store.writer.sequence.next(f.now)
		}
		a.repeats, a.conflicts = make([]int64, len(a.events)), make([]int64, len(a.events))
	}
	clear(a.repeats)
	clear(a.conflicts)
	f.accepts = append(f.accepts, a)
	return true
}

// decide sets which events are repeats and which are conflicts.
func (a *accept) decide() {
	clear(a.repeats)
	clear(a.conflicts)
	for i := range a.folds {
		e := &a.folds[i]
		switch {
		case e.found != e.n():
			a.repeats[e.i] = e.found
		case e.first != 0:
			a.conflicts[e.i] = e.first
		}
	}
}

func (a *accept) patient() bool { return false }

func (a *accept) done(err error) {
	if observer := a.store.opts.Observer; observer != nil && err == nil && observer.Observing() {
		a.observe(observer)
	}
	a.result <- err
}

// observe tells the observer of each new event with its deliveries, and of the request if that is on record.
func (a *accept) observe(observer store.Observer) {
	a.report()
	rest := a.owed
	for i := range a.events {
		n := 0
		for n < len(rest) && rest[n].Event == i {
			n++
		}
		if a.repeats[i] == 0 {
			observer.Accepted(&a.events[i], rest[:n:n])
		}
		rest = rest[n:]
	}
	if a.req != nil {
		noted := *a.req
		noted.ID = a.accepted.RequestID
		observer.Noted(&noted)
	}
}

// report sets the ids of events and deliveries, and returns what was accepted. The caller's goroutine runs it, unless
// there is an observer to tell.
func (a *accept) report() bellhop.Accepted {
	if a.reported {
		return a.accepted
	}
	a.reported = true
	ids := a.store.ids
	for i, n := range a.numbers {
		a.events[i].ConflictsWith = ""
		if repeated := a.repeats[i]; repeated != 0 {
			a.accepted.Duplicates++
			n = repeated
		} else if conflict := a.conflicts[i]; conflict != 0 {
			a.accepted.Conflicts++
			a.events[i].ConflictsWith = ids.event(conflict)
		}
		a.events[i].ID = ids.event(n)
	}
	for i := range a.owed {
		if event := a.owed[i].Event; a.destinations[i] != 0 && a.repeats[event] == 0 {
			a.owed[i].DeliveryID = ids.delivery(a.numbers[event], a.places[i])
		}
	}
	if a.req != nil {
		a.accepted.RequestID = ids.request(a.requestN)
	}
	return a.accepted
}
