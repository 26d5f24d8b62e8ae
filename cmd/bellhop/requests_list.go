package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRequestsListCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List requests, newest first",
		Long:    "List requests, newest first.",
		Example: "  bellhop requests list --source media --outcome refused",
		Args:    cobra.NoArgs,
	}
	var filter client.RequestFilter
	c.Flags().StringVar(&filter.Source, "source", "", "only at this source, by name or id")
	c.Flags().StringVar(&filter.Outcome, "outcome", "", "only accepted, handshake, refused or partial ones")
	sinceFlag(c, &filter.Since, "since", "only those received at this time or later")
	sinceFlag(c, &filter.Until, "until", "only those received before this time")
	page := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			l, err := api.Requests(c.Context(), filter, *page)
			if err != nil {
				return err
			}
			return showList(e, conn, l, "requests", requestColumns)
		})
	}
	return c
}
