package journey

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// A start and a stop take well under a second. These bounds only end a test that would wait for ever, also on a
// machine that is busy with other work.
const (
	startWithin = 2 * time.Minute
	stopWithin  = 2 * time.Minute
)

// patience is how long a test waits for an event that comes at once on an idle machine.
const patience = time.Minute

// A gateway is the program, its data folder and its log. It can be started again after it has ended in any way.
type gateway struct {
	t       *testing.T
	dir     string   // the data folder
	args    []string // flags of serve, besides folder and address
	wrapper []string // a command that runs the program, such as strace
	logFile string   // stdout and stderr of all starts

	url     atomic.Pointer[string]
	pid     int // of the program; while a wrapper starts it, of the wrapper
	command *exec.Cmd
	ended   chan struct{} // closed when command has ended
}

// newGateway starts a gateway in a new folder. It is killed when the test ends; if the test failed, its log is shown.
func newGateway(t *testing.T, args ...string) *gateway {
	t.Helper()
	g := prepareGateway(t, filepath.Join(t.TempDir(), "data"), args...)
	g.start()
	return g
}

// prepareGateway is newGateway in the folder dir, without the start.
func prepareGateway(t *testing.T, dir string, args ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: dir, args: args, logFile: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		if g.running() {
			g.kill()
		}
		if t.Failed() {
			t.Logf("the end of the gateway's log:\n%s", g.endOfLog())
		}
	})
	return g
}

// serve returns the command that serves the data folder at a free port.
func (g *gateway) serve() *exec.Cmd {
	line := append(slices.Clone(g.wrapper), program, "serve", "--data", g.dir, "--listen", "127.0.0.1:0",
		"--allow-private")
	line = append(line, g.args...)
	c := exec.Command(line[0], line[1:]...)
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "BELLHOP_") || strings.HasPrefix(v, "GOGC=") // which is for the tests
	})
	dieWithUs(c)
	return c
}

// start starts the program, waits until it is ready, and returns how long that took.
func (g *gateway) start() time.Duration {
	g.t.Helper()
	os.Remove(filepath.Join(g.dir, "server.json")) // a killed program leaves it behind
	out, err := os.OpenFile(g.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer out.Close()
	c := g.serve()
	c.Stdout, c.Stderr = out, out
	began := time.Now()
	if err := c.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.command, g.pid, g.ended = c, c.Process.Pid, make(chan struct{})
	go func(ended chan struct{}) {
		c.Wait()
		close(ended)
	}(g.ended)
	eventually(g.t, startWithin, "the gateway is ready", func() bool {
		if !g.running() {
			g.t.Fatalf("it ended at once: %v", c.ProcessState)
		}
		return g.readServerFile() && g.status("/readyz") == http.StatusOK
	})
	return time.Since(began)
}

// readServerFile learns the URL and process id from the file that the program writes for clients.
func (g *gateway) readServerFile() bool {
	text, err := os.ReadFile(filepath.Join(g.dir, "server.json"))
	var info struct {
		URL string
		PID int
	}
	if err != nil || json.Unmarshal(text, &info) != nil {
		return false
	}
	g.url.Store(&info.URL)
	g.pid = info.PID
	return true
}

// running reports whether the program was started and has not ended.
func (g *gateway) running() bool {
	if g.ended == nil {
		return false
	}
	select {
	case <-g.ended:
		return false
	default:
		return true
	}
}

// kill ends the program without a chance to write anything. Unlike in a power cut, the system keeps its file caches.
func (g *gateway) kill() {
	g.t.Helper()
	g.signal(syscall.SIGKILL)
	<-g.ended
}

// stop asks the program to end, and returns its exit status and how long it took.
func (g *gateway) stop() (status int, took time.Duration) {
	g.t.Helper()
	began := time.Now()
	g.signal(syscall.SIGTERM)
	select {
	case <-g.ended:
	case <-time.After(stopWithin):
		g.kill()
		g.t.Fatalf("it did not stop within %v", stopWithin)
	}
	return g.command.ProcessState.ExitCode(), time.Since(began)
}

// signal sends s to the program.
func (g *gateway) signal(s syscall.Signal) {
	g.t.Helper()
	if err := syscall.Kill(g.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		g.t.Fatal(err)
	}
}

// address returns the host and port of the program: "127.0.0.1:8080".
func (g *gateway) address() string { return strings.TrimPrefix(*g.url.Load(), "http://") }

// in returns the URL of a source.
func (g *gateway) in(source string) string { return *g.url.Load() + "/in/" + source }

// status returns the status of the answer to a GET, or 0 without an answer.
func (g *gateway) status(path string) int {
	res, err := probing.Get(*g.url.Load() + path)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// probing opens a connection for each request, as a new client does.
var probing = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// key returns the admin key, which the program made.
func (g *gateway) key() string {
	g.t.Helper()
	key, err := os.ReadFile(filepath.Join(g.dir, "admin.key"))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(key))
}

// client returns a client of the API.
func (g *gateway) client() *client.Client { return client.New(*g.url.Load(), g.key(), nil) }

// metric returns the value of a metric without labels.
func (g *gateway) metric(name string) string {
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, *g.url.Load()+"/metrics", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.key())
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// source creates a source.
func (g *gateway) source(name, provider string, settings map[string]any) client.Source {
	g.t.Helper()
	return g.newSource(client.NewSource{Name: name, Provider: provider, Settings: settings})
}

// newSource creates a source with settings beyond those of its provider.
func (g *gateway) newSource(s client.NewSource) client.Source {
	g.t.Helper()
	made, err := g.client().CreateSource(context.Background(), s)
	if err != nil {
		g.t.Fatalf("source %s: %v", s.Name, err)
	}
	return made
}

// destination creates a destination.
func (g *gateway) destination(d client.NewDestination) client.Destination {
	g.t.Helper()
	made, err := g.client().CreateDestination(context.Background(), d)
	if err != nil {
		g.t.Fatalf("destination %s: %v", d.Name, err)
	}
	return made
}

// log returns all output of the program.
func (g *gateway) log() string {
	text, _ := os.ReadFile(g.logFile)
	return string(text)
}

// endOfLog returns the last 4,000 bytes of the log.
func (g *gateway) endOfLog() string {
	text := g.log()
	return text[max(0, len(text)-4000):]
}
