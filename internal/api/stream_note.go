package api

import (
	"bytes"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/stream"
)

// This file says what the messages of the live stream say: it makes notes of what happens, for the server that is told
// of it and for the history, and writes notes in their JSON form. A note is made by the goroutine that writes to the
// store, so it only copies values; their JSON is written once somebody wants it.

// An arrivedEvent is the Thing of the note of an event.
type arrivedEvent struct {
	bellhop.Event // without header and body
	bodyBytes     int
	deliveries    int
	causedBy      string
	sample        bool
}

// EventNote returns the note of an event that is on disk, with so many deliveries. It keeps nothing of its header and
// its body. tenant is that of its source, or else its own.
func EventNote(ev *bellhop.Event, bodyBytes, deliveries int, tenant string) stream.Note {
	kept := &arrivedEvent{Event: *ev, bodyBytes: bodyBytes, deliveries: deliveries,
		causedBy: ev.Header.Get(bellhop.CauseHeader), sample: isSample(ev.Header)}
	kept.Header, kept.Body = nil, nil
	return stream.Note{Kind: stream.EventAccepted, At: ev.ReceivedAt, Mark: bellhop.MarkOf(ev.ID), Tenant: tenant,
		SourceID: ev.SourceID, Type: ev.Type, Subject: ev.Subject, Outcome: string(bellhop.RequestAccepted),
		Thing: kept}
}

// RequestNote returns the note of a request on record; ok is false if its events say everything. It keeps nothing of
// its header and its body.
func RequestNote(r *bellhop.Request, tenant string) (n stream.Note, ok bool) {
	n = stream.Note{Kind: stream.RequestRefused, At: r.ReceivedAt, Mark: bellhop.MarkOf(r.ID), Tenant: tenant,
		SourceID: r.SourceID, Outcome: string(r.Outcome)}
	switch r.Outcome {
	case bellhop.RequestRefused, bellhop.RequestPartial:
	case bellhop.RequestHandshake:
		n.Kind = stream.RequestHandshake
	default:
		return n, false
	}
	kept := *r
	kept.Header, kept.Body = nil, nil
	n.Thing = &kept
	return n, true
}

// AttemptNote returns the note of an attempt. It keeps nothing of the reply and of the progress of an action.
func AttemptNote(a bellhop.Attempted) stream.Note {
	a.Attempt.Reply, a.Progress = nil, nil
	return stream.Note{Kind: stream.DeliveryAttempted, At: a.Attempt.StartedAt.Add(a.Attempt.Duration),
		Tenant:   a.Tenant,
		SourceID: a.Event.SourceID, DestinationID: a.DestinationID, Type: a.Event.Type, Subject: a.Event.Subject,
		Outcome: string(a.State), Thing: &a}
}

// arrivalNote returns the note of an event or a request of the store; ok is false if nobody is told of it.
func arrivalNote(a *bellhop.Arrival) (n stream.Note, ok bool) {
	if a.Event != nil {
		return EventNote(a.Event, a.BodyBytes, a.Deliveries, a.Tenant), true
	}
	return RequestNote(a.Request, a.Tenant)
}

// WriteNote appends the JSON of a note to dst: a client.StreamItem, in one line.
func WriteNote(dst []byte, n *stream.Note) []byte {
	item := client.StreamItem{Kind: n.Kind.String(), At: client.Time{Time: n.At}}
	switch thing := n.Thing.(type) {
	case *arrivedEvent:
		ev := eventJSON(thing.Event)
		ev.BodyBytes, ev.CausedBy, ev.Sample = thing.bodyBytes, thing.causedBy, thing.sample
		item.Event = &client.StreamEvent{Event: ev, Deliveries: thing.deliveries}
	case *bellhop.Request:
		r := requestJSON(*thing)
		item.Request = &r
	case *bellhop.Attempted:
		item.Attempt = attemptedJSON(thing)
	case *client.StreamChange:
		item.Change = thing
	case stream.Control:
		switch n.Kind {
		case stream.Gap:
			item.Gap = &client.StreamGap{Kinds: append([]string{}, thing.Kinds...),
				Since:  client.Time{Time: thing.Since},
				Reason: thing.Reason, Detail: thing.Detail}
		case stream.Skipped:
			item.Skipped = &client.StreamSkipped{Count: thing.Count}
		case stream.End:
			item.End = &client.StreamEnd{Reason: thing.Reason, Detail: thing.Detail}
		}
	}
	line := bytes.NewBuffer(dst)
	err := writeJSON(line, item)
	if err != nil { // which no item gives
		return append(dst, "{}"...)
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}

// attemptedJSON returns a in its JSON form.
func attemptedJSON(a *bellhop.Attempted) *client.StreamAttempt {
	out := &client.StreamAttempt{
		DeliveryID: a.DeliveryID, EventID: a.Event.ID, Type: a.Event.Type, Subject: a.Event.Subject,
		Source: a.Event.Source, SourceID: a.Event.SourceID, Destination: a.Destination, DestinationID: a.DestinationID,
		State: string(a.State), Number: a.Attempt.Number, StartedAt: client.Time{Time: a.Attempt.StartedAt},
		DurationMS: milliseconds(a.Attempt.Duration), Status: a.Attempt.Status,
		Error:  a.Attempt.Error,
		Detail: a.Attempt.Detail,
	}
	if a.State == bellhop.DeliveryPending {
		out.NextAt = client.Time{Time: a.NextAt}
	}
	return out
}
