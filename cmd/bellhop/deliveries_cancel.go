package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesCancelCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel [ID]",
		Short: "Give up a pending delivery, or many by a filter",
		Long: `Give up a pending delivery. 'bellhop deliveries retry' takes that back.

Without an id, all pending ones that are chosen by the flags. That is a repair, which goes on when this command ends or
the server restarts; 'bellhop repairs' shows it. What a destination has queued in memory is not pending: pause it first.`,
		Example: `  bellhop deliveries cancel dlv_01jd2v9k3hxyz
  bellhop deliveries cancel --destination billing --until 1h --dry-run`,
		Args: oneOrMany,
	}
	choice := choiceFlags(c)
	f := repairFlags(c, "", "")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			if len(args) > 0 {
				d, err := api.CancelDelivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			}
			if f.dryRun {
				n, err := api.CountCancel(c.Context(), *choice)
				return showCount(e, conn, n, err)
			}
			repair, err := api.CancelDeliveries(c.Context(), *choice)
			return f.follow(c.Context(), e, conn, api, repair, err)
		})
	}
	return c
}
