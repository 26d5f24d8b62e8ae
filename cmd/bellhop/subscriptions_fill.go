package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

var gapColumns = []column[client.Gap]{
	{title: "GAP", cell: func(g client.Gap) string { return g.ID }},
	{title: "FROM", at: func(g client.Gap) time.Time { return g.From.Time }},
	{title: "TO", at: func(g client.Gap) time.Time { return g.To.Time }},
	{title: "STATE", cell: func(g client.Gap) string { return g.State }},
	{title: "FOUND", cell: func(g client.Gap) string { return countOf(g, g.Found) }},
	{title: "FOLDED", cell: func(g client.Gap) string { return countOf(g, g.Folded) }},
	{title: "REASON", cell: func(g client.Gap) string {
		if g.Outcome == "" {
			return g.Reason
		}
		return g.Reason + "; " + g.Outcome
	}},
}

// countOf returns a number of changes; "" of a gap about which the provider was not asked.
func countOf(g client.Gap, n int) string {
	if g.Since.IsZero() {
		return ""
	}
	return strconv.Itoa(n)
}

// printBelow prints a table below what was printed before; nothing if it is empty.
func printBelow[T any](e *env, items []T, columns []column[T]) error {
	if len(items) == 0 {
		return nil
	}
	fmt.Fprintln(e.stdout)
	return printTable(e, items, columns)
}

// fillPause is the time between two looks at a fill that takes long.
const fillPause = 2 * time.Second

func newSubscriptionsFillCommand(e *env, conn *connection) *cobra.Command {
	c := help{
		short: "Ask the provider for what was missed, and wait for it",
		long: `Ask the provider for what was missed: in the gaps of a subscription that are not filled or, with
--since, from then until now. What is found enters as events of the source, marked caught_up; changes
whose notifications did arrive are left out.

Gaps are filled by themselves where the provider can be asked. This command tries again what stayed
unknown, fills a pause, and waits for the end. Exit 1 means that a gap stays unknown: its reason says
why. If the command is interrupted, the fill goes on.`,
		example: `  bellhop subscriptions fill calendar
  bellhop subscriptions fill calendar --since 6h`,
	}.command("fill NAME", oneArgument("subscription"))
	var since time.Time
	sinceFlag(c, &since, "since", "fill from this time until now")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			fill, err := api.FillSubscription(c.Context(), args[0], since)
			told := ""
			for err == nil && !fill.Done {
				if text := progressOf(fill.Gaps); text != told {
					fmt.Fprintln(e.stderr, clean(text))
					told = text
				}
				if err := pauseFor(c.Context(), fillPause); err != nil {
					return err
				}
				var s client.Subscription
				s, err = api.Subscription(c.Context(), args[0])
				fill = filledSince(fill, s.Gaps)
			}
			if err != nil {
				return err
			}
			return showFill(e, conn, fill)
		})
	}
	return c
}

// progressOf says how far gaps are filled.
func progressOf(gaps []client.Gap) string {
	found, folded, waits := 0, 0, ""
	for _, g := range gaps {
		found, folded = found+g.Found, folded+g.Folded
		if g.State == "filling" && g.Outcome != "" {
			waits = "; " + g.Outcome
		}
	}
	return fmt.Sprintf("filling: %d changes found, %d of them known%s", found, folded, waits)
}

// filledSince returns fill with the gaps as a subscription shows them later. A gap that it does not show any more is
// done.
func filledSince(fill client.SubscriptionFill, shown []client.Gap) client.SubscriptionFill {
	fill.Done = true
	for i, g := range fill.Gaps {
		at := slices.IndexFunc(shown, func(other client.Gap) bool { return other.ID == g.ID })
		if at < 0 {
			continue
		}
		fill.Gaps[i] = shown[at]
		fill.Done = fill.Done && shown[at].State != "open" && shown[at].State != "filling"
	}
	return fill
}

// showFill prints how a fill ended, and fails if a gap stays unknown.
func showFill(e *env, conn *connection, fill client.SubscriptionFill) error {
	var err error
	switch {
	case conn.json:
		err = printData(e, fill)
	case len(fill.Gaps) == 0:
		fmt.Fprintln(e.stderr, "no gap to fill; --since TIME fills from a time on")
	default:
		err = printTable(e, fill.Gaps, gapColumns)
	}
	for _, g := range fill.Gaps {
		if g.State == "unknown" && err == nil {
			fmt.Fprintf(e.stderr, "%s gap %s stays unknown: %s\n", e.talk("bellhop:", red), clean(g.ID),
				clean(g.Outcome))
			err = errReported
		}
	}
	return err
}
