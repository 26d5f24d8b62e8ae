package main

import (
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
