package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/otlp/otlptest"
)

const (
	callerTrace = "0af7651916cd43dd8448eb211c80319c"
	callerSpan  = "b7ad6b7169203331"
)

// A tracedReceiver notes the trace context of the requests that it gets, and answers them by the function.
type tracedReceiver struct {
	*httptest.Server
	mu  sync.Mutex
	got []http.Header
}

func newTracedReceiver(t *testing.T, status func(n int) int) *tracedReceiver {
	r := &tracedReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		r.got = append(r.got, q.Header)
		n := len(r.got)
		r.mu.Unlock()
		w.WriteHeader(status(n))
	}))
	t.Cleanup(r.Close)
	return r
}

// header returns the values of a header in the requests that came.
func (r *tracedReceiver) header(name string) (values []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.got {
		values = append(values, h.Get(name))
	}
	return values
}

// ring sends an event to a source, with the headers NAME: VALUE.
func (r *running) ring(source string, headers ...string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), "POST", r.URL()+"/in/"+source,
		strings.NewReader("{}"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	reply, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != 202 {
		r.t.Fatal(reply.StatusCode)
	}
}

// destination creates a destination that sends to url.
func (r *running) destination(name, url, more string) {
	r.t.Helper()
	if code, answer := r.call("POST", "/api/v1/destinations", fmt.Sprintf(
		`{"name":%q,"url":%q,"settings":{"format":"raw"%s}}`, name, url, more)); code != 201 {
		r.t.Fatalf("%d %s", code, answer)
	}
}

