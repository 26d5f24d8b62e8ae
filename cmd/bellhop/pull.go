package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/action"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

// This file is the client of destinations of type pull: it pulls their deliveries, and has a command work on each
// or prints them.

func newPullCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "pull NAME (--exec COMMAND | --ack)",
		Short: "Fetch the deliveries of a destination of type pull, and run a command for each",
		Long: `Fetch the deliveries of a destination of type pull, and run a command for each. So a machine that no
server can reach takes events: it only calls the server.

The command of --exec is run by the shell (cmd.exe on Windows), with the body on its standard input.
Exit status 0 is an ack: the event is delivered. Any other one is a nack: it comes again after
--nack-delay, or by the retry schedule of the destination, until that is used up. While the command
runs, nobody else gets the event. Its output goes to stderr. The environment is that of 'bellhop
pull', and the variables of destinations of type exec: BELLHOP_EVENT_ID, BELLHOP_EVENT_TYPE,
BELLHOP_EVENT_SUBJECT, BELLHOP_EVENT_SOURCE, BELLHOP_EVENT_TIME, BELLHOP_EVENT_RECEIVED_AT,
BELLHOP_EVENT_TENANT, BELLHOP_EVENT_CONTENT_TYPE, BELLHOP_DELIVERY_ID and BELLHOP_ATTEMPT. Each
header is one more: BELLHOP_HEADER_WEBHOOK_SIGNATURE.

Without --exec, each delivery is printed as a line of JSON, with its body and its token. With --ack it
is acked once it is printed. Without that, whoever reads the line has to ack it over the API before
its ends_at; otherwise the attempt has failed, and the event comes again.

If the server cannot be reached for a while, the command waits for it and goes on. What was done
meanwhile is acked then, and a delivery that comes again is not worked on twice.

Ctrl-C, or SIGTERM, ends the command once what is in hand is done. A second one ends the commands that
run, and gives their events back as nacks without a delay.`,
		Example: `  bellhop pull jobs --exec './handle.sh'
  bellhop pull jobs --exec 'jq .id >> ids.txt' --concurrency 4 --nack-delay 30s
  bellhop pull jobs --exec ./handle.sh --once --wait 0s
  bellhop pull jobs --ack > events.jsonl
  bellhop pull jobs --exec ./handle.sh --server https://hooks.example.com --api-key "$KEY"`,
		Args: oneArgument("name or id of the destination"),
	}
	conn := newConnection(e, c.Flags())
	p := puller{e: e, conn: conn, nackDelay: -1}
	c.Flags().StringVar(&p.command, "exec", "", "run this command for each delivery, with the "+
		"body on its standard input")
	rangeFlag(c, &p.max, "max", bellhop.DefaultPullMax, 1, bellhop.MaxPullMax, "deliveries to fetch at a time, 1 "+
		"to 100")
	lengthFlag(c, &p.wait, "wait", bellhop.MaxPullWait, "how long the server waits for a delivery before it is "+
		"asked again, up to 30s; with --once, before the end")
	rangeFlag(c, &p.concurrency, "concurrency", 1, 1, bellhop.MaxConcurrency,
		"with --exec: commands that run at the same time, 1 to 1024")
	c.Flags().BoolVar(&p.once, "once", false, "fetch once, and end when that is done")
	c.Flags().BoolVar(&p.acks, "ack", false, "without --exec: ack each delivery once it is printed")
	lengthFlag(c, &p.nackDelay, "nack-delay", -1,
		"with --exec: how long a delivery waits after a command that failed, up to 24h (default: the retry schedule)")
	c.Flags().Lookup("nack-delay").DefValue = ""
	c.RunE = func(c *cobra.Command, args []string) error {
		p.destination = args[0]
		switch {
		case p.command != "" && p.acks:
			return wrongUsage("give --exec or --ack, not both: the exit status of the command is the ack")
		case p.command == "" && firstChanged(c, "concurrency", "nack-delay") != "":
			return wrongUsage("--%s goes with --exec", firstChanged(c, "concurrency", "nack-delay"))
		case p.wait < 0 || p.wait > bellhop.MaxPullWait:
			return wrongUsage("--wait: use a length of time up to 30s")
		case p.wait < time.Second && !p.once:
			return wrongUsage("--wait: use at least 1s, or --once, so that the server is not asked without a pause")
		case c.Flags().Changed("nack-delay") && (p.nackDelay < 0 || p.nackDelay > bellhop.MaxNackDelay):
			return wrongUsage("--nack-delay: use a length of time up to 24h")
		}
		return conn.call(func(api *client.Client) error {
			p.api = api
			return p.run(c.Context())
		})
	}
	return c
}

