package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faultVariable makes the test binary a program with the commands serve and bench-relay. Its value is the fault of
// serve.
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

// program runs a command of the test binary.
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

// serveFake implements as much of `bellhop serve` as the bench needs.
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
	kept := filepath.Join(data, "destinations.json")
	if text, err := os.ReadFile(kept); err == nil {
		if err := json.Unmarshal(text, &gateway.to); err != nil {
			return err
		}
	}
	server := &http.Server{Handler: gateway}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	gateway.drain()
	gateway.mu.Lock()
	defer gateway.mu.Unlock()
	text, err := json.Marshal(gateway.to)
	if err != nil {
		return err
	}
	return os.WriteFile(kept, text, 0o600)
}

// A fake is a gateway that stores nothing and has the named fault.
type fake struct {
	fault   string
	mu      sync.Mutex // guards to, next and the fields of the destinations
	to      []*fakeDestination
	next    int          // number of the next event
	pending atomic.Int64 // deliveries
}

// A fakeDestination has the properties of a destination that the fake implements.
type fakeDestination struct {
	URL   string
	Match struct{ Sources, Types []string }
	Batch struct {
		MaxEvents int `json:"max_events"`
	}
	paused bool // neither paused nor held is stored
	held   [][]byte
}

// wants reports whether the destination gets an event of a source and type.
func (d *fakeDestination) wants(source, kind string) bool {
	return (len(d.Match.Sources) == 0 || slices.Contains(d.Match.Sources, source)) &&
		(len(d.Match.Types) == 0 || slices.Contains(d.Match.Types, kind))
}

func (g *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	source, toDoor := strings.CutPrefix(r.URL.Path, doorPath)
	path, toAPI := strings.CutPrefix(r.URL.Path, "/api/v1")
	switch {
	case r.URL.Path == readyPath:
	case toDoor:
		g.receive(w, source, r.Header.Get(typeHeader), body)
	case toAPI && r.Header.Get("Authorization") != "Bearer bhk_test":
		http.Error(w, `{"code":"unauthorized"}`, http.StatusUnauthorized)
	case path == "/stats" && g.fault == "forget":
		io.WriteString(w, `{"deliveries":{}}`)
	case path == "/stats":
		fmt.Fprintf(w, `{"deliveries":{"pending":%d,"leased":0}}`, g.pending.Load())
	case path == "/sources":
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"id":"src_1"}`)
	case path == "/destinations":
		g.create(w, body)
	case strings.HasSuffix(path, "/pause"):
		g.pause(g.find(path))
	case strings.HasSuffix(path, "/resume"):
		g.resume(g.find(path))
	default:
		http.NotFound(w, r)
	}
}

func (g *fake) create(w http.ResponseWriter, body []byte) {
	var d fakeDestination
	if err := json.Unmarshal(body, &d); err != nil {
		http.Error(w, `{"code":"invalid"}`, http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"id":"dst_%d"}`, g.add(d))
}

func (g *fake) add(d fakeDestination) (number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.to = append(g.to, &d)
	return len(g.to) - 1
}

// find returns the destination of a path: "/destinations/dst_3/pause".
func (g *fake) find(path string) *fakeDestination {
	g.mu.Lock()
	defer g.mu.Unlock()
	number, _ := strconv.Atoi(strings.TrimPrefix(strings.Split(path, "/")[2], "dst_"))
	return g.to[number]
}

// pause has the events of d held.
func (g *fake) pause(d *fakeDestination) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d.paused = true
}

// resume delivers the held events of d, all at once, in batches of its size. With the fault "half" it drops half
// of them.
func (g *fake) resume(d *fakeDestination) {
	g.mu.Lock()
	d.paused = false
	held := d.held
	g.mu.Unlock()
	if g.fault == "half" {
		held = held[:len(held)/2]
	}
	for batch := range slices.Chunk(held, max(1, d.Batch.MaxEvents)) {
		g.pending.Add(1)
		go func() {
			defer g.pending.Add(-1)
			deliver(d.URL, bytes.Join(batch, []byte(",")))
		}()
	}
}

// receive accepts an event. Depending on the fault it loses every tenth delivery, delivers every fifth twice,
// refuses every fourth event or all, or exits at the twentieth event.
func (g *fake) receive(w http.ResponseWriter, source, kind string, body []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.next
	g.next++
	switch {
	case g.fault == "refuse" && n%4 == 0, g.fault == "refuse all":
		http.Error(w, `{"error":"try again later"}`, http.StatusServiceUnavailable)
		return
	case g.fault == "die" && n == 20:
		os.Stderr.WriteString("the disk is on fire")
		os.Exit(3)
	}
	w.WriteHeader(http.StatusAccepted)
	for i, d := range g.to {
		times := 1
		if g.fault == "lose" && n%10 == 0 && i == len(g.to)-1 {
			times = 0
		}
		if g.fault == "twice" && n%5 == 0 && i == 0 {
			times = 2
		}
		switch {
		case !d.wants(source, kind):
		case d.paused:
			d.held = append(d.held, body)
		default:
			g.pending.Add(1)
			go func() {
				defer g.pending.Add(-1)
				for range times {
					deliver(d.URL, body)
				}
			}()
		}
	}
}

// deliver posts one request, and waits for the answer for as long as the process lives: a busy machine may need long,
// and some receivers never answer.
func deliver(url string, body []byte) {
	if res, err := http.Post(url, "application/json", bytes.NewReader(body)); err == nil {
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

// drain returns when no delivery is pending, or when none has ended for 2 s: those that are left hang.
func (g *fake) drain() {
	pending, since := g.pending.Load(), time.Now()
	for range time.Tick(time.Millisecond) {
		now := g.pending.Load()
		if now != pending {
			pending, since = now, time.Now()
		}
		if now == 0 || time.Since(since) > 2*time.Second {
			return
		}
	}
}

// small returns options for a short run. The program is the test binary, by way of a script that sets the fault.
func small(t *testing.T, fault string) Options {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Under the race detector each process would end with a second's sleep without GORACE.
	script := fmt.Sprintf("#!/bin/sh\n%s='%s' GORACE=atexit_sleep_ms=0 exec '%s' \"$@\"\n", faultVariable,
		fault, binary)
	program := filepath.Join(t.TempDir(), "bellhop")
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return Options{Against: "relay", Events: 200, Connections: 4, Size: 128, Runs: 1, Fanout: 1, Dir: t.TempDir(),
		Program: program, Progress: new(strings.Builder)}
}
