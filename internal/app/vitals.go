package app

import (
	"context"

	"github.com/bellhop-gateway/bellhop/internal/doctor"
	"github.com/prometheus/client_golang/prometheus"
)

// A vitalsCollector makes the metrics of readiness and of the disk, both looked at when the metrics are asked for. So
// an alert hears of a storage that fails with the next scrape, and not after the next event.
type vitalsCollector struct {
	unready func(ctx context.Context) (reason string)
	free    func() (bytes uint64, err error) // of the disk of the data folder
	backup  func() (seconds int64)           // when the latest backup was taken; 0 if none was
	standby func() bool
}

// The metrics of a vitalsCollector.
var (
	vitalsReady = prometheus.NewDesc("bellhop_ready", "1 if requests should be sent here, as /readyz says; 0 while "+
		"the server stops, or its storage accepts nothing.", nil, nil)
	vitalsFree = prometheus.NewDesc("bellhop_disk_free_bytes", "Bytes that are free on the disk of the data folder; "+
		"absent if the system does not tell.", nil, nil)
	vitalsBackup = prometheus.NewDesc("bellhop_backup_last_success_timestamp_seconds", "When the latest backup that "+
		"the server knows of was taken; 0 if it knows of none.", nil, nil)
	vitalsStandby = prometheus.NewDesc("bellhop_standby", "1 while a restored server sends nothing and waits for "+
		"'bellhop resume'; otherwise 0.", nil, nil)
)

// newVitals returns the collector of a.
func (a *App) newVitals() *vitalsCollector {
	return &vitalsCollector{unready: a.unready, free: func() (uint64, error) {
		return doctor.FreeBytes(a.opts.Config.Data)
	}, backup: a.backedUp.Load, standby: a.InStandby}
}

// Describe implements prometheus.Collector.
func (c *vitalsCollector) Describe(to chan<- *prometheus.Desc) {
	to <- vitalsReady
	to <- vitalsFree
	to <- vitalsBackup
	to <- vitalsStandby
}

// Collect implements prometheus.Collector.
func (c *vitalsCollector) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(vitalsReady, prometheus.GaugeValue,
		oneIf(c.unready(context.Background()) == ""))
	to <- prometheus.MustNewConstMetric(vitalsBackup, prometheus.GaugeValue, float64(c.backup()))
	to <- prometheus.MustNewConstMetric(vitalsStandby, prometheus.GaugeValue, oneIf(c.standby()))
	if free, err := c.free(); err == nil {
		to <- prometheus.MustNewConstMetric(vitalsFree, prometheus.GaugeValue, float64(free))
	}
}
