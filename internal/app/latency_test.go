package app

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// latencyRig is a histogram with the bounds 1, 2, 4, … 128 ms, and the clock of its latencies.
type latencyRig struct {
	*latencies
	prometheus.Histogram
	at time.Time
}

func newLatencyRig() *latencyRig {
	r := &latencyRig{at: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	r.latencies = newLatencies(func() time.Time { return r.at })
	r.Histogram = prometheus.NewHistogram(prometheus.HistogramOpts{Name: acceptSeconds,
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 8)})
	metrics := prometheus.NewRegistry()
	r.registerer(metrics).MustRegister(r.Histogram, prometheus.NewCounter(prometheus.CounterOpts{Name: "n"}))
	return r
}

// minutes lets so many minutes pass, with a copy in each.
func (r *latencyRig) minutes(n int) {
	for range n {
		r.at = r.at.Add(time.Minute)
		r.keep()
	}
}

// near reports whether a latency is within a part of another, in milliseconds.
func near(got time.Duration, ms float64) bool {
	return got.Seconds()*1000 > ms*0.98 && got.Seconds()*1000 < ms*1.02
}

// TestLatencies: the quantiles are those of the latest hour, as points between the bounds of the histogram.
func TestLatencies(t *testing.T) {
	r := newLatencyRig()
	start := r.at
	if got := r.latest(); got.Accept != (bellhop.Latency{}) || !got.Since.Equal(start) {
		t.Errorf("nothing happened: %+v", got)
	}
	for range 98 {
		r.Observe(0.003) // within 2 to 4 ms
	}
	r.Observe(0.1)
	r.Observe(10) // beyond the last bound
	got := r.latest()
	if got.Accept.Count != 100 || !near(got.Accept.P50, 2+2*50.0/98) || !near(got.Accept.P99, 128) ||
		got.Attempt.Count != 0 {
		t.Errorf("%+v", got)
	}
	r.minutes(59)
	if got := r.latest(); got.Accept.Count != 100 || !got.Since.Equal(start) {
		t.Errorf("after 59 minutes: %+v", got)
	}
	r.minutes(3)
	for range 10 {
		r.Observe(0.0005)
	}
	if got := r.latest(); got.Accept.Count != 10 || !near(got.Accept.P50, 0.5) || !near(got.Accept.P99, 0.99) ||
		r.at.Sub(got.Since) != time.Hour {
		t.Errorf("after 62 minutes: %+v", got)
	}
	r.minutes(1000)
	if len(r.copies) > 62 {
		t.Errorf("%d copies are kept", len(r.copies))
	}
}

// TestLatenciesSetBack: a clock that is set back leaves no copy of a later time.
func TestLatenciesSetBack(t *testing.T) {
	r := newLatencyRig()
	r.Observe(0.003)
	r.minutes(30)
	r.at = r.at.Add(-24 * time.Hour)
	r.minutes(1)
	r.Observe(0.003)
	if got := r.latest(); got.Accept.Count != 1 || got.Since.After(r.at) {
		t.Errorf("%+v at %v", got, r.at)
	}
}
