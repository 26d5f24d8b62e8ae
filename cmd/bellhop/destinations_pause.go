package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsPauseCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "pause NAME",
		Short:   "Stop delivering to a destination",
		Long:    "Stop delivering to a destination, by name or id. Its events are kept for it until it is resumed.",
		Example: "  bellhop destinations pause billing",
		Args:    named("destination"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				d, err := api.PauseDestination(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDestination(e, conn, d)
			})
		},
	}
}
