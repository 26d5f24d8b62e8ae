package subscription

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of the room.
type metrics struct {
	calls    *prometheus.CounterVec
	gaps     prometheus.Counter
	silences prometheus.Counter
	sweeps   prometheus.Histogram
	fills    *prometheus.CounterVec
	caughtUp *prometheus.CounterVec
}

// states are the states in the order in which they are shown.
var states = []bellhop.SubscriptionState{bellhop.SubscriptionPending, bellhop.SubscriptionActive,
	bellhop.SubscriptionRenewing, bellhop.SubscriptionPaused, bellhop.SubscriptionExpired, bellhop.SubscriptionRemoved,
	bellhop.SubscriptionFailed}

// newMetrics makes the metrics and registers them, unless r is nil. count counts the subscriptions by state, and
// returns when the first of the live ones expires; waiting counts the gaps that are to be filled.
func newMetrics(r prometheus.Registerer, count func() (map[bellhop.SubscriptionState]int, time.Time),
	waiting func() int) *metrics {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_subscription_calls_total",
			Help: "Calls of providers' APIs for subscriptions, by provider, call and outcome."},
			[]string{"provider", "call", "outcome"}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_subscription_gaps_total",
			Help: "Spans of time in which a subscription may have missed notifications; joined ones count once."}),
		silences: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_source_silences_total",
			Help: "Sources and subscriptions that did not speak for longer than expected."}),
		sweeps: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_subscription_sweep_seconds",
			Help: "Durations of the comparisons with providers.", Buckets: prometheus.ExponentialBuckets(.01, 4, 8)}),
		fills: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_subscription_fills_total",
			Help: "Fills of gaps that ended, by provider and the state of the gap: filled or unknown."},
			[]string{"provider", "state"}),
		caughtUp: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_subscription_caught_up_events_total",
			Help: "Events that entered because fills of gaps found them, by provider."}, []string{"provider"}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.calls, m.gaps, m.silences, m.sweeps, m.fills, m.caughtUp, &gauges{count, waiting})
	return m
}

// gauges collects what is counted when it is asked for.
type gauges struct {
	count   func() (map[bellhop.SubscriptionState]int, time.Time)
	waiting func() int
}

var (
	descSubscriptions = prometheus.NewDesc("bellhop_subscriptions", "Subscriptions by state.", []string{"state"}, nil)
	descExpires       = prometheus.NewDesc("bellhop_subscription_first_expiry_timestamp_seconds",
		"When the first registration expires unless it is renewed; absent if none expires.", nil, nil)
	descWaiting = prometheus.NewDesc("bellhop_subscription_gaps_waiting",
		"Gaps that are being filled or are going to be.", nil, nil)
)

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	ch <- descSubscriptions
	ch <- descExpires
	ch <- descWaiting
}

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(descWaiting, prometheus.GaugeValue, float64(g.waiting()))
	counts, first := g.count()
	for _, state := range states {
		ch <- prometheus.MustNewConstMetric(descSubscriptions, prometheus.GaugeValue, float64(counts[state]),
			string(state))
	}
	if !first.IsZero() {
		ch <- prometheus.MustNewConstMetric(descExpires, prometheus.GaugeValue, float64(first.Unix()))
	}
}

// count counts the subscriptions by state, and returns when the first of the live ones expires.
func (m *Manager) count() (counts map[bellhop.SubscriptionState]int, first time.Time) {
	counts = map[bellhop.SubscriptionState]int{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		sub := e.shared.Load()
		counts[sub.State]++
		if at := sub.ExpiresAt; sub.State.Live() && !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return counts, first
}
