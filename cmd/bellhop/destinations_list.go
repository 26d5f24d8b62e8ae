package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsListCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List destinations, newest first",
		Long:    "List destinations, newest first.",
		Example: "  bellhop destinations list --json",
		Args:    cobra.NoArgs,
	}
	page := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			l, err := api.Destinations(c.Context(), *page)
			if err != nil {
				return err
			}
			return showList(e, conn, l, "destinations", destinationColumns)
		})
	}
	return c
}
