package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newEventsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "events",
		Short: "List, show and publish events",
		Long: `List, show and publish events.

An event is one thing that a provider reported to a source, or one that you published yourself.
Without a verb, events are listed.`,
		Example: `  bellhop events --source media --since 2026-11-22T10:00:00Z
  bellhop events show evt_… --chain
  bellhop events publish invoice.paid '{"id":17}'`,
	}
	return newNounCommand(e, c,
		listVerb("events", help{example: `  bellhop events list --source media --type 'ams.*'
  bellhop events list --since 2026-11-22T10:00:00Z --json
  bellhop events list --contains 'job-17'`}, eventColumns, addEventFilter),
		newEventsShowCommand,
		newEventsBodyCommand,
		newEventsPublishCommand)
}

var eventColumns = []column[client.Event]{
	{title: "ID", cell: func(ev client.Event) string { return ev.ID }},
	{title: "RECEIVED AT", at: func(ev client.Event) time.Time { return ev.ReceivedAt.Time }},
	{title: "SOURCE", cell: func(ev client.Event) string { return ev.Source }},
	{title: "TYPE", cell: func(ev client.Event) string { return ev.Type }},
	{title: "BYTES", cell: func(ev client.Event) string { return strconv.Itoa(ev.BodyBytes) }},
	{title: "SUBJECT", cell: func(ev client.Event) string { return ev.Subject }},
	{title: "DELIVERIES", cell: deliveryCounts, wide: true},
	{title: "PROVIDER ID", cell: func(ev client.Event) string { return ev.ProviderID }, wide: true},
	{title: "CAUSED BY", cell: func(ev client.Event) string { return ev.CausedBy }, wide: true},
	{title: "SAMPLE", cell: func(ev client.Event) string { return yesIf(ev.Sample) }, wide: true},
	{title: "TENANT", cell: func(ev client.Event) string { return ev.Tenant }, wide: true},
}

// deliveryCounts returns the deliveries of an event by state: "2 delivered, 1 dead".
func deliveryCounts(ev client.Event) string {
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(ev.DeliveryCounts)) {
		parts = append(parts, strconv.Itoa(ev.DeliveryCounts[state])+" "+state)
	}
	return strings.Join(parts, ", ")
}

func addEventFilter(c *cobra.Command) listCall[client.Event] {
	var filter client.EventFilter
	c.Flags().StringVar(&filter.Source, "source", "",
		"only events of this source, by name or id, also of a deleted one; api is the source of published events")
	c.Flags().StringVar(&filter.Type, "type", "", "only events of this type; a * at the end stands for any rest")
	c.Flags().StringVar(&filter.Subject, "subject", "",
		"only events with this subject; a * at the end stands for any rest")
	c.Flags().StringVar(&filter.ProviderID, "provider-id", "",
		"only events with this id of the provider, or with this idempotency key")
	c.Flags().StringVar(&filter.Contains, "contains", "", containsHelp)
	tenantFlag(c, &filter.Tenant, "events")
	c.Flags().StringVar(&filter.CausedBy, "caused-by", "", "only events that actions published because of this "+
		"one, by id")
	sinceFlag(c, &filter.Since, "since", "only events received at this time or later")
	sinceFlag(c, &filter.Until, "until", "only events received before this time")
	c.Flags().BoolVar(&filter.Count, "count-deliveries", false,
		"count each event's deliveries by state, up to 100, for --json and --output wide")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Event], error) {
		return api.Events(ctx, filter, page)
	}
}

// showEvent prints ev, its headers and its data.
func showEvent(e *env, conn *connection, ev client.EventDetail) error {
	if conn.json {
		return printData(e, ev)
	}
	fields := []field{
		{"id", ev.ID}, {"type", ev.Type}, {"subject", ev.Subject}, {"source", ev.Source + " (" + ev.SourceID + ")"},
		{"provider id", ev.ProviderID}, {"conflicts with", ev.ConflictsWith},
		{"caused by", ev.CausedBy}, {"caught up", ev.CaughtUp}, {"sample", yesIf(ev.Sample)}, {"tenant", ev.Tenant},
		{"time", moment(ev.Time.Time)},
		{"received at", moment(ev.ReceivedAt.Time)},
		{"content type", ev.ContentType}, {"body", strconv.Itoa(ev.BodyBytes) + " bytes, SHA-256 " + ev.BodySHA256},
	}
	if err := printFields(e, append(fields, headerFields(ev.Headers)...)); err != nil {
		return err
	}
	var data bytes.Buffer
	if json.Indent(&data, ev.Data, "", "  ") != nil {
		return nil
	}
	_, err := fmt.Fprintf(e.stdout, "\n%s\n", cleanLines(data.String()))
	return err
}

