// Package prometheus has the tests of the rules for Prometheus and of the dashboard for Grafana.
package prometheus

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const (
	rulesFile     = "bellhop.rules.yaml"
	testsFile     = "bellhop.rules.test.yaml"
	dashboardFile = "../grafana/bellhop.json"
	runbooks      = "https://github.com/bellhop-gateway/bellhop/blob/main/docs/OPERATING.md"
)

// A rule is one rule of the file.
type rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

// readRules returns all rules of the file.
func readRules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	if err := yaml.UnmarshalWithOptions(read(t, rulesFile), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 30 {
		t.Fatalf("%d rules", len(all))
	}
	return all
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readExpressions returns the expressions of the dashboard, with the variables of Grafana replaced.
func readExpressions(t *testing.T) (all []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(read(t, dashboardFile), &dashboard); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if seen[panel.ID] {
			t.Errorf("panel %q has the id %d of another", panel.Title, panel.ID)
		}
		seen[panel.ID] = true
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, annotation := range dashboard.Annotations.List {
		all = append(all, annotation.Expr)
	}
	if len(all) < 40 {
		t.Fatalf("%d expressions", len(all))
	}
	for i := range all {
		all[i] = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*").Replace(all[i])
		if strings.Contains(all[i], "$") {
			t.Errorf("%s: a variable that this test does not know", all[i])
		}
	}
	return all
}

var (
	metricWord = regexp.MustCompile(`\b(bellhop_\w+|bellhop:\w+(:\w+)*|process_\w+|go_\w+)\b`)
	listed     = regexp.MustCompile("(?m)^\\| `(bellhop_[a-z_]+)` \\| ([a-z]+) \\|")
)

// known returns the names that an expression may have: the metrics of docs/METRICS.md, with the series of histograms,
// those of the process that are used, and the recording rules.
func known(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"process_start_time_seconds": true, "process_open_fds": true, "process_max_fds": true,
		"process_cpu_seconds_total": true, "process_resident_memory_bytes": true, "go_goroutines": true}
	for _, m := range listed.FindAllStringSubmatch(string(read(t, "../../docs/METRICS.md")), -1) {
		if m[2] != "histogram" {
			names[m[1]] = true
			continue
		}
		for _, series := range []string{"_bucket", "_sum", "_count"} {
			names[m[1]+series] = true
		}
	}
	if len(names) < 60 {
		t.Fatalf("docs/METRICS.md lists %d metrics", len(names))
	}
	for _, r := range readRules(t) {
		names[r.Record] = true
	}
	return names
}

// TestNames: rules, their tests and the dashboard name only metrics that a server has.
func TestNames(t *testing.T) {
	t.Parallel()
	names := known(t)
	for _, file := range []string{rulesFile, testsFile, dashboardFile} {
		found := metricWord.FindAllString(string(read(t, file)), -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range found {
			if !names[name] {
				t.Errorf("%s: there is no metric %s; docs/METRICS.md has all", file, name)
			}
		}
	}
}

// TestAlerts: each alert has a severity, a summary, and a line in docs/OPERATING.md at which its link ends; and it has
// a test in which it fires, and in which it does not.
func TestAlerts(t *testing.T) {
	t.Parallel()
	operating := string(read(t, "../../docs/OPERATING.md"))
	var tests struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(read(t, testsFile), &tests); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, one := range tests.Tests {
		for _, alert := range one.AlertRuleTest {
			(map[bool]map[string]bool{true: fires, false: quiet})[len(alert.ExpAlerts) > 0][alert.Alertname] = true
		}
	}
	for _, r := range readRules(t) {
		if r.Alert == "" {
			if !strings.HasPrefix(r.Record, "bellhop:") {
				t.Errorf("the rule %q does not begin with bellhop:", r.Record)
			}
			continue
		}
		anchor := strings.ToLower(r.Alert)
		switch {
		case !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]):
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		case r.Annotations["summary"] == "":
			t.Errorf("%s has no summary", r.Alert)
		case r.Annotations["runbook_url"] != runbooks+"#"+anchor:
			t.Errorf("%s: runbook_url %q", r.Alert, r.Annotations["runbook_url"])
		case strings.Count(operating, `<a id="`+anchor+`"></a>`) != 1:
			t.Errorf("%s: docs/OPERATING.md has no line with the id %s", r.Alert, anchor)
		case !fires[r.Alert] || !quiet[r.Alert]:
			t.Errorf("%s: a test has it firing: %v; a test has it quiet: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

// promtool runs the tool of Prometheus, which has to succeed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: there is no promtool (Debian: apt-get install prometheus)")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestRules: Prometheus takes the rules, and its own tests of them pass.
func TestRules(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "test", "rules", testsFile)
}

// TestDashboard: Prometheus evaluates each expression of the dashboard.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("rule_files: []\ntests:\n  - interval: 1m\n    promql_expr_test:\n")
	for _, expr := range readExpressions(t) {
		fmt.Fprintf(&b, "      - expr: %q\n        eval_time: 10m\n        exp_samples: []\n", expr)
	}
	file := filepath.Join(t.TempDir(), "dashboard.test.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", file)
}
