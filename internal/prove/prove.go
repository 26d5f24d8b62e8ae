// Package prove kills a gateway under load, again and again, starts it again, and counts: it proves on the machine and
// the disk of its user that what was acknowledged is neither lost nor changed.
//
// [Run] plays both neighbours of the gateway: a [Sender], which notes what was answered 2xx, and a [Receiver], which
// notes what arrives. Both write into a [Ledger], which is in memory, because the gateway is killed and this process
// is not. At the end [Ledger.Judge] compares it with the lists of the gateway's API. These are the invariants, by the
// letters that docs use:
//
//	L  a body that was answered 2xx is stored
//	T  each stored event has one delivery for each destination that wants it, and the delivery is delivered in the end
//	B  the bytes that were sent, stored and received are the same
//	P  every stored event was sent
//	U  an event with a sender's id is stored once
//	X  a delivery arrives twice only because of a kill, with the same ids, and seldom
//	S  each delivery is in exactly one state, and the states add up to all deliveries
//
// All traffic stays on the loopback interface, and nothing but a folder of its own is written. A kill is no power cut:
// the system keeps what it was given. So the report also says how far a sync of the disk can be believed; see package
// disk.
package prove

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/disk"
)

// Options are how a run is made.
type Options struct {
	Cycles      int    `json:"cycles"`      // how often the gateway is killed under load
	Connections int    `json:"connections"` // of the sender
	Rate        int    `json:"rate"`        // events a second
	Size        int    `json:"size"`        // bytes of padding in a body
	Seed        uint64 `json:"seed"`        // start of the random choices

	Dir      string    `json:"-"` // folder on the disk to try; "" is the temporary folder
	Keep     bool      `json:"-"` // the folder is kept, also if nothing is wrong
	Program  string    `json:"-"` // executable with the command serve
	Progress io.Writer `json:"-"` // gets a line for each cycle

	// ends the run with what is known so far; nil ends it after all cycles
	Stop <-chan struct{} `json:"-"`
}

// Bounds of [Options].
const (
	MaxCycles      = 10_000
	MaxConnections = 1024
	MaxRate        = 100_000
	MaxSize        = 1 << 19
)

// Check returns an error that names the flag of an option that is out of bounds.
func (o Options) Check() error {
	for _, b := range []struct {
		flag            string
		value, min, max int
	}{
		{"cycles", o.Cycles, 1, MaxCycles}, {"connections", o.Connections, 1, MaxConnections},
		{"rate", o.Rate, 1, MaxRate}, {"size", o.Size, 0, MaxSize},
	} {
		if b.value < b.min || b.value > b.max {
			return fmt.Errorf("--%s: use a number from %d to %d, not %d", b.flag, b.min, b.max, b.value)
		}
	}
	return nil
}

// A run is the gateway, its neighbours and what is known so far.
type run struct {
	options  Options
	random   *rand.Rand
	report   *Report
	ledger   *Ledger
	server   *server
	sender   *Sender
	receiver *http.Server
	base     string          // URL of the receiver
	starts   []time.Duration // from the start of the server until it was ready
}

// Run kills the gateway o.Cycles times and judges. Once o.Stop is closed it kills no more, and judges what was done so
// far; when ctx ends it gives up. A gateway that does not start, ends by itself or cannot be asked is an error; what
// does not hold is in the report; see [Report.Err]. The folder is kept and named if anything is wrong.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	r := &run{options: o, random: rand.New(rand.NewPCG(o.Seed, 0)), ledger: NewLedger(),
		report: &Report{Options: o, Machine: fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH,
			runtime.GOMAXPROCS(0))}}
	folder, err := os.MkdirTemp(o.Dir, "bellhop-prove-*")
	if err != nil {
		return nil, fmt.Errorf("a folder on the disk to try: %w", err)
	}
	defer func() {
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w; the folder %s is kept", err, folder)
			return
		}
		if o.Keep || err == nil && len(r.report.Violations) > 0 {
			r.report.Folder = folder
			return
		}
		err = errors.Join(err, os.RemoveAll(folder))
	}()
	began := time.Now()
	if err := r.examine(ctx, folder); err != nil {
		return nil, err
	}
	if err := r.do(ctx, folder); err != nil {
		return nil, err
	}
	r.report.Took = time.Since(began).Round(time.Millisecond)
	return r.report, nil
}

// syncTries and syncTime bound the measurement of syncs.
const (
	syncTries = 101
	syncTime  = 5 * time.Second
)

// examine says how far the disk of the folder can be believed.
func (r *run) examine(ctx context.Context, folder string) error {
	d, err := disk.Examine(folder)
	if err != nil {
		return err
	}
	took, err := disk.Syncs(ctx, folder, syncTries, syncTime)
	if err != nil {
		return fmt.Errorf("write and sync a file: %w", err)
	}
	r.report.Disk = Disk{Path: filepath.Dir(d.Path), System: d.System, Device: d.Device, WriteCache: d.WriteCache}
	if len(took) == 0 {
		return context.Cause(ctx)
	}
	middle := took[len(took)/2]
	d.Path, r.report.Disk.SyncMS = r.report.Disk.Path, milliseconds(middle)
	r.report.Disk.Trust, r.report.Disk.Why = d.Judge(middle)
	return nil
}

// do starts the gateway, makes the cycles, and judges.
func (r *run) do(ctx context.Context, folder string) (err error) {
	if err := r.open(folder); err != nil {
		return err
	}
	defer r.receiver.Close()
	defer func() { err = errors.Join(err, r.server.stop()) }()
	if err := r.server.launch(); err != nil {
		return err
	}
	if err := r.server.awaitReady(ctx); err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-r.options.Stop:
			stop()
		case <-loading.Done():
		}
	}()
	load := r.sender.Load(loading, r.options.Connections, r.options.Rate)
	for n := 1; n <= r.options.Cycles && loading.Err() == nil; n++ {
		if err := r.cycle(ctx, loading, n); err != nil {
			return err
		}
	}
	r.report.Interrupted = loading.Err() != nil
	stop()
	load.Wait()
	return r.judge(ctx)
}

