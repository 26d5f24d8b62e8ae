package app

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of the metrics of a backlog.
const (
	maxDestinationMetrics = 1000            // destinations with metrics of their own
	backlogAge            = 2 * time.Second // a backlog that was read more recently is used again
	backlogTimeout        = 10 * time.Second
)

// A backlogCollector makes the metrics of pending and dead deliveries, which it reads from the store when the metrics
// are asked for. The label of a destination is its name, which its owner chose. Beyond maxDestinationMetrics only
// those with the largest backlogs have metrics of their own; the totals are of all.
type backlogCollector struct {
	read func(ctx context.Context) (bellhop.Backlog, error)
	now  func() time.Time

	mu     sync.Mutex // guards the fields below, and makes simultaneous scrapes read once
	last   bellhop.Backlog
	readAt time.Time
}

// The metrics of a backlogCollector.
var (
	backlogDeliveries = prometheus.NewDesc("bellhop_deliveries",
		"Stored deliveries that are not delivered or cancelled, by state "+
			"(pending, leased, dead).", []string{"state"}, nil)
	backlogOldest = prometheus.NewDesc("bellhop_deliveries_oldest_pending_age_seconds",
		"Age of the oldest pending delivery; 0 if there is none.", nil, nil)
	backlogStates  = prometheus.NewDesc("bellhop_destinations", "Destinations, by state.", []string{"state"}, nil)
	backlogPending = prometheus.NewDesc("bellhop_destination_pending_deliveries", "Pending deliveries of a "+
		"destination.",
		[]string{"destination"}, nil)
	backlogDead = prometheus.NewDesc("bellhop_destination_dead_deliveries", "Stored dead deliveries of a destination.",
		[]string{"destination"}, nil)
	backlogFailing = prometheus.NewDesc("bellhop_destination_failing",
		"1 while a destination is held back because it fails, otherwise 0.", []string{"destination"}, nil)
	backlogActive = prometheus.NewDesc("bellhop_destination_active",
		"1 while a destination is active; 0 if it is paused, disabled, unverified or expired.",
		[]string{"destination"}, nil)
)

// Describe implements prometheus.Collector.
func (c *backlogCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backlogDeliveries, backlogOldest, backlogStates, backlogPending, backlogDead,
		backlogFailing, backlogActive} {
		to <- d
	}
}

// Collect implements prometheus.Collector. If the store cannot be read, it reports that in place of the metrics.
func (c *backlogCollector) Collect(to chan<- prometheus.Metric) {
	b, err := c.backlog()
	if err != nil {
		to <- prometheus.NewInvalidMetric(backlogDeliveries, err)
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	states := map[bellhop.DestinationState]int{bellhop.DestinationActive: 0, bellhop.DestinationPaused: 0,
		bellhop.DestinationDisabled: 0, bellhop.DestinationUnverified: 0, bellhop.DestinationExpired: 0}
	var pending, dead int64
	for _, d := range b.Destinations {
		states[d.State]++
		pending, dead = pending+d.Pending, dead+d.Dead
	}
	for state, n := range states {
		gauge(backlogStates, float64(n), string(state))
	}
	gauge(backlogDeliveries, float64(pending), string(bellhop.DeliveryPending))
	gauge(backlogDeliveries, float64(b.Leased), string(bellhop.DeliveryLeased))
	gauge(backlogDeliveries, float64(dead), string(bellhop.DeliveryDead))
	age := 0.0
	if !b.OldestPendingAt.IsZero() {
		age = max(0, c.now().Sub(b.OldestPendingAt).Seconds())
	}
	gauge(backlogOldest, age)
	for _, d := range largest(b.Destinations, maxDestinationMetrics) {
		gauge(backlogPending, float64(d.Pending), d.Name)
		gauge(backlogDead, float64(d.Dead), d.Name)
		gauge(backlogFailing, oneIf(d.Failing), d.Name)
		gauge(backlogActive, oneIf(d.State == bellhop.DestinationActive), d.Name)
	}
}

// backlog returns the backlog as it was at most backlogAge ago.
func (c *backlogCollector) backlog() (bellhop.Backlog, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := c.now().Sub(c.readAt); !c.readAt.IsZero() && age >= 0 && age < backlogAge {
		return c.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), backlogTimeout)
	defer cancel()
	b, err := c.read(ctx)
	if err == nil {
		c.last, c.readAt = b, c.now()
	}
	return b, err
}

// largest returns the n destinations with the most undelivered deliveries, those that fail first.
func largest(list []bellhop.DestinationBacklog, n int) []bellhop.DestinationBacklog {
	if len(list) <= n {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b bellhop.DestinationBacklog) int {
		return cmp.Or(cmp.Compare(oneIf(b.Failing), oneIf(a.Failing)), cmp.Compare(b.Pending+b.Dead, a.Pending+a.Dead))
	})
	return list[:n]
}

func oneIf(condition bool) float64 {
	if condition {
		return 1
	}
	return 0
}
