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
