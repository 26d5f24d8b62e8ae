package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSourcesShowCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Show one source, by name or id",
		Long:    "Show one source, by name or id. Of its secrets, only that they are set and since when.",
		Example: "  bellhop sources show media",
		Args:    named("source"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				s, err := api.Source(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showSource(e, conn, s)
			})
		},
	}
}
