package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/stream"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// This file hands the deliveries of a destination of type listen to those who listen, as server-sent events, and takes
// the answers of their programs.

// A Desk hands deliveries to listeners.
type Desk interface {
	// Attach begins to listen to a destination. next waits for the next delivery; its error is io.EOF once the gateway
	// stops, or that of ctx. leave ends the attempts that are in the listener's hands. The error of Attach is shown.
	Attach(destinationID string) (next func(ctx context.Context) (bellhop.Handing, error), leave func(), err error)
	// Answer ends an attempt of a delivery. The error is CodeInvalid, or CodeConflict if no attempt waits for it.
	Answer(deliveryID string, a bellhop.Answer) error
}

func (s *server) listen() {
	o := op{http.MethodPost, "/destinations/{id}/listen", "listen-destination",
		"Take a destination's deliveries", 0}.huma()
	item := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[client.StreamItem](), true, "StreamItem")
	o.Responses = map[string]*huma.Response{"200": {
		Description: "Server-sent events without an end: the data of each message is a StreamItem of kind live, " +
			"delivery or end",
		Content: map[string]*huma.MediaType{streamType: {Schema: item}},
	}}
	register(s, o, s.listenDestination)
	handle(s, op{http.MethodPost, "/deliveries/{id}/answer", "answer-delivery",
		"Answer for a program that listens", http.StatusNoContent}, s.answerDelivery)
}

// listenDestination answers with the deliveries of a destination, one message each. The place at the desk is taken
// before the answer begins, so that a client that cannot have one gets a problem.
func (s *server) listenDestination(ctx context.Context, in *one) (*huma.StreamResponse, error) {
	d, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if d.Type != bellhop.TypeListen {
		return nil, bellhop.Conflict("the destination is of type " + d.Type + ": only one of type listen has " +
			"deliveries that a listener takes")
	}
	next, leave, err := s.Desk.Attach(d.ID)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		f := &follower{server: s, w: w, control: http.NewResponseController(w)}
		if err == io.EOF {
			f.open(r)
			f.end(stopping)
			return
		}
		defer leave()
		f.listen(r, d.ID, next)
	}}, nil
}

// stopping ends the stream of a listener of a gateway that stops.
var stopping = stream.Control{Reason: "stopping", Detail: "the gateway stops; come back"}

// listen writes a message for each delivery, until the client goes, the gateway stops, the destination is deleted or
// the key of r is not accepted any more. The last two are looked at every 15 seconds.
func (f *follower) listen(r *http.Request, destinationID string,
	next func(ctx context.Context) (bellhop.Handing, error)) error {
	err := f.open(r)
	if err == nil {
		err = f.write(f.server.Stream.Append(nil, stream.Position{}, &stream.Note{Kind: stream.Live, At: time.Now(),
			Thing: stream.Control{}}))
	}
	for checked := time.Now(); err == nil; {
		waiting, cancel := context.WithTimeout(r.Context(), stream.Heartbeat)
		var h bellhop.Handing
		h, err = next(waiting)
		cancel()
		switch {
		case err == nil:
			err = f.write(handingMessage(h))
		case r.Context().Err() != nil:
			return r.Context().Err()
		case err == io.EOF:
			return f.end(stopping)
		case errors.Is(err, context.DeadlineExceeded):
			err = f.write([]byte(":\n\n")) // a sign of life
		}
		if time.Since(checked) < stream.Heartbeat || err != nil {
			continue
		}
		checked = time.Now()
		why, ends := f.refused(r)
		if !ends {
			why, ends = f.deleted(r.Context(), destinationID)
		}
		if ends {
			return f.end(why)
		}
	}
	return err
}

// deleted reports whether a destination is not there any more.
func (f *follower) deleted(ctx context.Context, destinationID string) (why stream.Control, yes bool) {
	_, err := f.server.Store.Destination(ctx, destinationID)
	var known *bellhop.Error
	yes = errors.As(err, &known) && known.Code == bellhop.CodeNotFound
	return stream.Control{Reason: "deleted", Detail: "the destination was deleted"}, yes
}

// handingMessage returns the message of a delivery. The listener reads the event by its id.
func handingMessage(h bellhop.Handing) []byte {
	line := bytes.NewBufferString("event: " + client.ItemDelivery + "\ndata: ")
	writeJSON(line, client.StreamItem{Kind: client.ItemDelivery, At: client.Time{Time: time.Now()},
		Delivery: &client.StreamDelivery{Token: h.Token, DeliveryID: h.DeliveryID, Attempt: h.Attempt,
			EventID: h.Event.ID, Type: h.Event.Type, Subject: h.Event.Subject, Source: h.Event.Source,
			Until: client.Time{Time: h.Until}}})
	line.WriteByte('\n') // writeJSON has ended the line: an empty one ends the message
	return line.Bytes()
}

func (s *server) answerDelivery(ctx context.Context, in *struct {
	ID   string `path:"id" doc:"Its id"`
	Body client.Answer
}) (*none, error) {
	d, err := s.Store.Delivery(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	body := []byte(in.Body.Body)
	if in.Body.BodyBase64 != "" {
		body, err = base64.StdEncoding.DecodeString(in.Body.BodyBase64)
	}
	switch {
	case err != nil:
		return nil, bellhop.Invalid("body_base64", "is no Base64")
	case in.Body.BodyBase64 != "" && in.Body.Body != "":
		return nil, bellhop.Invalid("body_base64", "give the body once: as text, or in Base64")
	}
	return nil, s.Desk.Answer(d.ID, bellhop.Answer{Token: in.Body.Token, Status: in.Body.Status,
		RetryAfter: in.Body.RetryAfter, Body: body, Detail: in.Body.Detail})
}
