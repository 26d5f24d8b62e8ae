package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newEventsBodyCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "body ID",
		Short:   "Write an event's bytes as they were received",
		Long:    "Write an event's bytes to stdout as they were received. On a terminal, control characters are escaped.",
		Example: "  bellhop events body evt_01jd2v9k3hxyz > body.json",
		Args:    named("event"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				body, _, err := api.EventBody(c.Context(), args[0])
				if err != nil {
					return err
				}
				if isTerminal(e.stdout) {
					_, err = fmt.Fprintln(e.stdout, cleanLines(string(body)))
					return err
				}
				_, err = e.stdout.Write(body)
				return err
			})
		},
	}
}
