package ingest

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests   *prometheus.CounterVec
	events     *prometheus.CounterVec
	refused    *prometheus.CounterVec
	unknown    prometheus.Counter
	duplicates prometheus.Counter
	durations  prometheus.Histogram
}

// sourceMetrics are one source's, looked up once.
type sourceMetrics struct{ accepted, handshakes, events prometheus.Counter }

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_requests_total",
			Help: "Requests answered well, by source and outcome (accepted, handshake)."}, []string{"source", "outcome"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_events_total",
			Help: "Events received at a source, repeats included."}, []string{"source"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_requests_refused_total",
			Help: "Requests refused, by source and reason."}, []string{"source", "reason"}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_ingest_unknown_source_total",
			Help: "Requests at no source, or a disabled one."}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_ingest_duplicates_total",
			Help: "Events that their source already had."}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_ingest_accept_seconds",
			Help:    "Time from the first look at an accepted request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16)}),
	}
	if to != nil {
		to.MustRegister(m.requests, m.events, m.refused, m.unknown, m.duplicates, m.durations)
	}
	return m
}

func (m *metrics) of(source string) sourceMetrics {
	return sourceMetrics{accepted: m.requests.WithLabelValues(source, "accepted"),
		handshakes: m.requests.WithLabelValues(source, "handshake"), events: m.events.WithLabelValues(source)}
}
