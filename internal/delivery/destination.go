package delivery

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A destination is a [bellhop.Destination] made ready: its match compiled, its settings read, its URL taken apart. It
// does not change; when what it was made of does, its lane gets another.
type destination struct {
	bellhop.Destination
	matcher     *match.Matcher
	target      *egress.Target
	access      *authorizer
	render      renderFunc
	batching    batching
	renderBatch renderBatchFunc     // nil where the type and format know no batches
	judge       provider.ReplyJudge // nil where the status says it all
	performer   provider.Performer  // of an action, which does its work here: no target, nothing to render
	limit       bellhop.Rate        // the stricter of what we were told and what the receiver allowed
	ordered     bool                // events of a key go one after the other
	closed      bool                // it cannot be opened
}

// A renderFunc writes the request of one attempt.
type renderFunc func(ev *bellhop.Event, at provider.AttemptInfo) (rendered, error)

// A renderBatchFunc writes the request of one attempt for several events.
type renderBatchFunc func(events []*bellhop.Event, at provider.AttemptInfo) (rendered, error)

// A rendered is an attempt's request, its header block as bytes.
type rendered struct {
	method string
	header []byte // "Name: value\r\n" a line
	body   []byte
}

// open checks d and makes it ready. Its errors are [bellhop.CodeInvalid], all of them at once.
func (e *Engine) open(d bellhop.Destination) (*destination, error) {
	dst := &destination{Destination: d, limit: d.Rate.Min(d.Granted), batching: batching{d.Batch}, ordered: d.Order != "" && d.Order != bellhop.OrderNone}
	if a, ok := e.actions[d.Type]; ok {
		return e.openAction(dst, a)
	}
	var targetErr, matchErr, renderErr, handshakeErr, batchErr, accessErr error
	deliveryErr := dst.deliveryError(errorCodes())
	dst.target, dst.access, targetErr = e.openTarget(d)
	dst.matcher, matchErr = match.Compile(d.Match)
	renderErr = e.openRenderer(dst)
	handshakeErr = e.checkHandshake(d)
	if renderErr == nil && !d.Batch.IsZero() && dst.renderBatch == nil {
		batchErr = bellhop.Invalid("batch", "with this type and these settings events go one at a time; leave it out, or use format envelope or thin, or a type that knows batches")
	}
	if renderErr == nil && targetErr == nil {
		accessErr = e.checkAuthorization(dst)
	}
	if bad, ok := renderErr.(*badType); ok {
		return nil, bellhop.Join("", targetErr, bellhop.Join("match", matchErr), bellhop.Invalid("type", bad.Error()))
	}
	if err := bellhop.Join("", targetErr, bellhop.Join("match", matchErr), bellhop.Join("settings", renderErr), handshakeErr, batchErr, accessErr, deliveryErr); err != nil {
		return nil, err
	}
	return dst, nil
}

// deliveryError says what cannot be of when attempts are made; codes are those of the errors that they may end in.
func (dst *destination) deliveryError(codes []string) error {
	return bellhop.Join("", bellhop.Join("retry", dst.Retry.Check(codes)), bellhop.Join("breaker", dst.Breaker.Check()), dst.orderError())
}

// orderError says that there is no such order; none need not be said.
func (dst *destination) orderError() error {
	if dst.Order == "" {
		return nil
	}
	return dst.Order.Check()
}

// errorCodes are those of attempts that got no answer, which retry.outcomes can be about.
func errorCodes() []string {
	codes := []string{errorToken}
	for _, class := range egress.Classes() {
		codes = append(codes, string(class))
	}
	return codes
}

// renderSafely renders a batch, which mostly is one delivery; a provider that panics on an event fails that attempt alone.
func (dst *destination) renderSafely(batch []*bellhop.Delivery, at provider.AttemptInfo) (m rendered, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: failed on the event", dst.Type)
		}
	}()
	if len(batch) == 1 && !dst.inArrays() {
		return dst.render(batch[0].Event, at)
	}
	events := make([]*bellhop.Event, len(batch))
	for i, d := range batch {
		events[i] = d.Event
	}
	return dst.renderBatch(events, at)
}

// inArrays reports whether even one event goes as an array: where some requests hold several, receivers want one shape of all.
// Providers see to that themselves.
func (dst *destination) inArrays() bool {
	return dst.Type == bellhop.TypeHTTP && !dst.Batch.IsZero() && dst.renderBatch != nil
}

