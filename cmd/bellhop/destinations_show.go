package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsShowCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one destination, by name or id",
		Long:    "Show one destination, by name or id. Of its secrets, only that they are set and since when.",
		Example: "  bellhop destinations show billing",
		Args:    named("destination"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				d, err := api.Destination(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDestination(e, conn, d)
			})
		},
	}
}
