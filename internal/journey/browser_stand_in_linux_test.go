//go:build browser

package journey

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// A farEnd is a running `bellhop emulate`: the outside system of a story.
type farEnd struct {
	t   *testing.T
	url string
	log string // file
}

// newFarEnd starts a stand-in for a system. It ends with the test; if the test failed, its log is shown.
func newFarEnd(t *testing.T, args ...string) *farEnd {
	t.Helper()
	s := &farEnd{t: t, log: filepath.Join(t.TempDir(), "stand-in.log")}
	out, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c := exec.Command(program, append([]string{"emulate", args[0], "--listen", "127.0.0.1:0"}, args[1:]...)...)
	c.Stdout, c.Stderr = out, out
	dieWithUs(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
		if said := s.said(); t.Failed() {
			t.Logf("the end of the stand-in's log:\n%s", said[max(0, len(said)-3000):])
		}
	})
	at := regexp.MustCompile(` at (http://\S+)\n`)
	eventually(t, startWithin, "the stand-in is ready", func() bool {
		found := at.FindStringSubmatch(s.said())
		if found == nil || !strings.Contains(s.said(), "control API: ") {
			return false
		}
		s.url = found[1]
		return true
	})
	return s
}

// said returns what the stand-in has printed.
func (s *farEnd) said() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// control makes a call of the control API.
func (s *farEnd) control(call string, body map[string]any) {
	s.t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	reply, err := http.Post(s.url+"/_control/"+call, "application/json", bytes.NewReader(encoded))
	if err != nil {
		s.t.Fatal(err)
	}
	defer reply.Body.Close()
	var answer bytes.Buffer
	answer.ReadFrom(reply.Body)
	if reply.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %s %s", call, encoded, reply.Status, answer.String())
	}
}

// happens has something happen at the system, of which it notifies whoever asked for that.
func (s *farEnd) happens(resource, change string, data map[string]any) {
	s.t.Helper()
	s.control("event", map[string]any{"resource": resource, "change_type": change, "data": data})
}

// An inbox keeps the requests that destinations send to it.
type inbox struct {
	url  string
	mu   sync.Mutex
	came []*http.Request // their bodies are read; guarded by mu
	read [][]byte
}

func newInbox(t *testing.T) *inbox {
	r := &inbox{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var body bytes.Buffer
		body.ReadFrom(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.came, r.read = append(r.came, request), append(r.read, body.Bytes())
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// requests returns what has come so far.
func (r *inbox) requests() (came []*http.Request, bodies [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(came, r.came...), append(bodies, r.read...)
}

// connects makes a connection in the page, with the client that stand-ins for Microsoft know.
func (p *person) connects(name, provider, authority, api string, more map[string]string) {
	p.t.Helper()
	p.open("/ui/connections")
	p.follow("New connection")
	p.open("/ui/connections/new?provider=" + provider)
	p.fills("name", name)
	p.fills("settings.tenant", "contoso.example")
	p.fills("settings.client_id", "bellhop")
	p.fills("settings.client_secret", "secret")
	p.fills("settings.authority", authority)
	p.fills("settings.api_url", api)
	for setting, value := range more {
		p.fills("settings."+setting, value)
	}
	p.follow("Create")
	p.sees("Redirect URI to register there")
}

// registers makes a subscription in the page.
func (p *person) registers(name, provider, source, connection, resource, changes string) {
	p.t.Helper()
	p.open("/ui/subscriptions")
	p.follow("Register a subscription")
	p.open("/ui/subscriptions/new?provider=" + provider)
	p.fills("name", name)
	p.fills("source", source)
	p.fills("connection", connection)
	p.fills("resource", resource)
	if changes != "" {
		p.fills("change_types", changes)
	}
	p.follow("Create")
	p.sees("It is created.")
}

// deliveredTo waits until a destination has got an event of a type.
func (g *gateway) deliveredTo(destination, kind string) {
	g.t.Helper()
	eventually(g.t, patience, destination+" has got "+kind, func() bool {
		l, err := g.client().Deliveries(g.t.Context(), client.DeliveryFilter{Destination: destination,
			State: "delivered", Type: kind}, client.Page{})
		return err == nil && len(l.Data) > 0
	})
}
