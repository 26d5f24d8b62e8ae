package main

import (
	"strconv"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDeliveriesCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "deliveries",
		Short: "List, show, retry and cancel deliveries",
		Long: `List, show, retry and cancel deliveries.

A delivery is one event owed to one destination: pending, leased, delivered, dead or cancelled. Without a verb,
deliveries are listed.`,
		Example: `  bellhop deliveries --state dead
  bellhop deliveries show dlv_…
  bellhop deliveries retry dlv_…
  bellhop deliveries retry --state dead --destination billing`,
	}
	return newNounCommand(e, c, newDeliveriesListCommand, newDeliveriesShowCommand, newDeliveriesRetryCommand, newDeliveriesCancelCommand)
}

var deliveryColumns = []column[client.Delivery]{
	{"ID", func(d client.Delivery) string { return d.ID }},
	{"EVENT", func(d client.Delivery) string { return d.EventID }},
	{"DESTINATION", func(d client.Delivery) string { return d.DestinationID }},
	{"STATE", func(d client.Delivery) string { return d.State }},
	{"ATTEMPTS", func(d client.Delivery) string { return strconv.Itoa(d.Attempts) }},
	{"NEXT AT", func(d client.Delivery) string { return moment(d.NextAt) }},
	{"LAST", func(d client.Delivery) string { return lastText(d.Last) }},
}

// lastText is what came of the latest attempt.
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
	{"ATTEMPT", func(a client.Attempt) string { return strconv.Itoa(a.Number) }},
	{"STARTED AT", func(a client.Attempt) string { return moment(a.StartedAt) }},
	{"MS", func(a client.Attempt) string { return strconv.FormatFloat(a.DurationMS, 'f', -1, 64) }},
	{"STATUS", func(a client.Attempt) string { return statusText(a.Status) }},
	{"ERROR", func(a client.Attempt) string { return a.Error }},
	{"DETAIL", func(a client.Attempt) string { return a.Detail }},
	{"REPLY", func(a client.Attempt) string { return shorten(a.Reply+a.ReplyBase64, 60) }},
}

func statusText(status int) string {
	if status == 0 {
		return "-"
	}
	return strconv.Itoa(status)
}

// shorten cuts text to n characters.
func shorten(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i] + "…"
		}
		n--
	}
	return text
}

// showDelivery prints d and its attempts.
func showDelivery(e *env, conn *connection, d client.Delivery) error {
	if conn.json {
		return printJSON(e.stdout, d)
	}
	err := printFields(e.stdout, []field{
		{"id", d.ID}, {"event", d.EventID}, {"destination", d.DestinationID}, {"state", d.State},
		{"attempts", strconv.Itoa(d.Attempts)}, {"next at", moment(d.NextAt)}, {"created at", moment(d.CreatedAt)}, {"updated at", moment(d.UpdatedAt)},
	})
	if err != nil || len(d.History) == 0 {
		return err
	}
	if _, err := e.stdout.Write([]byte("\n")); err != nil {
		return err
	}
	return printTable(e.stdout, d.History, attemptColumns)
}
