package ingest

import (
	"fmt"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestSourceMetricsAreBounded: beyond the bound sources share a label, and a source that is gone takes its metrics
// along, so that names that come and go do not add up.
func TestSourceMetricsAreBounded(t *testing.T) {
	t.Parallel()
	m := newMetrics(prometheus.NewRegistry())
	list := make([]bellhop.Source, maxSourceMetrics+50)
	for i := range list {
		list[i].Name = fmt.Sprint("s", i)
		m.of(list[i].Name).accepted.Inc()
	}
	const own = maxSourceMetrics - 2 // two places are those of the API and of Bellhop itself
	if n := testutil.CollectAndCount(m.events); n != own+1 {
		t.Errorf("%d series", n)
	}
	if n := testutil.ToFloat64(m.requests.WithLabelValues(otherSources, "accepted")); n != float64(len(list)-own) {
		t.Errorf("%v requests of the others", n)
	}
	m.refused.WithLabelValues("s1", "forbidden").Inc()
	m.retain(list[:1])
	if n := testutil.CollectAndCount(m.events); n != 2 { // with that of the others
		t.Errorf("%d series of one source", n)
	}
	if n := testutil.CollectAndCount(m.refused); n != 0 {
		t.Errorf("%d refusals of sources that are gone", n)
	}
	if label := m.label("s1", false); label != otherSources {
		t.Error(label)
	}
	if label := m.of("s9999").label; label != "s9999" {
		t.Errorf("%s, although there is room", label)
	}
	if label := m.label(bellhop.SourceAPI, false); label != bellhop.SourceAPI {
		t.Error(label)
	}
}
