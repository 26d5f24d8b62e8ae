package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "destinations",
		Short: "List, show, create, update, preview, test, pause, resume and delete destinations",
		Long: `List, show, create, update, preview, test, pause, resume and delete destinations, and rotate their secrets.

A destination is where events go. Its match says which ones. Without a verb, destinations are listed.`,
		Example: `  bellhop destinations
  bellhop destinations create billing --url https://billing.example.com/hooks --source media --types 'ams.*'
  bellhop destinations pause billing`,
	}
	return newNounCommand(e, c, newDestinationsListCommand, newDestinationsShowCommand, newDestinationsCreateCommand,
		newDestinationsUpdateCommand, newDestinationsPreviewCommand, newDestinationsTestCommand, newDestinationsRotateCommand,
		newDestinationsPauseCommand, newDestinationsResumeCommand, newDestinationsDeleteCommand)
}

var destinationColumns = []column[client.Destination]{
	{"ID", func(d client.Destination) string { return d.ID }},
	{"NAME", func(d client.Destination) string { return d.Name }},
	{"TYPE", func(d client.Destination) string { return d.Type }},
	{"URL", func(d client.Destination) string { return d.URL }},
	{"STATE", func(d client.Destination) string { return d.State }},
	{"MATCH", func(d client.Destination) string { return matchText(d.Match) }},
}

// matchText is m in one line.
func matchText(m client.Match) string {
	var parts []string
	if len(m.Sources) > 0 {
		parts = append(parts, "sources "+strings.Join(m.Sources, ", "))
	}
	if len(m.Types) > 0 {
		parts = append(parts, "types "+strings.Join(m.Types, ", "))
	}
	if m.Where != "" {
		parts = append(parts, "where "+m.Where)
	}
	if len(parts) == 0 {
		return "every event"
	}
	return strings.Join(parts, "; ")
}

// showDestination prints d.
func showDestination(e *env, conn *connection, d client.Destination) error {
	if conn.json {
		return printJSON(e.stdout, d)
	}
	state := d.State
	if d.StateReason != "" {
		state += ": " + d.StateReason
	}
	fields := []field{
		{"id", d.ID}, {"name", d.Name}, {"type", d.Type}, {"url", d.URL}, {"state", state}, {"match", matchText(d.Match)},
		{"timeout", d.Timeout}, {"concurrency", strconv.Itoa(d.Concurrency)}, {"rate", rateText(d.Rate)}, {"batch", batchText(d.Batch)},
		{"order", d.Order}, {"retry", retryText(d.Retry)}, {"breaker", breakerText(d.Breaker)}, {"handshake", d.Handshake},
	}
	if !d.ExpiresAt.IsZero() {
		fields = append(fields, field{"expires at", moment(d.ExpiresAt)})
	}
	if !d.FailingSince.IsZero() {
		fields = append(fields, field{"failing since", moment(d.FailingSince)})
	}
	if d.MatchError != nil {
		fields = append(fields, field{"match error", fmt.Sprintf("%s; %d so far, the last at %s", d.MatchError.Message, d.MatchError.Count, moment(d.MatchError.At))})
	}
	if d.GrantedRate != nil {
		fields = append(fields, field{"granted rate", rateText(d.GrantedRate)})
	}
	fields = append(append(fields, settingFields("settings.", d.Settings)...), settingFields("access.", d.Access)...)
	return printFields(e.stdout, append(fields, field{"created at", moment(d.CreatedAt)}, field{"updated at", moment(d.UpdatedAt)}))
}

// rateText is r in words.
func rateText(r *client.Rate) string {
	if r == nil {
		return "any"
	}
	return fmt.Sprintf("%g a second, %d at once", r.PerSecond, r.Burst)
}

// batchText is b in words.
func batchText(b *client.Batch) string {
	if b == nil {
		return "one event at a time"
	}
	return fmt.Sprintf("up to %d events, the first waiting up to %s", b.MaxEvents, b.MaxWait)
}

// retryText is r in words.
func retryText(r client.Retry) string {
	text := strings.Join(r.Schedule, ", ")
	if r.MaxAge != "" {
		text += "; no longer than " + r.MaxAge
	}
	for _, key := range slices.Sorted(maps.Keys(r.Outcomes)) {
		text += "; " + key + " is " + r.Outcomes[key]
	}
	return text
}

// breakerText is b in words.
func breakerText(b client.Breaker) string {
	if b.Failures == nil || *b.Failures == 0 {
		return "never held back"
	}
	text := fmt.Sprintf("held back after %d failures in a row", *b.Failures)
	if b.For != "" && b.For != "0s" {
		text += ", over " + b.For + " if it answers"
	}
	if b.DisableAfter == "0s" {
		return text
	}
	return text + ", disabled after " + b.DisableAfter
}
