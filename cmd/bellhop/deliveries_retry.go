package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesRetryCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "retry ID",
		Short:   "Make a delivery due now",
		Long:    "Make a pending, dead or cancelled delivery due now. A delivered one stays delivered.",
		Example: "  bellhop deliveries retry dlv_01jd2v9k3hxyz",
		Args:    named("delivery"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				d, err := api.RetryDelivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			})
		},
	}
}
