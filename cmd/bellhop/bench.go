package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/bench"
	"github.com/spf13/cobra"
)

func newBenchCommand(e *env) *cobra.Command {
	o := bench.Defaults()
	var asJSON bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine: an in-memory relay and Bellhop side by side",
		Long: `Measure this machine: an in-memory relay and Bellhop side by side.

The relay answers at once and hands each body on from memory, with Go's own HTTP server and client. It checks and keeps
nothing, so it shows about what a gateway can do at most. Bellhop runs as 'bellhop serve' does by default, in a
temporary folder. Both are processes of their own, get the same events over loopback HTTP, and take turns; what else
the machine does moves all figures, so what counts is the ratio, the median of those of neighbouring runs.

Latencies are from when an event was due: with --rate, what a slow gateway holds up counts. CPU is user and system time
of the gateway's process, its clean stop included. Nothing leaves this machine, and nothing stays on it.

Exit status: 0 done, 1 failed or something accepted was lost, 2 wrong usage.`,
		Example: `  bellhop bench
  bellhop bench --events 200000 --connections 256 --sign
  bellhop bench --rate 1000 --events 10000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
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
	f.IntVar(&o.Events, "events", o.Events, "events of one run")
	f.IntVar(&o.Connections, "connections", o.Connections, "connections that events are posted on, one at a time on each")
	f.IntVar(&o.Size, "size", o.Size, "bytes of one event's body")
	f.IntVar(&o.Runs, "runs", o.Runs, "runs of each gateway")
	f.IntVar(&o.Rate, "rate", o.Rate, "events per second, whether or not they are answered; 0 is as fast as they are")
	f.IntVar(&o.Fanout, "fanout", o.Fanout, "destinations that each event is delivered to")
	f.BoolVar(&o.Sign, "sign", o.Sign, "have Bellhop verify and sign, by Standard Webhooks")
	f.StringVar(&o.Dir, "dir", o.Dir, "folder to keep data in meanwhile; empty is the system's for temporary files, if that is on a disk")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
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
