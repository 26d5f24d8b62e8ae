package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSourcesListCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List sources, newest first",
		Long:    "List sources, newest first.",
		Example: "  bellhop sources list --json",
		Args:    cobra.NoArgs,
	}
	page := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			l, err := api.Sources(c.Context(), *page)
			if err != nil {
				return err
			}
			return showList(e, conn, l, "sources", sourceColumns)
		})
	}
	return c
}
