package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// This file says how long accepting and delivering have taken in the latest hour, for GET /stats. The rooms count in
// histograms that the metrics have anyway. A copy of these is kept every minute, and the latest hour is the difference
// of two copies, so that the corridor does nothing for it.

// Bounds of what is kept.
const (
	latencyEvery  = time.Minute
	latencyPeriod = time.Hour
)

// The histograms, by the names of their metrics.
const (
	acceptSeconds   = "bellhop_ingest_accept_seconds"
	attemptSeconds  = "bellhop_delivery_attempt_seconds"
	deliverySeconds = "bellhop_delivery_end_to_end_seconds"
)

// latencies keeps copies of histograms.
type latencies struct {
	registry *prometheus.Registry // of the histograms alone
	now      func() time.Time

	mu     sync.Mutex // guards the fields below
	copies []histogramsAt
}

// histogramsAt are the histograms at a time, by name.
type histogramsAt struct {
	at time.Time
	of map[string]histogram
}

// A histogram counts the values up to each bound, and all of them.
type histogram struct {
	bounds []float64 // in seconds, ascending
	upTo   []uint64
	all    uint64
}

// newLatencies returns latencies that begin now.
func newLatencies(now func() time.Time) *latencies {
	return &latencies{registry: prometheus.NewRegistry(), now: now, copies: []histogramsAt{{at: now()}}}
}

// registerer returns a registerer of metrics that keeps an eye on the histograms among them.
func (l *latencies) registerer(to prometheus.Registerer) prometheus.Registerer {
	return observed{to, l.registry}
}

// An observed registers histograms twice.
type observed struct {
	prometheus.Registerer
	histograms *prometheus.Registry
}

// MustRegister implements [prometheus.Registerer].
func (o observed) MustRegister(collectors ...prometheus.Collector) {
	o.Registerer.MustRegister(collectors...)
	for _, c := range collectors {
		if h, ok := c.(prometheus.Histogram); ok {
			o.histograms.MustRegister(h)
		}
	}
}

// run keeps a copy every minute until ctx ends.
func (l *latencies) run(ctx context.Context) {
	ticker := time.NewTicker(latencyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.keep()
		}
	}
}

// keep adds a copy, and drops what is older than the period but for one copy, or later than now: a clock was set back.
func (l *latencies) keep() {
	latest := l.read()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copies = slices.DeleteFunc(l.copies, func(h histogramsAt) bool { return h.at.After(latest.at) })
	l.copies = append(l.copies, latest)
	for len(l.copies) > 1 && !l.copies[1].at.After(latest.at.Add(-latencyPeriod)) {
		l.copies = l.copies[1:]
	}
}

// read copies the histograms. One that cannot be read is left out.
func (l *latencies) read() histogramsAt {
	now := histogramsAt{l.now(), map[string]histogram{}}
	families, _ := l.registry.Gather()
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var h histogram
			h.all = m.GetHistogram().GetSampleCount()
			for _, b := range m.GetHistogram().GetBucket() {
				h.bounds = append(h.bounds, b.GetUpperBound())
				h.upTo = append(h.upTo, b.GetCumulativeCount())
			}
			now.of[family.GetName()] = h
		}
	}
	return now
}

// latest returns how long things have taken in the latest hour, or since the start if that is later.
func (l *latencies) latest() bellhop.Latencies {
	now := l.read()
	l.mu.Lock()
	first := l.copies[0]
	l.mu.Unlock()
	of := func(name string) bellhop.Latency { return now.of[name].since(first.of[name]) }
	return bellhop.Latencies{Since: first.at, Accept: of(acceptSeconds), Attempt: of(attemptSeconds),
		Delivery: of(deliverySeconds)}
}

// since returns the latency of the values that h has and before had not. before may be zero.
func (h histogram) since(before histogram) bellhop.Latency {
	diff := histogram{bounds: h.bounds, upTo: slices.Clone(h.upTo), all: h.all - before.all}
	for i := range before.upTo {
		diff.upTo[i] -= before.upTo[i]
	}
	return bellhop.Latency{Count: int64(diff.all), P50: diff.quantile(0.5), P99: diff.quantile(0.99)}
}

// quantile returns the value that a part of all values does not exceed, as a point between the bounds around it. Of a
// value above the last bound it knows no more than that bound.
func (h histogram) quantile(part float64) time.Duration {
	if h.all == 0 || len(h.bounds) == 0 {
		return 0
	}
	rank, lower, below := part*float64(h.all), 0.0, uint64(0)
	for i, upper := range h.bounds {
		if float64(h.upTo[i]) >= rank && h.upTo[i] > below {
			within := (rank - float64(below)) / float64(h.upTo[i]-below)
			return time.Duration((lower + (upper-lower)*within) * float64(time.Second))
		}
		lower, below = upper, h.upTo[i]
	}
	return time.Duration(lower * float64(time.Second))
}
