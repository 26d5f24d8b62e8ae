package otlp

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/otlp/otlptest"
	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/prometheus/client_golang/prometheus/testutil"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// A lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open returns an exporter to url, with its log.
func open(t *testing.T, url string, sample float64) (*Exporter, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{}
	e, err := New(Options{Endpoint: url, Header: map[string]string{"X-Key": "s3cret"}, Sample: sample,
		Resource: map[string]string{"service.name": "bellhop"}, Client: &http.Client{},
		Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return e, log
}

// TestExport: spans reach the collector with their attributes, kinds and relations, and a stop sends what waits.
func TestExport(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t, nil)
	e, _ := open(t, c.URL, 1)
	h := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Tracestate": {"a=1"}}
	ctx, span := e.Tracer().Receive(t.Context(), "receive ams", h)
	span.Text("bellhop.source", "media")
	span.Number("http.response.status_code", 503)
	span.Fail("unavailable")
	_, child := trace.Child(ctx, "store", trace.Internal)
	child.End()
	span.End()
	if err := e.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, ok := c.Named("receive ams")
	if !ok || got.TraceID != "0af7651916cd43dd8448eb211c80319c" || got.Parent != "b7ad6b7169203331" ||
		got.State != "a=1" || got.Kind.String() != "SPAN_KIND_SERVER" || got.Attributes["bellhop.source"] != "media" ||
		got.Attributes["http.response.status_code"] != "503" || got.Failed != "error: unavailable" ||
		got.Service != "bellhop" {
		t.Errorf("%+v", got)
	}
	if store, ok := c.Named("store"); !ok || store.Parent != got.SpanID || store.TraceID != got.TraceID ||
		store.Failed != "" {
		t.Errorf("%+v", store)
	}
	if _, header := c.Requests(); header.Get("X-Key") != "s3cret" {
		t.Errorf("%v", header)
	}
	if n := testutil.ToFloat64(e.exported); n != 2 {
		t.Errorf("%v exported", n)
	}
}

// TestSampling: the part of the traces that begin here is the ratio; of the others the caller decides.
func TestSampling(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t, nil)
	e, _ := open(t, c.URL, 0)
	for flags, want := range map[string]bool{"00": false, "01": true} {
		h := http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags}}
		ctx, span := e.Tracer().Receive(t.Context(), "asked", h)
		if span.Recording() != want || (trace.Kept(ctx) != "") != want {
			t.Errorf("flags %s: %v, keeps %q", flags, span.Recording(), trace.Kept(ctx))
		}
		span.End()
	}
	ctx, span := e.Tracer().Receive(t.Context(), "unasked", nil)
	if span.Recording() || trace.Kept(ctx) != "" {
		t.Error("recorded")
	}
	span.End()
	if err := e.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Spans(); len(got) != 1 || got[0].Name != "asked" {
		t.Errorf("%+v", got)
	}
}

// TestSilentCollector: nothing waits for a collector that does not answer. What its queue does not hold is dropped and
// counted, the log has one line, and the stop is short.
func TestSilentCollector(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c := otlptest.New(t, func(int, http.ResponseWriter) bool {
		<-release
		return true
	})
	e, log := open(t, c.URL, 1)
	tracer := e.Tracer()
	const more = 500
	for range batchSpans + queueSpans + more {
		_, span := tracer.Start(context.Background(), "s", trace.Internal)
		span.End()
	}
	if n := testutil.ToFloat64(e.full); n < more-batchSpans || n == 0 && more > batchSpans {
		t.Errorf("%v dropped", n)
	}
	for testutil.ToFloat64(e.full) == 0 { // the queue may have been emptied into the first batch meanwhile
		_, span := tracer.Start(context.Background(), "s", trace.Internal)
		span.End()
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Error(err)
	}
	close(release)
	if took := time.Since(begun); took > sendTimeout {
		t.Errorf("the stop took %v", took)
	}
	if n := testutil.ToFloat64(e.dropped.WithLabelValues(reasonFailed)); n < batchSpans {
		t.Errorf("%v failed", n)
	}
	if n := strings.Count(log.String(), "traces.dropped"); n != 1 || strings.Contains(log.String(), "s3cret") ||
		strings.Contains(log.String(), c.URL) {
		t.Errorf("%d lines: %s", n, log)
	}
}

// TestAnswers: what a collector answers decides whether a batch is sent again, and what is counted.
func TestAnswers(t *testing.T) {
	t.Parallel()
	partly, err := proto.Marshal(&collector.ExportTraceServiceResponse{
		PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too old"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		answer                    func(n int, w http.ResponseWriter) bool
		requests                  int
		exported, refused, failed float64
	}{
		"taken": {nil, 1, 3, 0, 0},
		"busy once": {func(n int, w http.ResponseWriter) bool {
			if n == 1 {
				w.WriteHeader(503)
			}
			return n == 1
		}, 2, 3, 0, 0},
		"never right": {func(_ int, w http.ResponseWriter) bool {
			w.WriteHeader(400)
			return true
		}, 1, 0, 3, 0},
		"partly": {func(_ int, w http.ResponseWriter) bool {
			w.Write(partly)
			return true
		}, 1, 1, 2, 0},
		"nonsense": {func(_ int, w http.ResponseWriter) bool {
			w.Write([]byte("<html>"))
			return true
		}, 1, 3, 0, 0},
		"redirected": {func(_ int, w http.ResponseWriter) bool {
			w.WriteHeader(301)
			return true
		}, 1, 0, 3, 0},
		"always busy": {func(_ int, w http.ResponseWriter) bool {
			w.WriteHeader(429)
			return true
		}, 2, 0, 0, 3}, // the stop leaves one more try
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collector := otlptest.New(t, c.answer)
			e, _ := open(t, collector.URL, 1)
			for range 3 {
				_, span := e.Tracer().Start(context.Background(), "s", trace.Internal)
				span.End()
			}
			if err := e.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, _ := collector.Requests()
			exported := testutil.ToFloat64(e.exported)
			refused := testutil.ToFloat64(e.dropped.WithLabelValues(reasonRefused))
			failed := testutil.ToFloat64(e.dropped.WithLabelValues(reasonFailed))
			if n != c.requests || exported != c.exported || refused != c.refused || failed != c.failed {
				t.Errorf("%d requests, %v exported, %v refused, %v failed", n, exported, refused, failed)
			}
		})
	}
}

// TestTracesURL: the path is added once, and an endpoint that would leak a password into the log is refused.
func TestTracesURL(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:4318":                 "http://127.0.0.1:4318/v1/traces",
		"http://127.0.0.1:4318/":                "http://127.0.0.1:4318/v1/traces",
		"https://otlp.example.com/otlp":         "https://otlp.example.com/otlp/v1/traces",
		"https://otlp.example.com/v1/traces":    "https://otlp.example.com/v1/traces",
		"grpc://127.0.0.1:4317":                 "",
		"127.0.0.1:4318":                        "",
		"http://user:hunter2@127.0.0.1:4318":    "",
		"https://otlp.example.com?key=hunter2":  "",
		"https://otlp.example.com/#hunter2":     "",
		"http://\x7f:4318":                      "",
		"":                                      "",
		"https://otlp.example.com/otlp/v1/logs": "https://otlp.example.com/otlp/v1/logs/v1/traces",
	} {
		got, err := TracesURL(endpoint)
		if got != want || (err == nil) != (want != "") || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %q %v", endpoint, got, err)
		}
	}
}
