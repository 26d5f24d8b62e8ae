package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// This file holds the verbs of destinations that try one out (preview, try, test) or prepare its receiver
// (rotate-secret).

func newDestinationsPreviewCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "preview NAME [DATA]",
		Short: "Show what a destination would be sent, without sending it",
		Long: `Show whether a destination wants an event, and the request that it would be sent, signature
included. Nothing is sent or stored.

The event is a stored one (--event), or a sample: --type and, as its data, JSON or text. The
destination's secrets are shown as an ellipsis. The command fails if the event would not be
delivered.`,
		Example: `  bellhop destinations preview billing --event evt_01jd2v9k3hxyz
  bellhop destinations preview billing --type invoice.paid --subject invoices/17 '{"amount":120}'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil // the second is the data
			}
			return oneArgument("destination")(c, args)
		},
	}
	var sample client.SampleEvent
	event := c.Flags().String("event", "", "id of a stored event")
	c.Flags().StringVar(&sample.Type, "type", "", "type of the sample event")
	c.Flags().StringVar(&sample.Subject, "subject", "", "subject of the sample event")
	c.Flags().StringVar(&sample.Source, "source", "", "source of the sample event (default api)")
	file := c.Flags().String("file", "", "a file with the sample's data; - is stdin")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		var ev any = *event
		if *event == "" {
			if ev, err = e.sample(sample, args[1:], *file); err != nil {
				return err
			}
		} else if sample.Type != "" || len(args) == 2 || *file != "" {
			return wrongUsage("give --event or a sample, not both")
		}
		return conn.call(func(api *client.Client) error {
			p, err := api.PreviewDestination(c.Context(), args[0], ev)
			if err != nil {
				return err
			}
			return showPreview(e, conn, p)
		})
	}
	return c
}

// sample adds to ev its data, from an argument or a file. The data may be JSON or text.
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

// showPreview prints p. The command fails if the event would not be sent.
func showPreview(e *env, conn *connection, p client.Preview) error {
	if conn.json {
		if err := printData(e, p); err != nil {
			return err
		}
	} else {
		printPreview(e, p)
	}
	if !p.Matches || p.Error+p.Skipped != "" {
		return errReported
	}
	return nil
}

func printPreview(e *env, p client.Preview) {
	matches := "yes"
	if !p.Matches {
		matches = "no: " + p.Why
	}
	none := ""
	if p.Request == nil && p.Error+p.Skipped == "" {
		none = "none: an action works in the gateway"
	}
	printFields(e, []field{{"matches", matches}, {"match error", p.MatchError}, {"error", p.Error},
		{"skipped", p.Skipped}, {"request", none}})
	if p.Request == nil {
		return
	}
	fmt.Fprintf(e.stdout, "\n%s %s\n", clean(p.Request.Method),
		clean(strings.TrimSpace(p.Request.URL+" "+p.Request.Way)))
	for _, name := range slices.Sorted(maps.Keys(p.Request.Headers)) {
		for _, value := range p.Request.Headers[name] {
			fmt.Fprintf(e.stdout, "%s: %s\n", clean(name), clean(value))
		}
	}
	fmt.Fprintf(e.stdout, "\n%s\n", cleanLines(p.Request.Body+p.Request.BodyBase64))
}

func newDestinationsTryCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "try [NAME] [--url URL] [--event ID]",
		Short: "Send one event to a destination that need not be created",
		Long: `Send one event once to a destination that need not be created, and print the request and what came
back. The flags are those of 'bellhop destinations create', and are checked as there; or NAME is a
destination that exists, and the flags change it for this one attempt, as 'bellhop destinations
update' would.

