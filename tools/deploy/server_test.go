package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// adminKey is the admin key of the servers of the tests.
const adminKey = "deploy-check-admin-key-0123456789abcdef"

// A server is a running bellhop serve.
type server struct {
	data string
	log  bytes.Buffer // may be read after the server has ended
}

// program returns the path of bellhop: the variable BELLHOP, or what `make build` writes.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv("BELLHOP")
	if path == "" {
		path = "../../bin/bellhop"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; `make build` builds it", err)
	}
	return path
}

// environment returns the environment of the test without Bellhop's settings.
func environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BELLHOP") {
			env = append(env, v)
		}
	}
	return append(env, more...)
}

// startServer starts a server on free ports of loopback, and waits until it is ready. It ends with the test.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{data: filepath.Join(t.TempDir(), "data")}
	args = append([]string{"serve", "--data", s.data, "--listen", "127.0.0.1:0", "--listen-api", "",
		"--listen-metrics", "127.0.0.1:0"}, args...)
	start(t, &s.log, environment("BELLHOP_ADMIN_KEY="+adminKey), program(t), args...)
	s.bellhop(t, "ready", "--wait", "30s")
	return s
}

// start runs a program until the test ends, and then shows its log if the test has failed.
func start(t *testing.T, log *bytes.Buffer, env []string, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env, c.Stdout, c.Stderr = env, log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(20*time.Second, func() { c.Process.Kill() })
		c.Wait()
		timer.Stop()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), log)
		}
	})
}

// bellhop runs a command for the server and returns what it prints. It ends the test if the command fails.
func (s *server) bellhop(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(program(t), args...)
	c.Env = environment("BELLHOP_ADMIN_KEY="+adminKey, "BELLHOP_DATA="+s.data)
	if args[0] == "config" {
		c.Env = environment()
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("bellhop %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
