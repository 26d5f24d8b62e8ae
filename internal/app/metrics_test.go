package app

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/certificate/certtest"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write docs/METRICS.md anew")

// metricsIntro is the text before the table of docs/METRICS.md.
const metricsIntro = `# Metrics

All metrics of a server, as a test reads them from it. [OPERATING.md](OPERATING.md#metrics) says how to scrape them,
and which matter. A name, a type and the labels of a metric stay as they are: dashboards and alerts rely on them. A
later version may add metrics, and values of a label.

The label ` + "`source`" + ` is the name of a source. Beyond about 1000 sources, the others share ` + "`(other)`" + `,
and a source that was deleted takes its metrics along. The label ` + "`destination`" + ` is the name of one of at most 1000
destinations. All other labels have a few values, which the meaning lists or the code fixes: no label has what a sender
chose. Besides these there are the metrics of Go (` + "`go_…`" + `) and of the process (` + "`process_…`" + `).

| metric | type | labels | meaning |
|---|---|---|---|
`

// A described is a metric as its Desc has it.
type described struct {
	name, help, kind string
	labels           []string
}

var descForm = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: (".*"), constLabels: \{(.*)\}, ` +
	`variableLabels: \{(.*)\}\}$`)

// describe returns all metrics of Bellhop that r has, sorted by name.
func describe(t *testing.T, r *prometheus.Registry) []described {
	t.Helper()
	kinds := map[string]dto.MetricType{}
	gathered, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range gathered {
		kinds[family.GetName()] = family.GetType()
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		r.Describe(descs)
		close(descs)
	}()
	all := map[string]described{}
	for desc := range descs {
		m := descForm.FindStringSubmatch(desc.String())
		if m == nil {
			t.Fatalf("%s is of another form", desc)
		}
		if !strings.HasPrefix(m[1], "bellhop_") {
			continue
		}
		d := described{name: m[1], kind: "gauge"}
		if _, err := fmt.Sscanf(m[2], "%q", &d.help); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(d.name, "_total") {
			d.kind = "counter"
		}
		if kind, ok := kinds[d.name]; ok {
			d.kind = strings.ToLower(kind.String())
		}
		for label := range strings.SplitSeq(m[3]+","+m[4], ",") {
			if name, _, _ := strings.Cut(label, "="); name != "" {
				d.labels = append(d.labels, "`"+name+"`")
			}
		}
		slices.Sort(d.labels)
		all[d.name] = d
	}
	return slices.SortedFunc(func(yield func(described) bool) {
		for _, d := range all {
			if !yield(d) {
				return
			}
		}
	}, func(a, b described) int { return strings.Compare(a.name, b.name) })
}

// TestMetricNames: docs/METRICS.md lists every metric with its type, its labels and its meaning. Rules, dashboards and
// the alerts of others rely on them.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	r := run(t, options(t, trusting, withTLS(t, certtest.New(t, "a.example", later), t.TempDir()),
		func(o *Options) { o.Config.OTLPEndpoint = "http://127.0.0.1:9" }))
	r.fileMetrics()
	var b bytes.Buffer
	b.WriteString(metricsIntro)
	for _, d := range describe(t, r.registry) {
		switch {
		case d.help == "" || !strings.HasSuffix(d.help, "."):
			t.Errorf("%s: the help is %q, and no sentence", d.name, d.help)
		case d.kind == "counter" != strings.HasSuffix(d.name, "_total"):
			t.Errorf("%s is a %s: counters, and they alone, end with _total", d.name, d.kind)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, d.kind, strings.Join(d.labels, ", "), d.help)
	}
	const page = "../../docs/METRICS.md"
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(page); err != nil || !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%v: the metrics differ from docs/METRICS.md. Their names are a promise: add, and change none. "+
			"Then\ngo test ./internal/app -run TestMetricNames -update", err)
	}
}

// TestMetricsLint: promtool finds nothing to say about the metrics of a server with events, refusals and attempts.
func TestMetricsLint(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: there is no promtool (Debian: apt-get install prometheus)")
	}
	t.Parallel()
	r := run(t, options(t, func(o *Options) { o.Config.AllowPrivate = true }))
	r.fileMetrics()
	r.source("src")
	r.call("POST", "/api/v1/destinations", `{"name":"d","url":"http://127.0.0.1:9","settings":{"format":"raw"}}`)
	r.call("POST", "/in/src", "hello")
	r.call("POST", "/in/nothing", "hello")
	if code, _ := r.call("POST", "/api/v1/sources", `{"name":"hmac","provider":"generic","settings":{"scheme":"token",`+
		`"header":"X-T","secret":"0123456789abcdef"}}`); code != 201 {
		t.Fatal(code)
	}
	if code, _ := r.call("POST", "/in/hmac", "hello"); code != 401 {
		t.Fatal(code)
	}
	var text string
	poll(t, "an attempt", func() bool {
		_, text = r.call("GET", "/metrics", "")
		return strings.Contains(text, `bellhop_delivery_errors_total{error="`)
	})
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestVitals: readiness and the disk are looked at by each scrape, so that an alert knows as soon as it asks.
func TestVitals(t *testing.T) {
	t.Parallel()
	reason := ""
	var failure error
	c := &vitalsCollector{unready: func(context.Context) string { return reason },
		free:   func() (uint64, error) { return 4096, failure },
		backup: func() int64 { return 1700000000 }, standby: func() bool { return true }}
	if text := scrape(c); !strings.Contains(text, "bellhop_ready 1\n") || !strings.Contains(text,
		"bellhop_disk_free_bytes 4096\n") || !strings.Contains(text, "bellhop_standby 1\n") ||
		!strings.Contains(text, "bellhop_backup_last_success_timestamp_seconds 1.7e+09\n") {
		t.Error(text)
	}
	reason, failure = "storage cannot be written to", errors.ErrUnsupported
	if text := scrape(c); !strings.Contains(text, "bellhop_ready 0\n") || strings.Contains(text,
		"bellhop_disk_free_bytes 4") {
		t.Error(text)
	}
	r := run(t, options(t))
	_, text := r.call("GET", "/metrics", "")
	if !strings.Contains(text, "bellhop_ready 1\n") || !strings.Contains(text, "bellhop_disk_free_bytes ") {
		t.Errorf("%.500s", text)
	}
}
