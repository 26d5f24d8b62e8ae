package main

import (
	"context"
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newReplayCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "replay [EVENT…]",
		Short: "Deliver stored events again",
		Long: `Deliver stored events again: each becomes a new delivery to every destination that wants it now, or to the one of --to,
which gets it whether its match wants it or not.

With the ids of events, those; otherwise all that are chosen by the flags. That is a repair: it goes at --rate, and on
when this command ends or the server restarts. 'bellhop repairs' shows it, 'bellhop repairs cancel' ends it.
The gateway's own events are replayed only with --source bellhop or a --type that begins with bellhop.`,
		Example: `  bellhop replay evt_01jd2v9k3hxyz --to billing
  bellhop replay --since 2h --source media --type 'ams.*' --dry-run
  bellhop replay --since 2026-11-22T10:00:00Z --where 'data.amount > 100' --to billing --rate 50`,
		Args: cobra.ArbitraryArgs,
	}
	conn := newConnection(e, c.Flags())
	var r client.NewReplay
	c.Flags().StringVar(&r.Destination, "to", "", "only to this destination, by name or id")
	c.Flags().StringVar(&r.Source, "source", "", "only events of this source, by name or id; api is what was published")
	c.Flags().StringVar(&r.Type, "type", "", "only events of this type; it may end in *")
	c.Flags().StringVar(&r.Where, "where", "", "only events for which this expression is true, as in a destination's match")
	sinceFlag(c, &r.Since, "since", "only events received at this time or later")
	sinceFlag(c, &r.Until, "until", "only events received before this time")
	c.Flags().BoolVar(&r.All, "all", false, "every event there is, if nothing else is given")
	f := repairFlags(c, "200", "deliveries made a second; 0 is as fast as can be")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			if flag := firstChanged(c, "source", "type", "where", "since", "until", "all", "rate", "dry-run", "no-wait"); flag != "" {
				return wrongUsage("give events' ids or --%s, not both", flag)
			}
			return conn.call(func(api *client.Client) error { return replayEach(c.Context(), e, conn, api, args, r.Destination) })
		}
		if firstChanged(c, "source", "type", "where", "since", "until", "all") == "" {
			return wrongUsage("missing event: give ids, or choose by --since, --until, --source, --type or --where; --all is every event there is")
		}
		r.Rate = f.given(c)
		return conn.call(func(api *client.Client) error {
			if f.dryRun {
				n, err := api.CountReplay(c.Context(), r)
				return showCount(e, conn, n, err)
			}
			repair, err := api.ReplayEvents(c.Context(), r)
			return f.follow(c.Context(), e, conn, api, repair, err)
		})
	}
	return c
}

// replayEach replays events one by one and prints the new deliveries.
func replayEach(ctx context.Context, e *env, conn *connection, api *client.Client, events []string, to string) error {
	for _, id := range events {
		made, err := api.ReplayEvent(ctx, id, to)
		if err != nil {
			return err
		}
		if len(made) == 0 {
			fmt.Fprintf(e.stderr, "no destination wants %s; --to sends it to one all the same\n", clean(id))
		}
		for _, d := range made {
			if conn.json {
				err = printJSON(e.stdout, d)
			} else {
				_, err = fmt.Fprintln(e.stdout, clean(d.ID))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// firstChanged is the first of the flags that was given; "" if none was.
func firstChanged(c *cobra.Command, names ...string) string {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}
