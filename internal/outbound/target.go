package outbound

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A Target is a destination made ready: its match compiled, its settings read, its URL parsed. It does not
// change, except that its access fetches tokens, and is safe for concurrent use.
type Target struct {
	Matcher *match.Matcher // decides which events the destination wants

	opener    *Opener
	id        string // of the destination
	name      string // of the destination
	kind      string // the destination's type
	url       string
	timeout   time.Duration
	expiresAt time.Time

	address     *egress.Target
	access      *authorizer // nil if nothing authorizes requests
	render      renderFunc
	renderBatch renderBatchFunc     // nil if the type and format know no batches
	arrays      bool                // a single event is rendered by renderBatch too
	judge       provider.ReplyJudge // nil if the status decides
	evaluates   bool                // rendering evaluates expressions
	verbatim    bool                // it sends the bytes as received, in their content encoding
	whole       bool                // it gets a binary CloudEvent in the JSON format, so that its attributes go along
	performer   provider.Performer  // of an action, which has no address, access or renderer
	pulled      bool                // programs fetch its deliveries; it has no address and no access
	selector    provider.Selector   // the same, if it leaves out events
	warnings    []string            // about settings that were accepted but are weak
}

// LeavesOut reports whether the destination gets no delivery of ev although its match wants it: an action made it, and
// that of the destination never works on it.
func (t *Target) LeavesOut(ev *bellhop.Event) bool {
	return t.selector != nil && ev.Header.Get(bellhop.CauseHeader) != "" && t.selector.LeavesOut(ev)
}

// A renderFunc renders the request of one attempt for one event.
type renderFunc func(ev *bellhop.Event, at provider.AttemptInfo) (request, error)

// A renderBatchFunc renders the request of one attempt for several events.
type renderBatchFunc func(events []*bellhop.Event, at provider.AttemptInfo) (request, error)

// A request is a rendered request, its header block as bytes.
type request struct {
	method string // "" is POST
	header []byte // "Name: value\r\n" a line
	body   []byte
}

// Send makes one attempt for batch, most often one delivery, at the time at. The destination's timeout bounds it, the
// fetch of a token included, but not the wait of a large body for its turn to be rendered.
//
// When ctx ends, Send gives up an action, that wait and the wait for a token. It does not end a request that is being
// sent, because a context that can be cancelled costs something for each request: closing the egress client ends it.
func (t *Target) Send(ctx context.Context, batch []*bellhop.Delivery, at time.Time) Reply {
	if t.performer != nil {
		return t.perform(ctx, batch[0], at)
	}
	m, err := t.renderInTurn(ctx, batch, provider.AttemptInfo{DeliveryID: batch[0].ID, Attempt: batch[0].Attempts + 1,
		Time: at, URL: t.url, ExpiresAt: t.expiresAt})
	if err != nil {
		why := unrendered(ctx, err)
		if len(batch) > 1 && why.Class != Cancelled { // one of them is at fault; each goes alone the next time
			return Reply{Class: Unsent, Error: ErrorRender, Detail: "as one of a batch: " + err.Error()}
		}
		return why
	}
	m.header = appendTrace(ctx, m.header, batch)
	reply, err := t.opener.exchange(ctx, context.Background(), t.access,
		&egress.Request{Target: t.address, Method: m.method, Header: m.header, Body: m.body,
			Timeout: t.timeout, ReplyBytes: bellhop.MaxReplyBytes})
	if err != nil {
		return failed(err)
	}
	got := Reply{Status: reply.Status, RetryAfter: reply.RetryAfter, Body: reply.Body}
	if t.judge != nil {
		got.Outcome = t.judgeSafely(batch[0].ID, reply.Status, reply.Body)
	}
	return got
}

// exchange authorizes req by a, which may be nil, and sends it. waiting bounds the wait for a token, sending
// the exchange itself; both are bound by req's timeout as well. Its errors are [egress.Error] and unsentError.
func (o *Opener) exchange(waiting, sending context.Context, a *authorizer, req *egress.Request) (*egress.Reply,
	error) {
	if a == nil || a.member == "" {
		return o.opts.Client.Do(sending, req)
	}
	token, err := a.authorize(waiting, req)
	if err != nil {
		return nil, err
	}
	reply, err := o.opts.Client.Do(sending, req)
	a.learn(token, reply)
	return reply, err
}

// renderInTurn renders a batch. If expressions are evaluated over a large body, it waits for its turn, or until ctx
// ends.
func (t *Target) renderInTurn(ctx context.Context, batch []*bellhop.Delivery,
	at provider.AttemptInfo) (request, error) {
	if t.evaluates && match.Size(batch[0].Event) >= match.LargeBody {
		if err := t.opener.opts.Gate.Enter(ctx); err != nil {
			return request{}, err
		}
		defer t.opener.opts.Gate.Leave()
	}
	return t.renderSafely(batch, at)
}

// renderSafely renders a batch. A provider that panics on an event fails that attempt alone.
func (t *Target) renderSafely(batch []*bellhop.Delivery, at provider.AttemptInfo) (m request, err error) {
	defer func() {
		if p := recover(); p != nil {
			t.logPanic("provider.panicked", p, "delivery_id", at.DeliveryID)
			err = fmt.Errorf("%s: failed on the event", t.kind)
		}
	}()
	if len(batch) == 1 && !t.arrays {
		ev, err := t.readable(batch[0].Event, bellhop.MaxMaxBodyBytes)
		if err != nil {
			return request{}, err
		}
		return t.render(ev, at)
	}
	room := int64(bellhop.MaxBatchBytes)
	if len(batch) == 1 {
		room = bellhop.MaxMaxBodyBytes
	}
	events := make([]*bellhop.Event, len(batch))
	for i, d := range batch {
		if events[i], err = t.readable(d.Event, room); err != nil {
			return request{}, err
		}
		room -= int64(len(events[i].Body))
	}
	return t.renderBatch(events, at)
}

// judgeSafely asks the provider what a reply means. If the provider panics, the status decides.
func (t *Target) judgeSafely(deliveryID string, status int, body []byte) (outcome bellhop.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			t.logPanic("provider.panicked", p, "delivery_id", deliveryID, "status", status)
			outcome = ""
		}
	}()
	return t.judge.Judge(status, body)
}

// renderProbe renders an event that does not exist, to learn which headers the settings make the type send.
func (t *Target) renderProbe() (request, error) {
	now := t.opener.now()
	ev := &bellhop.Event{ID: bellhop.PrefixEvent + "probe", Type: "bellhop.probe", Source: bellhop.SourceAPI,
		Time: now, ReceivedAt: now,
		ContentType: "application/json", Body: []byte("{}")}
	return t.renderSafely([]*bellhop.Delivery{{Event: ev}},
		provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "probe", Attempt: 1, Time: now, URL: t.url})
}

// appendHeaders appends a provider's headers. Headers that frame a request are an error: only the client sets them.
func appendHeaders(b []byte, h http.Header) ([]byte, error) {
	for name, values := range h {
		if bellhop.FramingHeader(name) {
			return nil, &framingError{name}
		}
		for _, v := range values {
			b = egress.AppendHeader(b, name, v)
		}
	}
	return b, nil
}

// A framingError reports a header that a provider must not set.
type framingError struct{ name string }

func (e *framingError) Error() string {
	return "header " + e.name + " is set by Bellhop itself; choose another name"
}
