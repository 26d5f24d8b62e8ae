package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsPreviewCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "preview NAME [DATA]",
		Short: "See what a destination would be sent, without sending it",
		Long: `See whether a destination wants an event, and what it would be sent, with which signature. Nothing is sent or stored.

The event is one that is stored (--event), or a sample: --type, and as its data JSON, or text. Of the destination's
secrets only an ellipsis is shown. It fails if the event would not be delivered.`,
		Example: `  bellhop destinations preview billing --event evt_01jd2v9k3hxyz
  bellhop destinations preview billing --type invoice.paid --subject invoices/17 '{"amount":120}'`,
		Args: cobra.RangeArgs(1, 2),
	}
	var sample client.SampleEvent
	event := c.Flags().String("event", "", "id of an event")
	c.Flags().StringVar(&sample.Type, "type", "", "type of a sample event")
	c.Flags().StringVar(&sample.Subject, "subject", "", "what it is about")
	c.Flags().StringVar(&sample.Source, "source", "", "the source it came to (default api)")
	file := c.Flags().String("file", "", "a file with its data; - is stdin")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		ask := client.PreviewRequest{Destination: args[0], Event: *event}
		if *event == "" {
			if ask.Event, err = e.sample(sample, args[1:], *file); err != nil {
				return err
			}
		} else if sample.Type != "" || len(args) == 2 || *file != "" {
			return wrongUsage("give --event, or a sample, not both")
		}
		return conn.call(func(api *client.Client) error {
			p, err := api.PreviewDestination(c.Context(), ask)
			if err != nil {
				return err
			}
			return showPreview(e, conn, p)
		})
	}
	return c
}

// sample adds to ev its data, of an argument or a file, which may be JSON or text.
func (e *env) sample(ev client.SampleEvent, args []string, file string) (_ client.SampleEvent, err error) {
	var data []byte
	switch {
	case ev.Type == "":
		return ev, wrongUsage("missing --event ID or --type TYPE")
	case len(args) == 1 && file != "":
		return ev, wrongUsage("give the data or --file, not both")
	case len(args) == 1:
		data = []byte(args[0])
	case file != "":
		data, err = e.readFile(file)
	}
	if json.Valid(data) {
		ev.Data = data
	} else {
		ev.Body = string(data)
	}
	return ev, err
}

// showPreview prints p as the request it would be; one that would not be is a failure.
func showPreview(e *env, conn *connection, p client.Preview) error {
	if conn.json {
		if err := printJSON(e.stdout, p); err != nil {
			return err
		}
	} else {
		printPreview(e, p)
	}
	if !p.Matches || p.Request == nil {
		return errReported
	}
	return nil
}

func printPreview(e *env, p client.Preview) {
	matches := "yes"
	if !p.Matches {
		matches = "no: " + p.Why
	}
	printFields(e.stdout, []field{{"matches", matches}, {"match error", p.MatchError}, {"error", p.Error}, {"skipped", p.Skipped}})
	if p.Request == nil {
		return
	}
	fmt.Fprintf(e.stdout, "\n%s %s\n", clean(p.Request.Method), clean(strings.TrimSpace(p.Request.URL+" "+p.Request.Way)))
	for _, name := range slices.Sorted(maps.Keys(p.Request.Headers)) {
		for _, value := range p.Request.Headers[name] {
			fmt.Fprintf(e.stdout, "%s: %s\n", clean(name), clean(value))
		}
	}
	fmt.Fprintf(e.stdout, "\n%s\n", cleanLines(p.Request.Body+p.Request.BodyBase64))
}
