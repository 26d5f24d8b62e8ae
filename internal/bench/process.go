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
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 30 * time.Second // until a gateway is ready
	stopTimeout  = 15 * time.Second // from the signal until it is killed
)

// serverFile is where a gateway says, within its folder, at which URL it listens.
const serverFile = "server.json"

type serverInfo struct {
	URL string `json:"url"`
}

// writeServerFile makes the file appear whole.
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

// A process is a gateway under test. What it logs goes to a file beside its folder.
type process struct {
	dir     string
	log     string
	url     string // known once ready
	command *exec.Cmd
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has ended; err says how
	err     error
}

// start runs a program that makes and uses the folder dir. It gets a SIGTERM when ctx ends.
func start(ctx context.Context, program, dir string, args []string) (*process, error) {
	p := &process{dir: dir, log: dir + ".log", done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	ctx, p.cancel = context.WithCancel(ctx)
	c := exec.CommandContext(ctx, program, args...)
	c.Args[0] = os.Args[0] // programs that go by several names look at it
	c.Env = plainEnvironment(os.Environ())
	c.Stdout, c.Stderr = out, out
	c.WaitDelay = stopTimeout
	c.Cancel = func() error {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return c.Process.Kill() // there are systems without signals
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

// plainEnvironment leaves out the settings of the server that the person runs otherwise.
func plainEnvironment(all []string) (plain []string) {
	for _, v := range all {
		if !strings.HasPrefix(v, "BELLHOP_") {
			plain = append(plain, v)
		}
	}
	return plain
}

// stop asks p to end and waits until it has. It is an error if p had to be killed, or failed.
func (p *process) stop() error {
	p.cancel()
	<-p.done
	if state := p.command.ProcessState; state == nil || !state.Success() {
		return fmt.Errorf("it did not stop cleanly: %w%s", p.err, p.lastWords())
	}
	return nil
}

// within returns a context that ends when p does.
func (p *process) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.done:
			cancel(fmt.Errorf("it ended before its time: %v%s", p.err, p.lastWords()))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// ready waits until p listens and says that it is ready.
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

// lastWords is the end of what p has logged, after a colon.
func (p *process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if text = bytes.TrimSpace(text); err != nil || len(text) == 0 {
		return ""
	}
	return ": " + string(text[max(0, len(text)-1000):])
}
