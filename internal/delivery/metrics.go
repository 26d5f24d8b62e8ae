package delivery

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	outcomes    *prometheus.CounterVec
	delivered   prometheus.Counter
	retried     prometheus.Counter
	dead        prometheus.Counter
	skipped     prometheus.Counter
	errors      *prometheus.CounterVec
	durations   prometheus.Histogram
	endToEnd    prometheus.Histogram
	queued      prometheus.Gauge
	matchErrors prometheus.Counter
	matchBusy   prometheus.Counter

	pullsWaiting prometheus.Gauge
	leases       prometheus.Gauge
	leasesEnded  *prometheus.CounterVec
}

func newMetrics(to prometheus.Registerer) *metrics {
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 18) // 0.5 ms to 65 s
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_delivery_attempts_total",
			Help: "Attempts, by what they made of their delivery (delivered, retry, continued, parked, skipped, " +
				"dead)."},
			[]string{"outcome"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_delivery_errors_total",
			Help: "Failed attempts, by the kind of error."}, []string{"error"}),
		durations: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_delivery_attempt_seconds",
			Help: "Time of one attempt, from rendering to the end of the reply.", Buckets: seconds}),
		endToEnd: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_delivery_end_to_end_seconds",
			Help: "Time from receiving an event to its successful delivery.", Buckets: seconds}),
		queued: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_delivery_queued_deliveries",
			Help: "Deliveries waiting in memory."}),
		matchErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_delivery_match_errors_total",
			Help: "Expressions of a match that failed on an event; it did not match."}),
		matchBusy: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_delivery_match_busy_total",
			Help: "Requests refused because too many large bodies were being decoded for expressions."}),
		pullsWaiting: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_pull_waiting",
			Help: "Pulls that wait for a delivery of a destination of type pull now."}),
		leases: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_pull_leases",
			Help: "Deliveries in the hands of programs that pulled them."}),
		leasesEnded: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_pull_leases_ended_total",
			Help: "Leases that ended, by outcome: acked, nacked, expired, returned (the program was " +
				"gone before it had it)."},
			[]string{"outcome"}),
	}
	m.delivered, m.retried = m.outcomes.WithLabelValues("delivered"), m.outcomes.WithLabelValues("retry")
	m.dead = m.outcomes.WithLabelValues("dead")
	m.skipped = m.outcomes.WithLabelValues("skipped")
	if to != nil {
		to.MustRegister(m.outcomes, m.errors, m.durations, m.endToEnd, m.queued, m.matchErrors, m.matchBusy,
			m.pullsWaiting, m.leases, m.leasesEnded)
	}
	return m
}

// attempt counts an attempt. sinceReceived is the time from receiving the event to the end of the attempt.
func (m *metrics) attempt(r *bellhop.Result, sinceReceived time.Duration) {
	m.durations.Observe(r.Attempt.Duration.Seconds())
	switch r.State {
	case bellhop.DeliveryDelivered:
		m.delivered.Inc()
		m.endToEnd.Observe(sinceReceived.Seconds())
		return
	case bellhop.DeliveryDead:
		m.dead.Inc()
	case bellhop.DeliveryCancelled:
		m.skipped.Inc()
	case bellhop.DeliveryPending:
		switch r.Attempt.Error {
		case "": // an action continues
			m.outcomes.WithLabelValues("continued").Inc()
			return
		case outbound.ErrorSignedOut, bellhop.ErrorListenerGone:
			m.outcomes.WithLabelValues("parked").Inc()
		default:
			m.retried.Inc()
		}
	}
	m.errors.WithLabelValues(r.Attempt.Error).Inc()
}

// leaseEnded counts a lease that ended.
func (m *metrics) leaseEnded(outcome string) { m.leasesEnded.WithLabelValues(outcome).Inc() }
