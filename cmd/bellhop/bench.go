package main

import (
	"context"
	"errors"
	"fmt"
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
		Short: "Measure this machine: Bellhop beside an in-memory relay, or beside itself",
		Long: `Measure this machine: Bellhop beside an in-memory relay, or beside itself with and without something.

The relay answers at once and hands each body on from memory, with Go's own HTTP server and client. It checks and keeps
nothing, so it shows about what a gateway can do at most. Bellhop runs as 'bellhop serve' does by default, in a
temporary folder. The two sides of a comparison are processes of their own and take turns; what else the machine does
moves all figures, so what counts is the ratio, the median of those of neighbouring runs. --against is one of:

` + benchComparisons() + `
Latencies are from when an event was due: with --rate, what a slow gateway holds up counts. CPU is user and system time
of the gateway's process, its clean stop included. Nothing leaves this machine, and nothing stays on it.

Exit status: 0 done, 1 failed or something accepted was lost, 2 wrong usage.`,
		Example: `  bellhop bench
  bellhop bench --events 200000 --connections 256 --sign
  bellhop bench --rate 1000 --events 10000
  bellhop bench --against where --where "data.kind == 'bench'"
  bellhop bench --against outage --backlog 1000000 --runs 1`,
		Args: cobra.NoArgs,
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
	f.StringVar(&against, "against", against, "what is compared: "+strings.Join(bench.Comparisons(), ", "))
	f.IntVar(&o.Events, "events", 0, "events of one run; each comparison has its own default, as for all that follow")
	f.IntVar(&o.Connections, "connections", 0, "connections that events are posted on, one at a time on each")
	f.IntVar(&o.Size, "size", 0, "bytes of one event's body")
	f.IntVar(&o.Runs, "runs", 0, "runs of each side")
	f.IntVar(&o.Rate, "rate", 0, "events per second, whether or not they are answered; 0 is as fast as they are")
	f.IntVar(&o.Fanout, "fanout", 0, "destinations that each event is delivered to")
	f.BoolVar(&o.Sign, "sign", false, "have Bellhop verify and sign, by Standard Webhooks")
	f.StringVar(&o.Where, "where", "", "expression of each destination's match; it must be true of {\"bench\": …, \"kind\": \"bench\", \"pad\": …}")
	f.IntVar(&o.Batch, "batch", 0, "events in a request")
	f.IntVar(&o.Destinations, "destinations", 0, "destinations, each of which gets events of its own")
	f.IntVar(&o.Backlog, "backlog", 0, "deliveries that come due at once")
	f.DurationVar(&o.Delay, "delay", 0, "what the receiver of a backlog takes to answer")
	f.StringVar(&o.Dir, "dir", "", "folder to keep data in meanwhile; empty is the system's for temporary files, if that is on a disk")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// benchComparisons is the part of help that explains --against.
func benchComparisons() string {
	var b strings.Builder
	for _, line := range bench.About() {
		fmt.Fprintf(&b, "  %-8s %s\n", line[0], line[1])
	}
	return b.String()
}

// benchOptions fills in the defaults of a comparison, which are not the same for each, where no flag says otherwise.
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
	report, err := bench.Run(ctx, o)
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("bench: interrupted")
	case err != nil:
		return fmt.Errorf("bench: %w", err)
	case asJSON:
		err = printJSON(e.stdout, report)
	default:
		err = report.WriteTable(e.stdout)
	}
	if err != nil {
		return err
	}
	return report.Err()
}

// newBenchRelayCommand makes what bench compares Bellhop with; only bench runs it.
func newBenchRelayCommand(e *env) *cobra.Command {
	var o bench.RelayOptions
	c := &cobra.Command{
		Use:    "bench-relay",
		Short:  "The in-memory relay of bench",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			app.TuneMemory(e.getenv) // as serve does, so that the garbage collector makes no difference between them
			return bench.Relay(ctx, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", ".", "folder for server.json")
	f.StringVar(&o.To, "to", "", "loopback URL that destinations' numbers are appended to")
	f.IntVar(&o.Fanout, "fanout", 1, "destinations")
	f.IntVar(&o.Queue, "queue", 1024, "bodies held in memory")
	return c
}
