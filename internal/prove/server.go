package prove

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
)

// Bounds of starting and stopping the server, which end a run on a machine where it hangs.
const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 30 * time.Second
)

// A server is the program, its data folder and its log. It is started again after each kill.
type server struct {
	program string
	dir     string // the data folder
	log     string // file of what all starts print
	http    *http.Client

	url     atomic.Pointer[string] // nil while it is known to be down
	command *exec.Cmd
	ended   chan struct{} // closed when command has ended
}

// launch starts the program, and does not wait.
func (s *server) launch() error {
	out, err := os.OpenFile(s.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	c := exec.Command(s.program, "serve", "--data", s.dir, "--listen", "127.0.0.1:0", "--allow", "127.0.0.1/32")
	c.Args[0] = os.Args[0] // a program may select its behaviour by its name
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "BELLHOP_") })
	c.Stdout, c.Stderr = out, out
	setApart(c)
	if err := c.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	ended := make(chan struct{})
	s.command, s.ended = c, ended
	go func() {
		c.Wait()
		close(ended)
	}()
	return nil
}

// awaitReady waits until the server is ready.
func (s *server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the server was not ready within %s",
		startTimeout))
	defer cancel()
	for !s.probe(ctx) {
		select {
		case <-s.ended:
			return s.endedEarly()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// endedEarly is the error of a server that has ended though nobody killed it.
func (s *server) endedEarly() error {
	return fmt.Errorf("the server ended by itself (%v)%s", s.command.ProcessState, s.logEnd())
}

// probe asks once whether this start of the server is ready, and learns its URL from the file that it writes for
// clients. A killed server leaves its file behind.
func (s *server) probe(ctx context.Context) bool {
	text, err := os.ReadFile(filepath.Join(s.dir, "server.json"))
	var info struct {
		URL string
		PID int
	}
	if err != nil || json.Unmarshal(text, &info) != nil || info.PID != s.command.Process.Pid {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, info.URL+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := s.http.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return false
	}
	s.url.Store(&info.URL)
	return true
}

// door returns the URL of a source, or "" while the server is known to be down.
func (s *server) door(source string) string {
	url := s.url.Load()
	if url == nil {
		return ""
	}
	return *url + "/in/" + source
}

// alive returns an error if the server has ended by itself.
func (s *server) alive() error {
	select {
	case <-s.ended:
		return s.endedEarly()
	default:
		return nil
	}
}

// kill ends the server without a chance to write anything. Unlike in a power cut, the system keeps its file caches.
func (s *server) kill() error {
	if err := s.alive(); err != nil {
		return err
	}
	if err := s.command.Process.Kill(); err != nil {
		return fmt.Errorf("kill the server: %w", err)
	}
	<-s.ended
	s.url.Store(nil)
	return nil
}

// stop ends the server cleanly, and kills it if it does not end or if the system has no signals.
func (s *server) stop() error {
	if s.command == nil || s.alive() != nil {
		return nil
	}
	defer s.url.Store(nil)
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.command.Process.Kill()
		<-s.ended
		return nil
	}
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		s.command.Process.Kill()
		<-s.ended
		return fmt.Errorf("the server did not stop within %s%s", stopTimeout, s.logEnd())
	}
	if !s.command.ProcessState.Success() {
		return fmt.Errorf("the server did not stop cleanly (%v)%s", s.command.ProcessState, s.logEnd())
	}
	return nil
}

// api returns a client of the API.
func (s *server) api() (*client.Client, error) {
	key, err := os.ReadFile(filepath.Join(s.dir, "admin.key"))
	if err != nil {
		return nil, err
	}
	return client.New(*s.url.Load(), strings.TrimSpace(string(key)), s.http), nil
}

// logEnd returns the end of the log, after a colon; "" if the log is empty.
func (s *server) logEnd() string {
	text, err := os.ReadFile(s.log)
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return ""
	}
	return ": " + string(text[max(0, len(text)-1000):])
}

// newTransport returns a transport for so many connections that reaches nothing but this machine.
func newTransport(connections int) *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: connections,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			a, err := netip.ParseAddrPort(address)
			if err != nil || !a.Addr().IsLoopback() {
				return nil, fmt.Errorf("%s is not an address of this machine", address)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		}}
}
