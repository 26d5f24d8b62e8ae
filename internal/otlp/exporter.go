// Package otlp sends the spans of package trace to a collector, by OTLP over HTTP in protobuf. Nothing waits for the
// collector: spans wait in a bounded queue, and those that find it full, or that the collector does not take, are
// dropped and counted.
//
// The sampling and the spans are those of the SDK of OpenTelemetry. The exporter is our own, because that of the SDK
// links gRPC, which makes the program 10 MB larger and its tests slower to build, and does not count what it drops.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/trace"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Bounds of the exporter.
const (
	queueSpans  = 8192                   // that wait
	batchSpans  = 1024                   // in one request
	batchWait   = time.Second            // for which the first span of a batch waits for others
	sendTimeout = 10 * time.Second       // of one request
	maxTries    = 3                      // of one batch
	firstPause  = 500 * time.Millisecond // before the second try; doubled before each further one
	longPause   = 5 * time.Second        // the longest pause that a collector may ask for
	stopTimeout = 2 * time.Second        // for what waits when the server stops
	logEvery    = time.Minute
)

// Options say where spans go.
type Options struct {
	Endpoint string            // "http://127.0.0.1:4318"; see TracesURL
	Header   map[string]string // of each request, such as a key
	Sample   float64           // the part of the traces that begin here and are kept, from 0 to 1
	Resource map[string]string // attributes of this server, such as service.name

	Client  *http.Client
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// An Exporter sends spans. It is safe for concurrent use.
type Exporter struct {
	opts     Options
	url      string
	queue    chan sdk.ReadOnlySpan
	provider *sdk.TracerProvider

	exported prometheus.Counter
	dropped  *prometheus.CounterVec
	full     prometheus.Counter // dropped, because the queue was full

	failed atomic.Pointer[string] // why the latest batch did not arrive; nil if it did

	lost   atomic.Int64 // dropped since the last line in the log
	logged time.Time    // of that line; only run uses it

	stopping chan struct{}
	ended    chan struct{}
	hurry    context.Context // ends when nothing more may be sent
	cut      context.CancelFunc
}

// TracesURL returns the URL to which spans are posted: /v1/traces below the endpoint, unless it ends so already. An
// endpoint with a user, a query or another scheme than http and https is an error, which does not repeat it.
func TracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "" {
		return "", fmt.Errorf("use the URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318")
	}
	const path = "/v1/traces"
	if !strings.HasSuffix(u.Path, path) {
		u = u.JoinPath(path)
	}
	return u.String(), nil
}

// New returns an Exporter, which runs until Stop.
func New(o Options) (*Exporter, error) {
	to, err := TracesURL(o.Endpoint)
	if err != nil {
		return nil, err
	}
	e := &Exporter{opts: o, url: to, queue: make(chan sdk.ReadOnlySpan, queueSpans),
		stopping: make(chan struct{}), ended: make(chan struct{}),
		exported: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_trace_spans_exported_total",
			Help: "Spans that the collector took."}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_trace_spans_dropped_total",
			Help: "Spans that did not reach the collector, by reason: queue_full (it is too slow), failed (it did " +
				"not answer, or answered an error), refused (it takes them never)."}, []string{"reason"}),
	}
	e.full = e.dropped.WithLabelValues(reasonFull)
	e.dropped.WithLabelValues(reasonFailed)
	e.dropped.WithLabelValues(reasonRefused)
	if o.Metrics != nil {
		o.Metrics.MustRegister(e.exported, e.dropped)
	}
	e.hurry, e.cut = context.WithCancel(context.Background())
	attributes := make([]attribute.KeyValue, 0, len(o.Resource))
	for key, value := range o.Resource {
		attributes = append(attributes, attribute.String(key, value))
	}
	e.provider = sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Sample))),
		sdk.WithSpanProcessor(e), sdk.WithResource(resource.NewSchemaless(attributes...)))
	go e.run()
	return e, nil
}

// The reasons for which spans are dropped.
const (
	reasonFull    = "queue_full"
	reasonFailed  = "failed"
	reasonRefused = "refused"
)

// Tracer returns a Tracer whose spans e sends.
func (e *Exporter) Tracer() *trace.Tracer { return trace.New(e.provider.Tracer(trace.Scope)) }

// OnStart implements sdk.SpanProcessor.
func (e *Exporter) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor. It never waits.
func (e *Exporter) OnEnd(s sdk.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case e.queue <- s:
	default:
		e.full.Inc()
		e.lost.Add(1)
	}
}

// ForceFlush implements sdk.SpanProcessor. The exporter sends soon by itself.
func (e *Exporter) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdk.SpanProcessor.
func (e *Exporter) Shutdown(context.Context) error { return nil }

// Trouble returns why the latest batch did not reach the collector; "" if it did, or if there was none.
func (e *Exporter) Trouble() string {
	if why := e.failed.Load(); why != nil {
		return *why
	}
	return ""
}

// Stop sends what waits, for a short time at most, and ends e. Spans that end later go nowhere.
func (e *Exporter) Stop(ctx context.Context) error {
	close(e.stopping)
	limited, done := context.WithTimeout(ctx, stopTimeout)
	defer done()
	select {
	case <-e.ended:
	case <-limited.Done():
	}
	e.cut()
	<-e.ended
	return e.provider.Shutdown(context.WithoutCancel(ctx))
}

// run collects batches and sends them.
func (e *Exporter) run() {
	defer close(e.ended)
	var batch []sdk.ReadOnlySpan
	timer := time.NewTimer(batchWait)
	timer.Stop()
	for stopping := false; !stopping; {
		var due bool
		select {
		case s := <-e.queue:
			if batch = append(batch, s); len(batch) == 1 {
				timer.Reset(batchWait)
			}
			due = len(batch) >= batchSpans
		case <-timer.C:
			due = true
		case <-e.stopping:
			stopping = true
		}
		if due {
			timer.Stop()
			e.deliver(batch)
			batch = batch[:0]
		}
	}
	for {
		select {
		case s := <-e.queue:
			if batch = append(batch, s); len(batch) < batchSpans {
				continue
			}
			e.deliver(batch)
			batch = batch[:0]
			continue
		default:
		}
		break
	}
	e.deliver(batch)
}
