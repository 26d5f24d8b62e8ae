package prove

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Invariants are what must hold, in the order of the package documentation.
var Invariants = []struct{ Name, Meaning string }{
	{"L", "what was answered 2xx is stored"},
	{"T", "each stored event is delivered to each destination that wants it"},
	{"B", "the bytes are the same"},
	{"P", "what is stored was sent"},
	{"U", "an id is stored once"},
	{"X", "repeats are due to kills"},
	{"S", "each delivery is in one state"},
}

// A Verdict is what a ledger says of a gateway.
type Verdict struct {
	Sent         int            `json:"sent"`         // bodies
	Acknowledged int            `json:"acknowledged"` // bodies that were answered 2xx
	Stored       int            `json:"stored"`       // events
	Owed         int            `json:"owed"`         // deliveries of them
	States       map[string]int `json:"deliveries"`   // stored deliveries by state
	Received     int            `json:"received"`     // attempts that arrived
	// attempts that arrived at a destination that had already answered that delivery 2xx
	Repeats     int `json:"repeats"`
	RepeatBound int `json:"repeat_bound"` // the most that the kills can explain
	// acknowledged events that are not stored, and stored events that did not arrive where they should
	Lost     int `json:"lost"`
	Invented int `json:"invented"` // events that are stored or arrived, and were not sent
	// what does not hold, in the order of Invariants
	Violations []Violation `json:"violations"`
}

// A Violation is a case in which an invariant does not hold.
type Violation struct {
	Invariant string `json:"invariant"` // its Name
	Text      string `json:"text"`
}

// wrong notes a violation.
func (v *Verdict) wrong(invariant, format string, args ...any) {
	v.Violations = append(v.Violations, Violation{invariant, fmt.Sprintf(format, args...)})
}

// Count returns how often an invariant is violated.
func (v *Verdict) Count(invariant string) (n int) {
	for _, one := range v.Violations {
		if one.Invariant == invariant {
			n++
		}
	}
	return n
}

// Judge compares the ledger with what a gateway has stored, once all its deliveries have settled.
func (l *Ledger) Judge(s Stored) *Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &Verdict{Sent: len(l.sent), Acknowledged: l.acked(), Stored: len(s.Events), States: s.States,
		Received: len(l.arrivals), Violations: []Violation{}}
	lost := map[string]bool{} // by id of the event
	l.judgeEvents(v, s)
	l.judgeDeliveries(v, s, lost)
	l.judgeArrivals(v, s, lost)
	l.judgeRepeats(v)
	v.Lost += len(lost)
	slices.SortStableFunc(v.Violations, func(a, b Violation) int { return place(a) - place(b) })
	return v
}

// place returns the place of the invariant of a violation.
func place(v Violation) int {
	for i, one := range Invariants {
		if one.Name == v.Invariant {
			return i
		}
	}
	return len(Invariants)
}

// judgeEvents judges L, P and U, and that the checksum of each event is that of a body that was sent.
func (l *Ledger) judgeEvents(v *Verdict, s Stored) {
	count := map[Digest]int{}
	ids := map[string]string{}
	for _, ev := range s.Events {
		var d Digest
		if n, err := hex.Decode(d[:], []byte(ev.BodySHA256)); err != nil || n != len(d) {
			v.wrong("B", "event %s: its checksum is %q", ev.ID, ev.BodySHA256)
		}
		count[d]++
		sent := l.sent[d]
		switch {
		case sent == nil:
			v.Invented++
			v.wrong("P", "event %s of source %s, body %v, was never sent", ev.ID, ev.Source, d)
			continue
		case sent.source != ev.Source || sent.id != "" && sent.id != ev.ProviderID:
			v.wrong("P", "event %s was sent to %s as %q, and is stored as of %s, %q", ev.ID, sent.source, sent.id,
				ev.Source, ev.ProviderID)
		}
		if sent.id != "" {
			if other, ok := ids[ev.Source+" "+sent.id]; ok {
				v.wrong("U", "id %q is stored as %s and as %s", sent.id, other, ev.ID)
			}
			ids[ev.Source+" "+sent.id] = ev.ID
		}
	}
	for d, sent := range l.sent {
		least, most := sent.acked, sent.tries
		if sent.id != "" {
			least, most = min(1, sent.acked), 1
		}
		if count[d] < least {
			v.Lost += least - count[d]
			v.wrong("L", "body %v for %s, id %q: answered 2xx %d times, stored %d times", d, sent.source, sent.id,
				sent.acked, count[d])
		}
		if count[d] > most {
			v.Invented += count[d] - most
			v.wrong("P", "body %v for %s, id %q: sent %d times, stored %d times", d, sent.source, sent.id, sent.tries,
				count[d])
		}
	}
}

