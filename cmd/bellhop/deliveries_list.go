package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesListCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List deliveries, newest first",
		Long:  "List deliveries, newest first.",
		Example: `  bellhop deliveries list --destination billing --state dead
  bellhop deliveries list --event evt_01jd2v9k3hxyz`,
		Args: cobra.NoArgs,
	}
	var filter client.DeliveryFilter
	c.Flags().StringVar(&filter.Event, "event", "", "only of this event, by id")
	c.Flags().StringVar(&filter.Destination, "destination", "", "only to this destination, by name or id")
	c.Flags().StringVar(&filter.State, "state", "", "only pending, leased, delivered, dead or cancelled ones")
	sinceFlag(c, &filter.Since, "since", "only those made at this time or later")
	sinceFlag(c, &filter.Until, "until", "only those made before this time")
	page := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			l, err := api.Deliveries(c.Context(), filter, *page)
			if err != nil {
				return err
			}
			return showList(e, conn, l, "deliveries", deliveryColumns)
		})
	}
	return c
}
