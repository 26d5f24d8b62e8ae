package interop

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A monitor is a Prometheus that scrapes a gateway every second, with the rules of deploy/prometheus.
type monitor struct{ url string }

// startMonitor starts a Prometheus that scrapes the gateway with its key, until the test ends.
func startMonitor(t *testing.T, g *gateway) *monitor {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("SKIPPED: there is no prometheus (Debian: apt-get install prometheus)")
	}
	rules, err := filepath.Abs("../deploy/prometheus/bellhop.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: bellhop
    authorization: {credentials_file: %q}
    static_configs: [{targets: [%q]}]
`, rules, filepath.Join(folder, "key"), strings.TrimPrefix(g.url, "http://"))
	for name, text := range map[string]string{"prometheus.yml": config, "key": g.key} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := exec.Command(path, "--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address)
	c.Stdout, c.Stderr = log, log
	killWithTest(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
	m := &monitor{"http://" + address}
	if !waitFor(func() bool { return m.query(`up{job="bellhop"} == 1`) != "" }) {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("Prometheus does not scrape the gateway:\n%s", text)
	}
	return m
}

// get gets a path of the API of Prometheus. It returns "" if there is no answer.
func (m *monitor) get(path string, out any) bool {
	resp, err := http.Get(m.url + path)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out) == nil
}

// query returns the value of the first series of an expression; "" if there is none.
func (m *monitor) query(expr string) string {
	var answer struct {
		Data struct{ Result []struct{ Value []any } }
	}
	escaped := strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22", " ", "%20", "=", "%3D").Replace(expr)
	if !m.get("/api/v1/query?query="+escaped, &answer) || len(answer.Data.Result) == 0 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}

// alert returns the state of an alert: "pending", "firing", or "" if it is quiet.
func (m *monitor) alert(name string) string {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if !m.get("/api/v1/alerts", &answer) {
		return ""
	}
	for _, a := range answer.Data.Alerts {
		if a.Labels["alertname"] == name {
			return a.State
		}
	}
	return ""
}

// within checks that an alert is not quiet any more soon after begin.
func (m *monitor) within(t *testing.T, name string, begin time.Time) {
	t.Helper()
	if !waitFor(func() bool { return m.alert(name) != "" }) {
		t.Errorf("%s stays quiet", name)
		return
	}
	took := time.Since(begin).Round(time.Millisecond)
	if t.Logf("%s is %s after %v", name, m.alert(name), took); took > alertLimit {
		t.Errorf("%s changed after %v", name, took)
	}
}

// alertLimit is within which an alert changes after its cause.
const alertLimit = 5 * time.Second

// TestPrometheus: a real Prometheus scrapes a live gateway and takes its rules. Alerts change within 5 seconds after
// the storage fails, a queue fills, a subscription ends, a destination is disabled, and the gateway is gone.
func TestPrometheus(t *testing.T) {
	s := startStandIn(t, true)
	smallDisk := mountSmall(t)
	g := startGatewayTrusting(t, s)
	m := startMonitor(t, g)
	var targets struct {
		Data struct{ ActiveTargets []struct{ LastError string } }
	}
	if !m.get("/api/v1/targets", &targets) || len(targets.Data.ActiveTargets) != 1 ||
		targets.Data.ActiveTargets[0].LastError != "" {
		t.Errorf("%+v", targets)
	}
	if m.query("bellhop_ready") != "1" || m.query("bellhop_build_info") != "1" {
		t.Error("the gateway's metrics are missing")
	}
	for _, name := range []string{"BellhopNotReady", "BellhopDown", "BellhopDestinationDisabled", "BellhopQueueFills",
		"BellhopSubscriptionNotAlive"} {
		if !waitFor(func() bool { return m.alert(name) == "" }) { // before the first scrape the gateway is down
			t.Errorf("%s is %s at a healthy gateway", name, m.alert(name))
		}
	}

	t.Run("a destination is disabled", func(t *testing.T) {
		g.bellhop(t, "destinations", "create", "gone", "--url", startAnswering(t, http.StatusGone), "--set",
			"format=raw")
		begin := time.Now()
		g.bellhop(t, "events", "publish", "t", "1")
		m.within(t, "BellhopDestinationDisabled", begin)
	})
	t.Run("a subscription is removed", func(t *testing.T) {
		g.bellhop(t, "connections", "create", "graph", "--provider", "graph", "--set", "tenant="+tenant, "--set",
			"client_id=bellhop", "--set", "authority="+s.URL, "--set", "api_url="+s.URL, "--set",
			"client_secret=secret")
		g.bellhop(t, "sources", "create", "graph", "--provider", "graph", "--set", "subscriptions_only=true")
		prints(t, g.bellhop(t, "subscriptions", "create", "graph", "--source", "graph", "--connection", "graph",
			"--resource", "/users/ada@example.com/events", "--change-type", "created"), "^state +active$")
		s.control(t, "fault", settings{"fault": "error", "times": -1, "value": "403", "system": "graph",
			"path": "subscriptions"})
		begin := time.Now()
		s.control(t, "fault", settings{"fault": "revoke", "system": "graph"})
		m.within(t, "BellhopSubscriptionNotAlive", begin)
	})
	t.Run("a queue fills", func(t *testing.T) {
		g.bellhop(t, "sources", "create", "many", "--provider", "generic", "--set", "scheme=none")
		g.bellhop(t, "destinations", "create", "slow", "--url", startAnswering(t, http.StatusOK), "--set",
			"format=raw", "--source", "many")
		g.bellhop(t, "destinations", "pause", "slow")
		ring(t, g.url+"/in/many", 10_001)
		m.within(t, "BellhopQueueFills", time.Now())
	})
	t.Run("promtool finds nothing to say about the metrics", func(t *testing.T) {
		promtool, err := exec.LookPath("promtool")
		if err != nil {
			t.Skip("SKIPPED: there is no promtool")
		}
		req, err := http.NewRequest("GET", g.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, body := g.do(t, req)
		text := string(body)
		lint := exec.Command(promtool, "check", "metrics")
		lint.Stdin = strings.NewReader(text)
		if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 || !strings.Contains(text, "bellhop_ready 1") {
			t.Errorf("%v: %s", err, out)
		}
	})
	if smallDisk == "" {
		t.Log("SKIPPED, no small disk can be mounted: the storage fails")
	} else {
		t.Run("the storage fails", func(t *testing.T) {
			begin := time.Now()
			fill(t, smallDisk)
			done := make(chan struct{})
			var wait sync.WaitGroup
			defer wait.Wait()
			defer close(done)
			wait.Go(func() { // what the database has left is soon used up
				body := strings.Repeat("x", 100_000)
				for n := 0; ; n++ {
					select {
					case <-done:
						return
					default:
					}
					resp, err := http.Post(g.url+"/in/many", "text/plain", strings.NewReader(body[:1+n%20*5_000]))
					if err == nil {
						resp.Body.Close()
					}
				}
			})
			if !waitFor(func() bool {
				resp, err := http.Get(g.url + "/readyz")
				return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusServiceUnavailable
			}) {
				t.Fatal("it is ready without a disk")
			}
			t.Logf("/readyz answers 503 after %v", time.Since(begin).Round(time.Millisecond))
			m.within(t, "BellhopNotReady", begin)
		})
	}
	t.Run("the gateway is gone", func(t *testing.T) {
		begin := time.Now()
		g.command.Process.Kill()
		m.within(t, "BellhopDown", begin)
	})
}

// mountSmall mounts a small disk for the temporary folders of the test, and returns its folder; "" without the right.
func mountSmall(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if exec.Command("mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder).Run() != nil {
		return ""
	}
	t.Cleanup(func() { exec.Command("umount", "--lazy", folder).Run() })
	t.Setenv("TMPDIR", folder)
	return folder
}

// fill writes a file that leaves no room on a disk.
func fill(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
}

// ring sends n requests to a source, several at a time.
func ring(t *testing.T, url string, n int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	var left atomic.Int64
	left.Store(int64(n))
	var wait sync.WaitGroup
	for range 32 {
		wait.Go(func() {
			for left.Add(-1) >= 0 {
				resp, err := client.Post(url, "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			}
		})
	}
	wait.Wait()
}

// startAnswering starts a receiver that answers every request with a status, and returns its URL.
func startAnswering(t *testing.T, status int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String()
}
