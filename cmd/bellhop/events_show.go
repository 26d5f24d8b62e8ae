package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newEventsShowCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one event, its headers and its data",
		Long:    "Show one event, its headers and, if it is JSON, its data. 'bellhop events body' has any other body.",
		Example: "  bellhop events show evt_01jd2v9k3hxyz",
		Args:    named("event"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				ev, err := api.Event(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showEvent(e, conn, ev)
			})
		},
	}
}

// showEvent prints ev and what it carried.
func showEvent(e *env, conn *connection, ev client.Event) error {
	if conn.json {
		return printJSON(e.stdout, ev)
	}
	if err := printFields(e.stdout, append(eventFields(ev), headerFields(ev.Headers)...)); err != nil {
		return err
	}
	var data bytes.Buffer
	if json.Indent(&data, ev.Data, "", "  ") != nil {
		return nil
	}
	_, err := fmt.Fprintf(e.stdout, "\n%s\n", cleanLines(data.String()))
	return err
}
