package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/stream"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// This file holds the live stream: what a client asks for, how it comes back, and how messages are written to it. What
// a message says is in stream_note.go.

func (s *server) stream() {
	o := op{http.MethodGet, "/stream", "follow-stream", "Follow what happens", 0}.huma()
	item := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.StreamItem](), true, "StreamItem")
	o.Responses = map[string]*huma.Response{"200": {
		Description: "Server-sent events without an end: the data of each message is a StreamItem, its event is the " +
			"kind, and its id is a position",
		Content: map[string]*huma.MediaType{streamType: {Schema: item}},
	}}
	register(s, o, s.follow)
}

const streamType = "text/event-stream"

// streamInput is what a client asks for.
type streamInput struct {
	Kinds       []string `query:"kinds" example:"event.accepted,delivery.attempted" doc:"Only messages of these kinds"`
	Source      string   `query:"source" doc:"Name or id of the source. Without such a source: of the deleted ones"`
	Destination string   `query:"destination" doc:"Name or id of the destination"`
	Type        string   `query:"type" example:"ams.*" doc:"The whole type of the event, or a prefix and *"`
	Subject     string   `query:"subject" example:"jobs/*" doc:"The whole subject of the event, or a prefix and *"`
	Outcome     []string `query:"outcome" example:"dead,refused" doc:"Only messages with one of these outcomes"`
	Rate        int      `query:"rate" minimum:"0" maximum:"100000" doc:"Messages a second; skipped counts others"`
	Owned
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last message: those after it come first"`
	After       string `query:"after" doc:"The same, for clients that cannot set the header, which goes before it"`
}

// outcomes are the words that a filter of outcomes may have.
var outcomes = []string{"accepted", "refused", "partial", "handshake", "pending", "delivered", "dead", "cancelled",
	"created", "updated", "deleted"}

// visitorKinds are the kinds of messages that the visitor of a portal may follow: those of the nouns that it sees.
var visitorKinds = []stream.Kind{stream.EventAccepted, stream.DeliveryAttempted, stream.DestinationChanged}

// filterOf returns the filter that in asks for, within what the principal of ctx may see.
func (s *server) filterOf(ctx context.Context, in *streamInput) (f stream.Filter, err error) {
	f = stream.Filter{Type: in.Type, Subject: in.Subject, Outcomes: in.Outcome, Tenant: in.Tenant, Rate: in.Rate}
	principal, _ := auth.FromContext(ctx)
	if principal.Tenant != "" {
		f.Tenant = principal.Tenant
	}
	for _, name := range in.Kinds {
		kind, ok := stream.ParseKind(name)
		if !ok {
			return f, bellhop.Invalid("kinds", "has a word that is no kind: use event.accepted, request.refused, "+
				"request.handshake, delivery.attempted, source.changed, destination.changed, connection.changed or "+
				"subscription.changed")
		}
		if principal.Portal != "" && !slices.Contains(visitorKinds, kind) {
			return f, &bellhop.Error{Code: bellhop.CodeForbidden,
				Message: "this link to the portal does not allow to follow " + name}
		}
		f.Kinds = append(f.Kinds, kind)
	}
	if principal.Portal != "" && len(f.Kinds) == 0 {
		f.Kinds = visitorKinds
	}
	for _, outcome := range in.Outcome {
		if !slices.Contains(outcomes, outcome) {
			return f, bellhop.Invalid("outcome", "has a word that is no outcome: use accepted, refused, partial, "+
				"handshake, pending, delivered, dead, cancelled, created, updated or deleted")
		}
	}
	f.Sources, err = s.Catalog.SourceIDs(ctx, in.Source)
	if err != nil {
		return f, err
	}
	f.Destinations, err = s.Catalog.DestinationIDs(ctx, in.Destination)
	return f, err
}

// positionOf returns the position after which in asks the stream to begin; zero if it is to begin now.
func (s *server) positionOf(ctx context.Context, in *streamInput) (stream.Position, error) {
	text, name := in.LastEventID, "Last-Event-ID"
	if text == "" {
		text, name = in.After, "after"
	}
	if text == "" {
		return stream.Position{}, nil
	}
	unknown := bellhop.Invalid(name, "is no id of a message of this gateway's stream: leave it out to begin now")
	from, err := stream.ParsePosition(text)
	if err != nil {
		return from, unknown
	}
	_, _, err = s.Store.Arrivals(ctx, from.Mark, from.Mark, 1) // which checks the mark
	var known *bellhop.Error
	if errors.As(err, &known) && known.Code == bellhop.CodeInvalid {
		err = unknown
	}
	return from, err
}

