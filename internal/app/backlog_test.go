package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrape returns the metrics of c.
func scrape(c prometheus.Collector) string {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).
		ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestBacklogMetrics: the totals are of all destinations, and the age grows between two readings of the store.
func TestBacklogMetrics(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	now, reads := start, 0
	var failure error
	c := &backlogCollector{now: func() time.Time { return now }, read: func(context.Context) (bellhop.Backlog, error) {
		reads++
		return bellhop.Backlog{OldestPendingAt: start.Add(-time.Minute), Leased: 3,
			Destinations: []bellhop.DestinationBacklog{
				{Name: "billing", State: bellhop.DestinationActive, Pending: 5, Dead: 2, Failing: true},
				{Name: "audit", State: bellhop.DestinationPaused, Pending: 7},
			}}, failure
	}}
	text := scrape(c)
	for _, want := range []string{
		`bellhop_deliveries{state="pending"} 12`, `bellhop_deliveries{state="leased"} 3`,
		`bellhop_deliveries{state="dead"} 2`,
		`bellhop_deliveries_oldest_pending_age_seconds 60`, `bellhop_destinations{state="active"} 1`,
		`bellhop_destinations{state="paused"} 1`, `bellhop_destinations{state="expired"} 0`,
		`bellhop_destination_pending_deliveries{destination="billing"} 5`,
		`bellhop_destination_dead_deliveries{destination="billing"} 2`,
		`bellhop_destination_failing{destination="billing"} 1`, `bellhop_destination_failing{destination="audit"} 0`,
		`bellhop_destination_active{destination="billing"} 1`, `bellhop_destination_active{destination="audit"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	now = start.Add(backlogAge - time.Second)
	if text := scrape(c); !strings.Contains(text, "oldest_pending_age_seconds 61\n") || reads != 1 {
		t.Errorf("%d reads\n%s", reads, text)
	}
	now, failure = start.Add(backlogAge), errors.New("disk")
	if text := scrape(c); strings.Contains(text, "bellhop_deliveries{") || reads != 2 {
		t.Errorf("%d reads\n%s", reads, text)
	}
	failure = nil
	if text := scrape(c); !strings.Contains(text, "bellhop_deliveries{") || reads != 3 {
		t.Errorf("%d reads\n%s", reads, text)
	}
}

// TestBacklogMetricsAreBounded: beyond the bound, the destinations that fail and those with the most to deliver have
// metrics of their own, and the totals are still of all.
func TestBacklogMetricsAreBounded(t *testing.T) {
	t.Parallel()
	const all = maxDestinationMetrics + 500
	var b bellhop.Backlog
	for i := range all {
		b.Destinations = append(b.Destinations, bellhop.DestinationBacklog{Name: fmt.Sprint("d", i), Pending: int64(i),
			State: bellhop.DestinationActive, Failing: i == 0})
	}
	c := &backlogCollector{now: time.Now, read: func(context.Context) (bellhop.Backlog, error) { return b, nil }}
	text := scrape(c)
	if n := strings.Count(text, "bellhop_destination_pending_deliveries{"); n != maxDestinationMetrics {
		t.Errorf("%d destinations", n)
	}
	for name, want := range map[string]bool{"d0": true, "d1": false, fmt.Sprint("d", all-1): true} {
		if got := strings.Contains(text, `pending_deliveries{destination="`+name+`"}`); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if want := fmt.Sprintf("bellhop_destinations{state=\"active\"} %d\n", all); !strings.Contains(text, want) {
		t.Errorf("no %s", want)
	}
}

// TestBacklogOfServer: a server's metrics show what waits for its destinations.
func TestBacklogOfServer(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer receiver.Close()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	for name, schedule := range map[string]string{"dies": `"none"`, "waits": `["1h"]`} {
		body := `{"name":"` + name + `","url":"` + receiver.URL +
			`","settings":{"format":"raw"},"retry":{"schedule":` +
			schedule + `}}`
		if code, answer := r.call("POST", "/api/v1/destinations", body); code != 201 {
			t.Fatalf("%d %s", code, answer)
		}
	}
	if code, answer := r.call("POST", "/api/v1/events", `{"type":"t","data":1}`); code != 202 {
		t.Fatalf("%d %s", code, answer)
	}
	c := &backlogCollector{now: time.Now, read: r.store.Backlog}
	poll(t, "one dead and one pending delivery", func() bool {
		c.readAt = time.Time{}
		text := scrape(c)
		return strings.Contains(text, `bellhop_destination_dead_deliveries{destination="dies"} 1`) &&
			strings.Contains(text, `bellhop_destination_pending_deliveries{destination="waits"} 1`)
	})
	if code, body := r.call("GET", "/metrics", ""); code != 200 || !strings.Contains(body,
		`bellhop_deliveries{state="dead"}`) {
		t.Errorf("%d %.300s", code, body)
	}
}
