package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "deliveries",
		Short: "List, show, retry and cancel deliveries",
		Long: `List, show, retry and cancel deliveries.

A delivery is one event that goes to one destination. Its state is one of:

  pending    waits for its next attempt
  sending    an attempt is being made, or it is queued for one; called leased by --json and the API
  delivered  the destination accepted it
  dead       given up: the destination refused it, or all retries failed
  cancelled  given up by a person, or because its destination was deleted

A pending delivery is not attempted while its destination is paused, held back or closed: 'bellhop
destinations show NAME' says why. Once a destination is mended, 'bellhop deliveries retry
--destination NAME' makes its dead deliveries due. Without a verb, deliveries are listed.`,
		Example: `  bellhop deliveries --state dead
  bellhop deliveries show dlv_…
  bellhop deliveries retry dlv_…
  bellhop deliveries retry --state dead --destination billing`,
	}
	return newNounCommand(e, c,
		listVerb("deliveries", help{example: `  bellhop deliveries list --destination billing --state dead
  bellhop deliveries list --event evt_01jd2v9k3hxyz`}, deliveryColumns, addDeliveryFilter),
		itemVerb("show ID", "delivery", help{
			short:   "Show one delivery and its attempts",
			example: "  bellhop deliveries show dlv_01jd2v9k3hxyz",
		}, (*client.Client).Delivery, showDeliveryDetail),
		newDeliveriesRetryCommand,
		newDeliveriesCancelCommand)
}

var deliveryColumns = []column[client.Delivery]{
	{title: "ID", cell: func(d client.Delivery) string { return d.ID }},
	{title: "EVENT", cell: func(d client.Delivery) string { return d.EventID }},
	{title: "DESTINATION", cell: func(d client.Delivery) string { return d.Destination }},
	{title: "STATE", cell: func(d client.Delivery) string { return stateText(d.State) }},
	{title: "ATTEMPTS", cell: func(d client.Delivery) string { return strconv.Itoa(d.Attempts) }},
	{title: "NEXT AT", at: func(d client.Delivery) time.Time { return d.NextAt.Time }},
	{title: "LAST", cell: func(d client.Delivery) string { return lastText(d.Last) }},
	{title: "CREATED AT", at: func(d client.Delivery) time.Time { return d.CreatedAt.Time }, wide: true},
	{title: "UPDATED AT", at: func(d client.Delivery) time.Time { return d.UpdatedAt.Time }, wide: true},
	{title: "DETAIL", cell: func(d client.Delivery) string {
		if d.Last == nil {
			return ""
		}
		return d.Last.Detail
	}, wide: true},
}

// lastText returns the status or the error of a delivery's latest attempt; a may be nil.
func lastText(a *client.Attempt) string {
	switch {
	case a == nil:
		return ""
	case a.Status > 0:
		return strconv.Itoa(a.Status)
	}
	return a.Error
}

var attemptColumns = []column[client.Attempt]{
	{title: "ATTEMPT", cell: func(a client.Attempt) string { return strconv.Itoa(a.Number) }},
	{title: "STARTED AT", at: func(a client.Attempt) time.Time { return a.StartedAt.Time }},
	{title: "MS", cell: func(a client.Attempt) string { return strconv.FormatFloat(a.DurationMS, 'f', -1, 64) }},
	{title: "STATUS", cell: func(a client.Attempt) string { return statusText(a.Status) }},
	{title: "ERROR", cell: func(a client.Attempt) string { return a.Error }},
	{title: "DETAIL", cell: func(a client.Attempt) string { return a.Detail }},
	{title: "REPLY", cell: shortReply},
}

// reply returns what is stored of the reply to an attempt.
func reply(a client.Attempt) string { return a.Reply + a.ReplyBase64 }

// shortReply returns the beginning of reply.
func shortReply(a client.Attempt) string { return shorten(reply(a), 60) }

func statusText(status int) string {
	if status == 0 {
		return "-"
	}
	return strconv.Itoa(status)
}

