package action

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of actions that make calls. No label has the name of a destination or a connection: there may be
// many.
type metrics struct {
	fetches *prometheus.CounterVec
	works   *prometheus.CounterVec
	seconds prometheus.Histogram

	downloads  prometheus.Gauge
	downloaded prometheus.Counter
	resumes    *prometheus.CounterVec
}

// The outcomes of attempts to fetch.
const (
	outcomeFetched   = "fetched"   // by a call
	outcomeGiven     = "given"     // without a call: the notification had the content
	outcomeGone      = "gone"      // it is not there any more, or the notification said that it was deleted
	outcomeFolded    = "folded"    // without a call: a fetch that began later than the event came in serves it
	outcomeWaiting   = "waiting"   // for the next fetch of the resource
	outcomeThrottled = "throttled" // put off, because of the limits of the API
	outcomeParked    = "parked"    // the connection is signed out
	outcomeSkipped   = "skipped"   // the event is none to fetch for
	outcomeFailed    = "failed"
	outcomeDone      = "done" // of a work: all of it
)

func newMetrics(to prometheus.Registerer) *metrics {
	m := &metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_action_fetches_total",
			Help: "Attempts to fetch what changed, by action and outcome."}, []string{"action", "outcome"}),
		works: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_action_works_total",
			Help: "Attempts at works at the API of a provider, by action and outcome."},
			[]string{"action", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bellhop_action_call_seconds",
			Help:    "Time from the begin of a call to the API's answer.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 14)}), // 5 ms to 41 s
		downloads: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bellhop_action_downloads",
			Help: "Attempts to download that are under way."}),
		downloaded: prometheus.NewCounter(prometheus.CounterOpts{Name: "bellhop_action_downloaded_bytes_total",
			Help: "Bytes of files that were downloaded and stored, repeated ones included."}),
		resumes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bellhop_action_download_resumes_total",
			Help: "Requests for a file that followed an earlier one in the same attempt, by reason: dropped (the " +
				"connection broke), whole (all of the file came in place of its rest), " +
				"contradiction (it begins anew)."},
			[]string{"reason"}),
	}
	if to != nil {
		to.MustRegister(m.fetches, m.works, m.seconds, m.downloads, m.downloaded, m.resumes)
	}
	return m
}

// count counts an attempt of an action.
func (m *metrics) count(action, outcome string) { m.fetches.WithLabelValues(action, outcome).Inc() }

// worked counts an attempt at a work.
func (m *metrics) worked(action, outcome string) { m.works.WithLabelValues(action, outcome).Inc() }

// called notes how long a call took.
func (m *metrics) called(took time.Duration) { m.seconds.Observe(took.Seconds()) }
