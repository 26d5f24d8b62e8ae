package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// waitLimit bounds every wait of a test. It is generous, because the machine may be busy.
const waitLimit = 30 * time.Second

// waitFor calls done until it returns true, and reports whether it did so within waitLimit.
func waitFor(done func() bool) bool {
	for end := time.Now().Add(waitLimit); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// A gateway is a running bellhop serve. Tests reach it by HTTP only.
type gateway struct {
	url, key string
	folder   string
	env      []string // of command, beside that of the test: NAME=value
	command  *exec.Cmd
	log      bytes.Buffer // may be read after command has ended
}

var (
	shared  gateway // serves all tests; each check creates its own sources and destinations
	started sync.Once
	failure error // why shared did not start
)

// binary returns the path of bellhop: the environment variable BELLHOP, or the binary that make build writes.
func binary() string {
	if p := os.Getenv("BELLHOP"); p != "" {
		return p
	}
	return "../bin/bellhop"
}

// sharedGateway returns the gateway of all tests. The first call starts it.
func sharedGateway(t *testing.T) *gateway {
	t.Helper()
	started.Do(func() { failure = shared.start() })
	if failure != nil {
		t.Fatalf("start the gateway: %v", failure)
	}
	return &shared
}

// start starts bellhop serve in a new temporary folder on a free port, and waits until it is ready.
func (g *gateway) start() error {
	folder, err := os.MkdirTemp("", "bellhop-interop")
	if err != nil {
		return err
	}
	g.folder, g.key = folder, "interop-admin-key-0123456789abcdef"
	g.command = exec.Command(binary(), "serve", "--data", filepath.Join(folder, "data"), "--listen", "127.0.0.1:0",
		"--allow-private")
	g.command.Env = append(append(environment(), "BELLHOP_ADMIN_KEY="+g.key), g.env...)
	g.command.Stdout, g.command.Stderr = &g.log, &g.log
	killWithTest(g.command)
	if err := g.command.Start(); err != nil {
		g.command = nil
		return fmt.Errorf("%w; make build builds the binary", err)
	}
	if !waitFor(g.ready) {
		return fmt.Errorf("the gateway is not ready after %v", waitLimit)
	}
	return nil
}

// ready reports whether the gateway has written its address and is ready. It sets g.url.
func (g *gateway) ready() bool {
	text, err := os.ReadFile(filepath.Join(g.folder, "data", "server.json"))
	var info struct{ URL string }
	if err != nil || json.Unmarshal(text, &info) != nil {
		return false
	}
	g.url = info.URL
	resp, err := http.Get(g.url + "/readyz")
	return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// stop ends the gateway and removes its folder. If the environment variable INTEROP_LOG is set, it prints the log.
func (g *gateway) stop() {
	g.command.Process.Signal(syscall.SIGTERM)
	g.command.Wait()
	os.RemoveAll(g.folder)
	if os.Getenv("INTEROP_LOG") != "" {
		os.Stdout.Write(g.log.Bytes())
	}
}

// runBellhop runs a bellhop command and returns its output, stdout and stderr together.
func runBellhop(args ...string) (string, error) {
	c := exec.Command(binary(), args...)
	c.Env = environment()
	out, err := c.CombinedOutput()
	return string(out), err
}

// environment returns the environment of the test without Bellhop's settings.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BELLHOP") {
			env = append(env, v)
		}
	}
	return env
}

