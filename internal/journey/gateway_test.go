package journey

import (
	"context"
	"encoding/json"
	"errors"
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

// startWithin and stopWithin bound a start and a stop, on a machine that has much else to do.
const (
	startWithin = 30 * time.Second
	stopWithin  = 30 * time.Second
)

// A gateway is the program, its data folder and its log. It can be started again after it has ended, however that was.
type gateway struct {
	t       *testing.T
	dir     string   // the data folder
	args    []string // of serve, beside the folder and the address
	wrapper []string // command in front of the program, such as strace
	logFile string   // stderr and stdout of all starts

	url     atomic.Pointer[string]
	pid     int // of the program itself, once it has said so, whatever is in front
	command *exec.Cmd
	ended   chan struct{} // closed when command has ended
}

// newGateway starts a gateway in a new folder. The test ends it, and shows the end of its log if it fails.
func newGateway(t *testing.T, args ...string) *gateway {
	t.Helper()
	g := prepareGateway(t, filepath.Join(t.TempDir(), "data"), args...)
	g.start()
	return g
}

// prepareGateway is newGateway in a folder of its own choice, not started yet.
func prepareGateway(t *testing.T, dir string, args ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: dir, args: args, logFile: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		if g.running() {
			g.kill()
		}
		if t.Failed() {
			t.Logf("the gateway's last words:\n%s", g.lastWords())
		}
	})
	return g
}

// serve is the command line that serves the folder at a free port.
func (g *gateway) serve() *exec.Cmd {
	line := append(slices.Clone(g.wrapper), program, "serve", "--data", g.dir, "--listen", "127.0.0.1:0", "--allow-private")
	line = append(line, g.args...)
	c := exec.Command(line[0], line[1:]...)
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BELLHOP_") })
	dieWithUs(c)
	return c
}

// start starts the program and returns how long it took until it was ready.
func (g *gateway) start() time.Duration {
	g.t.Helper()
	os.Remove(filepath.Join(g.dir, "server.json")) // of one that was killed
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

// readServerFile learns where the program listens, from the file it writes for clients.
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

// kill ends the program as a power cut would, but for what the system has in its caches.
func (g *gateway) kill() {
	g.t.Helper()
	g.signal(syscall.SIGKILL)
	<-g.ended
}

// stop asks the program to end. It returns its exit status and how long it took.
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

func (g *gateway) signal(s syscall.Signal) {
	g.t.Helper()
	if err := syscall.Kill(g.pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		g.t.Fatal(err)
	}
}

// address is where the program listens now: "127.0.0.1:8080".
func (g *gateway) address() string { return strings.TrimPrefix(*g.url.Load(), "http://") }

// in is the URL of a source.
func (g *gateway) in(source string) string { return *g.url.Load() + "/in/" + source }

// status is what a GET is answered with; 0 if it is not answered.
func (g *gateway) status(path string) int {
	res, err := probing.Get(*g.url.Load() + path)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// probing opens a connection for each request, so that it sees what newcomers see.
var probing = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// key is the admin key, which the program made.
func (g *gateway) key() string {
	g.t.Helper()
	key, err := os.ReadFile(filepath.Join(g.dir, "admin.key"))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(key))
}

func (g *gateway) client() *client.Client { return client.New(*g.url.Load(), g.key(), nil) }

// source makes a source.
func (g *gateway) source(name, provider string, settings map[string]any) client.Source {
	g.t.Helper()
	return g.newSource(client.NewSource{Name: name, Provider: provider, Settings: settings})
}

func (g *gateway) newSource(s client.NewSource) client.Source {
	g.t.Helper()
	made, err := g.client().CreateSource(context.Background(), s)
	if err != nil {
		g.t.Fatalf("source %s: %v", s.Name, err)
	}
	return made
}

// destination makes a destination.
func (g *gateway) destination(d client.NewDestination) client.Destination {
	g.t.Helper()
	made, err := g.client().CreateDestination(context.Background(), d)
	if err != nil {
		g.t.Fatalf("destination %s: %v", d.Name, err)
	}
	return made
}

// log is all that the program has written.
func (g *gateway) log() string {
	text, _ := os.ReadFile(g.logFile)
	return string(text)
}

func (g *gateway) lastWords() string {
	text := g.log()
	return text[max(0, len(text)-4000):]
}
