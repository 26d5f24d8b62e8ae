package sqlite

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	accepts     prometheus.Histogram
	commits     prometheus.Histogram
	batches     prometheus.Histogram
	checkpoints prometheus.Histogram
	claimed     prometheus.Counter
	deleted     prometheus.Counter
	errors      prometheus.Counter
}

func newMetrics(to prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.0001, 2, 16) // 0.1 ms to 3.3 s
	m := &metrics{
		accepts: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_accept_seconds",
			Help: "Time from handing a request's events to the store until they are on disk.", Buckets: seconds}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_commit_seconds",
			Help: "Time of one transaction, sync included.", Buckets: seconds}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_commit_operations",
			Help: "Requests and results that shared one transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 10)}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_store_checkpoint_seconds",
			Help: "Time of moving the log's pages into the database.", Buckets: seconds}),
		claimed: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_store_claimed_deliveries_total",
			Help: "Deliveries claimed from the table rather than handed over from memory."}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_store_deleted_events_total",
			Help: "Events deleted because of their age."}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_store_errors_total",
			Help: "Operations that storage refused for another reason than being full."}),
	}
	if to != nil {
		to.MustRegister(m.accepts, m.commits, m.batches, m.checkpoints, m.claimed, m.deleted, m.errors)
	}
	return m
}

func (m *metrics) commit(ops int, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.batches.Observe(float64(ops))
}
