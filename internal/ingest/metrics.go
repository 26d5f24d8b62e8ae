package ingest

import "github.com/prometheus/client_golang/prometheus"

// metrics are those of all sources.
type metrics struct {
	requests   *prometheus.CounterVec
	events     *prometheus.CounterVec
	refused    *prometheus.CounterVec
	unknown    prometheus.Counter
	duplicates prometheus.Counter
	conflicts  *prometheus.CounterVec

	unmadeReplies *prometheus.CounterVec
	durations     prometheus.Histogram
}

// sourceMetrics are the counters of one source. They are looked up once, when the source is opened.
type sourceMetrics struct{ accepted, handshakes, events prometheus.Counter }

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_requests_total",
			Help: "Requests accepted and handshakes answered, by source and outcome (accepted, handshake)."},
			[]string{"source", "outcome"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_events_total",
			Help: "Events received at a source, repeats included."}, []string{"source"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_requests_refused_total",
			Help: "Requests refused, by source and reason."}, []string{"source", "reason"}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_ingest_unknown_source_total",
			Help: "Requests to a source that does not exist or is disabled."}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_ingest_duplicates_total",
			Help: "Repeats of events that were already stored."}),
		conflicts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_conflicts_total",
			Help: "Events stored although the source has another event with the same id, by source."},
			[]string{"source"}),
		unmadeReplies: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_ingest_replies_failed_total",
			Help: "Answers without the body that the reply of the source should have made, by source."},
			[]string{"source"}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_ingest_accept_seconds",
			Help:    "Time from the start of handling an accepted request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16)}),
	}
	if to != nil {
		to.MustRegister(m.requests, m.events, m.refused, m.unknown, m.duplicates, m.conflicts,
			m.unmadeReplies, m.durations)
	}
	return m
}

func (m *metrics) of(source string) sourceMetrics {
	return sourceMetrics{accepted: m.requests.WithLabelValues(source, "accepted"),
		handshakes: m.requests.WithLabelValues(source, "handshake"), events: m.events.WithLabelValues(source)}
}
