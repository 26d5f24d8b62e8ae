package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// patience is how long anything may take that is waited for, on a machine that has much else to do.
const patience = 30 * time.Second

// A gateway is a live bellhop serve, reached by HTTP alone.
type gateway struct {
	url, key string
	folder   string
	command  *exec.Cmd
	log      bytes.Buffer // to be read once command has ended
}

var (
	shared  gateway // one for all tests, each of which has sources and destinations of its own
	started sync.Once
	failure error
)

// program is the binary; BELLHOP names another.
func program() string {
	if p := os.Getenv("BELLHOP"); p != "" {
		return p
	}
	return "../bin/bellhop"
}

// live returns the gateway, started at the first call.
func live(t *testing.T) *gateway {
	t.Helper()
	started.Do(func() { failure = shared.start() })
	if failure != nil {
		t.Fatalf("start the gateway: %v", failure)
	}
	return &shared
}

// start starts the program in a folder of its own at a free port, and waits until it is ready.
func (g *gateway) start() error {
	folder, err := os.MkdirTemp("", "bellhop-interop")
	if err != nil {
		return err
	}
	g.folder, g.key = folder, "interop-admin-key-0123456789abcdef"
	g.command = exec.Command(program(), "serve", "--data", filepath.Join(folder, "data"), "--listen", "127.0.0.1:0",
		"--allow-private")
	g.command.Env = append(environment(), "BELLHOP_ADMIN_KEY="+g.key)
	g.command.Stdout, g.command.Stderr = &g.log, &g.log
	dieWithUs(g.command)
	if err := g.command.Start(); err != nil {
		g.command = nil
		return fmt.Errorf("%w; make build makes it", err)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(folder, "data", "server.json"))
		var info struct{ URL string }
		if err != nil || json.Unmarshal(text, &info) != nil {
			continue
		}
		g.url = info.URL
		if answer, err := http.Get(g.url + "/readyz"); err == nil && answer.Body.Close() == nil &&
			answer.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("it is not ready after %v", patience)
}

// stop ends it, and prints its log if the environment asks for it.
func (g *gateway) stop() {
	g.command.Process.Signal(syscall.SIGTERM)
	g.command.Wait()
	os.RemoveAll(g.folder)
	if os.Getenv("INTEROP_LOG") != "" {
		os.Stdout.Write(g.log.Bytes())
	}
}

// bellhop runs a command of the program and returns what it printed.
func bellhop(args ...string) (string, error) {
	c := exec.Command(program(), args...)
	c.Env = environment()
	out, err := c.CombinedOutput()
	return string(out), err
}

// environment is ours without settings of Bellhop.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BELLHOP") {
			env = append(env, v)
		}
	}
	return env
}

// call calls the API and decodes the answer into out, which may be nil. It returns the status.
func (g *gateway) call(t *testing.T, method, path string, in, out any) int {
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
	req.Header.Set("Authorization", "Bearer "+g.key)
	req.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return answer.StatusCode
}

// settings are those of a source or destination, or any other JSON object.
type settings = map[string]any

var counter atomic.Int64

// name returns a name that no other source or destination has.
func name(kind string) string { return fmt.Sprintf("%s-%d", kind, counter.Add(1)) }

// A source is one of ours, for clients to send to.
type source struct {
	g    *gateway
	Name string
	URL  string
}

// source makes a source.
func (g *gateway) source(t *testing.T, provider string, s settings) source {
	t.Helper()
	made := source{g: g}
	g.call(t, http.MethodPost, "/sources", settings{"name": name(provider), "provider": provider, "settings": s}, &made)
	return made
}

// plain makes a source that takes anything, to have something to deliver.
func (g *gateway) plain(t *testing.T) source {
	t.Helper()
	return g.source(t, "generic", settings{"scheme": "none"})
}

// ring posts a body at the source, which has to take it.
func (s source) ring(t *testing.T, contentType, body string) {
	t.Helper()
	answer, err := http.Post(s.URL, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("the plain source answered %d", answer.StatusCode)
	}
}

// An event is what the API shows of one, with its body.
type event struct {
	ID          string
	Type        string
	Subject     string
	Time        time.Time
	ContentType string `json:"content_type"`
	Headers     map[string][]string
	Body        string `json:"-"`
}