// streamWait is when a client that found too many others is to try again.
const streamWait = 10 * time.Second

// follow answers with the stream. The place in the hub is taken before the answer begins, so that a client that cannot
// have one gets a problem.
func (s *server) follow(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	filter, err := s.filterOf(ctx, in)
	if err != nil {
		return nil, err
	}
	from, err := s.positionOf(ctx, in)
	if err != nil {
		return nil, err
	}
	l, err := s.Stream.Open(ctx, filter)
	if errors.Is(err, stream.ErrFull) {
		return nil, &bellhop.Error{Code: bellhop.CodeUnavailable, RetryAfter: streamWait,
			Message: "as many clients as " +
				"there may be follow the stream already: end one of them, or try again later"}
	}
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer l.Close()
		r, w := humago.Unwrap(hc)
		f := &follower{server: s, l: l, w: w, control: http.NewResponseController(w)}
		err := f.run(r, from)
		if err != nil && r.Context().Err() == nil && !errors.Is(err, errGone) {
			s.log.Warn("stream.broken", "error", err, "meaning", "a client of the stream was cut off; it can "+
				"come back")
		}
	}}, nil
}

// streamTimeout is how long a client may take to receive the bytes of one write.
const streamTimeout = 30 * time.Second

// errGone says that the client of a stream has gone, or reads nothing.
var errGone = errors.New("the client is gone")

// A follower writes the stream to one client.
type follower struct {
	server  *server
	l       *stream.Listener
	w       http.ResponseWriter
	control *http.ResponseController
}

