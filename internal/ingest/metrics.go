package ingest

import (
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// maxSourceMetrics bounds the sources with metrics of their own. otherSources is the label that all others share; no
// source can have that name.
const (
	maxSourceMetrics = 1000
	otherSources     = "(other)"
)

// metrics are those of all sources.
type metrics struct {
	mu    sync.Mutex      // guards named
	named map[string]bool // the sources with metrics of their own, by name

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
type sourceMetrics struct {
	label                        string
	accepted, handshakes, events prometheus.Counter
}

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		named: map[string]bool{bellhop.SourceAPI: true, bellhop.SourceSelf: true},
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

// of returns the counters of a source, and the value of its label: its name, unless too many sources have metrics of
// their own already.
func (m *metrics) of(source string) sourceMetrics {
	label := m.label(source, true)
	return sourceMetrics{label: label, accepted: m.requests.WithLabelValues(label, "accepted"),
		handshakes: m.requests.WithLabelValues(label, "handshake"), events: m.events.WithLabelValues(label)}
}

// label returns the value of the label of a source. add gives a source metrics of its own if there is room.
func (m *metrics) label(source string, add bool) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.named[source] && (!add || len(m.named) >= maxSourceMetrics) {
		return otherSources
	}
	m.named[source] = true
	return source
}

// retain drops the metrics of sources that are not there any more: their names come and go, and must not add up.
func (m *metrics) retain(list []bellhop.Source) {
	there := map[string]bool{bellhop.SourceAPI: true, bellhop.SourceSelf: true}
	for _, src := range list {
		there[src.Name] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.named {
		if there[name] {
			continue
		}
		delete(m.named, name)
		for _, vec := range []*prometheus.CounterVec{m.requests, m.events, m.refused, m.conflicts, m.unmadeReplies} {
			vec.DeletePartialMatch(prometheus.Labels{"source": name})
		}
	}
}
