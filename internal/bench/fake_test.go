package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faultVariable makes the test binary a program with the commands serve and bench-relay; its value is serve's fault.
const faultVariable = "BENCH_TEST_FAULT"

func TestMain(m *testing.M) {
	fault, ok := os.LookupEnv(faultVariable)
	if !ok {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := program(ctx, os.Args[1], os.Args[2:], fault); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func program(ctx context.Context, command string, args []string, fault string) error {
	f := flag.NewFlagSet(command, flag.ExitOnError)
	if command == "bench-relay" {
		var o RelayOptions
		f.StringVar(&o.Dir, "dir", "", "")
		f.StringVar(&o.To, "to", "", "")
		f.IntVar(&o.Fanout, "fanout", 0, "")
		f.IntVar(&o.Queue, "queue", 0, "")
		f.Parse(args)
		return Relay(ctx, o)
	}
	data, listen := f.String("data", "", ""), f.String("listen", "", "")
	f.Bool("allow-private", false, "")
	f.Parse(args)
	return serveFake(ctx, *data, *listen, fault)
}

// serveFake is as much of Bellhop's serve as the bench needs.
func serveFake(ctx context.Context, data, listen, fault string) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, "admin.key"), []byte("bhk_test\n"), 0o600); err != nil {
		return err
	}
	if err := writeServerFile(data, "http://"+listener.Addr().String()); err != nil {
		return err
	}
	gateway := &fake{fault: fault}
	server := &http.Server{Handler: gateway}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	gateway.drain()
	return nil
}

// A fake is a gateway that keeps nothing, and fails in the way that fault names.
type fake struct {
	fault   string
	mu      sync.Mutex
	to      []string
	next    int
	pending atomic.Int64
}

func (g *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case readyPath:
	case "/api/v1/sources", "/api/v1/destinations":
		g.create(w, r, body)
	case sourcePath:
		g.receive(w, body)
	default:
		http.NotFound(w, r)
	}
}

func (g *fake) create(w http.ResponseWriter, r *http.Request, body []byte) {
	var noun struct{ Name, URL, Provider string }
	if err := json.Unmarshal(body, &noun); err != nil || r.Header.Get("Authorization") != "Bearer bhk_test" {
		http.Error(w, `{"code":"unauthorized"}`, http.StatusUnauthorized)
		return
	}
	if noun.URL != "" {
		g.mu.Lock()
		g.to = append(g.to, noun.URL)
		g.mu.Unlock()
	}
	w.WriteHeader(http.StatusCreated)
}

// receive loses every tenth delivery, delivers every fifth twice, refuses every fourth event or all, or dies at the twentieth.
func (g *fake) receive(w http.ResponseWriter, body []byte) {
	g.mu.Lock()
	n, to := g.next, g.to
	g.next++
	g.mu.Unlock()
	switch {
	case g.fault == "refuse" && n%4 == 0, g.fault == "refuse all":
		http.Error(w, `{"error":"try again later"}`, http.StatusServiceUnavailable)
		return
	case g.fault == "die" && n == 20:
		os.Stderr.WriteString("the disk is on fire")
		os.Exit(3)
	}
	g.pending.Add(1)
	w.WriteHeader(http.StatusAccepted)
	go func() {
		defer g.pending.Add(-1)
		for i, url := range to {
			times := 1
			if g.fault == "lose" && n%10 == 0 && i == len(to)-1 {
				times = 0
			}
			if g.fault == "twice" && n%5 == 0 && i == 0 {
				times = 2
			}
			for range times {
				if res, err := http.Post(url, "application/json", bytes.NewReader(body)); err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}
		}
	}()
}

// drain returns when nothing more is delivered.
func (g *fake) drain() {
	for g.pending.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// small are options for a run of the test binary as the program, with a fault.
func small(t *testing.T, fault string) Options {
	t.Setenv(faultVariable, fault)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // else each process under the race detector ends with a second's sleep
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Events: 200, Connections: 4, Size: 128, Runs: 1, Fanout: 1, Dir: t.TempDir(), Program: program, Progress: new(strings.Builder)}
}