// run writes the stream after a position, or from now on, until the client goes, the stream ends or the key of r is
// not accepted any more, which is looked at every 15 seconds.
func (f *follower) run(r *http.Request, from stream.Position) error {
	err := f.open(r)
	if err == nil {
		err = f.begin(r.Context(), from)
	}
	for checked := time.Now(); err == nil; {
		var text []byte
		text, err = f.l.Next(r.Context())
		if err == nil {
			err = f.write(text)
		}
		if time.Since(checked) < stream.Heartbeat || err != nil {
			continue
		}
		checked = time.Now()
		why, ends := f.refused(r)
		if ends {
			return f.end(why)
		}
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// open reads the body of r, if it has one, and begins the answer. Package net/http notices that a client has gone only
// once the body of its request is read.
func (f *follower) open(r *http.Request) error {
	_, err := io.Copy(io.Discard, http.MaxBytesReader(f.w, r.Body, MaxBodyBytes))
	if err != nil {
		return errGone
	}
	h := f.w.Header()
	h.Set("Content-Type", streamType)
	h.Set("X-Accel-Buffering", "no") // of a proxy in front, which would keep messages until it has many
	f.control.SetReadDeadline(time.Time{})
	return f.write([]byte("retry: 1000\n\n"))
}

// refused reports whether the key of r is not accepted any more.
func (f *follower) refused(r *http.Request) (why stream.Control, yes bool) {
	_, err := authenticatorOf(r)(r)
	return stream.Control{Reason: "key", Detail: "the API key is not accepted any more"}, err != nil
}

// end writes the last message.
func (f *follower) end(why stream.Control) error {
	note := stream.Note{Kind: stream.End, At: time.Now(), Thing: why}
	return f.write(f.server.Stream.Append(nil, stream.Position{}, &note))
}

// write sends text at once.
func (f *follower) write(text []byte) error {
	f.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	_, err := f.w.Write(text)
	if err == nil {
		err = f.control.Flush()
	}
	if err != nil {
		return errGone
	}
	return nil
}

// pageOfHistory is how many events and requests, or deliveries, are read from the store at a time.
const pageOfHistory = 200

// attemptSlack is how much later an attempt may be on disk than it ended. Attempts of that time before a position are
// told again, rather than some not at all.
const attemptSlack = 5 * time.Second

// begin attaches the listener. With a position whose notes the hub has no more, it writes what came after it from the
// store. Most of that is written before the listener is attached, at the pace of the client, since from then on what
// happens has to be kept for the client.
func (f *follower) begin(ctx context.Context, from stream.Position) error {
	if from.Mark == "" {
		f.l.Attach(from)
		return nil
	}
	if f.l.Filter().Rate > 0 {
		_, exact := f.l.Attach(from)
		if exact {
			return nil
		}
		return f.forgotten(from)
	}
	c := catchUp{follower: f, at: from, since: from.At.Add(-attemptSlack)}
	var err error
	if !f.server.Stream.Has(from) {
		err = c.arrivals(ctx, "")
	}
	if err != nil {
		return err
	}
	through, exact := f.l.Attach(from)
	if exact {
		return nil
	}
	err = c.arrivals(ctx, through)
	if err == nil {
		err = c.attempts(ctx)
	}
	if err == nil {
		err = c.gap(from)
	}
	return err
}

// forgotten tells the client that what came after a position is not told again: a stream with a rate is for onlookers.
func (f *follower) forgotten(from stream.Position) error {
	note := stream.Note{Kind: stream.Gap, At: time.Now(), Thing: stream.Control{Reason: "resumed", Since: from.At,
		Detail: "with a rate, only what the gateway still remembers is told again: list the nouns"}}
	return f.write(f.server.Stream.Append(nil, stream.Position{}, &note))
}

// A catchUp writes what happened after a position from the store, to one client.
type catchUp struct {
	*follower
	at       stream.Position // of the latest message; its time stays that of the beginning until all is written
	since    time.Time       // attempts that ended after it are written
	aged     bool            // some of what came in may have been deleted
	searched bool            // some attempts may not have been found
	text     []byte          // its memory is used again
}

// add adds the message of a note, if the client wants it.
func (c *catchUp) add(n stream.Note) {
	if c.l.Filter().Wants(&n) {
		c.text = c.server.Stream.Append(c.text, c.at, &n)
	}
}

// send writes the messages that were added. Without any it tells the client its position.
func (c *catchUp) send() error {
	if len(c.text) == 0 {
		c.text = append(c.at.Append([]byte("id: ")), "\n\n"...)
	}
	err := c.write(c.text)
	c.text = c.text[:0]
	return err
}

// arrivals writes the events and requests up to a mark, or all if it is "".
func (c *catchUp) arrivals(ctx context.Context, through string) error {
	for {
		list, aged, err := c.server.Store.Arrivals(ctx, c.at.Mark, through, pageOfHistory)
		if err != nil {
			return err
		}
		c.aged = c.aged || aged
		if len(list) == 0 || c.server.Stream.Stopped() {
			return nil
		}
		for i := range list {
			c.at.Session, c.at.Seq, c.at.Mark = 0, 0, list[i].Mark()
			if n, ok := arrivalNote(&list[i]); ok {
				c.add(n)
			}
		}
		err = c.send()
		if err != nil {
			return err
		}
	}
}

// attempts writes the attempts.
func (c *catchUp) attempts(ctx context.Context) error {
	if !c.l.Filter().WantsKind(stream.DeliveryAttempted) {
		return nil
	}
	for after := ""; ; {
		list, next, complete, err := c.server.Store.Attempted(ctx, c.since, after, pageOfHistory)
		if err != nil {
			return err
		}
		c.searched = c.searched || !complete
		for i := range list {
			c.add(AttemptNote(list[i]))
		}
		err = c.send()
		if err != nil || next == "" {
			return err
		}
		after = next
	}
}

// gap tells the client what could not be told again since from.
func (c *catchUp) gap(from stream.Position) error {
	why := stream.Control{Reason: "resumed", Since: from.At}
	var details []string
	if c.aged {
		why.Reason = "aged"
		details = append(details, "what is older than the gateway keeps events is deleted")
	}
	for k := stream.SourceChanged; k <= stream.SubscriptionChanged; k++ {
		if c.l.Filter().WantsKind(k) {
			why.Kinds = append(why.Kinds, k.String())
		}
	}
	if len(why.Kinds) > 0 {
		details = append(details, "earlier changes are not kept: list the nouns to see their present state")
	}
	if c.searched {
		why.Kinds = append(why.Kinds, stream.DeliveryAttempted.String())
		details = append(details, "retries of older events are not all found: list the deliveries")
	}
	if c.aged {
		why.Kinds = nil
	}
	if len(details) == 0 {
		return nil
	}
	why.Detail = strings.Join(details, "; ")
	note := stream.Note{Kind: stream.Gap, At: time.Now(), Thing: why}
	c.text = c.server.Stream.Append(c.text, stream.Position{}, &note)
	return c.send()
}
