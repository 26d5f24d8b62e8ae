package delivery

import "github.com/prometheus/client_golang/prometheus"

type repairMetrics struct {
	running prometheus.Gauge
	changed *prometheus.CounterVec
}

func newRepairMetrics(to prometheus.Registerer) *repairMetrics {
	m := &repairMetrics{
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_repairs_running",
			Help: "Repairs that have not ended."}),
		changed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_repair_deliveries_total",
			Help: "Deliveries that replays made, retries made due and cancels gave up."}, []string{"kind"}),
	}
	if to != nil {
		to.MustRegister(m.running, m.changed)
	}
	return m
}
