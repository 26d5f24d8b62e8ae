package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsTestCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test event to a destination",
		Long: `Send a test event to a destination, whatever it matches, and print what came of its first attempt.

The event is of type bellhop.test, or the test message of the system whose dialect the destination has. It is kept and
retried like any other. The command fails if the attempt does.`,
		Example: "  bellhop destinations test billing --timeout 10s",
		Args:    named("destination"),
	}
	patience := c.Flags().Duration("timeout", 30*time.Second, "how long to wait for the attempt")
	c.RunE = func(c *cobra.Command, args []string) error {
		return conn.call(func(api *client.Client) error {
			trial, err := api.TestDestination(c.Context(), args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), *patience)
			defer cancel()
			d, err := attempted(ctx, api, trial.DeliveryID)
			if err != nil && ctx.Err() != nil && c.Context().Err() == nil {
				return fmt.Errorf("no attempt was made within %v: see 'bellhop deliveries show %s'", *patience, clean(trial.DeliveryID))
			}
			if err != nil {
				return err
			}
			return showTrial(e, conn, d)
		})
	}
	return c
}

// attempted waits until the delivery was attempted, or is not to be.
func attempted(ctx context.Context, api *client.Client, id string) (client.Delivery, error) {
	for {
		d, err := api.Delivery(ctx, id)
		if err != nil || d.Last != nil || d.State != "pending" && d.State != "leased" {
			return d, err
		}
		select {
		case <-ctx.Done():
			return d, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// showTrial prints what came of a test; one that was not delivered is a failure.
func showTrial(e *env, conn *connection, d client.Delivery) error {
	if conn.json {
		if err := printJSON(e.stdout, d); err != nil {
			return err
		}
	} else {
		fields := []field{{"delivery", d.ID}, {"event", d.EventID}, {"state", d.State}}
		if d.Last != nil {
			fields = append(fields, field{"status", statusText(d.Last.Status)}, field{"took", fmt.Sprintf("%g ms", d.Last.DurationMS)},
				field{"error", d.Last.Error}, field{"detail", d.Last.Detail}, field{"reply", shorten(d.Last.Reply+d.Last.ReplyBase64, 60)})
		}
		if err := printFields(e.stdout, append(fields, field{"next at", moment(d.NextAt)})); err != nil {
			return err
		}
	}
	if d.State != "delivered" {
		return errReported
	}
	return nil
}
