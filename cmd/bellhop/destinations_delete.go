package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsDeleteCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a destination",
		Long:    "Delete a destination, by name or id. What is still owed to it is cancelled.",
		Example: "  bellhop destinations delete billing",
		Args:    named("destination"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				if err := api.DeleteDestination(c.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(e.stderr, "deleted destination %s\n", clean(args[0]))
				return nil
			})
		},
	}
}