// open opens the receiver, and prepares the server and the sender.
func (r *run) open(folder string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.base = "http://" + listener.Addr().String() + "/"
	r.receiver = &http.Server{Handler: &Receiver{Ledger: r.ledger, Answer: FailsFirst}, ReadHeaderTimeout: time.Minute}
	go r.receiver.Serve(listener)
	r.server = &server{program: r.options.Program, dir: filepath.Join(folder, "data"),
		log:  filepath.Join(folder, "server.log"),
		http: &http.Client{Timeout: time.Minute, Transport: newTransport(1)}}
	r.sender = &Sender{Ledger: r.ledger, BodyBytes: r.options.Size, Door: r.server.door,
		HTTP: &http.Client{Timeout: time.Minute, Transport: newTransport(r.options.Connections)}}
	return nil
}

// prepare makes the sources and the destinations.
func (r *run) prepare(ctx context.Context) error {
	c, err := r.server.api()
	if err != nil {
		return err
	}
	for _, s := range Sources() {
		if _, err := c.CreateSource(ctx, s); err != nil {
			return fmt.Errorf("create the source %s: %w", s.Name, err)
		}
	}
	for _, d := range []struct{ name, format string }{{"steady", "standard"}, {"flaky", "raw"}} {
		made, err := c.CreateDestination(ctx, Destination(r.base, d.name, d.format))
		if err != nil {
			return fmt.Errorf("create the destination %s: %w", d.name, err)
		}
		r.ledger.Want(Wanting{ID: made.ID, Name: d.name, Concurrency: made.Concurrency})
	}
	return nil
}

// Bounds of the random moments.
const (
	leastLoad = 100 * time.Millisecond // from ready until the kill
	mostLoad  = 1500 * time.Millisecond
)

// cycle lets the load go on for a while, kills the gateway, and starts it again. In one of three cycles it is killed
// while it starts, too, up to three times in a row.
func (r *run) cycle(ctx, loading context.Context, n int) error {
	under := leastLoad + r.upTo(mostLoad-leastLoad)
	Pause(loading, under)
	if loading.Err() != nil {
		return nil
	}
	if err := r.kill(); err != nil {
		return err
	}
	inStart := 0
	for ; inStart < 3 && r.random.IntN(3) == 0; inStart++ {
		if err := r.server.launch(); err != nil {
			return err
		}
		time.Sleep(r.upTo(r.usualStart() * 11 / 10))
		if err := r.kill(); err != nil {
			return err
		}
		r.report.StartKills++
	}
	began := time.Now()
	if err := r.server.launch(); err != nil {
		return err
	}
	if err := r.server.awaitReady(ctx); err != nil {
		return err
	}
	ready := time.Since(began)
	r.starts = append(r.starts, ready)
	r.report.CyclesDone = n
	again := ""
	if inStart > 0 {
		again = fmt.Sprintf(", and %d more in its start", inStart)
	}
	fmt.Fprintf(r.options.Progress, "cycle %d/%d: killed after %s under load%s; ready again after %s; "+
		"acknowledged %d, received %d\n", n, r.options.Cycles, under.Round(time.Millisecond), again,
		ready.Round(time.Millisecond), r.ledger.Acked(), r.ledger.Arrived())
	return nil
}

// kill kills the gateway and notes it.
func (r *run) kill() error {
	r.ledger.Kill()
	r.report.Kills++
	return r.server.kill()
}

// upTo returns a random length of time.
func (r *run) upTo(most time.Duration) time.Duration {
	return time.Duration(r.random.Int64N(int64(most)))
}

// usualStart returns how long the gateway usually takes to start.
func (r *run) usualStart() time.Duration {
	if len(r.starts) == 0 {
		return 200 * time.Millisecond
	}
	return slices.Sorted(slices.Values(r.starts))[len(r.starts)/2]
}

// judge waits until all deliveries have settled, and compares.
func (r *run) judge(ctx context.Context) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	c, err := r.server.api()
	if err != nil {
		return err
	}
	stored, err := ReadStored(ctx, c)
	if err != nil {
		return fmt.Errorf("read what is stored: %w", err)
	}
	r.report.Verdict = r.ledger.Judge(stored)
	if len(r.starts) > 0 {
		r.report.Ready = Ready{milliseconds(r.usualStart()), milliseconds(slices.Max(r.starts))}
	}
	return nil
}

// stillness is how long nothing arrives before what is owed counts as lost.
const stillness = 30 * time.Second

// settle waits until no delivery is pending or leased, or until nothing has arrived for stillness.
func (r *run) settle(ctx context.Context) error {
	c, err := r.server.api()
	if err != nil {
		return err
	}
	arrived, since, said := r.ledger.Arrived(), time.Now(), time.Now()
	for {
		if err := r.server.alive(); err != nil {
			return err
		}
		stats, err := c.Stats(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("ask what is owed: %w", err)
		}
		owed := stats.Deliveries["pending"] + stats.Deliveries["leased"]
		if now := r.ledger.Arrived(); now != arrived {
			arrived, since = now, time.Now()
		}
		if owed == 0 || time.Since(since) > stillness {
			return nil
		}
		if time.Since(said) > 2*time.Second {
			said = time.Now()
			fmt.Fprintf(r.options.Progress, "waiting for %d deliveries\n", owed)
		}
		Pause(ctx, 20*time.Millisecond)
	}
}
