package app

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/auth"
)

const eventsOfSource = `bellhop_ingest_events_total{source="src"} 1`

// TestOpenRoutes: health and readiness need no key. Metrics name sources, so at the port of the door they need one.
func TestOpenRoutes(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	r.source("src")
	r.call("POST", "/in/src", "hello")
	if code, body := r.call("GET", "/metrics", ""); code != 200 || !strings.Contains(body, eventsOfSource) ||
		!strings.Contains(body, `bellhop_build_info{commit="`) ||
		!strings.Contains(body, `",go_version="go`) || strings.Contains(body, r.opts.AdminKey) {
		t.Errorf("metrics with the key: %d %.200s", code, body)
	}
	r.opts.AdminKey = ""
	for path, want := range map[string]string{"/healthz": "{\"status\":\"alive\"}\n",
		"/readyz": "{\"status\":\"ready\"}\n"} {
		if code, body := r.call("GET", path, ""); code != 200 || body != want {
			t.Errorf("%s: %d %.200s", path, code, body)
		}
	}
	for _, path := range []string{"/metrics", "/metrics?x=1", "/api/v1/sources"} {
		if code, body := r.call("GET", path, ""); code != 401 || strings.Contains(body, "src") {
			t.Errorf("%s without a key: %d %.200s", path, code, body)
		}
	}
	if r.MetricsURL() != r.URL()+"/metrics" {
		t.Error(r.MetricsURL())
	}
}

// TestMetricsListener: with a listener of their own the metrics need no key, and the port of the door has none. The
// listener ends with the server.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	opts := options(t, func(o *Options) { o.Config.ListenMetrics = "0" })
	r := run(t, opts)
	r.source("src")
	r.call("POST", "/in/src", "hello")
	if code, body := r.call("GET", "/metrics", ""); code != 404 || strings.Contains(body, "bellhop_") {
		t.Errorf("at the door, with the key: %d %.200s", code, body)
	}
	address := r.metricsPort.Addr().String()
	if host, _, _ := net.SplitHostPort(address); host != "127.0.0.1" || r.MetricsURL() != "http://"+address+
		"/metrics" {
		t.Errorf("listens on %s, says %s", address, r.MetricsURL())
	}
	for path, want := range map[string]string{"/metrics": eventsOfSource, "/healthz": "alive", "/readyz": "ready"} {
		if code, body := get(t, "http://"+address+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, code, body)
		}
	}
	for _, path := range []string{"/", "/api/v1/sources", "/in/src", "/openapi.json", "/metrics/"} {
		if code, _ := get(t, "http://"+address+path); code != 404 {
			t.Errorf("%s at the metrics listener: %d", path, code)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("still listening")
	}
	again, err := New(t.Context(), opts) // New without Run gives the listener up too
	if err != nil {
		t.Fatal(err)
	}
	if err := again.undo(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMetricsListenerTaken: an address that is taken fails with the name of the setting.
func TestMetricsListenerTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	opts := options(t, func(o *Options) { o.Config.ListenMetrics = taken.Addr().String() })
	if _, err := New(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "--listen-metrics") {
		t.Fatal(err)
	}
	opts.Config.ListenMetrics = ""
	if err := run(t, opts).stop(); err != nil {
		t.Errorf("New has given up nothing: %v", err)
	}
}

// TestMetricsAreOpened: a listener that others can reach is a warning in the log; one at loopback is not.
func TestMetricsAreOpened(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"127.0.0.1:0": false, ":0": false, "0": false, "[::1]:0": false,
		"0.0.0.0:0": true} {
		var log bytes.Buffer
		opts := options(t, func(o *Options) {
			o.Config.ListenMetrics = address
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		a, err := New(t.Context(), opts)
		if err != nil {
			t.Logf("%s: %v", address, err) // a machine without IPv6
			continue
		}
		if got := strings.Contains(log.String(), "metrics.opened"); got != want {
			t.Errorf("%s: %s", address, log.String())
		}
		if err := a.undo(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestUnready: the door does not tell strangers why the server is not ready; the metrics listener does.
func TestUnready(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, func(o *Options) { o.Config.ListenMetrics = "0" }))
	r.end()
	<-r.draining
	for want, h := range map[string]http.Handler{
		"{\"status\":\"not ready\"}\n": r.front.server.Handler,
		"{\"status\":\"stopping\"}\n":  r.metricsPort.server.Handler,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Body.String() != want {
			t.Errorf("%d %v %s, want %s", w.Code, w.Header(), w.Body, want)
		}
	}
}

// TestRepeatedLog: the same text is due once a minute, another at once.
func TestRepeatedLog(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var l repeatedLog
	for i, c := range []struct {
		text  string
		after time.Duration
		due   bool
	}{
		{"a", 0, true}, {"a", time.Second, false}, {"b", time.Second, true}, {"a", time.Second, true},
		{"a", 59 * time.Second, false}, {"a", 61 * time.Second, true}, {"a", -time.Hour, true},
	} {
		if got := l.due(c.text, start.Add(c.after)); got != c.due {
			t.Errorf("%d: %s after %v: %v", i, c.text, c.after, got)
		}
	}
}

// TestWrongKeys: wrong keys are answered 401 and then 429, and are counted and logged. Meanwhile the right key works.
func TestWrongKeys(t *testing.T) {
	t.Parallel()
	r := run(t, options(t))
	right := r.opts.AdminKey
	for i := range auth.MaxWrongKeys + 1 {
		r.opts.AdminKey = fmt.Sprint("wrong", i)
		want := 401
		if i == auth.MaxWrongKeys {
			want = 429
		}
		if code, body := r.call("GET", "/metrics", ""); code != want {
			t.Fatalf("wrong key %d: %d %s", i, code, body)
		}
	}
	r.opts.AdminKey = right
	if code, body := r.call("GET", "/metrics", ""); code != 200 ||
		!strings.Contains(body, fmt.Sprintf("bellhop_api_unauthorized_total{reason=\"wrong_key\"} %d",
			auth.MaxWrongKeys)) ||
		!strings.Contains(body, `bellhop_api_unauthorized_total{reason="limited"} 1`) {
		t.Errorf("the right key: %d %.200s", code, body)
	}
}

// get makes a request without a key.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(body)
}
