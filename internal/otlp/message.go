package otlp

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resources "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	traces "go.opentelemetry.io/proto/slim/otlp/trace/v1"
)

// requestOf returns the request that brings a batch, which has a span at least. All spans are of one server and one
// scope.
func requestOf(batch []sdk.ReadOnlySpan) *collector.ExportTraceServiceRequest {
	spans := make([]*traces.Span, len(batch))
	for i, s := range batch {
		spans[i] = spanOf(s)
	}
	scope := batch[0].InstrumentationScope()
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*traces.ResourceSpans{{
		Resource: resourceOf(batch[0].Resource()),
		ScopeSpans: []*traces.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: scope.Name, Version: scope.Version}, Spans: spans}},
	}}}
}

func resourceOf(r *resource.Resource) *resources.Resource {
	return &resources.Resource{Attributes: attributesOf(r.Attributes())}
}

func spanOf(s sdk.ReadOnlySpan) *traces.Span {
	at := s.SpanContext()
	traceID, spanID := at.TraceID(), at.SpanID()
	out := &traces.Span{TraceId: traceID[:], SpanId: spanID[:], TraceState: at.TraceState().String(), Name: s.Name(),
		Kind:              kindOf(s.SpanKind()),
		Flags:             flagsOf(at, s.Parent()),
		StartTimeUnixNano: uint64(max(0, s.StartTime().UnixNano())),
		EndTimeUnixNano:   uint64(max(0, s.EndTime().UnixNano())),
		Attributes:        attributesOf(s.Attributes()), DroppedAttributesCount: uint32(s.DroppedAttributes())}
	if parent := s.Parent().SpanID(); parent.IsValid() {
		out.ParentSpanId = parent[:]
	}
	for _, link := range s.Links() {
		traceID, spanID := link.SpanContext.TraceID(), link.SpanContext.SpanID()
		out.Links = append(out.Links, &traces.Span_Link{TraceId: traceID[:], SpanId: spanID[:],
			TraceState: link.SpanContext.TraceState().String(), Flags: flagsOf(link.SpanContext, link.SpanContext)})
	}
	if status := s.Status(); status.Code == codes.Error {
		out.Status = &traces.Status{Code: traces.Status_STATUS_CODE_ERROR, Message: status.Description}
	}
	return out
}

// flagsOf returns the flags of a span or a link, and whether its parent, or what it links to, is of another program.
func flagsOf(at, other trace.SpanContext) uint32 {
	flags := uint32(at.TraceFlags()) | uint32(traces.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if other.IsRemote() {
		flags |= uint32(traces.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return flags
}

func kindOf(kind trace.SpanKind) traces.Span_SpanKind {
	switch kind {
	case trace.SpanKindServer:
		return traces.Span_SPAN_KIND_SERVER
	case trace.SpanKindClient:
		return traces.Span_SPAN_KIND_CLIENT
	case trace.SpanKindConsumer:
		return traces.Span_SPAN_KIND_CONSUMER
	}
	return traces.Span_SPAN_KIND_INTERNAL
}

func attributesOf(list []attribute.KeyValue) []*common.KeyValue {
	out := make([]*common.KeyValue, len(list))
	for i, kv := range list {
		value := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: kv.Value.String()}}
		if kv.Value.Type() == attribute.INT64 {
			value.Value = &common.AnyValue_IntValue{IntValue: kv.Value.AsInt64()}
		}
		out[i] = &common.KeyValue{Key: string(kv.Key), Value: value}
	}
	return out
}