// TestTrace: one trace shows the request, its wait for the disk, and the attempts, also the one after a restart. The
// receiver gets the trace of the attempt.
func TestTrace(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t, nil)
	receiver := newTracedReceiver(t, func(n int) int {
		if n == 1 {
			return 500
		}
		return 200
	})
	opts := options(t, func(o *Options) {
		o.Config.AllowPrivate, o.Config.OTLPEndpoint, o.Config.OTLPSample = true, collector.URL, 0
	})
	r := run(t, opts)
	r.source("src")
	if code, answer := r.call("POST", "/api/v1/destinations", `{"name":"d","url":"`+receiver.URL+`","settings":`+
		`{"format":"raw"},"retry":{"schedule":["500ms","1s"]},"breaker":{"failures":0}}`); code != 201 {
		t.Fatalf("%d %s", code, answer)
	}
	r.ring("src", "Traceparent: 00-"+callerTrace+"-"+callerSpan+"-01", "Tracestate: vendor=x",
		"Bellhop-Trace: 00-11111111111111111111111111111111-1111111111111111-01")
	poll(t, "the first attempt", func() bool { return len(receiver.header("Traceparent")) == 1 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = run(t, opts)
	poll(t, "the second attempt", func() bool { return len(receiver.header("Traceparent")) == 2 })
	if err := r.stop(); err != nil { // sends what waits
		t.Fatal(err)
	}

	request, _ := collector.Named("receive generic")
	if request.TraceID != callerTrace || request.Parent != callerSpan || request.State != "vendor=x" ||
		request.Attributes["bellhop.source"] != "src" || request.Attributes["bellhop.outcome"] != "accepted" ||
		request.Attributes["http.response.status_code"] != "202" || request.Failed != "" ||
		!strings.HasPrefix(request.Attributes["bellhop.event.id"], "evt_") {
		t.Errorf("the request: %+v", request)
	}
	if store, _ := collector.Named("store"); store.TraceID != callerTrace || store.Parent != request.SpanID {
		t.Errorf("the wait for the disk: %+v", store)
	}
	var attempts []otlptest.Span
	for _, s := range collector.Spans() {
		if s.Name == "deliver http" {
			attempts = append(attempts, s)
		}
	}
	if len(attempts) != 2 {
		t.Fatalf("attempts: %+v", attempts)
	}
	for i, s := range attempts {
		wantOutcome, wantStatus := "pending", "500"
		if i == 1 {
			wantOutcome, wantStatus = "delivered", "200"
		}
		if s.TraceID != callerTrace || s.Parent != request.SpanID || s.State != "vendor=x" ||
			s.Attributes["bellhop.destination"] != "d" || s.Attributes["bellhop.attempt"] != fmt.Sprint(i+1) ||
			s.Attributes["bellhop.outcome"] != wantOutcome ||
			s.Attributes["http.response.status_code"] != wantStatus || (s.Failed == "") != (i == 1) ||
			s.Attributes["bellhop.event.id"] != request.Attributes["bellhop.event.id"] {
			t.Errorf("attempt %d: %+v", i+1, s)
		}
		if got, want := receiver.header("Traceparent")[i], "00-"+callerTrace+"-"+s.SpanID+"-01"; got != want ||
			receiver.header("Tracestate")[i] != "vendor=x" {
			t.Errorf("the receiver got %q, want %q; %q", got, want, receiver.header("Tracestate"))
		}
	}
}

// TestTraceIsPassedOn: without a collector a trace goes on as it came, also through the API; what is malformed does
// not. A destination with a traceparent of its own keeps that.
func TestTraceIsPassedOn(t *testing.T) {
	t.Parallel()
	receiver := newTracedReceiver(t, func(int) int { return 200 })
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	r.source("src")
	r.destination("d", receiver.URL, "")
	const whole = "00-" + callerTrace + "-" + callerSpan + "-00"
	for i, c := range []struct {
		headers     []string
		want, state string
	}{
		{[]string{"Traceparent: " + whole, "Tracestate: a=1,b=2"}, whole, "a=1,b=2"},
		{[]string{"Traceparent: " + whole, "Tracestate: A=1"}, whole, ""},
		{[]string{"Traceparent: 00-" + callerTrace, "Tracestate: a=1"}, "", ""},
		{[]string{"Bellhop-Trace: " + whole}, "", ""},
		{nil, "", ""},
	} {
		r.ring("src", c.headers...)
		poll(t, "a delivery", func() bool { return len(receiver.header("Traceparent")) == i+1 })
		if got, state := receiver.header("Traceparent")[i], receiver.header("Tracestate")[i]; got != c.want ||
			state != c.state || receiver.header("Bellhop-Trace")[i] != "" {
			t.Errorf("%q: %q %q", c.headers, got, state)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.URL()+"/api/v1/events",
		strings.NewReader(`{"type":"t","data":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.opts.AdminKey)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", whole)
	reply, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || reply.StatusCode != 202 {
		t.Fatal(reply, err)
	}
	reply.Body.Close()
	poll(t, "the event of the API", func() bool { return len(receiver.header("Traceparent")) == 6 })
	if got := receiver.header("Traceparent")[5]; got != whole {
		t.Errorf("of the API: %q", got)
	}
	r.destination("own", receiver.URL, `,"headers":{"traceparent":"own"}`)
	r.ring("src", "Traceparent: "+whole)
	poll(t, "two deliveries", func() bool { return len(receiver.header("Traceparent")) == 8 })
	if got := strings.Join(receiver.header("Traceparent")[6:], " "); got != "own "+whole && got != whole+" own" {
		t.Errorf("of two destinations: %q", got)
	}
}

// TestTraceOfPull: a lease is an attempt, which ends with the ack. The program gets its trace among the headers.
func TestTraceOfPull(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t, nil)
	r := run(t, options(t, func(o *Options) { o.Config.OTLPEndpoint, o.Config.OTLPSample = collector.URL, 1 }))
	r.source("src")
	if code, answer := r.call("POST", "/api/v1/destinations", `{"name":"jobs","type":"pull"}`); code != 201 {
		t.Fatal(answer)
	}
	r.ring("src")
	api := client.New(r.URL(), r.opts.AdminKey, nil)
	got, err := api.Pull(t.Context(), "jobs", 1, 10*time.Second)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if err := api.Ack(t.Context(), got[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	request, _ := collector.Named("receive generic")
	lease, _ := collector.Named("deliver pull")
	if lease.TraceID != request.TraceID || lease.Parent != request.SpanID || lease.Failed != "" ||
		lease.Kind.String() != "SPAN_KIND_CONSUMER" || lease.Attributes["bellhop.outcome"] != "delivered" {
		t.Errorf("%+v below %+v", lease, request)
	}
	want := "00-" + lease.TraceID + "-" + lease.SpanID + "-01"
	if h := http.Header(got[0].Headers); h.Get("Traceparent") != want {
		t.Errorf("the program got %v, want %s", h, want)
	}
}

// TestTraceOfRefusals: a refused request has a span with the reason; it has no bodies and no secrets.
func TestTraceOfRefusals(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t, nil)
	r := run(t, options(t, func(o *Options) { o.Config.OTLPEndpoint, o.Config.OTLPSample = collector.URL, 1 }))
	if code, answer := r.call("POST", "/api/v1/sources", `{"name":"closed","provider":"generic","settings":{"scheme":`+
		`"token","header":"X-T","secret":"0123456789abcdef"}}`); code != 201 {
		t.Fatal(answer)
	}
	if code, _ := r.call("POST", "/in/closed?code=hunter2", "hunter2"); code != 401 {
		t.Fatal(code)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	s, ok := collector.Named("receive generic")
	if !ok || s.Attributes["bellhop.outcome"] != "refused" || s.Attributes["bellhop.reason"] != "signature_missing" ||
		s.Attributes["http.response.status_code"] != "401" || s.Failed != "" {
		t.Errorf("%+v", s)
	}
	if text := fmt.Sprintf("%+v", collector.Spans()); strings.Contains(text, "hunter2") ||
		strings.Contains(text, r.opts.AdminKey) {
		t.Errorf("a span has a secret: %s", text)
	}
}

// TestNothingWaitsForTheCollector: a collector that takes requests and never answers delays no event and no delivery.
// The stop ends in time, and a metric counts what was dropped.
func TestNothingWaitsForTheCollector(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	collector := otlptest.New(t, func(int, http.ResponseWriter) bool {
		<-release
		return true
	})
	defer close(release)
	receiver := newTracedReceiver(t, func(int) int { return 200 })
	r := run(t, options(t, func(o *Options) {
		o.Config.AllowPrivate, o.Config.OTLPEndpoint, o.Config.OTLPSample = true, collector.URL, 1
	}))
	r.source("src")
	r.destination("d", receiver.URL, "")
	for range 20 {
		r.ring("src")
	}
	poll(t, "all deliveries", func() bool { return len(receiver.header("Traceparent")) >= 20 })
	if _, text := r.call("GET", "/metrics", ""); !strings.Contains(text,
		`bellhop_trace_spans_dropped_total{reason="queue_full"} 0`) {
		t.Errorf("%.300s", text)
	}
	if found := r.checkTraces(t.Context()); found.State != doctor.OK {
		t.Errorf("while the collector takes its time: %+v", found)
	}
	begun := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

// TestDoctorOnTraces: the doctor says that spans do not reach the collector, and why.
func TestDoctorOnTraces(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t, func(_ int, w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	r := run(t, options(t, func(o *Options) { o.Config.OTLPEndpoint, o.Config.OTLPSample = collector.URL, 1 }))
	r.source("src")
	r.ring("src")
	poll(t, "a finding", func() bool { return r.checkTraces(t.Context()).State == doctor.Warning })
	if found := r.checkTraces(t.Context()); !strings.Contains(found.Message, "answered 403") || found.Remedy == "" {
		t.Errorf("%+v", found)
	}
	if found := run(t, options(t)).checkTraces(t.Context()); found.State != doctor.Skipped {
		t.Errorf("without a collector: %+v", found)
	}
}

// TestCollectorSettings: a setting that cannot be used is refused at the start.
func TestCollectorSettings(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"otlp-endpoint": func(o *Options) { o.Config.OTLPEndpoint = "grpc://127.0.0.1:4317" },
		"otlp-headers": func(o *Options) {
			o.Config.OTLPEndpoint, o.Config.OTLPHeaders = "http://127.0.0.1:4318", "hunter2"
		},
	} {
		_, err := New(t.Context(), options(t, change))
		if err == nil || !strings.HasPrefix(err.Error(), name) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTraceOfFollowUp: the trace goes on through work that an event causes: the call of a fetch, the event that it
// publishes, and the delivery of that.
func TestTraceOfFollowUp(t *testing.T) {
	t.Parallel()
	collector := otlptest.New(t, nil)
	receiver := newTracedReceiver(t, func(int) int { return 200 })
	r := run(t, options(t, func(o *Options) {
		o.Config.AllowPrivate, o.Config.OTLPEndpoint, o.Config.OTLPSample = true, collector.URL, 0
	}))
	r.source("src")
	for _, body := range []string{
		`{"name":"fetch","type":"http.fetch","match":{"sources":["src"]},"settings":{"url":"'` + receiver.URL +
			`/item'","hosts":["` + strings.TrimPrefix(receiver.URL, "http://") + `"]}}`,
		`{"name":"d","url":"` + receiver.URL + `/d","settings":{"format":"raw"},"match":{"types":["http.fetched"]}}`,
	} {
		if code, answer := r.call("POST", "/api/v1/destinations", body); code != 201 {
			t.Fatalf("%d %s", code, answer)
		}
	}
	r.ring("src", "Traceparent: 00-"+callerTrace+"-"+callerSpan+"-01", "Tracestate: vendor=x")
	poll(t, "a delivery of what was fetched", func() bool { return len(receiver.header("Traceparent")) == 2 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	parents := map[string]string{} // of each span, the name of its parent
	names := map[string]string{callerSpan: "caller"}
	for _, s := range collector.Spans() {
		names[s.SpanID] = s.Name
	}
	for _, s := range collector.Spans() {
		if s.TraceID != callerTrace || s.Failed != "" {
			t.Errorf("%+v", s)
		}
		parents[s.Name] = names[s.Parent]
	}
	for name, want := range map[string]string{"receive generic": "caller", "deliver http.fetch": "receive generic",
		"call http": "deliver http.fetch", "publish": "deliver http.fetch", "deliver http": "publish"} {
		if got, ok := parents[name]; !ok || got != want {
			t.Errorf("%s is below %q, not %q; all: %v", name, got, want, parents)
		}
	}
	if got := receiver.header("Traceparent"); got[0] != "" || !strings.HasPrefix(got[1], "00-"+callerTrace+"-") {
		t.Errorf("the API got %q and the receiver %q", got[0], got[1])
	}
}
