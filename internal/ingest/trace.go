package ingest

import (
	"context"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file has the spans of the door: one for each request, with one for its wait for the disk. The events of a
// request keep its trace in their headers.

// A tracedWriter notes what a request was answered, for its span.
type tracedWriter struct {
	http.ResponseWriter
	span    trace.Span
	status  int
	outcome bellhop.RequestOutcome
	reason  string // of a refusal
}

// WriteHeader implements [http.ResponseWriter].
func (w *tracedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *tracedWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *tracedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// plain returns the server's own writer, which closes the connection of a body that is too large.
func plain(w http.ResponseWriter) http.ResponseWriter {
	if traced, ok := w.(*tracedWriter); ok {
		return traced.ResponseWriter
	}
	return w
}

// serveTraced is serve within a span.
func (d *Door) serveTraced(w http.ResponseWriter, r *http.Request, src *source, start time.Time) {
	ctx, span := d.opts.Tracer.Receive(r.Context(), "receive "+src.Provider, r.Header)
	defer span.End()
	if !span.Recording() {
		d.serve(w, r, src, start)
		return
	}
	traced := &tracedWriter{ResponseWriter: w, span: span}
	d.serve(traced, r.WithContext(ctx), src, start)
	span.Text("bellhop.source", src.Name)
	span.Text("bellhop.provider", src.Provider)
	span.Text("http.request.method", methodOf(r.Method))
	span.Text("http.route", Prefix+"{source}")
	span.Number("http.response.status_code", traced.status)
	span.Text("bellhop.outcome", string(traced.outcome))
	if traced.reason != "" {
		span.Text("bellhop.reason", traced.reason)
	}
	if traced.status >= http.StatusInternalServerError {
		span.Fail(traced.reason)
	}
}

// methodOf returns a method as a span shows it: senders can invent others.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return method
	}
	return "_OTHER"
}

// describeAccepted notes in the span of a request, if it has one, that its events are stored.
func describeAccepted(w http.ResponseWriter, receipt *provider.Receipt) {
	traced, ok := w.(*tracedWriter)
	if !ok {
		return
	}
	traced.outcome = bellhop.RequestAccepted
	if len(receipt.Refused) > 0 {
		traced.outcome, traced.reason = bellhop.RequestPartial, codeOf(receipt.Refused[0].Err)
	}
	traced.span.Number("bellhop.events", len(receipt.Events))
	if len(receipt.Events) == 1 {
		traced.span.Text("bellhop.event.id", receipt.Events[0].ID)
		traced.span.Text("bellhop.event.type", receipt.Events[0].Type)
	}
}

// describeRefusal notes in the span of a request, if it has one, why it is refused.
func describeRefusal(w http.ResponseWriter, code string) {
	if traced, ok := w.(*tracedWriter); ok {
		traced.outcome, traced.reason = bellhop.RequestRefused, code
	}
}

// describeHandshake notes in the span of a request, if it has one, that it is a handshake.
func describeHandshake(w http.ResponseWriter) {
	if traced, ok := w.(*tracedWriter); ok {
		traced.outcome = bellhop.RequestHandshake
	}
}

// kept returns the trace that the events of a request keep; "" if there is none.
func (d *Door) kept(ctx context.Context) string {
	if d.opts.Tracer == nil {
		return ""
	}
	return trace.Kept(ctx)
}

// withTrace returns h with the trace that an event keeps; h itself if there is none.
func withTrace(h bellhop.Header, kept string) bellhop.Header {
	if kept == "" {
		return h
	}
	return append(h, bellhop.TraceHeader+": "+kept+"\n"...)
}

// withCaller returns h with the trace context of whoever caused an event.
func withCaller(h bellhop.Header, c bellhop.TraceContext) bellhop.Header {
	h = append(h, bellhop.TraceparentHeader+": "+c.Traceparent()+"\n"...)
	if c.State != "" {
		h = append(h, bellhop.TracestateHeader+": "+c.State+"\n"...)
	}
	return h
}

// storing begins the span of the wait for the disk. Without a tracer it is none.
func (d *Door) storing(ctx context.Context) trace.Span {
	if d.opts.Tracer == nil {
		return trace.Span{}
	}
	_, span := trace.Child(ctx, "store", trace.Internal)
	return span
}

// endStoring ends the span of storing.
func endStoring(span trace.Span, events []bellhop.Event, deliveries []bellhop.NewDelivery, err error) {
	if !span.Recording() {
		return
	}
	span.Number("bellhop.events", len(events))
	span.Number("bellhop.deliveries", len(deliveries))
	if err != nil {
		_, code, _, _ := explain(err)
		span.Fail(code)
	}
	span.End()
}

// publishing begins the span of an event that is published, which keeps its trace. An event of the API belongs to the
// trace of the request; one that an action made, or this gateway, to that of the attempt, or to none.
func (d *Door) publishing(ctx context.Context, ev *bellhop.Event) (context.Context, trace.Span) {
	if caller, ok := trace.Caller(ctx); ok {
		ev.Header = withCaller(ev.Header, caller)
	}
	var span trace.Span
	switch {
	case d.opts.Tracer == nil:
		return ctx, span
	case ev.Source == bellhop.SourceAPI:
		ctx, span = d.opts.Tracer.Start(ctx, "publish", trace.Internal)
	default:
		ctx, span = trace.Child(ctx, "publish", trace.Internal)
	}
	if span.Recording() {
		span.Text("bellhop.source", ev.Source)
		span.Text("bellhop.event.type", ev.Type)
		ev.Header = withTrace(ev.Header, trace.Kept(ctx))
	}
	return ctx, span
}
