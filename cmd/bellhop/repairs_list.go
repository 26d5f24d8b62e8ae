package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRepairsListCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "List repairs, newest first",
		Long:    "List repairs, newest first. The latest thousand are kept.",
		Example: "  bellhop repairs list --json",
		Args:    cobra.NoArgs,
	}
	page := pageFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			l, err := api.Repairs(c.Context(), *page)
			if err != nil {
				return err
			}
			return showList(e, conn, l, "repairs", repairColumns)
		})
	}
	return c
}