// deliveryStates are the states of deliveries, as people and as the API say them.
var deliveryStates = []string{"pending", "sending", "delivered", "dead", "cancelled", "leased"}

func addDeliveryFilter(c *cobra.Command) listCall[client.Delivery] {
	var filter client.DeliveryFilter
	c.Flags().StringVar(&filter.Event, "event", "", "only deliveries of this event, by id")
	c.Flags().StringVar(&filter.Destination, "destination", "",
		"only deliveries to this destination, by name or id, also of a deleted one")
	enumFlag(c, &filter.State, "state", "", deliveryStates, "only deliveries in this state (leased is sending)")
	errorFlag(c, &filter.Error)
	c.Flags().StringVar(&filter.Source, "source", "", "only deliveries of events of this source, by name or id")
	c.Flags().StringVar(&filter.Type, "type", "",
		"only deliveries of events of this type; a * at the end stands for any rest")
	c.Flags().StringVar(&filter.Subject, "subject", "",
		"only deliveries of events with this subject; a * at the end stands for any rest")
	tenantFlag(c, &filter.Tenant, "deliveries")
	sinceFlag(c, &filter.Since, "since", "only deliveries created at this time or later")
	sinceFlag(c, &filter.Until, "until", "only deliveries created before this time")
	return func(api *client.Client, ctx context.Context, page client.Page) (client.List[client.Delivery], error) {
		if filter.State == "sending" {
			filter.State = "leased"
		}
		return api.Deliveries(ctx, filter, page)
	}
}

// errorFlag adds the flag that chooses deliveries by how their latest attempt failed. The server checks the word.
func errorFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "error", "", "only deliveries whose latest attempt failed like this: a code such as "+
		"timeout, a status such as 429, a class such as 5xx, or any")
	annotate(c.Flags().Lookup("error"), slices.Concat([]string{bellhop.AnyError}, bellhop.AttemptErrors,
		[]string{"3xx", "4xx", "5xx", "401", "403", "404", "410", "429", "500", "502", "503", "504"}))
}

// stateText returns the word for a delivery's state: people read leased as sending.
func stateText(state string) string {
	if state == string(bellhop.DeliveryLeased) {
		return "sending"
	}
	return state
}

// showDelivery prints d.
func showDelivery(e *env, conn *connection, d client.Delivery) error {
	if conn.json {
		return printData(e, d)
	}
	return printFields(e, []field{
		{"id", d.ID}, {"event", d.EventID}, {"destination", named(d.Destination, d.DestinationID)},
		{"state", stateText(d.State)},
		{"attempts", strconv.Itoa(d.Attempts)}, {"next at", moment(d.NextAt.Time)},
		{"created at", moment(d.CreatedAt.Time)},
		{"updated at", moment(d.UpdatedAt.Time)},
	})
}

// named returns a name with the id that belongs to it.
func named(name, id string) string { return name + " (" + id + ")" }

// showDeliveryDetail prints d and its attempts.
func showDeliveryDetail(e *env, conn *connection, d client.DeliveryDetail) error {
	if conn.json {
		return printData(e, d)
	}
	if err := showDelivery(e, conn, d.Delivery); err != nil || len(d.History) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(e.stdout); err != nil {
		return err
	}
	err := printTable(e, d.History, attemptColumns)
	if slices.ContainsFunc(d.History, func(a client.Attempt) bool { return shortReply(a) != reply(a) }) {
		fmt.Fprintln(e.stderr, "replies are cut after 60 characters; --json shows all that is "+
			"stored of them, up to 4 KiB")
	}
	return err
}

func newDeliveriesRetryCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "retry [ID]",
		Short: "Make a delivery due now, or many by a filter",
		Long: `Make a pending, dead or cancelled delivery due now. Its retry schedule begins anew. A delivered one
stays delivered: use 'bellhop replay' to deliver its event again.

Without an id, all deliveries that match the flags are made due; they are dead ones unless --state
says otherwise. This starts a repair, which runs on the server at --rate and continues when this
command ends or the server restarts. 'bellhop repairs' shows it.`,
		Example: `  bellhop deliveries retry dlv_01jd2v9k3hxyz
  bellhop deliveries retry --state dead --destination billing --since 2h
  bellhop deliveries retry --error timeout --rate 20 --dry-run`,
		Args: oneDeliveryOrMany,
	}
	r := new(client.NewRetry)
	choice := choiceFlags(c)
	enumFlag(c, &r.State, "state", "", []string{"dead", "cancelled", "pending"},
		"only deliveries in this state, dead by default")
	f := repairFlags(c, "200", "deliveries made due a second; 0 is no limit")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			if len(args) > 0 {
				d, err := api.RetryDelivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			}
			r.Choice, r.Rate, r.StartIn = *choice, f.given(c), f.startIn
			if f.dryRun {
				n, err := api.CountRetry(c.Context(), *r)
				return showCount(e, conn, n, err)
			}
			repair, err := api.Once(f.key).RetryDeliveries(c.Context(), *r)
			return f.follow(c.Context(), e, conn, api, repair, err)
		})
	}
	return c
}

func newDeliveriesCancelCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel [ID]",
		Short: "Give up a pending delivery, or many by a filter",
		Long: `Give up a pending delivery. 'bellhop deliveries retry' makes it due again.

Without an id, all pending deliveries that match the flags are given up. This starts a repair, which
runs on the server and continues when this command ends or the server restarts. 'bellhop repairs'
shows it.

A delivery that its destination has already queued in memory is sending, not pending. Pause the
destination first to cancel those too.`,
		Example: `  bellhop deliveries cancel dlv_01jd2v9k3hxyz
  bellhop deliveries cancel --destination billing --until 1h --dry-run`,
		Args: oneDeliveryOrMany,
	}
	choice := choiceFlags(c)
	f := repairFlags(c, "", "")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			if len(args) > 0 {
				d, err := api.CancelDelivery(c.Context(), args[0])
				if err != nil {
					return err
				}
				return showDelivery(e, conn, d)
			}
			choice.StartIn = f.startIn
			if f.dryRun {
				n, err := api.CountCancel(c.Context(), *choice)
				return showCount(e, conn, n, err)
			}
			repair, err := api.Once(f.key).CancelDeliveries(c.Context(), *choice)
			return f.follow(c.Context(), e, conn, api, repair, err)
		})
	}
	return c
}

var (
	// narrowingFlags choose deliveries. Without an id, one of them is required.
	narrowingFlags = []string{"destination", "event", "error", "since", "until", "all"}
	// manyFlags make no sense together with the id of one delivery.
	manyFlags = append(narrowingFlags[:len(narrowingFlags):len(narrowingFlags)], "state", "dry-run", "no-wait", "rate",
		"start-in", "idempotency-key")
)

// choiceFlags adds narrowingFlags.
func choiceFlags(c *cobra.Command) *client.Choice {
	choice := new(client.Choice)
	c.Flags().StringVar(&choice.Destination, "destination", "", "only deliveries to this destination, by name or id")
	c.Flags().StringVar(&choice.Event, "event", "", "only deliveries of this event, by id")
	errorFlag(c, &choice.Error)
	sinceFlag(c, &choice.Since, "since", "only deliveries of events received at this time or later")
	sinceFlag(c, &choice.Until, "until", "only deliveries of events received before this time")
	c.Flags().BoolVar(&choice.All, "all", false, "every delivery in that state; use it if no other flag chooses")
	return choice
}

// oneDeliveryOrMany checks that the command has either the id of one delivery or flags that choose many.
func oneDeliveryOrMany(c *cobra.Command, args []string) error {
	flag := firstChanged(c, manyFlags...)
	switch {
	case len(args) > 0 && flag != "":
		return wrongUsage("give a delivery's id or --%s, not both", flag)
	case len(args) > 0:
		return oneArgument("delivery")(c, args)
	case firstChanged(c, narrowingFlags...) == "":
		return wrongUsage("missing delivery: give its id, or choose by --destination, --event, --error, " +
			"--since or --until; --all is every one in that state")
	}
	return nil
}
