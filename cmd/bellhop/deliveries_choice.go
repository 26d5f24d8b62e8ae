package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// choiceNames are the flags that choose deliveries.
var choiceNames = []string{"destination", "event", "error", "since", "until", "all", "state", "dry-run", "no-wait", "rate"}

// choiceFlags adds the flags that choose deliveries.
func choiceFlags(c *cobra.Command) *client.Choice {
	choice := new(client.Choice)
	c.Flags().StringVar(&choice.Destination, "destination", "", "only to this destination, by name or id")
	c.Flags().StringVar(&choice.Event, "event", "", "only of this event, by id")
	c.Flags().StringVar(&choice.Error, "error", "", "only those whose last attempt failed so: timeout, status, connection_refused, …")
	sinceFlag(c, &choice.Since, "since", "only of events received at this time or later")
	sinceFlag(c, &choice.Until, "until", "only of events received before this time")
	c.Flags().BoolVar(&choice.All, "all", false, "all of that state, if nothing else is given")
	return choice
}

// oneOrMany takes the id of one delivery, or flags that choose many.
func oneOrMany(c *cobra.Command, args []string) error {
	switch flag := firstChanged(c, choiceNames...); {
	case len(args) > 0 && flag != "":
		return wrongUsage("give a delivery's id or --%s, not both", flag)
	case len(args) > 0:
		return named("delivery")(c, args)
	case firstChanged(c, choiceNames[:6]...) == "":
		return wrongUsage("missing delivery: give its id, or choose by --destination, --event, --error, --since or --until; --all is every one of that state")
	}
	return nil
}
