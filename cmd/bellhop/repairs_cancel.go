package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRepairsCancelCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "End a running repair",
		Long: `End a running repair. What it did stays done: deliveries that it made are delivered, unless 'bellhop deliveries cancel'
gives them up.`,
		Example: "  bellhop repairs cancel rpr_01jd2v9k3hxyz",
		Args:    named("repair"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				r, err := api.CancelRepair(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showRepair(e, conn, r)
			})
		},
	}
}
