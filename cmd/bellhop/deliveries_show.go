package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesShowCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one delivery and its attempts",
		Long:    "Show one delivery, by id, and its attempts as a table.",
		Example: "  bellhop deliveries show dlv_01jd2v9k3hxyz",
		Args:    named("delivery"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				d, err := api.Delivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			})
		},
	}
}
