// Package trace is how the rooms of the corridor say what they do for whom: spans, which belong to the trace of the
// request that brought an event. Each room gets a Tracer, or nil if nothing is traced; then nothing here costs
// anything.
//
// The trace of an event is kept in its header (bellhop.TraceHeader), so that an attempt belongs to it hours and
// restarts later. Only sampled requests have it: an event without it makes no spans.
package trace

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// A Tracer begins spans. It is safe for concurrent use.
type Tracer struct{ tracer trace.Tracer }

// New returns a Tracer that begins its spans by t.
func New(t trace.Tracer) *Tracer { return &Tracer{t} }

// A Kind says on which side of a request a span is.
type Kind = trace.SpanKind

// The kinds of spans.
const (
	Server   = trace.SpanKindServer   // takes a request
	Client   = trace.SpanKindClient   // makes one
	Internal = trace.SpanKindInternal // neither
	Consumer = trace.SpanKindConsumer // somebody fetches what is owed to them
)

// A Span is one piece of work. The zero Span is none: its methods do nothing. Attributes never have bodies, secrets or
// whole URLs.
type Span struct{ span trace.Span }

// Receive begins the span of a request with the header h. It belongs to the trace that the header names, if it names
// one; then that trace says whether it is sampled.
func (t *Tracer) Receive(ctx context.Context, name string, h http.Header) (context.Context, Span) {
	if parent, ok := bellhop.ReadTraceContext(h); ok {
		ctx = trace.ContextWithRemoteSpanContext(ctx, spanContext(parent))
	}
	return t.Start(ctx, name, Server)
}

// Start begins a span below that of ctx, or below none.
func (t *Tracer) Start(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, Span{span}
}

// Attempt begins the span of an attempt for events, mostly one. It belongs to the trace of the first event that has
// one, and names those of the others. If none has one, there is no span, and ctx comes back.
func (t *Tracer) Attempt(ctx context.Context, name string, kind Kind, headers func(yield func(bellhop.Header) bool)) (
	context.Context, Span) {
	var parent trace.SpanContext
	var links []trace.Link
	for h := range headers {
		kept, ok := bellhop.ParseTraceparent(h.Get(bellhop.TraceHeader))
		if !ok {
			continue
		}
		if came, ok := bellhop.TraceContextOf(h); ok && came.TraceID == kept.TraceID {
			kept.State = came.State
		}
		if !parent.IsValid() {
			parent = spanContext(kept)
		} else if len(links) < maxLinks {
			links = append(links, trace.Link{SpanContext: spanContext(kept)})
		}
	}
	if !parent.IsValid() {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), name, trace.WithSpanKind(kind),
		trace.WithLinks(links...))
	return ctx, Span{span}
}

// maxLinks bounds the other traces that the attempt of a batch names.
const maxLinks = 100

// Child begins a span below that of ctx, by the Tracer of that span. If ctx has no sampled span, there is none.
func Child(ctx context.Context, name string, kind Kind) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	return (&Tracer{parent.TracerProvider().Tracer(Scope)}).Start(ctx, name, kind)
}

// Scope is the name of the code that makes the spans.
const Scope = "github.com/bellhop-gateway/bellhop"

// Current returns the trace context of the span of ctx, which whoever is called gets. ok is false without a span of
// this server.
func Current(ctx context.Context) (c bellhop.TraceContext, ok bool) {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() || at.IsRemote() {
		return c, false
	}
	return bellhop.TraceContext{TraceID: at.TraceID(), SpanID: at.SpanID(), Flags: byte(at.TraceFlags()),
		State: at.TraceState().String()}, true
}

// Kept returns the value of bellhop.TraceHeader for events that come in within ctx; "" if they are not traced.
func Kept(ctx context.Context) string {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ""
	}
	c, _ := Current(ctx)
	return c.Traceparent()
}

// WithCaller returns a context in which spans belong to the trace of a request with the header h.
func WithCaller(ctx context.Context, h http.Header) context.Context {
	if caller, ok := bellhop.ReadTraceContext(h); ok {
		return trace.ContextWithRemoteSpanContext(ctx, spanContext(caller))
	}
	return ctx
}

// Caller returns the trace context of [WithCaller]. ok is false without one.
func Caller(ctx context.Context) (c bellhop.TraceContext, ok bool) {
	at := trace.SpanContextFromContext(ctx)
	if !at.IsValid() || !at.IsRemote() {
		return c, false
	}
	return bellhop.TraceContext{TraceID: at.TraceID(), SpanID: at.SpanID(), Flags: byte(at.TraceFlags()),
		State: at.TraceState().String()}, true
}

func spanContext(c bellhop.TraceContext) trace.SpanContext {
	state, _ := trace.ParseTraceState(c.State) // of a state that it refuses it has none
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: c.TraceID, SpanID: c.SpanID,
		TraceFlags: trace.TraceFlags(c.Flags), TraceState: state, Remote: true})
}

// Recording reports whether s is sampled: attributes of others go nowhere.
func (s Span) Recording() bool { return s.span != nil && s.span.IsRecording() }

// Text sets an attribute.
func (s Span) Text(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number sets an attribute.
func (s Span) Number(key string, value int) {
	if s.span != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
}

// Fail says that the work failed, and why: a short code, or words without secrets.
func (s Span) Fail(why string) {
	if s.span != nil {
		s.span.SetStatus(codes.Error, why)
	}
}

// End ends s.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}
