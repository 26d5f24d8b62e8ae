package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A StreamItem is one message of the live stream: one thing that happened, or something about the stream itself. Kind
// says which of the pointers is set.
type StreamItem struct {
	// ID is the position after this message. A stream goes on after it.
	ID   string `json:"id,omitempty"`
	Kind string `json:"kind" example:"event.accepted"`
	At   Time   `json:"at"`

	Event   *StreamEvent   `json:"event,omitempty"`   // of event.accepted
	Request *Request       `json:"request,omitempty"` // of request.refused and request.handshake
	Attempt *StreamAttempt `json:"attempt,omitempty"` // of delivery.attempted
	Change  *StreamChange  `json:"change,omitempty"`  // of source.changed, destination.changed and so on
	Gap     *StreamGap     `json:"gap,omitempty"`     // of gap
	Skipped *StreamSkipped `json:"skipped,omitempty"` // of skipped
	End     *StreamEnd     `json:"end,omitempty"`     // of end and of interrupted

	Delivery *StreamDelivery `json:"delivery,omitempty"` // of delivery, which only [Client.Listen] yields
}

// The kinds of messages about the stream itself. A Client makes the last one.
const (
	ItemLive = "live" // what follows happens from now on
	ItemGap  = "gap"  // something is missing here
	// ItemSkipped says that messages were left out because of the rate of the filter.
	ItemSkipped = "skipped"
	ItemEnd     = "end" // the gateway ends the stream; a Client comes back by itself

	ItemDelivery = "delivery" // a delivery that waits for an answer

	ItemInterrupted = "interrupted" // the gateway does not answer; the Client tries again until it does
)

// A StreamEvent is an event that is on disk.
type StreamEvent struct {
	Event
	Deliveries int `json:"deliveries"` // to destinations that want it
}

// A StreamAttempt is an attempt that was recorded, with what one has to know of its delivery and its event.
type StreamAttempt struct {
	DeliveryID    string  `json:"delivery_id" example:"dlv_01h455vb4pex5vsknk08"`
	EventID       string  `json:"event_id" example:"evt_01h455vb4pex5vsknk08"`
	Type          string  `json:"type" example:"ams.JobStateChange"` // of the event
	Subject       string  `json:"subject"`                           // of the event
	Source        string  `json:"source" example:"media"`
	SourceID      string  `json:"source_id"`
	Destination   string  `json:"destination" example:"billing"`
	DestinationID string  `json:"destination_id"`
	State         string  `json:"state" enum:"pending,delivered,dead,cancelled"` // of the delivery, after the attempt
	NextAt        Time    `json:"next_at"`                                       // of the next attempt
	Number        int     `json:"number" example:"1"`
	StartedAt     Time    `json:"started_at"`
	DurationMS    float64 `json:"duration_ms"`
	Status        int     `json:"status"`                  // of the reply; 0 without a reply
	Error         string  `json:"error" example:"timeout"` // a short code; "" on success
	Detail        string  `json:"detail"`                  // the error in words
}

// A StreamChange is a change of a source, a destination, a connection or a subscription.
type StreamChange struct {
	Noun   string `json:"noun" enum:"source,destination,connection,subscription"`
	ID     string `json:"id" example:"dst_01h455vb4pex5vsknk08"`
	Name   string `json:"name" example:"billing"`
	Action string `json:"action" enum:"created,updated,deleted"`
	State  string `json:"state"`  // after the change; "" of a source and of something deleted
	Reason string `json:"reason"` // of the state
}

// A StreamGap says that messages may be missing before this one.
type StreamGap struct {
	Kinds  []string `json:"kinds"` // that may be missing; empty is any
	Since  Time     `json:"since"` // from when on; null is unknown
	Reason string   `json:"reason" example:"overrun"`
	Detail string   `json:"detail"` // the reason in words
}

// A StreamSkipped says how many messages were left out before this one.
type StreamSkipped struct {
	Count int `json:"count"`
}

// A StreamEnd says why a stream ends here. Of an interruption, the reason is unreachable, or unavailable if the
// gateway or a proxy in front of it has answered.
type StreamEnd struct {
	Reason string `json:"reason" example:"stopping"`
	Detail string `json:"detail"` // the reason in words
}

// A StreamFilter chooses messages of the live stream. Zero fields choose all. A filter by a property chooses no
// message without that property. The messages about the stream itself come in any case.
type StreamFilter struct {
	Kinds       []string // such as "event.accepted"
	Source      string   // name or id
	Destination string   // name or id
	Type        string   // of the event: a whole type, or a prefix and "*"
	Subject     string   // of the event: a whole subject, or a prefix and "*"
	Tenant      string
	// Outcomes are those of requests (refused, partial, handshake), the states of deliveries after an attempt
	// (pending, delivered, dead, cancelled), and the actions of changes (created, updated, deleted).
	Outcomes []string
	Rate     int // messages a second at most; 0 is all
}

