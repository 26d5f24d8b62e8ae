package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/bench"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newBenchCommand(e *env) *cobra.Command {
	var o bench.Options
	against := bench.Comparisons()[0]
	var asJSON bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: compare Bellhop with an in-memory relay or with itself",
		Long: `Measure this machine: compare Bellhop with an in-memory relay, or with itself in another
configuration.

The relay answers at once and forwards each body from memory, with Go's own HTTP server and client.
It checks and stores nothing, so it shows about the most that any gateway could do on this machine.
Bellhop runs as 'bellhop serve' does by default, in a temporary folder. Both sides of a comparison
run in processes of their own, by turns. Other work on the machine changes all figures, so compare
the ratio: it is the median over pairs of neighbouring runs. --against is one of:

` + benchComparisons() + `
Latencies count from the time at which an event was due. With --rate, they therefore include the
time that events wait for a slow gateway. CPU is the user and system time of the gateway's process,
including its clean stop. Nothing leaves this machine, and all data is removed at the end.

Exit status: 0 done, 1 failed or something accepted was lost, 2 wrong usage.`,
		Example: `  bellhop bench
  bellhop bench --events 200000 --connections 256 --sign
  bellhop bench --rate 1000 --events 10000
  bellhop bench --against where --where "data.kind == 'bench'"
  bellhop bench --against outage --backlog 1000000 --runs 1`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := benchOptions(c, &o, against); err != nil {
				return &usageError{err}
			}
			var err error
			if o.Program, err = os.Executable(); err != nil {
				return err
			}
			o.Progress, o.Live = e.stderr, isTerminal(e.stderr)
			return runBench(c.Context(), e, o, asJSON)
		},
	}
	f := c.Flags()
	enumFlag(c, &against, "against", against, bench.Comparisons(), "the comparison to make")
	f.IntVar(&o.Events, "events", 0,
		"events of one run (default of this and all other numbers: depends on the comparison)")
	f.IntVar(&o.Connections, "connections", 0, "connections that post events, one event at a time on each")
	f.IntVar(&o.Size, "size", 0, "bytes of one event's body")
	f.IntVar(&o.Runs, "runs", 0, "runs of each side")
	f.IntVar(&o.Rate, "rate", 0,
		"events posted per second, whether or not earlier ones are answered; 0 posts the next one after an answer")
	f.IntVar(&o.Fanout, "fanout", 0, "destinations that each event is delivered to")
	f.BoolVar(&o.Sign, "sign", false, "make Bellhop verify and sign with Standard Webhooks")
	f.StringVar(&o.Where, "where", "",
		"expression of each destination's match; it must be true for {\"bench\": …, \"kind\": \"bench\", \"pad\": …}")
	f.IntVar(&o.Batch, "batch", 0, "events in a request")
	f.IntVar(&o.Destinations, "destinations", 0, "destinations, each with events of its own")
	f.IntVar(&o.Backlog, "backlog", 0, "deliveries that become due at the same time")
	lengthFlag(c, &o.Delay, "delay", 0, "time that the receiver of a backlog takes to answer")
	f.StringVar(&o.Dir, "dir", "",
		"folder for temporary data (default: the system's temporary folder, if it is on a disk)")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// benchComparisons returns the part of the help that explains --against.
func benchComparisons() string {
	var b strings.Builder
	for _, line := range bench.About() {
		fmt.Fprintf(&b, "  %-8s %s\n", line[0], line[1])
	}
	return b.String()
}

// benchOptions sets o to the defaults of the comparison, and then to the flags that were given.
func benchOptions(c *cobra.Command, o *bench.Options, against string) error {
	given := map[string]string{}
	c.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = f.Value.String() })
	defaults, err := bench.Defaults(against)
	if err != nil {
		return err
	}
	*o = defaults
	for name, value := range given {
		if err := c.Flags().Set(name, value); err != nil {
			return err
		}
	}
	return o.Check()
}

func runBench(ctx context.Context, e *env, o bench.Options, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	found, err := bench.Run(ctx, o)
	return showReport(ctx, e, "bench", found, err, asJSON)
}

// A report is what bench and prove found.
type report interface {
	WriteTable(w io.Writer) error
	Err() error
}

// showReport prints what the command found, unless it ended by err, and returns the fault that it found.
func showReport(ctx context.Context, e *env, command string, found report, err error, asJSON bool) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%s: interrupted", command)
	case err != nil:
		return fmt.Errorf("%s: %w", command, err)
	case asJSON:
		err = printJSON(e.stdout, found)
	default:
		err = found.WriteTable(e.stdout)
	}
	if err != nil {
		return err
	}
	return found.Err()
}

// newBenchRelayCommand makes the hidden command that runs the relay. Only bench starts it.
func newBenchRelayCommand(e *env) *cobra.Command {
	var o bench.RelayOptions
	c := &cobra.Command{
		Use:    "bench-relay",
		Short:  "Run the in-memory relay of bench",
		Hidden: true,
		Args:   noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			app.TuneMemory(e.getenv) // as serve does, so that both sides have the same garbage collector settings
			return bench.Relay(ctx, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", ".", "folder for server.json")
	f.StringVar(&o.To, "to", "", "loopback URL to forward to; the number of the destination is appended")
	f.IntVar(&o.Fanout, "fanout", 1, "destinations")
	f.IntVar(&o.Queue, "queue", 1024, "bodies held in memory at most")
	return c
}
