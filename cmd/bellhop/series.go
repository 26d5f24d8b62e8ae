package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

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
