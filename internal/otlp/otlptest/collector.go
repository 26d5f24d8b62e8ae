// Package otlptest has a stand-in for a collector of traces: a small receiver of OTLP over HTTP, which keeps what it
// gets for a test to look at.
package otlptest

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	traces "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A Span is a span as a collector sees it, with its ids in hexadecimal.
type Span struct {
	TraceID, SpanID, Parent string
	State, Name             string
	Kind                    traces.Span_SpanKind
	Attributes              map[string]string
	Links                   []string // ids of traces
	Failed                  string   // "" unless the status is an error
	Service                 string
}

// A Collector takes traces. It is safe for concurrent use.
type Collector struct {
	URL string

	t      testing.TB
	server *httptest.Server
	answer func(n int, w http.ResponseWriter) bool

	mu       sync.Mutex // guards the fields below
	requests int
	header   http.Header
	spans    []Span
}

// New returns a collector that ends with the test. answer is asked before the request with the number n, from 1, is
// taken: if it returns true, it has answered in place of the collector. Nil takes all.
func New(t testing.TB, answer func(n int, w http.ResponseWriter) bool) *Collector {
	c := &Collector{t: t, answer: answer}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	c.URL = c.server.URL
	t.Cleanup(c.server.Close)
	return c
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	n := c.requests
	c.header = r.Header
	c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it was cut off
	}
	if c.answer != nil && c.answer(n, w) {
		return
	}
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil || r.Method != http.MethodPost ||
		!strings.HasSuffix(r.URL.Path, "/v1/traces") || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("collector: %s %s %s: %v", r.Method, r.URL.Path, r.Header.Get("Content-Type"), err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := attributes(rs.GetResource().GetAttributes())["service.name"]
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				c.spans = append(c.spans, read(s, service))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func read(s *traces.Span, service string) Span {
	out := Span{TraceID: hex.EncodeToString(s.GetTraceId()), SpanID: hex.EncodeToString(s.GetSpanId()),
		Parent: hex.EncodeToString(s.GetParentSpanId()), State: s.GetTraceState(), Name: s.GetName(),
		Kind:       s.GetKind(),
		Attributes: attributes(s.GetAttributes()), Service: service}
	for _, link := range s.GetLinks() {
		out.Links = append(out.Links, hex.EncodeToString(link.GetTraceId()))
	}
	if status := s.GetStatus(); status.GetCode() == traces.Status_STATUS_CODE_ERROR {
		out.Failed = "error: " + status.GetMessage()
	}
	return out
}

func attributes(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		out[kv.GetKey()] = kv.GetValue().GetStringValue()
		if _, ok := kv.GetValue().GetValue().(*common.AnyValue_IntValue); ok {
			out[kv.GetKey()] = strconv.FormatInt(kv.GetValue().GetIntValue(), 10)
		}
	}
	return out
}

// Spans returns the spans that came, in their order.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Named returns the first span of a name, or false.
func (c *Collector) Named(name string) (Span, bool) {
	for _, s := range c.Spans() {
		if s.Name == name {
			return s, true
		}
	}
	return Span{}, false
}

// Requests returns how many requests came, and the header of the last one.
func (c *Collector) Requests() (int, http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, c.header
}
