package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSourcesDeleteCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a source",
		Long:    "Delete a source, by name or id. Requests to its URL are answered 404 from then on; its events stay.",
		Example: "  bellhop sources delete media",
		Args:    named("source"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				if err := api.DeleteSource(c.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(e.stderr, "deleted source %s\n", clean(args[0]))
				return nil
			})
		},
	}
}
