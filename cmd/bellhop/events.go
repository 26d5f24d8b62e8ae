package main

import (
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newEventsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "events",
		Short: "List, show and publish events",
		Long: `List, show and publish events.

An event is what a source's provider told, or what was published. Without a verb, events are listed.`,
		Example: `  bellhop events --source media --since 2026-11-22T10:00:00Z
  bellhop events show evt_… --json
  bellhop events publish invoice.paid '{"id":17}'`,
	}
	return newNounCommand(e, c, newEventsListCommand, newEventsShowCommand, newEventsBodyCommand, newEventsPublishCommand)
}

var eventColumns = []column[client.Event]{
	{"ID", func(ev client.Event) string { return ev.ID }},
	{"RECEIVED AT", func(ev client.Event) string { return moment(ev.ReceivedAt) }},
	{"SOURCE", func(ev client.Event) string { return ev.Source }},
	{"TYPE", func(ev client.Event) string { return ev.Type }},
	{"BYTES", func(ev client.Event) string { return strconv.Itoa(ev.BodyBytes) }},
	{"SUBJECT", func(ev client.Event) string { return ev.Subject }},
}

// eventFields are what an event is without what it carried.
func eventFields(ev client.Event) []field {
	return []field{
		{"id", ev.ID}, {"type", ev.Type}, {"subject", ev.Subject}, {"source", ev.Source + " (" + ev.SourceID + ")"},
		{"provider id", ev.ProviderID}, {"tenant", ev.Tenant}, {"time", moment(ev.Time)}, {"received at", moment(ev.ReceivedAt)},
		{"content type", ev.ContentType}, {"body", strconv.Itoa(ev.BodyBytes) + " bytes, SHA-256 " + ev.BodySHA256},
	}
}

// headerFields are headers, in order of their names.
func headerFields(headers map[string][]string) []field {
	settings := make(map[string]any)
	for name, values := range headers {
		settings[name] = strings.Join(values, ", ")
	}
	return settingFields("header ", settings)
}
