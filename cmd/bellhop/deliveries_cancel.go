package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesCancelCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "cancel ID",
		Short:   "Give up a pending delivery",
		Long:    "Give up a pending delivery. 'bellhop deliveries retry' takes that back.",
		Example: "  bellhop deliveries cancel dlv_01jd2v9k3hxyz",
		Args:    named("delivery"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				d, err := api.CancelDelivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			})
		},
	}
}
