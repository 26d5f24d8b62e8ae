package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsResumeCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Deliver to a destination again",
		Long: `Deliver to a destination again that was paused, or disabled because it answered 410.

One whose receiver has to agree is asked first; if it does not, the destination stays unverified, with the reason.`,
		Example: "  bellhop destinations resume billing",
		Args:    named("destination"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				d, err := api.ResumeDestination(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDestination(e, conn, d)
			})
		},
	}
}
