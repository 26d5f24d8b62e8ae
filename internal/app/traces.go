package app

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/otlp"
	"github.com/bellhop-gateway/bellhop/internal/trace"
)

// openTraces makes what sends traces to a collector, if the settings name one. It is stopped after all rooms that make
// spans. The collector is that of the operator, and may be at a private address.
func (a *App) openTraces() error {
	c := a.opts.Config
	if c.OTLPEndpoint == "" {
		return nil
	}
	header, err := c.OTLPHeader()
	if err != nil {
		return fmt.Errorf("otlp-headers: %w", err)
	}
	client := egress.New(egress.Config{AllowPrivate: true, UserAgent: "Bellhop/" + a.opts.Version, MaxIdle: 2})
	about := map[string]string{"service.name": "bellhop", "service.version": a.opts.Version,
		"service.instance.id": a.URL()}
	if host, err := os.Hostname(); err == nil {
		about["host.name"] = host
	}
	exporter, err := otlp.New(otlp.Options{Endpoint: c.OTLPEndpoint, Header: header, Sample: c.OTLPSample,
		Resource: about, Client: client.HTTP(), Logger: a.opts.Logger, Metrics: a.registry})
	if err != nil {
		client.Close()
		return fmt.Errorf("otlp-endpoint: %w", err)
	}
	a.tracer, a.exporter = exporter.Tracer(), exporter
	a.undoLater("traces", exporter.Stop)
	return nil
}

// checkTraces looks at what became of the latest spans.
func (a *App) checkTraces(context.Context) doctor.Finding {
	if a.exporter == nil {
		return doctor.Skip("nothing is traced: --otlp-endpoint is not set", "")
	}
	if why := a.exporter.Trouble(); why != "" {
		return doctor.Finding{State: doctor.Warning, Message: "the latest spans did not reach the collector: " + why,
			Remedy: "see whether the collector of --otlp-endpoint runs and takes OTLP over HTTP; events are not " +
				"concerned"}
	}
	return doctor.Finding{State: doctor.OK, Message: "the collector takes spans, as far as there were some"}
}

// withCaller returns next, with the trace that a request names in its context, for the events that it publishes.
func withCaller(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header[bellhop.TraceparentHeader] != nil {
			r = r.WithContext(trace.WithCaller(r.Context(), r.Header))
		}
		next.ServeHTTP(w, r)
	})
}
