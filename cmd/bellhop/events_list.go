package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newEventsListCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List events, newest first",
		Long:  "List events, newest first.",
		Example: `  bellhop events list --source media --type 'ams.*'
  bellhop events list --since 2026-11-22T10:00:00Z --json`,
		Args: cobra.NoArgs,
	}
	var filter client.EventFilter
	c.Flags().StringVar(&filter.Source, "source", "", "only of this source, by name or id; api is what was published")
	c.Flags().StringVar(&filter.Type, "type", "", "only of this type; it may end in *")
	sinceFlag(c, &filter.Since, "since", "only those received at this time or later")
	sinceFlag(c, &filter.Until, "until", "only those received before this time")
	page := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			l, err := api.Events(c.Context(), filter, *page)
			if err != nil {
				return err
			}
			return showList(e, conn, l, "events", eventColumns)
		})
	}
	return c
}
