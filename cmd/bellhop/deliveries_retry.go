package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesRetryCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "retry [ID]",
		Short: "Make a delivery due now, or many by a filter",
		Long: `Make a pending, dead or cancelled delivery due now; its schedule begins anew. A delivered one stays delivered:
'bellhop replay' delivers its event again.

Without an id, all that are chosen by the flags, dead ones if --state says nothing else. That is a repair: it goes at
--rate, and on when this command ends or the server restarts. 'bellhop repairs' shows it.`,
		Example: `  bellhop deliveries retry dlv_01jd2v9k3hxyz
  bellhop deliveries retry --state dead --destination billing --since 2h
  bellhop deliveries retry --error timeout --rate 20 --dry-run`,
		Args: oneOrMany,
	}
	r := new(client.NewRetry)
	choice := choiceFlags(c)
	c.Flags().StringVar(&r.State, "state", "", "dead, cancelled or pending ones (default dead)")
	f := repairFlags(c, "200", "deliveries made due a second; 0 is as fast as can be")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			if len(args) > 0 {
				d, err := api.RetryDelivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			}
			r.Choice, r.Rate = *choice, f.given(c)
			if f.dryRun {
				n, err := api.CountRetry(c.Context(), *r)
				return showCount(e, conn, n, err)
			}
			repair, err := api.RetryDeliveries(c.Context(), *r)
			return f.follow(c.Context(), e, conn, api, repair, err)
		})
	}
	return c
}
