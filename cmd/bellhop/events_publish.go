package main

import (
	"encoding/json"
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newEventsPublishCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "publish TYPE [JSON]",
		Short: "Publish an event",
		Long: `Publish an event of your own and print its id. It goes to every destination that wants it.

Its data is the JSON given, or that of --file. With an idempotency key that was used before, nothing is published
and the id of the first event is printed; if the type, subject or data is another, that is refused.`,
		Example: `  bellhop events publish invoice.paid '{"id":17,"amount":120}' --subject invoices/17
  bellhop events publish report.ready --file report.json --idempotency-key report-2026-11`,
		Args: cobra.RangeArgs(1, 2),
	}
	var ev client.NewEvent
	c.Flags().StringVar(&ev.Subject, "subject", "", "what it is about")
	c.Flags().StringVar(&ev.Tenant, "tenant", "", "a label that keeps one customer's events from another's")
	timeFlag(c, &ev.Time, "time", "when it happened")
	file := c.Flags().String("file", "", "a file with its data; - is stdin")
	key := c.Flags().String("idempotency-key", "", "publishes once, however often it is used")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		ev.Type = args[0]
		switch {
		case len(args) == 2 && *file != "":
			return wrongUsage("give the data or --file, not both")
		case len(args) == 2:
			ev.Data = []byte(args[1])
		case *file != "":
			ev.Data, err = e.readFile(*file)
		default:
			ev.Data = []byte("null")
		}
		if err != nil {
			return err
		}
		if !json.Valid(ev.Data) {
			return wrongUsage("the data must be JSON; quote it for the shell: '{\"id\":17}'")
		}
		return conn.call(func(api *client.Client) error {
			published, repeated, err := api.Publish(c.Context(), ev, *key)
			if err != nil {
				return err
			}
			if repeated {
				fmt.Fprintln(e.stderr, "nothing was published: the key was used before, for this event")
			}
			if conn.json {
				return printJSON(e.stdout, published)
			}
			_, err = fmt.Fprintln(e.stdout, clean(published.ID))
			return err
		})
	}
	return c
}