func newEventsBodyCommand(e *env, conn *connection) *cobra.Command {
	return &cobra.Command{
		Use:   "body ID",
		Short: "Write an event's body as it was received",
		Long: `Write the bytes of an event's body to stdout as they were received. On a terminal, control
characters are escaped.`,
		Example: "  bellhop events body evt_01jd2v9k3hxyz > body.json",
		Args:    oneArgument("event"),
		RunE: func(c *cobra.Command, args []string) error {
			return conn.call(func(api *client.Client) error {
				body, contentType, err := api.EventBody(c.Context(), args[0])
				if err != nil {
					return err
				}
				if conn.json {
					return printBody(e, contentType, body)
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

// printBody prints a body as JSON: as text if it is UTF-8, otherwise in Base64.
func printBody(e *env, contentType string, body []byte) error {
	if utf8.Valid(body) {
		return printData(e, map[string]any{"content_type": contentType, "body": string(body)})
	}
	return printData(e, map[string]any{"content_type": contentType, "body_base64": body})
}

func newEventsPublishCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "publish TYPE [JSON]",
		Short: "Publish an event",
		Long: `Publish an event of your own and print its id. It is delivered to every destination whose match
wants it.

The type is an argument, or --type. The data is the JSON argument or the content of --file, and is
delivered byte for byte; without either it is null.

With --idempotency-key, an event is published once: using the key again publishes nothing and prints
the id of the first event. Using it with another type, subject or data is an error.`,
		Example: `  bellhop events publish invoice.paid '{"id":17,"amount":120}' --subject invoices/17
  bellhop events publish --type invoice.paid '{"id":17,"amount":120}' --subject invoices/17
  bellhop events publish report.ready --file report.json --idempotency-key report-2026-11`,
	}
	var ev client.NewEvent
	c.Flags().StringVar(&ev.Type, "type", "", "type of the event, in place of the argument")
	c.Flags().StringVar(&ev.Subject, "subject", "", "the thing that the event is about, such as invoices/17")
	c.Flags().StringVar(&ev.Tenant, "tenant", "", "a label that keeps one customer's events apart from another's")
	timeFlag(c, &ev.Time, "time", "when it happened")
	file := c.Flags().String("file", "", "a file with the data; - is stdin")
	key := c.Flags().String("idempotency-key", "", "publish only once for this key, however often the command runs")
	c.Args = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("type") {
			args = append([]string{ev.Type}, args...)
		}
		switch {
		case len(args) == 0:
			return wrongUsage("missing type: give it as the argument, or with --type")
		case len(args) > 2:
			return wrongUsage("unexpected argument %s", quoted(args[2]))
		case len(args) == 2 && c.Flags().Changed("file"):
			return wrongUsage("give the data once: as an argument, or with --file")
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if !c.Flags().Changed("type") {
			ev.Type, args = args[0], args[1:]
		}
		switch {
		case len(args) == 1:
			ev.Data = []byte(args[0])
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
				fmt.Fprintln(e.stderr, "nothing was published: this event was published before, with the same key")
			}
			if conn.json {
				return printData(e, published)
			}
			_, err = fmt.Fprintln(e.stdout, clean(published.ID))
			return err
		})
	}
	return c
}

// One event is shown alone or with its chain: the events that caused it, and those that it caused.

func newEventsShowCommand(e *env, conn *connection) *cobra.Command {
	h := help{
		short: "Show one event, its headers and its data",
		long: `Show one event, its headers and, if its body is JSON, its data.

'bellhop events body' writes the body as it was received, JSON or not.

With --chain, the events are shown that caused it, and all that it caused by actions, each with the
deliveries that it has: a media job that finished, the publication of its asset, and the message with
the link. An event is below its cause, and indented.`,
		example: `  bellhop events show evt_01jd2v9k3hxyz
  bellhop events show evt_01jd2v9k3hxyz --chain`,
	}
	c := h.command("show ID", oneArgument("event"))
	chain := c.Flags().Bool("chain", false, "show the events that caused it, and those that it caused")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			if *chain {
				found, err := api.EventChain(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showChain(e, conn, found)
			}
			ev, err := api.Event(c.Context(), args[0])
			if err != nil {
				return err
			}
			return showEvent(e, conn, ev)
		})
	}
	return c
}

var chainColumns = []column[client.ChainEvent]{
	{title: "EVENT", cell: func(ev client.ChainEvent) string { return strings.Repeat("  ", ev.Depth) + ev.ID }},
	{title: "RECEIVED AT", at: func(ev client.ChainEvent) time.Time { return ev.ReceivedAt.Time }},
	{title: "TYPE", cell: func(ev client.ChainEvent) string { return ev.Type }},
	{title: "DELIVERIES", cell: func(ev client.ChainEvent) string {
		var list []string
		for _, d := range ev.Deliveries {
			list = append(list, d.Destination+" "+d.State)
		}
		return strings.Join(list, ", ")
	}},
	{title: "SUBJECT", cell: func(ev client.ChainEvent) string { return ev.Subject }},
}

// showChain prints a chain, an event a line.
func showChain(e *env, conn *connection, chain client.EventChain) error {
	if !chain.Complete {
		fmt.Fprintln(e.stderr, "not all of the chain is shown: events were deleted, or there are more than 250")
	}
	return showList(e, conn, client.List[client.ChainEvent]{Data: chain.Data}, "events", chainColumns)
}