// events returns the events of the source, oldest first.
func (s source) events(t *testing.T) []event {
	t.Helper()
	var list struct{ Data []struct{ ID string } }
	s.g.call(t, http.MethodGet, "/events?source="+url.QueryEscape(s.Name), nil, &list)
	events := make([]event, len(list.Data))
	for i, known := range list.Data {
		at := &events[len(events)-1-i]
		s.g.call(t, http.MethodGet, "/events/"+known.ID, nil, at)
		at.Body = s.g.body(t, known.ID)
	}
	return events
}

// one returns the only event of the source.
func (s source) one(t *testing.T) event {
	t.Helper()
	events := s.events(t)
	if len(events) != 1 {
		t.Fatalf("the source has %d events, want 1; refused: %v", len(events), s.refusals(t))
	}
	return events[0]
}

func (g *gateway) body(t *testing.T, id string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.url+"/api/v1/events/"+id+"/body", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.key)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("body of %s: %d, %v", id, answer.StatusCode, err)
	}
	return string(text)
}

// refusals returns why requests at the source were refused.
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

// refused waits until a refusal is on record, and returns why.
func (s source) refused(t *testing.T) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if reasons := s.refusals(t); len(reasons) > 0 {
			return reasons[0]
		}
	}
	t.Fatalf("nothing was refused within %v", patience)
	return ""
}

// A destination is one of ours, towards a client.
type destination struct {
	g           *gateway
	Name        string
	State       string
	StateReason string `json:"state_reason"`
	Granted     *struct {
		PerSecond float64 `json:"per_second"`
	} `json:"granted_rate"`
}

// to makes a destination for the events of s. more are further fields of it.
func (s source) to(t *testing.T, kind, url string, of settings, more ...settings) *destination {
	t.Helper()
	d := &destination{g: s.g}
	fields := settings{"name": name(kind), "type": kind, "url": url, "match": settings{"sources": []string{s.Name}}}
	if of != nil {
		fields["settings"] = of
	}
	for _, m := range more {
		for k, v := range m {
			fields[k] = v
		}
	}
	s.g.call(t, http.MethodPost, "/destinations", fields, d)
	return d
}

// reload asks for the destination's state anew.
func (d *destination) reload(t *testing.T) *destination {
	t.Helper()
	d.g.call(t, http.MethodGet, "/destinations/"+d.Name, nil, d)
	return d
}

// A delivery is what the API shows of one.
type delivery struct {
	ID       string
	State    string
	Attempts int
	NextAt   time.Time `json:"next_at"`
	Last     struct {
		Status int
		Error  string
		Detail string
	}
}

// deliveries returns those to d, oldest first.
func (d *destination) deliveries(t *testing.T) []delivery {
	t.Helper()
	var list struct{ Data []delivery }
	d.g.call(t, http.MethodGet, "/deliveries?destination="+url.QueryEscape(d.Name), nil, &list)
	for i, j := 0, len(list.Data)-1; i < j; i, j = i+1, j-1 {
		list.Data[i], list.Data[j] = list.Data[j], list.Data[i]
	}
	return list.Data
}

// settled waits until an attempt of the only delivery to d has been recorded, and until done says that it is as
// wanted.
func (d *destination) settled(t *testing.T, done func(delivery) bool) delivery {
	t.Helper()
	var last []delivery
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		last = d.deliveries(t)
		if len(last) == 1 && done(last[0]) {
			return last[0]
		}
	}
	t.Fatalf("after %v the deliveries of %s are %+v", patience, d.Name, last)
	return delivery{}
}

// delivered waits until the only delivery to d has been taken.
func (d *destination) delivered(t *testing.T) delivery {
	t.Helper()
	return d.settled(t, func(v delivery) bool { return v.State == "delivered" })
}

// provider ends the test if this binary does not have the provider.
func (g *gateway) provider(t *testing.T, name string) {
	t.Helper()
	var list struct{ Data []struct{ Name string } }
	g.call(t, http.MethodGet, "/providers", nil, &list)
	for _, p := range list.Data {
		if p.Name == name {
			return
		}
	}
	t.Fatalf("there is no provider %s", name)
}
