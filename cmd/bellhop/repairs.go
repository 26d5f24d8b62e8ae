package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRepairsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "repairs",
		Short: "List, show and cancel repairs",
		Long: `List, show and cancel repairs.

A repair replays many events, or retries or cancels many deliveries, chosen by a filter. 'bellhop
replay', 'bellhop deliveries retry' and 'bellhop deliveries cancel' start one. It runs on the server
and continues after a restart. Without a verb, repairs are listed.`,
		Example: `  bellhop repairs
  bellhop repairs show rpr_…
  bellhop repairs cancel rpr_…`,
	}
	return newNounCommand(e, c,
		listVerb("repairs", help{
			long:    "List repairs, newest first. The server keeps the latest thousand.",
			example: "  bellhop repairs list --state running --json",
		}, repairColumns, addRepairQuery),
		itemVerb("show ID", "repair", help{
			short: "Show a repair and its progress",
			long: `Show a repair and its progress. It works from the oldest event to the newest; "position at" says how
far it is.`,
			example: "  bellhop repairs show rpr_01jd2v9k3hxyz",
		}, (*client.Client).Repair, showRepair),
		itemVerb("cancel ID", "repair", help{
			short: "End a running repair, or undo one that waits",
			long: `End a running repair. What it has done stays done: deliveries that it made are still delivered,
unless 'bellhop deliveries cancel' gives them up. A repair that waits for its beginning (--start-in)
has done nothing, so this undoes it.`,
			example: "  bellhop repairs cancel rpr_01jd2v9k3hxyz",
		}, (*client.Client).CancelRepair, showRepair))
}

func addRepairQuery(c *cobra.Command) listCall[client.Repair] {
	var query client.RepairQuery
	enumFlag(c, &query.Kind, "kind", "", []string{"replay", "retry", "cancel"}, "only repairs of this kind")
	enumFlag(c, &query.State, "state", "", []string{"waiting", "running", "done", "cancelled", "failed"},
		"only repairs in this state")
	tenantFlag(c, &query.Tenant, "repairs")
	sinceFlag(c, &query.Since, "since", "only repairs begun at this time or later")
	sinceFlag(c, &query.Until, "until", "only repairs begun before this time")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Repair], error) {
		return api.Repairs(ctx, query, page)
	}
}

var repairColumns = []column[client.Repair]{
	{title: "ID", cell: func(r client.Repair) string { return r.ID }},
	{title: "KIND", cell: func(r client.Repair) string { return r.Kind }},
	{title: "STATE", cell: func(r client.Repair) string { return r.State }},
	{title: "EXAMINED", cell: func(r client.Repair) string { return count(r.LookedAt) }},
	{title: "CHANGED", cell: func(r client.Repair) string { return count(r.Changed) }},
	{title: "POSITION", at: func(r client.Repair) time.Time { return r.PositionAt.Time }},
	{title: "CREATED AT", at: func(r client.Repair) time.Time { return r.CreatedAt.Time }},
	{title: "SKIPPED", cell: func(r client.Repair) string { return count(r.Skipped) }, wide: true},
	{title: "RATE", cell: func(r client.Repair) string { return repairRateText(r.Rate) }, wide: true},
	{title: "STARTS AT", at: func(r client.Repair) time.Time { return r.StartsAt.Time }, wide: true},
	{title: "UPDATED AT", at: func(r client.Repair) time.Time { return r.UpdatedAt.Time }, wide: true},
	{title: "REASON", cell: func(r client.Repair) string { return r.Reason }, wide: true},
}

// showRepair prints r.
func showRepair(e *env, conn *connection, r client.Repair) error {
	if conn.json {
		return printData(e, r)
	}
	f, startsAt := r.Filter, ""
	if !r.StartsAt.Equal(r.CreatedAt.Time) {
		startsAt = moment(r.StartsAt.Time)
	}
	return printFields(e, []field{
		{"id", r.ID}, {"kind", r.Kind}, {"state", r.State}, {"reason", r.Reason},
		{"source", strings.Join(f.SourceIDs, ", ")}, {"type", f.Type}, {"where", f.Where},
		{"event", f.EventID}, {"destination", f.DestinationID}, {"missed", yesIf(f.Missed)}, {"tenant", f.Tenant},
		{"of state", f.State}, {"of error", f.Error}, {"since", moment(f.Since.Time)}, {"until", moment(f.Until.Time)},
		{"rate", repairRateText(r.Rate)}, {"examined", count(r.LookedAt)}, {"changed", count(r.Changed)},
		{"skipped", count(r.Skipped)},
		{"position at", moment(r.PositionAt.Time)}, {"created at", moment(r.CreatedAt.Time)},
		{"starts at", startsAt}, {"updated at", moment(r.UpdatedAt.Time)},
	})
}