The event is a stored one (--event), a sample (--sample-type and --file), or a test event. It is sent
whatever the match says, within 25 seconds. Nothing is stored, no handshake is made, and no limit
counts. Secrets are shown as an ellipsis. The command fails unless the event would be delivered.`,
		Example: `  bellhop destinations try --url https://example.com/hooks
  bellhop destinations try billing --timeout 10s --set 'headers={"X-Site":"north"}'
  bellhop destinations try --url https://example.com/hooks --format envelope --event evt_01jd2v9k3hxyz
  bellhop destinations try --type slack --url https://hooks.slack.com/services/T0/B0/X --sample-type a.b --file a.json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return oneArgument("destination")(c, args)
			}
			return nil
		},
	}
	var f destinationFlags
	f.add(c)
	kind := c.Flags().String("type", bellhop.TypeHTTP, "http; or a provider, for a delivery in its form")
	tenant := ownerFlag(c, "destination")
	keepSecrets := c.Flags().Bool("keep-secrets", false,
		"with NAME: send its stored secrets to another scheme, host or port, if a flag gives one")
	event := c.Flags().String("event", "", "id of a stored event")
	sample := c.Flags().String("sample-type", "", "type of a sample event")
	file := c.Flags().String("file", "", "a file with the sample's data; - is stdin")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		var d, ev any
		var changes map[string]any
		switch {
		case len(args) == 0 && f.url == "":
			return wrongUsage("missing --url, or the name of a destination")
		case len(args) > 0 && firstChanged(c, "type", "tenant") != "":
			return wrongUsage("--%s cannot be changed: give a destination's name or --type and --url, not both",
				firstChanged(c, "type", "tenant"))
		case len(args) > 0:
			changes, err = f.changes(e, c, nil)
			if err != nil {
				return err
			}
			if *keepSecrets {
				changes["keep_secrets"] = true
			}
		default:
			made, err := f.newDestination(e, c, "try", *kind)
			if err != nil {
				return err
			}
			made.Tenant = *tenant
			if format := made.Settings["format"]; *kind == bellhop.TypeHTTP && made.Settings["secret"] == nil &&
				(format == nil || format == "standard") {
				made.Settings["secret"] = newSecret() // as create makes one
			}
			d = made
		}
		switch {
		case *event != "" && (*sample != "" || *file != ""):
			return wrongUsage("give --event or a sample, not both")
		case *event != "":
			ev = *event
		case *sample != "":
			ev, err = e.sample(client.SampleEvent{Type: *sample}, nil, *file)
		case *file != "":
			return wrongUsage("missing --sample-type TYPE")
		}
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			var t client.Try
			var err error
			if len(args) > 0 {
				t, err = api.TryChanges(c.Context(), args[0], changes, ev)
			} else {
				t, err = api.TryDestination(c.Context(), d, ev)
			}
			if err != nil {
				return err
			}
			return showTry(e, conn, t)
		})
	}
	return c
}

// showTry prints t. The command fails unless the event would be delivered.
func showTry(e *env, conn *connection, t client.Try) error {
	if conn.json {
		if err := printData(e, t); err != nil {
			return err
		}
	} else {
		printPreview(e, t.Preview)
		var fields []field
		if t.Attempt != nil {
			fields = []field{{"state", t.State}, {"status", statusText(t.Attempt.Status)},
				{"took", fmt.Sprintf("%g ms", t.Attempt.DurationMS)}, {"error", t.Attempt.Error},
				{"detail", t.Attempt.Detail},
				{"reply", shortReply(*t.Attempt)}, {"next at", moment(t.NextAt.Time)}}
		}
		fmt.Fprintln(e.stdout)
		if err := printFields(e, append(fields, field{"handshake", t.Handshake})); err != nil {
			return err
		}
	}
	if t.State != "delivered" {
		return errReported
	}
	return nil
}

func newDestinationsMatchCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "match [NAME]",
		Short: "Show which of the newest stored events a match wants, and why not the others",
		Long: `Show which of the newest stored events a destination with this match would want, and why not the
others: source, type, where (it is false), where_fails (it cannot be evaluated) or tenant. Nothing is
sent or stored.

With NAME, the match is that of the destination, unless flags give another. It looks at --limit
events, as far as it comes within 2 seconds.`,
		Example: `  bellhop destinations match --types 'ams.*' --where 'data.Properties.NewState == "Finished"'
  bellhop destinations match billing --limit 1000`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return oneArgument("destination")(c, args)
			}
			return nil
		},
	}
	var m client.MatchRequest
	var of client.Match
	flags := c.Flags()
	flags.StringSliceVar(&of.Sources, "source", nil, "want only events of this source (repeatable)")
	flags.StringSliceVar(&of.Types, "types", nil, "want only events of this type; a * at the end stands "+
		"for any rest (repeatable)")
	flags.StringVar(&of.Where, "where", "", "want only events for which this expression is true, such "+
		"as 'data.amount > 100'")
	flags.StringVar(&m.Tenant, "tenant", "", "as a destination of this tenant")
	flags.StringSliceVar(&m.Tenants, "tenants", nil, "as one that gets the events of these tenants too, or '*' "+
		"(repeatable)")
	rangeFlag(c, &m.Limit, "limit", 100, 1, 1000, "how many events to look at, from the newest one on")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			m.Destination = args[0]
		}
		if firstChanged(c, "source", "types", "where") != "" || len(args) == 0 {
			m.Match = &of
		}
		return conn.call(func(api *client.Client) error {
			found, err := api.MatchEvents(c.Context(), m)
			if err != nil {
				return err
			}
			return showMatched(e, conn, found)
		})
	}
	return c
}

var matchedColumns = []column[client.MatchedEvent]{
	{title: "EVENT", cell: func(m client.MatchedEvent) string { return m.ID }},
	{title: "RECEIVED AT", at: func(m client.MatchedEvent) time.Time { return m.ReceivedAt.Time }},
	{title: "TYPE", cell: func(m client.MatchedEvent) string { return m.Type }},
	{title: "SOURCE", cell: func(m client.MatchedEvent) string { return m.Source }},
	{title: "WANTED", cell: func(m client.MatchedEvent) string {
		if m.Wanted {
			return "yes"
		}
		return "no: " + strings.ReplaceAll(m.Reason, "_", " ")
	}},
	{title: "DETAIL", cell: func(m client.MatchedEvent) string { return m.Detail }},
}

// unwantedWords follow how many events a match does not want, by the reason.
var unwantedWords = map[string]string{"source": "of other sources", "type": "of other types",
	"tenant": "of other tenants",
	"where":  "for which where is false", "where_fails": "for which where fails"}

// showMatched prints what a match over stored events found.
func showMatched(e *env, conn *connection, found client.MatchedEvents) error {
	if conn.json {
		return printData(e, found)
	}
	if err := printTable(e, found.Events, matchedColumns); err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "wanted %s of %s", count(int64(found.Wanted)), count(int64(found.LookedAt)))
	lead := "; not wanted: "
	for _, reason := range slices.Sorted(maps.Keys(found.Excluded)) {
		fmt.Fprintf(e.stderr, "%s%s %s", lead, count(int64(found.Excluded[reason])),
			cmp.Or(unwantedWords[reason], clean(reason)))
		lead = ", "
	}
	fmt.Fprintln(e.stderr)
	if !found.Complete {
		fmt.Fprintf(e.stderr, "there was no time for more: searched back to %s\n", moment(found.SearchedTo.Time))
	}
	return nil
}

func newDestinationsTestCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test event to a destination",
		Long: `Send a test event to a destination, whatever its match is, and print the result of the first
attempt.

The event has the type bellhop.test. If the destination's type is a provider with a test message of
its own, that message is sent. The event is stored and retried like any other. The command fails if
the first attempt fails.`,
		Example: "  bellhop destinations test billing --timeout 10s",
		Args:    oneArgument("destination"),
	}
	timeout := new(time.Duration)
	lengthFlag(c, timeout, "timeout", 30*time.Second, "how long to wait for the attempt")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			trial, err := api.TestDestination(c.Context(), args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), *timeout)
			defer cancel()
			d, err := awaitAttempt(ctx, api, trial.DeliveryID)
			if err != nil && ctx.Err() != nil && c.Context().Err() == nil {
				return fmt.Errorf("no attempt was made within %v: see 'bellhop deliveries show %s'",
					*timeout, clean(trial.DeliveryID))
			}
			if err != nil {
				return err
			}
			return showTrial(e, conn, d)
		})
	}
	return c
}

// awaitAttempt waits until the delivery has been attempted, or has ended without an attempt, and returns it.
func awaitAttempt(ctx context.Context, api *client.Client, id string) (client.DeliveryDetail, error) {
	for {
		d, err := api.Delivery(ctx, id)
		if err != nil || d.Last != nil || d.State != "pending" && d.State != "leased" {
			return d, err
		}
		if err := pauseFor(ctx, 50*time.Millisecond); err != nil {
			return d, err
		}
	}
}

// showTrial prints the result of a test. The command fails if the event was not delivered.
func showTrial(e *env, conn *connection, d client.DeliveryDetail) error {
	if conn.json {
		if err := printData(e, d); err != nil {
			return err
		}
	} else {
		fields := []field{{"delivery", d.ID}, {"event", d.EventID}, {"state", stateText(d.State)}}
		if d.Last != nil {
			fields = append(fields,
				field{"status", statusText(d.Last.Status)}, field{"took", fmt.Sprintf("%g ms", d.Last.DurationMS)},
				field{"error", d.Last.Error}, field{"detail", d.Last.Detail},
				field{"reply", shortReply(*d.Last)})
		}
		if err := printFields(e, append(fields, field{"next at", moment(d.NextAt.Time)})); err != nil {
			return err
		}
	}
	if d.State != "delivered" {
		return errReported
	}
	return nil
}

func newDestinationsRotateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate-secret NAME",
		Short: "Sign with a new secret, and with the old one too for a while",
		Long: `Sign deliveries to a destination of type http with a new secret. Until the grace period is over,
each delivery carries a signature by the old secret too, so that the receiver can change to the new
one at any time in between.

Without --secret a secret is created and printed, only this once: give it to the receiver.`,
		Example: `  bellhop destinations rotate-secret billing
  bellhop destinations rotate-secret billing --secret @secret.txt --grace 7d`,
		Args: oneArgument("destination"),
	}
	secret := c.Flags().String("secret", "", "the new secret: whsec_…, @FILE or env:NAME (default: a random one)")
	grace := new(string)
	lengthTextFlag(c, grace, "grace", "how long the old secret signs too, 0s to 30d (default 1d)")
	etag := ifMatchFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		given, err := e.readText(*secret)
		if err != nil {
			return fmt.Errorf("--secret: %w", err)
		}
		return conn.call(func(api *client.Client) error {
			d, err := api.IfMatch(*etag).RotateSecret(c.Context(), args[0], client.Rotation{Secret: given,
				Grace: *grace})
			if err != nil {
				return err
			}
			e.warn(d.Warnings)
			return showRotated(e, conn, d)
		})
	}
	return c
}

// showRotated prints the new secret, if the server made it, and until when the old one signs too.
func showRotated(e *env, conn *connection, d client.RotatedDestination) error {
	if conn.json {
		return printData(e, d)
	}
	fmt.Fprintf(e.stderr, "destination %s signs with a new secret\n", clean(d.Name))
	if until, ok := d.Settings["secret_until"].(string); ok {
		fmt.Fprintf(e.stderr, "the old one signs too until %s\n", clean(until))
	}
	if d.Secret == "" {
		return nil
	}
	fmt.Fprintln(e.stderr, "it is shown only now: give it to the receiver")
	_, err := fmt.Fprintln(e.stdout, clean(d.Secret))
	return err
}
