package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// A repairFlag holds the flags of a command that begins a repair.
type repairFlag struct {
	rate           float64
	dryRun, noWait bool
}

func repairFlags(c *cobra.Command, rate, doc string) *repairFlag {
	f := new(repairFlag)
	if rate != "" {
		c.Flags().Float64Var(&f.rate, "rate", 0, doc)
		c.Flags().Lookup("rate").DefValue = rate
	}
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "count what would be done, and do nothing")
	c.Flags().BoolVar(&f.noWait, "no-wait", false, "print the repair's id and leave it running")
	return f
}

// given is the rate, if one was given; otherwise the server's default counts.
func (f *repairFlag) given(c *cobra.Command) *float64 {
	if firstChanged(c, "rate") == "" {
		return nil
	}
	return &f.rate
}

// askEvery is how often the server is asked how far a repair is.
const askEvery = 200 * time.Millisecond

// follow waits until a repair that was begun has ended, and prints it. Interrupted, it leaves it running.
func (f *repairFlag) follow(ctx context.Context, e *env, conn *connection, api *client.Client, r client.Repair, err error) error {
	if err != nil {
		return err
	}
	if f.noWait {
		if conn.json {
			return printJSON(e.stdout, r)
		}
		_, err := fmt.Fprintln(e.stdout, clean(r.ID))
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	line := newProgress(e.stderr)
	for wait := askEvery / 10; r.State == "running"; wait = min(2*wait, askEvery) {
		line.show(repairProgress(r))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		next, err := api.Repair(ctx, r.ID)
		if ctx.Err() != nil {
			line.end()
			return fmt.Errorf("interrupted; the repair goes on: 'bellhop repairs show %s' shows it, 'bellhop repairs cancel %s' ends it", r.ID, r.ID)
		}
		if err != nil {
			line.end()
			return fmt.Errorf("%w; the repair %s goes on", err, r.ID)
		}
		r = next
	}
	line.end()
	if err := showRepair(e, conn, r); err != nil || r.State == "done" {
		return err
	}
	return fmt.Errorf("the repair is %s: %s", r.State, r.Reason)
}

func repairProgress(r client.Repair) string {
	text := fmt.Sprintf("%s: %d looked at, %d changed", r.Kind, r.LookedAt, r.Changed)
	if !r.PositionAt.IsZero() {
		text += ", come to " + moment(r.PositionAt)
	}
	return text
}

// A progress is one line on a terminal that is written over and over; elsewhere it is nothing.
type progress struct {
	to    io.Writer // nil where nobody looks
	width int
}

func newProgress(to io.Writer) *progress {
	if f, ok := to.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &progress{to: f}
		}
	}
	return new(progress)
}

func (p *progress) show(text string) {
	if p.to != nil {
		fmt.Fprint(p.to, "\r"+text+strings.Repeat(" ", max(0, p.width-len(text))))
		p.width = len(text)
	}
}

func (p *progress) end() {
	p.show("")
	if p.to != nil {
		fmt.Fprint(p.to, "\r")
	}
}