// A puller is one run of the command.
type puller struct {
	e           *env
	conn        *connection
	api         *client.Client
	destination string // name or id
	command     string // "" prints
	max         int
	concurrency int
	wait        time.Duration
	once        bool
	acks        bool
	nackDelay   time.Duration // negative is by the schedule
	lease       time.Duration // how long a lease lasts

	printing sync.Mutex // guards the outputs of e, and count
	count    int        // of the deliveries that were done

	mu    sync.Mutex             // guards works, and the fields of works that say so
	works map[string]*pulledWork // in hand, by the id of the delivery
}

// run pulls until there is no need or the user interrupts it, which is no error, and waits for what is in hand.
func (p *puller) run(ctx context.Context) error {
	pulling, stop := context.WithCancel(ctx)
	defer stop()
	working, abort := context.WithCancel(ctx)
	defer abort()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case <-signals:
			stop()
		case <-working.Done():
			return
		}
		select {
		case <-signals:
			abort()
		case <-working.Done():
		}
	}()
	err := p.learnLease(pulling)
	if err != nil {
		return endOf(pulling, err)
	}
	if !p.once {
		p.say("fetching the deliveries of %s; Ctrl-C ends", clean(p.destination))
	}
	p.works = map[string]*pulledWork{}
	if p.command == "" {
		return endOf(pulling, p.printAll(pulling, working))
	}
	free := make(chan struct{}, p.concurrency)
	for range p.concurrency {
		free <- struct{}{}
	}
	var running sync.WaitGroup
	for err == nil {
		n := take(pulling, free, p.max)
		if n == 0 {
			break
		}
		var leases []client.Lease
		leases, err = p.pull(pulling, n)
		for range n - len(leases) {
			free <- struct{}{}
		}
		for _, l := range leases {
			running.Go(func() {
				p.work(working, l)
				free <- struct{}{}
			})
		}
		if p.once {
			break
		}
	}
	if left := p.concurrency - len(free); pulling.Err() != nil && left > 0 {
		p.say("waiting for %s in hand; Ctrl-C gives them back", bellhop.Count(left, "event"))
	}
	running.Wait()
	return endOf(pulling, err)
}

// endOf returns err, unless the user has interrupted the command.
func endOf(pulling context.Context, err error) error {
	if pulling.Err() != nil {
		return nil
	}
	return err
}

// take takes places: at least one, for which it waits until ctx ends, and at most n. It returns how many.
func take(ctx context.Context, free <-chan struct{}, n int) (taken int) {
	select {
	case <-free:
	case <-ctx.Done():
		return 0
	}
	for taken = 1; taken < n; taken++ {
		select {
		case <-free:
		default:
			return taken
		}
	}
	return taken
}

// learnLease learns how long a lease of the destination lasts.
func (p *puller) learnLease(ctx context.Context) error {
	d, err := p.api.Destination(ctx, p.destination)
	if err != nil {
		return err
	}
	if d.Type != bellhop.TypePull {
		return fmt.Errorf("destination %s is of type %s: only the deliveries of one of type pull can be fetched",
			clean(p.destination), clean(d.Type))
	}
	p.lease, err = time.ParseDuration(d.Timeout)
	return err
}

// pull pulls at most n deliveries. While the server cannot be reached, or cannot take the pull, it asks again.
func (p *puller) pull(ctx context.Context, n int) ([]client.Lease, error) {
	for failures := 0; ; failures++ {
		leases, err := p.api.Pull(ctx, p.destination, n, p.wait)
		var refused *client.Error
		if err == nil || ctx.Err() != nil || errors.As(err, &refused) && refused.Status < 500 {
			return leases, err
		}
		if failures == 0 {
			p.say("the server does not answer (%s); it is asked again until it does", clean(err.Error()))
		}
		err = pauseFor(ctx, min(30*time.Second, time.Second<<min(failures, 10)))
		if err != nil {
			return nil, err
		}
	}
}