// judgeSafely asks the provider what a reply means; one that panics on it leaves that to the status.
func (e *Engine) judgeSafely(dst *destination, status int, body []byte) (verdict bellhop.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			e.opts.Logger.Error("provider.panicked", "component", "delivery", "destination_id", dst.ID, "type", dst.Type, "status", status, "panic", fmt.Sprint(p))
			verdict = ""
		}
	}()
	return dst.judge.Judge(status, body)
}

// closedDestination stands in for a destination that cannot be opened: its events are kept, and none is sent.
func closedDestination(d bellhop.Destination, err error) *destination {
	d.State, d.StateReason = bellhop.DestinationDisabled, err.Error()
	matcher, matchErr := match.Compile(d.Match)
	if matchErr != nil { // what is left of it is kept for; too much rather than too little
		if matcher, matchErr = match.Compile(bellhop.Match{Sources: d.Match.Sources, Types: d.Match.Types}); matchErr != nil {
			matcher, _ = match.Compile(bellhop.Match{})
		}
	}
	return &destination{Destination: d, matcher: matcher, closed: true}
}

type badType struct{ types []string }

func (b *badType) Error() string { return "no such type; there are " + strings.Join(b.types, ", ") }

// openRenderer makes the part of dst that belongs to its type.
func (e *Engine) openRenderer(dst *destination) (err error) {
	if dst.Type == bellhop.TypeHTTP {
		dst.render, dst.renderBatch, err = e.openHTTP(dst.Settings)
		return err
	}
	r, err := e.openSender(dst.Destination)
	if err != nil {
		return err
	}
	dst.judge, _ = r.(provider.ReplyJudge)
	dst.render = func(ev *bellhop.Event, at provider.AttemptInfo) (rendered, error) {
		m, err := r.Render(ev, at)
		if err != nil {
			return rendered{}, err
		}
		header, err := appendHeaders(make([]byte, 0, 512), m.Header)
		return rendered{method: m.Method, header: appendIDs(header, ev, at), body: m.Body}, err
	}
	if b, ok := r.(provider.Batcher); ok {
		dst.renderBatch = func(events []*bellhop.Event, at provider.AttemptInfo) (rendered, error) {
			m, err := b.RenderBatch(events, at)
			if err != nil {
				return rendered{}, err
			}
			header, err := appendHeaders(make([]byte, 0, 512), m.Header)
			return rendered{method: m.Method, header: appendBatchIDs(header, events, at), body: m.Body}, err
		}
	}
	return e.probe(dst)
}

// appendHeaders writes a provider's headers, which are not those that only we set.
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

type framingError struct{ name string }

func (f *framingError) Error() string {
	return "header " + f.name + " is set by Bellhop itself; choose another name"
}

// probe renders an event to see which headers the settings make the provider send. An event that it cannot render for
// another reason says nothing of the settings.
func (e *Engine) probe(dst *destination) error {
	_, err := e.renderProbe(dst)
	if bad, ok := err.(*framingError); ok {
		return bellhop.Invalid("", bad.Error())
	}
	return nil
}

func (e *Engine) renderProbe(dst *destination) (rendered, error) {
	now := e.now()
	ev := &bellhop.Event{ID: bellhop.PrefixEvent + "probe", Type: "bellhop.probe", Source: bellhop.SourceAPI, Time: now, ReceivedAt: now,
		ContentType: "application/json", Body: []byte("{}")}
	return dst.renderSafely([]*bellhop.Delivery{{Event: ev}}, provider.AttemptInfo{DeliveryID: bellhop.PrefixDelivery + "probe", Attempt: 1, Time: now, URL: dst.URL})
}

// openSender has the provider that d's type names read its settings.
func (e *Engine) openSender(d bellhop.Destination) (provider.Renderer, error) {
	if s, ok := e.senders[d.Type]; ok {
		return s.OpenSender(e.opts.Env, d.Settings)
	}
	types := []string{bellhop.TypeHTTP}
	types = slices.AppendSeq(slices.AppendSeq(types, maps.Keys(e.senders)), maps.Keys(e.actions))
	slices.Sort(types)
	return nil, &badType{types}
}