func (f StreamFilter) query() string {
	query := url.Values{}
	for name, value := range map[string]string{"kinds": strings.Join(f.Kinds, ","), "source": f.Source,
		"destination": f.Destination, "type": f.Type, "subject": f.Subject, "tenant": f.Tenant,
		"outcome": strings.Join(f.Outcomes, ",")} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if f.Rate > 0 {
		query.Set("rate", strconv.Itoa(f.Rate))
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// Bounds of a stream.
const (
	maxStreamLine   = 1 << 20
	streamBuffer    = 64 << 10         // of bytes that are read at a time
	streamSilence   = 45 * time.Second // without a byte; the gateway sends one every 15 s
	firstStreamWait = time.Second      // before the first try to come back; doubled for each further one
	mostStreamWait  = 30 * time.Second
)

// Stream follows what happens in the gateway until ctx ends: with after "", from now on; with the ID of an item, after
// that one. It comes back by itself after an interruption, and goes on where it was: the first item after the attempts
// that failed says so by its kind. The gateway tells by an item of kind gap what it cannot tell again. Items may come
// again after an interruption; each has an id by which to know it.
//
// The sequence ends with an error if the gateway refuses the stream, or with the error of ctx.
func (c *Client) Stream(ctx context.Context, f StreamFilter, after string) iter.Seq2[StreamItem, error] {
	return c.messages(ctx, stream{client: c, method: http.MethodGet, path: path("stream") + f.query(), after: after})
}

// StreamOnce is Stream without coming back: the sequence ends where its connection does, after an item of kind end or
// with an error.
func (c *Client) StreamOnce(ctx context.Context, f StreamFilter, after string) iter.Seq2[StreamItem, error] {
	return func(yield func(StreamItem, error) bool) {
		s := stream{client: c, method: http.MethodGet, path: path("stream") + f.query(), after: after}
		err := s.follow(ctx, func(item StreamItem) bool { return yield(item, nil) })
		switch {
		case err == nil || err == errStreamDone:
		case ctx.Err() != nil: // whoever ends the context may see its end in many ways
			yield(StreamItem{}, ctx.Err())
		default:
			yield(StreamItem{}, err)
		}
	}
}

// messages yields the messages of a stream until ctx ends, and comes back by itself after an interruption.
func (c *Client) messages(ctx context.Context, s stream) iter.Seq2[StreamItem, error] {
	return func(yield func(StreamItem, error) bool) {
		told := false // that the stream is interrupted
		for failures := 0; ; {
			err := s.follow(ctx, func(item StreamItem) bool {
				failures, told = 0, false
				return item.Kind == ItemEnd || yield(item, nil)
			})
			var refused *Error
			switch {
			case err == errStreamDone:
				return
			case ctx.Err() != nil:
				yield(StreamItem{}, ctx.Err())
				return
			case errors.As(err, &refused) && !passes(refused):
				yield(StreamItem{}, err)
				return
			}
			failures++
			if err != nil && !told {
				told = true
				end := &StreamEnd{Reason: "unreachable", Detail: err.Error()}
				if refused != nil {
					end.Reason = "unavailable"
				}
				if !yield(StreamItem{Kind: ItemInterrupted, At: Time{time.Now()}, End: end}, nil) {
					return
				}
			}
			if wait(ctx, c.pauses(failures)) != nil {
				yield(StreamItem{}, ctx.Err())
				return
			}
		}
	}
}

// passes reports whether a refusal may be over soon: the gateway is starting, stopping or has too many listeners, or a
// proxy in front of it finds it gone.
func passes(e *Error) bool {
	return e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway ||
		e.Status == http.StatusGatewayTimeout
}

// errStreamDone says that the caller wants no more items.
var errStreamDone = errors.New("done")

// A stream is what a Client remembers between two connections of one stream.
type stream struct {
	client *Client
	method string
	path   string
	after  string // the position of the latest message
}

// streamPause returns how long to wait before a further try, after some failures in a row.
func streamPause(failures int) time.Duration {
	most := min(mostStreamWait, firstStreamWait<<min(max(failures-1, 0), 10))
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1))
}

// follow makes one connection, and passes its items to take until that returns false: then the error is errStreamDone.
// The error is nil if the gateway ended the stream.
func (s *stream) follow(ctx context.Context, take func(StreamItem) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var silent atomic.Bool
	watch := time.AfterFunc(streamSilence, func() {
		silent.Store(true)
		cancel()
	})
	defer watch.Stop()
	header := http.Header{}
	if s.after != "" {
		header.Set("Last-Event-ID", s.after)
	}
	unlimited := *s.client.http
	unlimited.Timeout = 0
	resp, err := s.client.do(ctx, &unlimited, s.method, s.path, header, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxProblemBytes))
		if err != nil {
			return fmt.Errorf("read the gateway's answer: %w", err)
		}
		return newError(resp, answer)
	}
	err = s.read(resp.Body, func() { watch.Reset(streamSilence) }, func(item StreamItem) bool {
		watch.Stop() // the caller may take its time
		defer watch.Reset(streamSilence)
		return take(item)
	})
	if silent.Load() {
		err = errors.New("the gateway sends nothing more")
	}
	return err
}

// read reads messages until the end of the stream. heard is called for each line.
func (s *stream) read(from io.Reader, heard func(), take func(StreamItem) bool) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, streamBuffer), maxStreamLine)
	var data []byte
	id, has := s.after, false
	ended := false
	for lines.Scan() {
		heard()
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(lines.Bytes()) == 0: // the end of a message
			s.after = id
			if !has {
				continue
			}
			item := StreamItem{}
			err := json.Unmarshal(data, &item)
			if err != nil || item.Kind == "" {
				return fmt.Errorf("read the answer of %s: a message of the stream cannot be read", s.client.base)
			}
			item.ID, ended = id, item.Kind == ItemEnd
			data, has = nil, false
			if !take(item) {
				return errStreamDone
			}
		case string(name) == "id" && isPosition(value):
			id = string(value)
		case string(name) == "data":
			if has {
				data = append(data, '\n')
			}
			data, has = append(data, value...), true
			if len(data) > maxStreamLine {
				return errors.New("a message of the stream is too long")
			}
		}
	}
	err := lines.Err()
	if err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	if !ended {
		return errors.New("the stream was cut off")
	}
	return nil
}

// maxStreamID bounds the position of a message.
const maxStreamID = 256

// isPosition reports whether id can be sent back as a header.
func isPosition(id []byte) bool {
	return len(id) <= maxStreamID && bytes.IndexFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
