package app

import (
	"context"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/internal/release"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// This file holds what the server says of itself: health, readiness and metrics. The port of the door shows strangers
// only that it is alive and whether it is ready. The metrics name sources and destinations: at that port they need an
// API key, and a listener of their own serves them without one.

// maxMetricsConnections bounds the connections of the metrics listener; more wait.
const maxMetricsConnections = 64

// newRegistry returns the registry of all metrics, with those of the process.
func newRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_build_info",
		Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version(),
			"commit": release.Read().Source()}})
	build.Set(1)
	r.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// metrics returns the handler of the metrics. A collector that fails leaves out its own metrics only.
func (a *App) metrics() http.Handler {
	return promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// metricsAtDoor returns the handler of the metrics at the port of the door; nil if they have a listener of their own.
func (a *App) metricsAtDoor() http.Handler {
	if a.opts.Config.ListenMetrics != "" {
		return nil
	}
	return a.metrics()
}

// listenMetrics makes the listener of the metrics and its server, if the settings ask for them. It serves health and
// readiness too, with the reason.
func (a *App) listenMetrics() error {
	if a.opts.Config.ListenMetrics == "" {
		return nil
	}
	var err error
	a.metricsPort, err = a.openPort(" for metrics", "listen-metrics", localAddress(a.opts.Config.ListenMetrics),
		maxMetricsConnections, false)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if reason := a.unready(r.Context()); reason != "" {
			api.WriteStatus(w, http.StatusServiceUnavailable, reason)
			return
		}
		api.WriteStatus(w, http.StatusOK, "ready")
	})
	mux.Handle("GET "+api.MetricsPath, a.metrics())
	a.handle(a.metricsPort, mux)
	a.undoLater("metrics server", func(context.Context) error { return a.metricsPort.server.Close() })
	if at := a.metricsPort.Addr().String(); !isLocal(at) {
		a.log.Warn("metrics.opened", "setting", "listen-metrics", "address", at,
			"meaning", "everyone who reaches this address can read the names of sources and destinations")
	}
	return nil
}

// localAddress returns the address to listen on for text: at loopback if it is a port alone.
func localAddress(text string) string {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = "", text
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// MetricsURL returns where the metrics are served: "http://127.0.0.1:9090/metrics".
func (a *App) MetricsURL() string {
	if a.metricsPort == nil {
		return a.APIURL() + api.MetricsPath
	}
	return a.metricsPort.url() + api.MetricsPath
}

// alive answers that the process runs.
func alive(w http.ResponseWriter, _ *http.Request) { api.WriteStatus(w, http.StatusOK, "alive") }

// unready returns why no requests should be sent here; "" if they should. It logs why the storage accepts nothing.
func (a *App) unready(ctx context.Context) (reason string) {
	select {
	case <-a.draining:
		return "stopping"
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := a.store.Ready(ctx); err != nil {
		if a.unreadyLog.due(err.Error(), time.Now()) {
			a.log.Warn("readiness.failed", "error", err)
		}
		return "storage cannot be written to"
	}
	return ""
}

// A repeatedLog bounds a log line that anybody can cause: the same text is due once a minute.
type repeatedLog struct {
	mu   sync.Mutex // guards the fields below
	text string
	at   time.Time
}

// due reports whether to log text now.
func (l *repeatedLog) due(text string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.at); l.text == text && since >= 0 && since < time.Minute {
		return false
	}
	l.text, l.at = text, now
	return true
}