// printAll prints deliveries until pulling ends or there is no need.
func (p *puller) printAll(pulling, working context.Context) error {
	for pulling.Err() == nil {
		leases, err := p.pull(pulling, p.max)
		for _, l := range leases {
			if err == nil {
				err = printData(p.e, l)
			}
			if err == nil && p.acks {
				err = p.api.Ack(working, l)
			}
		}
		if err != nil || p.once {
			return err
		}
	}
	return nil
}

// say writes one line to stderr.
func (p *puller) say(format string, args ...any) {
	p.printing.Lock()
	defer p.printing.Unlock()
	fmt.Fprintf(p.e.stderr, format+"\n", args...)
}

// A pulled is what came of a delivery, as --json prints it.
type pulled struct {
	Number     int     `json:"number"`
	EventID    string  `json:"event_id"`
	DeliveryID string  `json:"delivery_id"`
	Attempt    int     `json:"attempt"`
	Source     string  `json:"source"`
	Type       string  `json:"type"`
	Subject    string  `json:"subject"`
	Outcome    string  `json:"outcome"` // acked, nacked, or lost: the server did not take either
	Error      string  `json:"error"`   // why it was not acked
	DurationMS float64 `json:"duration_ms"`
}

// print numbers what came of a delivery, and prints it as one line.
func (p *puller) print(l client.Lease, outcome, failure string, took time.Duration) {
	p.printing.Lock()
	defer p.printing.Unlock()
	p.count++
	done := pulled{Number: p.count, EventID: l.EventID, DeliveryID: l.DeliveryID, Attempt: l.Attempt, Source: l.Source,
		Type: l.Type, Subject: l.Subject, Outcome: outcome, Error: failure,
		DurationMS: float64(took.Microseconds()) / 1000}
	if p.conn.json {
		printData(p.e, done)
		return
	}
	words := []string{"#" + strconv.Itoa(p.count), outcome, took.Round(100 * time.Microsecond).String(),
		l.Source, l.Type, l.Subject, l.EventID}
	if failure != "" {
		words[1] += ": " + failure
	}
	if l.Attempt > 1 {
		words = append(words, "attempt "+strconv.Itoa(l.Attempt))
	}
	fmt.Fprintln(p.e.stdout, p.e.oneLine(words))
}

// A command works on the deliveries, and the server is told what came of each.

// A pulledWork is a delivery in hand: the command works on it, or the server has not taken what came of it.
type pulledWork struct {
	lease client.Lease // the latest of the delivery; puller.mu guards it
	ended bool         // the command has ended, and nobody tells the server now; puller.mu guards it

	failure string // why the command has failed; "" is success
	took    time.Duration
}

// Times of the talk with the server.
const (
	settlePause = time.Second     // between two tries to ack or nack
	giveBack    = 5 * time.Second // for the nacks of the events that are given back
)

// work has the command work on a delivery, and tells the server. A delivery that is in hand already comes again
// because its lease has ended: it is not worked on twice.
func (p *puller) work(ctx context.Context, l client.Lease) {
	p.mu.Lock()
	w := p.works[l.DeliveryID]
	if w != nil {
		w.lease = l
		tell := w.ended
		w.ended = false
		p.mu.Unlock()
		if tell {
			p.settle(ctx, w)
		}
		return
	}
	w = &pulledWork{lease: l}
	p.works[l.DeliveryID] = w
	p.mu.Unlock()

	extending, stop := context.WithCancel(ctx)
	extended := make(chan struct{})
	go func() {
		defer close(extended)
		p.extend(extending, w)
	}()
	began := time.Now()
	w.failure = p.execute(ctx, l)
	w.took = time.Since(began)
	stop()
	<-extended
	p.settle(ctx, w)
}

// latest returns the latest lease of a delivery in hand.
func (p *puller) latest(w *pulledWork) client.Lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.lease
}

// extend prolongs the lease of a delivery until ctx ends. A lease that has ended is extended again once the delivery
// has come again.
func (p *puller) extend(ctx context.Context, w *pulledWork) {
	lost := ""
	for pauseFor(ctx, p.lease/3) == nil {
		l := p.latest(w)
		if l.Token == lost {
			continue
		}
		_, err := p.api.Extend(ctx, l, 0)
		var refused *client.Error
		if errors.As(err, &refused) && refused.Status < 500 {
			lost = l.Token
			p.say("the lease of %s is lost: %s", l.DeliveryID, clean(err.Error()))
		}
	}
}

