package main

import (
	"fmt"
	"strconv"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newRepairsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "repairs",
		Short: "List, show and cancel repairs",
		Long: `List, show and cancel repairs.

A repair is a replay, retry or cancel of many, chosen by a filter: 'bellhop replay', 'bellhop deliveries retry' and
'bellhop deliveries cancel' begin one. It goes on when the server restarts. Without a verb, repairs are listed.`,
		Example: `  bellhop repairs
  bellhop repairs show rpr_…
  bellhop repairs cancel rpr_…`,
	}
	return newNounCommand(e, c, newRepairsListCommand, newRepairsShowCommand, newRepairsCancelCommand)
}

var repairColumns = []column[client.Repair]{
	{"ID", func(r client.Repair) string { return r.ID }},
	{"KIND", func(r client.Repair) string { return r.Kind }},
	{"STATE", func(r client.Repair) string { return r.State }},
	{"LOOKED AT", func(r client.Repair) string { return count(r.LookedAt) }},
	{"CHANGED", func(r client.Repair) string { return count(r.Changed) }},
	{"COME TO", func(r client.Repair) string { return moment(r.PositionAt) }},
	{"CREATED AT", func(r client.Repair) string { return moment(r.CreatedAt) }},
}

// showCount prints what a repair would do.
func showCount(e *env, conn *connection, n client.RepairCount, err error) error {
	if err != nil {
		return err
	}
	if conn.json {
		return printJSON(e.stdout, n)
	}
	if !n.Complete {
		fmt.Fprintln(e.stderr, "there are more: there was no time to count all")
	}
	var fields []field
	if n.Events > 0 {
		fields = append(fields, field{"events", count(n.Events)})
	}
	return printFields(e.stdout, append(fields, field{"deliveries", count(n.Deliveries)}))
}

func showRepair(e *env, conn *connection, r client.Repair) error {
	if conn.json {
		return printJSON(e.stdout, r)
	}
	f := r.Filter
	return printFields(e.stdout, []field{
		{"id", r.ID}, {"kind", r.Kind}, {"state", r.State}, {"reason", r.Reason},
		{"source", f.SourceID}, {"type", f.Type}, {"where", f.Where}, {"event", f.EventID}, {"destination", f.DestinationID},
		{"of state", f.State}, {"of error", f.Error}, {"since", moment(f.Since)}, {"until", moment(f.Until)},
		{"rate", rateOf(r.Rate)}, {"looked at", count(r.LookedAt)}, {"changed", count(r.Changed)}, {"skipped", count(r.Skipped)},
		{"position at", moment(r.PositionAt)}, {"created at", moment(r.CreatedAt)}, {"updated at", moment(r.UpdatedAt)},
	})
}

func rateOf(perSecond float64) string {
	if perSecond == 0 {
		return "any"
	}
	return strconv.FormatFloat(perSecond, 'f', -1, 64) + " a second"
}