// call calls the API and decodes the response into out, which may be nil. It ends the test if the call fails.
func (g *gateway) call(t *testing.T, method, path string, in, out any) {
	t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, g.url+"/api/v1"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	status, text := g.do(t, req)
	if status > 299 {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

// do sends a request with the admin key and returns the status and the body of the response.
func (g *gateway) do(t *testing.T, req *http.Request) (int, []byte) {
	t.Helper()
	req.Header.Set("Authorization", "Bearer "+g.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// settings is a JSON object: the settings of a source, a destination or a script, or fields of a request.
type settings = map[string]any

var counter atomic.Int64

// uniqueName returns a name that no other source or destination has.
func uniqueName(kind string) string { return fmt.Sprintf("%s-%d", kind, counter.Add(1)) }

// A source is a source of the gateway. Clients send to its URL.
type source struct {
	g    *gateway
	Name string
	URL  string
}

// newSource creates a source.
func (g *gateway) newSource(t *testing.T, provider string, of settings) source {
	t.Helper()
	s := source{g: g}
	g.call(t, http.MethodPost, "/sources",
		settings{"name": uniqueName(provider), "provider": provider, "settings": of}, &s)
	return s
}

// openSource creates a generic source without authentication. It accepts any body, so that a test has an event to
// deliver.
func (g *gateway) openSource(t *testing.T) source {
	t.Helper()
	return g.newSource(t, "generic", settings{"scheme": "none"})
}

// post posts a body to the source and ends the test unless the source accepts it.
func (s source) post(t *testing.T, contentType, body string) {
	t.Helper()
	if status := post(t, s.URL, http.Header{"Content-Type": {contentType}}, body); status != http.StatusAccepted {
		t.Fatalf("the source %s answered %d", s.Name, status)
	}
}

// An event has the fields of the API's event that the tests read, and its body.
type event struct {
	ID          string
	Type        string
	Subject     string
	Time        time.Time
	ContentType string `json:"content_type"`
	Headers     map[string][]string
	Body        string `json:"-"`

	ConflictsWith string `json:"conflicts_with"`
}

// events returns the events of the source, oldest first.
func (s source) events(t *testing.T) []event {
	t.Helper()
	var list struct{ Data []struct{ ID string } }
	s.g.call(t, http.MethodGet, "/events?source="+url.QueryEscape(s.Name), nil, &list)
	events := make([]event, len(list.Data))
	for i, listed := range list.Data {
		ev := &events[len(events)-1-i]
		s.g.call(t, http.MethodGet, "/events/"+listed.ID, nil, ev)
		ev.Body = s.g.body(t, listed.ID)
	}
	return events
}

// onlyEvent returns the event of a source that has exactly one.
func (s source) onlyEvent(t *testing.T) event {
	t.Helper()
	events := s.events(t)
	if len(events) != 1 {
		t.Fatalf("the source has %d events, want 1; refused: %v", len(events), s.refusals(t))
	}
	return events[0]
}

// body returns the body of an event.
func (g *gateway) body(t *testing.T, id string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.url+"/api/v1/events/"+id+"/body", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, body := g.do(t, req)
	if status != http.StatusOK {
		t.Fatalf("body of %s: %d %s", id, status, body)
	}
	return string(body)
}

// refusals returns the reason and detail of each refused request at the source, newest first.
func (s source) refusals(t *testing.T) []string {
	t.Helper()
	var list struct {
		Data []struct{ Reason, Detail string }
	}
	s.g.call(t, http.MethodGet, "/requests?outcome=refused&source="+url.QueryEscape(s.Name), nil, &list)
	var reasons []string
	for _, r := range list.Data {
		reasons = append(reasons, r.Reason+": "+r.Detail)
	}
	return reasons
}

// waitForRefusal waits until a refused request is recorded, and returns its reason and detail.
func (s source) waitForRefusal(t *testing.T) string {
	t.Helper()
	var reasons []string
	if !waitFor(func() bool { reasons = s.refusals(t); return len(reasons) > 0 }) {
		t.Fatalf("no request was refused within %v", waitLimit)
	}
	return reasons[0]
}

// A destination is a destination of the gateway. It delivers to a client.
type destination struct {
	g           *gateway
	Name        string
	State       string
	StateReason string `json:"state_reason"`
	Granted     *struct {
		PerSecond float64 `json:"per_second"`
	} `json:"granted_rate"`
}

// newDestination creates a destination for the events of s. of are its settings; fields adds other fields of it.
func (s source) newDestination(t *testing.T, kind, url string, of settings, fields ...settings) *destination {
	t.Helper()
	d := &destination{g: s.g}
	in := settings{"name": uniqueName(kind), "type": kind, "url": url, "match": settings{"sources": []string{s.Name}}}
	if of != nil {
		in["settings"] = of
	}
	for _, f := range fields {
		maps.Copy(in, f)
	}
	s.g.call(t, http.MethodPost, "/destinations", in, d)
	return d
}

// reload reads the destination from the API again and returns it.
func (d *destination) reload(t *testing.T) *destination {
	t.Helper()
	d.g.call(t, http.MethodGet, "/destinations/"+d.Name, nil, d)
	return d
}

// A delivery has the fields of the API's delivery that the tests read.
type delivery struct {
	ID       string
	State    string
	Attempts int
	Last     struct{ Status int }
}

// deliveries returns the deliveries to d, oldest first.
func (d *destination) deliveries(t *testing.T) []delivery {
	t.Helper()
	var list struct{ Data []delivery }
	d.g.call(t, http.MethodGet, "/deliveries?destination="+url.QueryEscape(d.Name), nil, &list)
	slices.Reverse(list.Data)
	return list.Data
}

// waitForDelivery waits until d has exactly one delivery and its state is state. It returns the delivery.
func (d *destination) waitForDelivery(t *testing.T, state string) delivery {
	t.Helper()
	var last []delivery
	if !waitFor(func() bool { last = d.deliveries(t); return len(last) == 1 && last[0].State == state }) {
		t.Fatalf("after %v the deliveries to %s are %+v, want one in state %s", waitLimit, d.Name, last, state)
	}
	return last[0]
}

// waitUntilDelivered waits until the only delivery to d is delivered.
func (d *destination) waitUntilDelivered(t *testing.T) delivery {
	t.Helper()
	return d.waitForDelivery(t, "delivered")
}

// requireProvider ends the test if the binary does not have the provider.
func (g *gateway) requireProvider(t *testing.T, name string) {
	t.Helper()
	var list struct{ Data []struct{ Name string } }
	g.call(t, http.MethodGet, "/providers", nil, &list)
	for _, p := range list.Data {
		if p.Name == name {
			return
		}
	}
	t.Fatalf("the binary has no provider %s", name)
}
