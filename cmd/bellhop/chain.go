package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// This file shows one event, alone or with its chain: the events that caused it, and those that it caused.

func newEventsShowCommand(e *env, conn *connection) *cobra.Command {
	h := help{
		short: "Show one event, its headers and its data",
		long: `Show one event, its headers and, if its body is JSON, its data.

'bellhop events body' writes the body as it was received, JSON or not.

With --chain, the events are shown that caused it, and all that it caused by actions, each with the
deliveries that it has: a media job that finished, the publication of its asset, and the message with
the link. An event is below its cause, and indented.`,
		example: `  bellhop events show evt_01jd2v9k3hxyz
  bellhop events show evt_01jd2v9k3hxyz --chain`,
	}
	c := h.command("show ID", oneArgument("event"))
	chain := c.Flags().Bool("chain", false, "show the events that caused it, and those that it caused")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			if *chain {
				found, err := api.EventChain(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showChain(e, conn, found)
			}
			ev, err := api.Event(c.Context(), args[0])
			if err != nil {
				return err
			}
			return showEvent(e, conn, ev)
		})
	}
	return c
}

var chainColumns = []column[client.ChainEvent]{
	{title: "EVENT", cell: func(ev client.ChainEvent) string { return strings.Repeat("  ", ev.Depth) + ev.ID }},
	{title: "RECEIVED AT", at: func(ev client.ChainEvent) time.Time { return ev.ReceivedAt.Time }},
	{title: "TYPE", cell: func(ev client.ChainEvent) string { return ev.Type }},
	{title: "DELIVERIES", cell: func(ev client.ChainEvent) string {
		var list []string
		for _, d := range ev.Deliveries {
			list = append(list, d.Destination+" "+d.State)
		}
		return strings.Join(list, ", ")
	}},
	{title: "SUBJECT", cell: func(ev client.ChainEvent) string { return ev.Subject }},
}

// showChain prints a chain, an event a line.
func showChain(e *env, conn *connection, chain client.EventChain) error {
	if !chain.Complete {
		fmt.Fprintln(e.stderr, "not all of the chain is shown: events were deleted, or there are more than 250")
	}
	return showList(e, conn, client.List[client.ChainEvent]{Data: chain.Data}, "events", chainColumns)
}
