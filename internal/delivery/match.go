package delivery

import "github.com/bellhop-gateway/bellhop"

// Match lists who wants the events, in the events' order, and reserves room in their lanes: what is Leased has a
// place. The caller gives every one of them to Deliver or to Forget.
func (e *Engine) Match(events []bellhop.Event) []bellhop.NewDelivery {
	t := e.lanes.Load()
	var owed []bellhop.NewDelivery
	for i := range events {
		for l := range t.mayWant(&events[i]) {
			owed = e.match(owed, i, &events[i], l)
		}
	}
	return owed
}

// match adds what l is owed of ev, the i-th of the events, if it wants it.
func (e *Engine) match(owed []bellhop.NewDelivery, i int, ev *bellhop.Event, l *lane) []bellhop.NewDelivery {
	dst := l.destination.Load()
	if !e.wants(l, dst, ev) {
		return owed
	}
	return append(owed, l.place(l.owed(dst, i, ev), ev))
}

// wants reports whether dst, which is l's, is to get ev. An expression that fails is told once a minute.
func (e *Engine) wants(l *lane, dst *destination, ev *bellhop.Event) bool {
	if dst.State == bellhop.DestinationExpired || !dst.ExpiresAt.IsZero() && !dst.ExpiresAt.After(e.now()) {
		return false
	}
	wants, err := dst.matcher.Wants(ev)
	if err != nil {
		e.metrics.matchErrors.Inc()
		l.matchError.note(err, e.now())
		if now, last := e.now().Unix(), l.complainedAt.Load(); now-last >= 60 && l.complainedAt.CompareAndSwap(last, now) {
			e.opts.Logger.Warn("match.failed", "component", "delivery", "destination_id", l.id, "event_type", ev.Type, "source_id", ev.SourceID,
				"error", err, "meaning", "the event does not match; more of these are only counted for a minute")
		}
	}
	return wants
}

// owed is what l is owed of ev, the i-th of some events.
func (l *lane) owed(dst *destination, i int, ev *bellhop.Event) bellhop.NewDelivery {
	return bellhop.NewDelivery{Event: i, DestinationID: l.id, Key: dst.Order.Key(ev)}
}

// place is owed, which is of ev, with a place in l if there is one.
func (l *lane) place(owed bellhop.NewDelivery, ev *bellhop.Event) bellhop.NewDelivery {
	owed.Leased = l.reserve(weight(ev))
	return owed
}

// Owe is Match for events that one destination gets whatever it wants; none, if there is no such destination.
func (e *Engine) Owe(events []bellhop.Event, destinationID string) []bellhop.NewDelivery {
	l := e.lanes.Load().byID[destinationID]
	if l == nil {
		return nil
	}
	var owed []bellhop.NewDelivery
	for i := range events {
		owed = append(owed, l.place(l.owed(l.destination.Load(), i, &events[i]), &events[i]))
	}
	return owed
}

// Deliver puts what has been accepted into its lanes. Each event stays as it is from now on.
func (e *Engine) Deliver(events []bellhop.Event, owed []bellhop.NewDelivery) {
	t := e.lanes.Load()
	for _, o := range owed {
		l := t.byID[o.DestinationID]
		ev := &events[o.Event]
		switch {
		case o.Leased && l == nil: // the destination was deleted meanwhile, with its lane
			e.queuedBytes.Add(-weight(ev))
			if o.DeliveryID != "" {
				e.release([]string{o.DeliveryID})
			}
		case o.Leased && o.DeliveryID == "": // a repeat
			l.unreserve(weight(ev))
		case o.Leased:
			l.push(&bellhop.Delivery{ID: o.DeliveryID, EventID: ev.ID, DestinationID: o.DestinationID, State: bellhop.DeliveryLeased, Event: ev})
		case l != nil && o.DeliveryID != "":
			l.noteDue(e.now())
		}
	}
}

// Forget gives back the room of what was not accepted.
func (e *Engine) Forget(events []bellhop.Event, owed []bellhop.NewDelivery) {
	t := e.lanes.Load()
	for _, o := range owed {
		if !o.Leased {
			continue
		}
		if l := t.byID[o.DestinationID]; l != nil {
			l.unreserve(weight(&events[o.Event]))
		} else {
			e.queuedBytes.Add(-weight(&events[o.Event]))
		}
	}
}
