package pgtest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const superuser = "bellhop"

// A Server is a PostgreSQL that runs, or ran, for tests.
type Server struct {
	programs string // the folder with initdb and postgres
	dir      string // has everything of the server: data, password, socket
	settings []string
	password string
	port     int
	owner    owner // of the processes and of dir

	mu   sync.Mutex
	run  *run // nil while the server is stopped
	past log  // of earlier runs
}

// A run is one life of the server's processes.
type run struct {
	watcher *exec.Cmd
	control io.WriteCloser // of the watcher
	ready   chan struct{}  // closed when the server takes connections
	ended   chan struct{}  // closed when all processes have ended
	log     log
}

// A log keeps the latest lines that a server wrote.
type log struct {
	mu    sync.Mutex
	lines []string
}

// maxLogLines is how many lines a log keeps.
const maxLogLines = 200

func (l *log) add(lines ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, lines...)
	if n := len(l.lines) - maxLogLines; n > 0 {
		l.lines = slices.Delete(l.lines, 0, n)
	}
}

func (l *log) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// startTimeout is how long a start may take; machines that test are busy.
const startTimeout = time.Minute

// start creates a server and starts it. fill makes its data.
func start(o Options, fill func(*Server) error) (*Server, error) {
	s := &Server{password: rand.Text()}
	var err error
	if s.programs, err = programs(); err != nil {
		return nil, err
	}
	if s.owner, err = findOwner(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(parent(o), "bellhop-pg-"); err != nil {
		return nil, err
	}
	if err := s.create(o, fill); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	for try := 0; ; try++ { // another program may take the port before the server has it
		if s.port, err = freePort(); err == nil {
			err = s.begin()
		}
		if err == nil {
			return s, nil
		}
		if try == 4 || !strings.Contains(err.Error(), "Address already in use") {
			return nil, errors.Join(err, os.RemoveAll(s.dir))
		}
	}
}

// create makes the files of the server.
func (s *Server) create(o Options, fill func(*Server) error) error {
	if err := s.owner.give(s.dir); err != nil {
		return err
	}
	if err := fill(s); err != nil {
		return err
	}
	s.settings = []string{"listen_addresses=127.0.0.1", "unix_socket_directories=" + s.dir, "shared_buffers=64MB",
		"max_connections=300", "max_wal_size=256MB", "timezone=UTC"}
	for name, value := range o.Settings {
		s.settings = append(s.settings, name+"="+value)
	}
	return nil
}

// initialize makes the data of a new server.
func initialize(s *Server) error {
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := s.owner.give(password); err != nil {
		return err
	}
	return s.runs("initdb", "--pgdata="+s.data(), "--username="+superuser, "--pwfile="+password, "--auth=md5",
		"--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions")
}

// runs runs one of the programs of PostgreSQL.
func (s *Server) runs(program string, args ...string) error {
	cmd := exec.Command(filepath.Join(s.programs, program), args...)
	s.prepare(cmd)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+s.password)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(output)))
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// prepare makes cmd run as the owner, in the server's folder, and not in the process group of the test: a key that
// interrupts the test does not end the watcher before it has done its work.
func (s *Server) prepare(cmd *exec.Cmd) {
	cmd.Dir = s.dir
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	s.owner.runs(cmd)
}

// watch is the script of the process between the test and the server. It ends the server when the test says so, and
// when the test binary has gone in any way, which closes the pipe. Unless the test says keep, it also removes the
// folder.
const watch = `dir=$1; shift
"$@" </dev/null &
server=$!
exec 2>/dev/null
read -r signal keep
kill -s "${signal:-QUIT}" $server
wait $server
[ "$keep" = keep ] || rm -rf "$dir"`

// begin starts the processes and waits until they take connections.
func (s *Server) begin() error {
	args := []string{"-c", watch, "watch", s.dir, filepath.Join(s.programs, "postgres"), "-D", s.data(), "-p",
		strconv.Itoa(s.port)}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	r := &run{watcher: exec.Command("/bin/sh", args...), ready: make(chan struct{}), ended: make(chan struct{})}
	s.prepare(r.watcher)
	control, err := r.watcher.StdinPipe()
	if err != nil {
		return err
	}
	r.control = control
	output, err := r.watcher.StderrPipe()
	if err != nil {
		return err
	}
	if err := r.watcher.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	go r.follow(output)
	s.mu.Lock()
	s.run = r
	s.mu.Unlock()
	select {
	case <-r.ready:
		return nil
	case <-r.ended:
		s.end("QUIT")
		return fmt.Errorf("PostgreSQL did not start:\n%s", r.log.text())
	case <-time.After(startTimeout):
		s.end("QUIT")
		return fmt.Errorf("PostgreSQL did not start within %v:\n%s", startTimeout, r.log.text())
	}
}

// follow reads what the server writes, until its last process has ended.
func (r *run) follow(output io.Reader) {
	defer close(r.ended)
	ready := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		r.log.add(lines.Text())
		if !ready && strings.Contains(lines.Text(), "ready to accept") {
			ready = true
			close(r.ready)
		}
	}
}

// end ends the processes by a signal, and keeps the files.
func (s *Server) end(signal string) {
	s.mu.Lock()
	r := s.run
	s.run = nil
	s.mu.Unlock()
	if r == nil {
		return
	}
	fmt.Fprintln(r.control, signal, "keep")
	<-r.ended
	r.control.Close()
	_ = r.watcher.Wait() // its status is that of its last command
	s.past.add(r.log.text())
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run != nil
}

// Log returns the latest lines that the server wrote.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return s.past.text()
	}
	return s.past.text() + s.run.log.text()
}

// Stop ends the server as a crash would: nothing is written, and connections break off.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if !s.running() {
		t.Fatal("PostgreSQL is stopped already")
	}
	s.end("QUIT")
}

// StopCleanly ends the server as an administrator would: connections are closed, and everything is written.
func (s *Server) StopCleanly(t testing.TB) {
	t.Helper()
	if !s.running() {
		t.Fatal("PostgreSQL is stopped already")
	}
	s.end("INT")
}

// Start starts a server that was stopped, at the same address, and returns once it takes connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.running() {
		t.Fatal("PostgreSQL runs already")
	}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
}

// Restart is Stop and Start.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// remove ends the server and removes its files.
func (s *Server) remove() {
	s.end("QUIT")
	os.RemoveAll(s.dir)
}

// freePort returns a TCP port of loopback that no program listens at.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
