package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newStatsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "stats",
		Short: "Show how many sources, events and deliveries a server holds",
		Long: `Show how many sources, destinations, events and deliveries a server holds, and the size of its
database.

Pending and sending deliveries (--json calls the latter leased) are counted as of now, and the
delivered, dead and cancelled ones since the server started. "oldest pending" is the time at which
the pending delivery that waits longest was created: its event was accepted, or its replay was
requested. "next due" is the time of the next attempt of a pending delivery.

p50 and p99 are of the latest hour: half, and 99 of 100, took no longer. Accepting is from a request
to its answer, an attempt from its request to the end of the reply, a delivery from receiving the
event until its receiver has taken it. The figures are points between bounds that double.`,
		Example: "  bellhop stats --json",
		Args:    noArguments,
	}
	conn := newConnection(e, c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			s, err := api.Stats(c.Context())
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, s)
			}
			fields := []field{
				{"sources", count(s.Sources)}, {"destinations", count(s.Destinations)}, {"events", count(s.Events)},
			}
			for _, state := range slices.Sorted(maps.Keys(s.Deliveries)) {
				fields = append(fields, field{"deliveries " + stateText(state), count(s.Deliveries[state])})
			}
			for _, l := range []struct {
				title string
				of    client.Latency
			}{{"accepting", s.Latency.Accept}, {"attempt", s.Latency.Attempt}, {"delivery", s.Latency.Delivery}} {
				fields = append(fields, field{l.title + " p50, p99", latencyText(l.of)})
			}
			return printFields(e, append(fields, field{"oldest pending", moment(s.OldestPendingAt.Time)},
				field{"next due", moment(s.NextDueAt.Time)}, field{"requests refused", count(s.RequestsRefused)},
				field{"database bytes", count(s.DatabaseBytes)}))
		})
	}
	return c
}

// latencyText formats l as one line; "" if nothing was counted.
func latencyText(l client.Latency) string {
	if l.Count == 0 {
		return ""
	}
	took := func(ms float64) string {
		if ms < 1000 {
			return fmt.Sprintf("%.3g ms", ms)
		}
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return took(l.P50MS) + ", " + took(l.P99MS) + ", of " + count(l.Count)
}

func newSeriesCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "series",
		Short: "Show how much happened, minute by minute or hour by hour",
		Long: `Show how many events were accepted, requests refused, deliveries delivered and attempts failed in
each span of a period: minutes of the last 3 hours, ten minutes of the last 48 hours, hours of the
last 30 days. Below are the sources and destinations with the most of them.

With --source there are the events and refused requests of that source alone, and with --destination
the deliveries and attempts of that destination. A repeat of an event is not counted. A crash of the
server loses the counts of at most a minute.`,
		Example: `  bellhop series --period 3h
  bellhop series --period 30d --destination billing --json`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	var f client.SeriesFilter
	lengthTextFlag(c, &f.Period, "period", "how long the period that ends now is, at most 30d (default 1h)")
	c.Flags().StringVar(&f.Source, "source", "", "only events and requests of this source, by name or id")
	c.Flags().StringVar(&f.Destination, "destination", "", "only what is of this destination, by name or id")
	tenantFlag(c, &f.Tenant, "what is")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			series, err := api.Series(c.Context(), f)
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, series)
			}
			return printSeries(e, series)
		})
	}
	return c
}

// printSeries prints the spans, and then the nouns.
func printSeries(e *env, series client.Series) error {
	err := printTable(e, series.Data, append([]column[client.Span]{{title: "AT",
		cell: func(s client.Span) string { return moment(s.At.Time) }}},
		countColumns(func(s client.Span) client.Counts { return s.Counts })...))
	if err != nil {
		return err
	}
	for _, nouns := range []struct {
		title string
		list  []client.NounCounts
	}{{"SOURCE", series.Sources}, {"DESTINATION", series.Destinations}} {
		if len(nouns.list) == 0 {
			continue
		}
		fmt.Fprintln(e.stdout)
		err := printTable(e, nouns.list, append([]column[client.NounCounts]{{title: nouns.title,
			cell: func(n client.NounCounts) string { return n.Name }}},
			countColumns(func(n client.NounCounts) client.Counts { return n.Counts })...))
		if err != nil {
			return err
		}
	}
	return nil
}

// countColumns are the columns of the counts of an item.
func countColumns[T any](of func(T) client.Counts) []column[T] {
	return []column[T]{
		{title: "ACCEPTED", cell: func(item T) string { return count(of(item).Accepted) }},
		{title: "REFUSED", cell: func(item T) string { return count(of(item).Refused) }},
		{title: "DELIVERED", cell: func(item T) string { return count(of(item).Delivered) }},
		{title: "FAILED", cell: func(item T) string { return count(of(item).Failed) }},
	}
}
