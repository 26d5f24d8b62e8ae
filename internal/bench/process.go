package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Names of the gateways in reports.
const (
	relayName   = "relay"
	bellhopName = "bellhop"
)

// A gateway is a kind of process that can be measured.
type gateway struct {
	// args returns its arguments: it uses the folder dir and delivers to the URLs to+"0", to+"1", ….
	args func(o Options, dir, to string) []string
	// prepare configures it once it is ready.
	prepare func(ctx context.Context, p *process, streams []*stream, secret string) error
}

// queueBytes bounds the bodies in the queue of the relay.
const queueBytes = 256 << 20

var relayGateway = gateway{
	args: func(o Options, dir, to string) []string {
		queue := min(queueBytes/o.Size, o.Events*o.Fanout)
		return []string{"bench-relay", "--dir", dir, "--to", to, "--fanout", strconv.Itoa(o.Fanout), "--queue",
			strconv.Itoa(queue)}
	},
	prepare: func(context.Context, *process, []*stream, string) error { return nil },
}

var bellhopGateway = gateway{
	args: func(_ Options, dir, _ string) []string {
		return []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--allow-private"}
	},
	prepare: createNouns,
}

// Bounds of starting and stopping a process.
const (
	startTimeout = 30 * time.Second // until a gateway is ready
	stopTimeout  = 15 * time.Second // from the signal until it is killed
)

// serverFile is the file in its folder into which a gateway writes its URL.
const serverFile = "server.json"

// serverInfo is the content of the file.
type serverInfo struct {
	URL string `json:"url"`
}

// writeServerFile writes the file atomically.
func writeServerFile(dir, url string) error {
	text, err := json.Marshal(serverInfo{url})
	if err != nil {
		return err
	}
	path := filepath.Join(dir, serverFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// A process is a gateway under test. Its log goes to a file beside its folder.
type process struct {
	dir     string
	log     string
	url     string // known once ready
	command *exec.Cmd
	cancel  context.CancelFunc
	done    chan struct{} // closed when the process has ended; then err is its error
	err     error
}

// start runs a program that uses the folder dir. The program gets a SIGTERM when ctx ends.
func start(ctx context.Context, program, dir string, args []string) (*process, error) {
	p := &process{dir: dir, log: dir + ".log", done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	ctx, p.cancel = context.WithCancel(ctx)
	c := exec.CommandContext(ctx, program, args...)
	c.Args[0] = os.Args[0] // a program may select its behaviour by its name
	c.Env = plainEnvironment(os.Environ())
	c.Stdout, c.Stderr = out, out
	c.WaitDelay = stopTimeout
	c.Cancel = func() error {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return c.Process.Kill() // some systems have no signals
		}
		return nil
	}
	p.command = c
	if err := c.Start(); err != nil {
		p.cancel()
		return nil, err
	}
	go func() {
		p.err = c.Wait()
		close(p.done)
	}()
	return p, nil
}

// plainEnvironment leaves out the settings of a server that the user runs otherwise.
func plainEnvironment(all []string) (plain []string) {
	for _, v := range all {
		if !strings.HasPrefix(v, "BELLHOP_") {
			plain = append(plain, v)
		}
	}
	return plain
}

// stop asks p to end and waits for it. It is an error if p had to be killed, or failed.
func (p *process) stop() error {
	p.cancel()
	<-p.done
	if state := p.command.ProcessState; state == nil || !state.Success() {
		return fmt.Errorf("it did not stop cleanly: %w%s", p.err, p.logEnd())
	}
	return nil
}

// within returns a context that also ends when p does.
func (p *process) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.done:
			cancel(fmt.Errorf("it ended early: %v%s", p.err, p.logEnd()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// ready waits until p listens and reports that it is ready.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("it was not ready within %s", startTimeout))
	defer cancel()
	client := &http.Client{Transport: newTransport(1)}
	defer client.CloseIdleConnections()
	for {
		err := p.probe(ctx, client)
		if err == nil {
			return nil
		}
		if sleep(ctx, 10*time.Millisecond) != nil {
			return fmt.Errorf("%w (%v)", context.Cause(ctx), err)
		}
	}
}

// probe asks p once whether it is ready, and learns its URL.
func (p *process) probe(ctx context.Context, client *http.Client) error {
	text, err := os.ReadFile(filepath.Join(p.dir, serverFile))
	if err != nil {
		return err
	}
	var info serverInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return fmt.Errorf("%s: %w", serverFile, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, info.URL+readyPath, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", readyPath, res.Status)
	}
	p.url = info.URL
	return nil
}

// logEnd returns the end of the log of p, after a colon; "" if the log is empty.
func (p *process) logEnd() string {
	text, err := os.ReadFile(p.log)
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return ""
	}
	return ": " + string(text[max(0, len(text)-1000):])
}

// clockTick is the unit of CPU time in /proc: USER_HZ, which is 100 on every platform that Go runs on. Only Linux
// has such a /proc; elsewhere cpuTime and peakMemory return false.
const clockTick = time.Second / 100

// cpuTime returns the CPU time that a process has used, user and system.
func cpuTime(pid int) (used time.Duration, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The second field is a name in parentheses, which may contain any character. utime and stime are the 14th and
	// 15th field.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * clockTick, err1 == nil && err2 == nil
}

// peakMemory returns the most resident memory that a process has had, in bytes. The rusage of a child would
// include its parent's memory at the start.
func peakMemory(pid int) (bytes int64, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	return peakIn(text)
}

// peakIn finds the peak in the text of /proc/PID/status.
func peakIn(status []byte) (int64, bool) {
	_, rest, found := bytes.Cut(status, []byte("\nVmHWM:"))
	fields := bytes.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, false
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err == nil
}