// yesIf returns "yes", or "" if it is not so.
func yesIf(is bool) string {
	if is {
		return "yes"
	}
	return ""
}

func repairRateText(perSecond float64) string {
	if perSecond == 0 {
		return "any"
	}
	return strconv.FormatFloat(perSecond, 'f', -1, 64) + " a second"
}

func newReplayCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "replay [EVENT…]",
		Short: "Deliver stored events again",
		Long: `Deliver stored events again. Each event becomes a new delivery to every destination whose match
wants it now. With --to, it goes to that one destination only, whether its match wants it or not, or
with --missed, if its match wants it and the destination never had it.

Give the ids of events, or choose events by flags. The flags start a repair, which runs on the
server at --rate and continues when this command ends or the server restarts. 'bellhop repairs'
shows it, 'bellhop repairs cancel' ends it.

The gateway's own events are replayed only with --source bellhop, or with a --type that begins with
"bellhop.".`,
		Example: `  bellhop replay evt_01jd2v9k3hxyz --to billing
  bellhop replay --since 2h --source media --type 'ams.*' --dry-run
  bellhop replay --since 2h --to billing --missed
  bellhop replay --since 2026-11-22T10:00:00Z --where 'data.amount > 100' --to billing --rate 50`,
		Args: cobra.ArbitraryArgs,
	}
	conn := newConnection(e, c.Flags())
	var r client.NewReplay
	c.Flags().StringVar(&r.Destination, "to", "", "deliver only to this destination, by name or id")
	c.Flags().BoolVar(&r.Missed, "missed", false,
		"with --to: only events that its match wants and that it has no delivery of")
	c.Flags().StringVar(&r.Source, "source", "",
		"only events of this source, by name or id, also of a deleted one; api is the source of published events")
	c.Flags().StringVar(&r.Type, "type", "", "only events of this type; a * at the end stands for any rest")
	c.Flags().StringVar(&r.Where, "where", "",
		"only events for which this expression is true, as in a destination's match")
	sinceFlag(c, &r.Since, "since", "only events received at this time or later")
	sinceFlag(c, &r.Until, "until", "only events received before this time")
	c.Flags().BoolVar(&r.All, "all", false, "every stored event; use it if no other flag chooses")
	f := repairFlags(c, "200", "deliveries made a second; 0 is no limit")
	choosing := []string{"source", "type", "where", "since", "until", "all"}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			manyFlags := append(choosing, "missed", "rate", "start-in", "dry-run", "no-wait", "idempotency-key")
			if flag := firstChanged(c, manyFlags...); flag != "" {
				return wrongUsage("give the ids of events or --%s, not both", flag)
			}
			return conn.call(func(api *client.Client) error {
				return replayEach(c.Context(), e, conn, api, args, r.Destination)
			})
		}
		if firstChanged(c, choosing...) == "" {
			return wrongUsage("missing event: give ids, or choose by --since, --until, --source, --type or --where; " +
				"--all is every stored event")
		}
		r.Rate, r.StartIn = f.given(c), f.startIn
		return conn.call(func(api *client.Client) error {
			if f.dryRun {
				n, err := api.CountReplay(c.Context(), r)
				return showCount(e, conn, n, err)
			}
			repair, err := api.Once(f.key).ReplayEvents(c.Context(), r)
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
			fmt.Fprintf(e.stderr, "no destination wants %s; give --to to deliver it to one all the same\n", clean(id))
		}
		for _, d := range made {
			if conn.json {
				err = printData(e, d)
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

// A repairFlag holds the flags that all commands that start a repair have.
type repairFlag struct {
	rate           float64
	dryRun, noWait bool
	key, startIn   string
}

// repairFlags adds the flags of a repairFlag. rate is the server's default for --rate; "" leaves out that flag.
func repairFlags(c *cobra.Command, rate, doc string) *repairFlag {
	f := new(repairFlag)
	if rate != "" {
		rateFlag(c, &f.rate, "rate", rate, doc)
	}
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing; count what would be done")
	lengthTextFlag(c, &f.startIn, "start-in",
		"begin after this time, up to 1h; until then 'bellhop repairs cancel' undoes it")
	c.Flags().StringVar(&f.key, "idempotency-key", "",
		"do it only once for this key: within a day, a repeat shows the repair that the first command began")
	c.Flags().BoolVar(&f.noWait, "no-wait", false, "print the repair's id at once and leave it running")
	return f
}

// given returns the value of --rate, or nil if it was not given, for the server's default.
func (f *repairFlag) given(c *cobra.Command) *float64 {
	if firstChanged(c, "rate") == "" {
		return nil
	}
	return &f.rate
}

// maxPoll is the longest time between two questions to the server about the progress of a repair.
const maxPoll = 200 * time.Millisecond

// follow waits until the repair r, which was just started, has ended, and prints it. r and err are the
// server's answer to the start. An interrupt ends the command but not the repair.
func (f *repairFlag) follow(
	ctx context.Context, e *env, conn *connection, api *client.Client, r client.Repair, err error,
) error {
	if err != nil {
		return err
	}
	if f.noWait {
		if conn.json {
			return printData(e, r)
		}
		_, err := fmt.Fprintln(e.stdout, clean(r.ID))
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	line := newProgress(e)
	begun := r.Filter.Since.Time // the time of the events that it begins with
	if r.State == "waiting" {
		fmt.Fprintf(e.stderr, "it begins at %[2]s; 'bellhop repairs cancel %[1]s' undoes it\n", clean(r.ID),
			moment(r.StartsAt.Time))
	}
	for wait := maxPoll / 10; !r.Ended(); wait = min(2*wait, maxPoll) {
		if begun.IsZero() && r.LookedAt > 0 {
			begun = r.PositionAt.Time
		}
		line.show(repairExtent(r, begun))
		pauseFor(ctx, wait) // the call says that ctx has ended
		next, err := api.Repair(ctx, r.ID)
		if ctx.Err() != nil {
			line.end()
			return fmt.Errorf("interrupted; the repair continues: "+
				"'bellhop repairs show %[1]s' shows it, 'bellhop repairs cancel %[1]s' ends it", r.ID)
		}
		if err != nil {
			line.end()
			return fmt.Errorf("%w; the repair %s continues", err, r.ID)
		}
		r = next
	}
	line.end()
	if err := showRepair(e, conn, r); err != nil || r.State == "done" {
		return err
	}
	return fmt.Errorf("the repair is %s: %s", r.State, r.Reason)
}

// repairExtent says how far r is. It goes from old events to new ones: from those of the time begun, if that is known,
// to those of the time at which the repair was created or that its filter names.
func repairExtent(r client.Repair, begun time.Time) extent {
	x := extent{what: r.Kind, done: r.LookedAt, part: -1,
		text: fmt.Sprintf("%d examined, %d changed", r.LookedAt, r.Changed)}
	end := r.CreatedAt.Time
	if until := r.Filter.Until.Time; !until.IsZero() && until.Before(end) {
		end = until
	}
	if !begun.IsZero() && r.LookedAt > 0 && end.After(begun) {
		x.part = min(1, max(0, r.PositionAt.Sub(begun).Seconds()/end.Sub(begun).Seconds()))
	}
	return x
}

// showCount prints the answer to --dry-run: how much a repair would do. n and err are the server's answer.
func showCount(e *env, conn *connection, n client.RepairCount, err error) error {
	if err != nil {
		return err
	}
	if conn.json {
		return printData(e, n)
	}
	if !n.Complete {
		fmt.Fprintf(e.stderr, "there may be more: the time was up when those until %s were counted\n",
			moment(n.SearchedTo.Time))
	}
	var fields []field
	if n.Events > 0 {
		fields = append(fields, field{"events", count(n.Events)})
	}
	return printFields(e, append(fields, field{"deliveries", count(n.Deliveries)}))
}
