package delivery

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/trace"
)

// This file has the spans of attempts. Each belongs to the trace of its event, which the event's header keeps: so it
// does not matter how many hours and restarts lie between the request and the attempt.

// traceAttempt begins the span of an attempt for batch. It is none without a tracer, or if no event is traced; then
// ctx comes back.
func (e *Engine) traceAttempt(ctx context.Context, dst *destination, batch []*bellhop.Delivery) (context.Context,
	trace.Span) {
	if e.opts.Tracer == nil {
		return ctx, trace.Span{}
	}
	kind := trace.Client
	if dst.target != nil && dst.target.Pulled() {
		kind = trace.Consumer
	}
	ctx, span := e.opts.Tracer.Attempt(ctx, "deliver "+dst.Type, kind, func(yield func(bellhop.Header) bool) {
		for _, d := range batch {
			if !yield(d.Event.Header) {
				return
			}
		}
	})
	if !span.Recording() {
		return ctx, span
	}
	d := batch[0]
	span.Text("bellhop.destination", dst.Name)
	span.Text("bellhop.destination.id", dst.ID)
	span.Text("bellhop.delivery.id", d.ID)
	span.Text("bellhop.event.id", d.EventID)
	span.Text("bellhop.event.type", d.Event.Type)
	span.Text("bellhop.source", d.Event.Source)
	span.Number("bellhop.attempt", d.Attempts+1)
	if len(batch) > 1 {
		span.Number("bellhop.batch", len(batch))
	}
	return ctx, span
}

// describeAttempt notes in the span of an attempt what came of it: the state of its first delivery.
func describeAttempt(span trace.Span, r *bellhop.Result) {
	if !span.Recording() {
		return
	}
	span.Text("bellhop.outcome", string(r.State))
	if r.Attempt.Status != 0 {
		span.Number("http.response.status_code", r.Attempt.Status)
	}
	if r.Attempt.Error != "" {
		span.Text("error.type", r.Attempt.Error)
		span.Fail(r.Attempt.Error)
	}
}
