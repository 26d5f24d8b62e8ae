package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"

	"github.com/bellhop-gateway/bellhop/internal/prove"
	"github.com/spf13/cobra"
)

func newProveCommand(e *env) *cobra.Command {
	var o prove.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "prove",
		Short: "Prove on this machine and disk that nothing acknowledged is lost: kill a server under load, and count",
		Long: `Prove on this machine and disk that nothing acknowledged is lost: kill a server under load, and count.

A server of this program runs in a folder of its own, below --dir. It gets events, two thirds of
them signed and repeated until they are acknowledged, and delivers each to two receivers, of which
one fails now and then. It is killed with SIGKILL at a random moment and started again, as often as
--cycles says; in a third of the cycles also while it starts. Then the ledger is compared with what
the server has stored: each event that was answered 2xx is stored and received, with the same bytes,
nothing was stored or received that was not sent, and an event arrived twice only because of a kill.

A kill is no power cut: the system keeps what the server has given it. So the report also says how
long a sync takes on the disk of --dir, and how far it can be believed. Nothing leaves this machine,
and no other folder is touched. The folder is removed at the end, unless something is wrong. The
ledger is in memory, about 1 KiB for each event. Ctrl+C ends the run with what is known so far.

Exit status: 0 done and nothing is wrong, 1 failed, interrupted or an event was lost, 2 wrong usage.`,
		Example: `  bellhop prove
  bellhop prove --dir /var/lib/bellhop --cycles 200
  bellhop prove --rate 5000 --connections 128 --json`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("seed") {
				o.Seed = uint64(rand.Uint32())
			}
			if err := o.Check(); err != nil {
				return &usageError{err}
			}
			var err error
			if o.Program, err = os.Executable(); err != nil {
				return err
			}
			if o.Dir != "" {
				o.Dir = within(e.dir, o.Dir)
			}
			o.Progress = e.stderr
			return runProve(c.Context(), e, o, asJSON)
		},
	}
	f := c.Flags()
	f.IntVar(&o.Cycles, "cycles", 20, "how often the server is killed under load")
	f.StringVar(&o.Dir, "dir", "",
		"folder on the disk to try; the data is in a new folder below it (default: the temporary folder)")
	f.IntVar(&o.Rate, "rate", 500, "events sent per second")
	f.IntVar(&o.Connections, "connections", 32, "connections that send events, one event at a time on each")
	f.IntVar(&o.Size, "size", 300, "bytes of padding in an event's body")
	f.Uint64Var(&o.Seed, "seed", 0, "start of the random moments, from the report of another run (default: a new one)")
	f.BoolVar(&o.Keep, "keep", false, "keep the folder in any case")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return c
}

// runProve makes the run. The first signal ends it with what is known so far, a second one at once.
func runProve(ctx context.Context, e *env, o prove.Options, asJSON bool) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(signals)
	stop := make(chan struct{})
	o.Stop = stop
	go func() {
		<-signals
		fmt.Fprintln(e.stderr, "interrupted: judging what was done so far; once more gives up")
		close(stop)
		<-signals
		giveUp()
	}()
	found, err := prove.Run(ctx, o)
	return showReport(ctx, e, "prove", found, err, asJSON)
}
