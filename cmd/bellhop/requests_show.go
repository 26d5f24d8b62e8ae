package main

import (
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRequestsShowCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one request, its headers and its body",
		Long:    "Show one request, its headers and its body. Of a refused one, only the beginning of the body is kept.",
		Example: "  bellhop requests show req_01jd2v9k3hxyz",
		Args:    named("request"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				r, err := api.Request(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showRequest(e, conn, r)
			})
		},
	}
}