// judgeDeliveries judges S, and T as far as the stored deliveries show it.
func (l *Ledger) judgeDeliveries(v *Verdict, s Stored, lost map[string]bool) {
	if s.Listed != len(s.Deliveries) {
		v.wrong("S", "%d deliveries are listed, of which %d differ", s.Listed, len(s.Deliveries))
	}
	for id, ev := range s.Events {
		for _, w := range l.wanting {
			if !w.wants(ev.Source) {
				continue
			}
			v.Owed++
			d, ok := s.Deliveries[Owed{id, w.ID}]
			switch {
			case !ok:
				lost[id] = true
				v.wrong("T", "event %s: no delivery for %s", id, w.Name)
			case d.State != "delivered":
				lost[id] = true
				v.wrong("T", "event %s: delivery %s to %s is %s", id, d.ID, w.Name, d.State)
			}
		}
	}
	sum := 0
	for _, n := range s.States {
		sum += n
	}
	if sum != v.Owed {
		v.wrong("S", "%d are owed, and %d are %v", v.Owed, sum, s.States)
	}
}

// judgeArrivals judges T and B from the arrivals.
func (l *Ledger) judgeArrivals(v *Verdict, s Stored, lost map[string]bool) {
	names := map[string]Wanting{}
	for _, w := range l.wanting {
		names[w.Name] = w
	}
	taken := map[Owed]bool{}
	for _, a := range l.arrivals {
		ev, ok := s.Events[a.Event]
		w := names[a.Destination]
		switch {
		case a.Complaint != "":
			v.wrong("B", "event %s at %s: %s", a.Event, a.Destination, a.Complaint)
		case !ok:
			v.Invented++
			v.wrong("P", "event %q arrived at %s and is not stored", a.Event, a.Destination)
		case !w.wants(ev.Source):
			v.wrong("T", "event %s of %s arrived at %s, which does not want it", a.Event, ev.Source, a.Destination)
		case hex.EncodeToString(a.Body[:]) != ev.BodySHA256:
			v.wrong("B", "event %s arrived at %s as %v, and is stored as %.12s…", a.Event, a.Destination, a.Body,
				ev.BodySHA256)
		case a.Delivery != s.Deliveries[Owed{a.Event, w.ID}].ID:
			v.wrong("X", "event %s arrived at %s as delivery %s, and is %s", a.Event, a.Destination, a.Delivery,
				s.Deliveries[Owed{a.Event, w.ID}].ID)
		}
		if a.Status/100 == 2 {
			taken[Owed{a.Event, w.ID}] = true
		}
	}
	for key, d := range s.Deliveries {
		if d.State == "delivered" && !taken[key] {
			lost[key.Event] = true
			v.wrong("T", "delivery %s of event %s is delivered, and never arrived", d.ID, key.Event)
		}
	}
}

// killSlack is how long an arrival may be noted after the kill that cut it off: the receiver notes the time after
// it has read the request.
const killSlack = 5 * time.Second

// unrecorded bounds the results that a kill loses: those of the transaction being written and of the next one, of
// at most 512 results (maxBatch of the store) each.
const unrecorded = 2 * 512

// judgeRepeats judges X. A delivery is repeated if its request was sent and its result was not on disk at a kill.
// These are the attempts in flight, at most the concurrency of each destination, and the unrecorded results.
// Deliveries that wait in a lane have not been sent.
func (l *Ledger) judgeRepeats(v *Verdict) {
	bound := unrecorded
	for _, w := range l.wanting {
		bound += w.Concurrency
	}
	v.RepeatBound = bound * len(l.kills)
	last := map[[2]string]Arrival{}
	for _, a := range slices.SortedFunc(slices.Values(l.arrivals), func(a, b Arrival) int {
		return a.At.Compare(b.At)
	}) {
		key := [2]string{a.Event, a.Destination}
		before, ok := last[key]
		last[key] = a
		if !ok {
			continue
		}
		if a.Attempt < before.Attempt {
			v.wrong("X", "event %s at %s: attempt %d after attempt %d", a.Event, a.Destination, a.Attempt,
				before.Attempt)
		}
		if before.Status/100 != 2 {
			continue
		}
		v.Repeats++
		if !slices.ContainsFunc(l.kills, func(k time.Time) bool {
			return k.After(before.At.Add(-killSlack)) && k.Before(a.At)
		}) {
			v.wrong("X", "event %s arrived at %s twice, and there was no kill between", a.Event, a.Destination)
		}
	}
	if v.Repeats > v.RepeatBound {
		v.wrong("X", "%d repeats after %d kills; at most %d can be explained", v.Repeats, len(l.kills), v.RepeatBound)
	}
}
