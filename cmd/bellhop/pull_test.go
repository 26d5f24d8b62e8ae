package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// A fakePuller is a server with one destination of type pull. Each pull and each ack or nack is answered by the next
// entry of its plan; after the last one, pulls have nothing and others are 204.
type fakePuller struct {
	*httptest.Server
	lease string // how long a lease lasts

	mu    sync.Mutex
	pulls []any    // a list of leases, or the status of a problem
	ends  []int    // statuses
	asked []string // what was asked but pulls, in order
	done  chan struct{}
}

func newFakePuller(t *testing.T, lease string, pulls []any, ends ...int) *fakePuller {
	f := &fakePuller{lease: lease, pulls: pulls, ends: ends, done: make(chan struct{})}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakePuller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(client.Header, client.APIVersion)
	verb := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Method == http.MethodGet:
		fmt.Fprintf(w, `{"id":"dst_1","name":"jobs","type":"pull","timeout":%q}`, f.lease)
		return
	case verb == "pull":
		if len(f.pulls) == 0 {
			fmt.Fprint(w, `{"data":[]}`)
			select {
			case <-f.done:
			default:
				close(f.done)
			}
			return
		}
		next := f.pulls[0]
		f.pulls = f.pulls[1:]
		if status, ok := next.(int); ok {
			problem(w, status)
			return
		}
		json.NewEncoder(w).Encode(client.Pulled{Data: next.([]client.Lease)})
		return
	}
	var body struct{ Token, Delay, Detail string }
	json.NewDecoder(r.Body).Decode(&body)
	f.asked = append(f.asked,
		strings.TrimSpace(strings.Join([]string{verb, body.Token, body.Delay, body.Detail}, " ")))
	if verb == "extend" {
		problem(w, http.StatusGone)
		return
	}
	status := http.StatusNoContent
	if len(f.ends) > 0 {
		status, f.ends = f.ends[0], f.ends[1:]
	}
	if status != http.StatusNoContent {
		problem(w, status)
		return
	}
	w.WriteHeader(status)
}

func problem(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	code := map[int]bellhop.Code{404: bellhop.CodeNotFound, 409: bellhop.CodeConflict, 410: bellhop.CodeGone,
		503: bellhop.CodeUnavailable}[status]
	json.NewEncoder(w).Encode(client.Problem{Status: status, Code: code, Detail: "it is so"})
}

// leased returns the lease of an attempt of a delivery.
func leased(id string, attempt int) []client.Lease {
	return []client.Lease{{Token: fmt.Sprintf("lse_%s_%d_x", id, attempt), DeliveryID: "dlv_" + id, Attempt: attempt,
		EventID: "evt_" + id, Type: "x.y", Source: "inbox", Body: "body"}}
}

// runPull runs a puller against f until f has nothing more.
func runPull(t *testing.T, f *fakePuller, change func(p *puller)) (out, talk string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &puller{e: &env{stdout: &stdout, stderr: &stderr, dir: t.TempDir(), getenv: noEnv}, conn: &connection{},
		api: client.New(f.URL, "k", nil), destination: "jobs", command: "true", max: 10, concurrency: 1, nackDelay: -1}
	change(p)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.done
		cancel()
	}()
	defer cancel()
	err := p.run(ctx)
	if err != nil {
		fmt.Fprintln(&stderr, "run:", err)
	}
	return stdout.String(), stderr.String()
}

// TestPullSettles: an ack that the server could not take is given again, and one that counted the first time is no
// error. A lease that was lost before is acked when the delivery comes again, and the command does not run twice.
func TestPullSettles(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("needs a shell")
	}
	t.Parallel()
	for name, c := range map[string]struct {
		pulls   []any
		ends    []int
		command string
		asked   string
		out     []string
		talk    string
		runs    int
	}{
		"taken": {[]any{503, leased("a", 1)}, nil, "true", "ack lse_a_1_x", []string{"#1  acked  "},
			"the server does not answer", 1},
		"answer lost": {[]any{leased("a", 1)}, []int{503, 409}, "true", "ack lse_a_1_x, ack lse_a_1_x",
			[]string{"#1  acked  "}, "", 1},
		"too late": {[]any{leased("a", 1), leased("a", 2)}, []int{410}, "true", "ack lse_a_1_x, ack lse_a_2_x",
			[]string{"#1  acked  ", "attempt 2"}, "the lease of dlv_a ended too early; it is " +
				"acked when it comes again", 1},
		"too late to fail": {[]any{leased("a", 1), leased("a", 2)}, []int{410}, "exit 4",
			"nack lse_a_1_x  exit status 4, nack lse_a_2_x  exit status 4",
			[]string{"#1  lost: ", "#2  nacked: exit status 4  "}, "", 2},
		"of nobody": {[]any{leased("a", 1)}, []int{404}, "true", "ack lse_a_1_x", []string{"#1  lost: "}, "", 1},
		"refused":   {[]any{404}, nil, "true", "", nil, "run: it is so", 0},
		"bad body": {[]any{[]client.Lease{{Token: "lse_a_1_x", DeliveryID: "dlv_a", BodyBase64: "?"}}}, nil, "true",
			"nack lse_a_1_x  the body of dlv_a cannot be read: illegal base64 data at input byte 0",
			[]string{"#1  nacked: the body"}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakePuller(t, "30s", c.pulls, c.ends...)
			ran := filepath.Join(t.TempDir(), "ran")
			out, talk := runPull(t, f, func(p *puller) { p.command = "cat >> " + ran + "; " + c.command })
			if asked := strings.Join(f.asked, ", "); asked != c.asked {
				t.Errorf("asked %q, want %q", asked, c.asked)
			}
			for _, want := range c.out {
				if !strings.Contains(out, want) {
					t.Errorf("%q lacks %q", out, want)
				}
			}
			if len(c.out) == 0 && out != "" || !strings.Contains(talk, c.talk) {
				t.Errorf("printed %q, said %q", out, talk)
			}
			text, _ := os.ReadFile(ran)
			if string(text) != strings.Repeat("body", c.runs) {
				t.Errorf("the command got %q", text)
			}
		})
	}
}

// A lostNotice makes a file as soon as a lease is said to be lost: the server's answer alone may still be on its way.
type lostNotice struct {
	io.Writer
	file string
}

func (n *lostNotice) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("is lost")) {
		os.WriteFile(n.file, nil, 0o600)
	}
	return n.Writer.Write(b)
}

// TestPullLosesLease: a lease that cannot be extended is said to be lost once, and the command goes on.
func TestPullLosesLease(t *testing.T) {
	t.Parallel()
	f := newFakePuller(t, "30ms", []any{leased("a", 1)})
	_, talk := runPull(t, f, func(p *puller) {
		p.command = "while ! test -e lost; do sleep 0.05; done"
		p.e.stderr = &lostNotice{Writer: p.e.stderr, file: filepath.Join(p.e.dir, "lost")}
	})
	if len(f.asked) != 2 || f.asked[0] != "extend lse_a_1_x" || f.asked[1] != "ack lse_a_1_x" ||
		!strings.Contains(talk, "the lease of dlv_a is lost: it is so") {
		t.Errorf("asked %q, said %q", f.asked, talk)
	}
}
