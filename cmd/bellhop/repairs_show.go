package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRepairsShowCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a repair and how far it is",
		Long:    "Show a repair and how far it is. It goes from old events to new ones.",
		Example: "  bellhop repairs show rpr_01jd2v9k3hxyz",
		Args:    named("repair"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				r, err := api.Repair(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showRepair(e, conn, r)
			})
		},
	}
}
