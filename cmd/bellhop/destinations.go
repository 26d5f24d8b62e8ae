package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "destinations",
		Short: "List, show, create, update, pause, resume and delete destinations",
		Long: `List, show, create, update, pause, resume and delete destinations.

A destination is where events go. Its match says which ones. Without a verb, destinations are listed.`,
		Example: `  bellhop destinations
  bellhop destinations create billing --url https://billing.example.com/hooks --source media --types 'ams.*'
  bellhop destinations pause billing`,
	}
	return newNounCommand(e, c, newDestinationsListCommand, newDestinationsShowCommand, newDestinationsCreateCommand,
		newDestinationsUpdateCommand, newDestinationsPauseCommand, newDestinationsResumeCommand, newDestinationsDeleteCommand)
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
		{"timeout", d.Timeout}, {"concurrency", strconv.Itoa(d.Concurrency)}, {"rate", rateText(d.Rate)}, {"batch", batchText(d.Batch)}, {"retry", strings.Join(d.Retry.Schedule, ", ")},
		{"handshake", d.Handshake},
	}
	if d.GrantedRate != nil {
		fields = append(fields, field{"granted rate", rateText(d.GrantedRate)})
	}
	fields = append(fields, settingFields(d.Settings)...)
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

// destinationFlags are those that create and update have in common.
type destinationFlags struct {
	url, format, secret, where, timeout, retry, handshake, batchWait string
	sources, types, set                                              []string
	concurrency, burst, batch                                        int
	rate                                                             float64
}

func (f *destinationFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "url", "", "where deliveries go")
	c.Flags().StringVar(&f.format, "format", "", "of type http: raw, standard (the default) or envelope")
	c.Flags().StringVar(&f.secret, "secret", "", "of type http: whsec_…, @FILE or env:NAME; signs in format standard")
	c.Flags().StringSliceVar(&f.sources, "source", nil, "match events of this source only (repeatable)")
	c.Flags().StringSliceVar(&f.types, "types", nil, "match events of this type only; it may end in * (repeatable)")
	c.Flags().StringVar(&f.where, "where", "", "match events for which this is true: \"data.amount > 100\"")
	c.Flags().StringVar(&f.timeout, "timeout", "", "of one attempt, 10ms to 5m (default 5s)")
	c.Flags().IntVar(&f.concurrency, "concurrency", 0, "attempts under way at once, 1 to 1024 (default 16)")
	c.Flags().Float64Var(&f.rate, "rate", 0, "attempts a second, such as 10 or 0.5 (default that of the type, mostly any)")
	c.Flags().IntVar(&f.burst, "burst", 0, "with --rate: how many at once after a rest (default the rate, at least 1)")
	c.Flags().IntVar(&f.batch, "batch", 0, "events in one request, 2 to 1000, for types and formats that know such (default one at a time)")
	c.Flags().StringVar(&f.batchWait, "batch-wait", "", "with --batch: how long the first event waits for others, up to 1m (default 1s)")
	c.Flags().StringVar(&f.handshake, "handshake", "", "whether the receiver has to agree first: none, or how the type asks (default that of the type)")
	c.Flags().StringVar(&f.retry, "retry", "", "when to try again: default, none, sharepoint, eventgrid, or waits such as 5s,1m,10m")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
}

// settings are those of --set, --format and --secret together.
func (f *destinationFlags) settings(e *env) (map[string]any, error) {
	settings, err := e.readSettings(f.set)
	if err != nil {
		return nil, err
	}
	if f.format != "" {
		settings["format"] = f.format
	}
	if f.secret != "" {
		if settings["secret"], err = e.readText(f.secret); err != nil {
			return nil, err
		}
	}
	return settings, nil
}

// limit is the rate of --rate and --burst; nil if there is none.
func (f *destinationFlags) limit(c *cobra.Command) (*client.Rate, error) {
	switch {
	case c.Flags().Changed("rate"):
		return &client.Rate{PerSecond: f.rate, Burst: f.burst}, nil
	case c.Flags().Changed("burst"):
		return nil, wrongUsage("--burst goes with --rate")
	}
	return nil, nil
}

// batching is the batch of --batch and --batch-wait; nil if there is none.
func (f *destinationFlags) batching(c *cobra.Command) (*client.Batch, error) {
	switch {
	case c.Flags().Changed("batch") && f.batch != 0:
		return &client.Batch{MaxEvents: f.batch, MaxWait: f.batchWait}, nil
	case c.Flags().Changed("batch-wait"):
		return nil, wrongUsage("--batch-wait goes with --batch")
	}
	return nil, nil
}

func (f *destinationFlags) schedule() client.Retry {
	return client.Retry{Schedule: strings.Split(f.retry, ",")}
}