// execute runs the command for a delivery, and returns why it failed; "" if it did not.
func (p *puller) execute(ctx context.Context, l client.Lease) (failure string) {
	body, err := l.Bytes()
	if err != nil {
		return err.Error()
	}
	shell := []string{"sh", "-c"}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C"}
	}
	cmd := exec.CommandContext(ctx, shell[0], shell[1], p.command)
	cmd.Dir = p.e.dir
	cmd.Stdin = bytes.NewReader(body) // it is not an error if the command does not read it
	out := &sharedOutput{puller: p}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), variables(l)...)
	cmd.WaitDelay = time.Second
	action.OwnGroup(cmd)
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "interrupted"
	case cmd.ProcessState == nil:
		return "the command cannot be started: " + err.Error()
	case cmd.ProcessState.ExitCode() != 0:
		return cmd.ProcessState.String()
	}
	return ""
}

// variables returns the variables that describe a delivery: those of destinations of type exec, and the headers.
func variables(l client.Lease) []string {
	list := action.Variables(&bellhop.Event{ID: l.EventID, Type: l.Type, Subject: l.Subject, Source: l.Source,
		Tenant: l.Tenant, Time: l.Time.Time, ReceivedAt: l.ReceivedAt.Time, ContentType: l.ContentType},
		provider.AttemptInfo{DeliveryID: l.DeliveryID, Attempt: l.Attempt})
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		variable := "BELLHOP_HEADER_" + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		list = append(list, variable+"="+strings.ReplaceAll(strings.Join(l.Headers[name], ", "), "\x00", "\uFFFD"))
	}
	return list
}

// A sharedOutput writes the output of a command to stderr, beside those of others.
type sharedOutput struct{ *puller }

func (o *sharedOutput) Write(b []byte) (int, error) {
	o.printing.Lock()
	defer o.printing.Unlock()
	return o.e.stderr.Write(b)
}

// settle tells the server what came of a delivery, and prints it. While the server cannot be reached, it tries again.
// If the lease has ended before, a success is kept until the delivery comes again.
func (p *puller) settle(ctx context.Context, w *pulledWork) {
	for tries := 0; ; tries++ {
		l := p.latest(w)
		outcome, err := p.end(ctx, l, w.failure)
		var refused *client.Error
		known := errors.As(err, &refused) && refused.Status < 500
		switch {
		case err == nil, known && refused.Code == bellhop.CodeConflict && tries > 0: // the first try counted
			p.forget(l.DeliveryID)
			p.print(l, outcome, w.failure, w.took)
			return
		case !known && ctx.Err() == nil && pauseFor(ctx, settlePause) == nil:
			continue
		case known && refused.Code == bellhop.CodeGone && w.failure == "" && p.keep(w, l):
			p.say("the lease of %s ended too early; it is acked when it comes again: %s", l.DeliveryID,
				clean(err.Error()))
			return
		case known && refused.Code == bellhop.CodeGone && p.latest(w).Token != l.Token: // it has come again meanwhile
			continue
		}
		p.forget(l.DeliveryID)
		p.print(l, "lost", err.Error(), w.took)
		return
	}
}

// end acks or nacks a delivery. What is interrupted is given back at once, although ctx has ended.
func (p *puller) end(ctx context.Context, l client.Lease, failure string) (outcome string, err error) {
	delay := p.nackDelay
	if ctx.Err() != nil {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
		defer cancel()
		ctx, delay = limited, 0
	}
	if failure == "" {
		return "acked", p.api.Ack(ctx, l)
	}
	return "nacked", p.api.Nack(ctx, l, delay, failure[:min(len(failure), bellhop.MaxAnswerDetail)])
}

// keep keeps a success whose lease has ended. It reports false if the delivery has come again meanwhile, or if too
// many are kept.
func (p *puller) keep(w *pulledWork, l client.Lease) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.ended = w.lease.Token == l.Token && len(p.works) <= keptHanded
	return w.ended
}

func (p *puller) forget(deliveryID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.works, deliveryID)
}
