package outbound

import (
	"bytes"
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/trace"
)

// appendTrace appends the trace context to the header of a request. It is that of the attempt if the attempt has a
// span, and otherwise that with which the event came: so a trace goes on through a gateway that traces nothing. A
// batch has none then, because its events may belong to several traces.
//
// No signature covers these headers. A destination whose settings have a header traceparent of their own keeps it.
func appendTrace(ctx context.Context, h []byte, batch []*bellhop.Delivery) []byte {
	c, ok := trace.Current(ctx)
	if !ok && len(batch) == 1 {
		c, ok = bellhop.TraceContextOf(batch[0].Event.Header)
	}
	if !ok || hasTrace(h) {
		return h
	}
	h = egress.AppendHeader(h, "traceparent", c.Traceparent())
	if c.State != "" {
		h = egress.AppendHeader(h, "tracestate", c.State)
	}
	return h
}

// hasTrace reports whether a header has a trace context.
func hasTrace(h []byte) bool {
	const name = "traceparent:"
	for line := range bytes.Lines(h) {
		if len(line) >= len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return true
		}
	}
	return false
}
