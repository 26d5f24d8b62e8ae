package auth

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// A keysCollector makes the metrics of the keys, which it counts when the metrics are asked for. No label is the name
// of a key: names may be many, and come and go.
type keysCollector struct{ keys *Keys }

var (
	keysCount = prometheus.NewDesc("bellhop_keys", "Keys of the API besides the admin key, by scope and state "+
		"(valid, expired).", []string{"scope", "state"}, nil)
	keysNextExpiry = prometheus.NewDesc("bellhop_keys_next_expiry_timestamp_seconds",
		"When the next valid key expires; 0 if none does.", nil, nil)
)

// newForbidden returns the counter of requests whose key has too narrow a scope.
func newForbidden() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_api_forbidden_total",
		Help: "Requests with a key of too narrow a scope, by the scope that they need."},
		[]string{"needed"})
	for _, scope := range bellhop.Scopes {
		counter.WithLabelValues(string(scope)) // so that each exists at 0
	}
	return counter
}

// Forbidden counts a request with a key whose scope does not include the one that the request needs.
func (k *Keys) Forbidden(needed bellhop.Scope) { k.forbidden.WithLabelValues(string(needed)).Inc() }

// Describe implements prometheus.Collector.
func (c keysCollector) Describe(to chan<- *prometheus.Desc) {
	to <- keysCount
	to <- keysNextExpiry
}

// Collect implements prometheus.Collector.
func (c keysCollector) Collect(to chan<- prometheus.Metric) {
	valid, expired, next := c.keys.count(c.keys.opts.Now())
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, scope := range bellhop.Scopes {
		gauge(keysCount, float64(valid[scope]), string(scope), "valid")
		gauge(keysCount, float64(expired[scope]), string(scope), "expired")
	}
	seconds := 0.0
	if !next.IsZero() {
		seconds = float64(next.UnixMilli()) / 1000
	}
	gauge(keysNextExpiry, seconds)
}

// count counts the keys by scope. next is when the next valid key expires; zero if none does.
func (k *Keys) count(now time.Time) (valid, expired map[bellhop.Scope]int, next time.Time) {
	valid, expired = map[bellhop.Scope]int{}, map[bellhop.Scope]int{}
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, h := range k.byID {
		switch at := h.key.ExpiresAt; {
		case h.key.Expired(now):
			expired[h.key.Scope]++
			continue
		case !at.IsZero() && (next.IsZero() || at.Before(next)):
			next = at
		}
		valid[h.key.Scope]++
	}
	return valid, expired, next
}
