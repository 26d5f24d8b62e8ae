package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newDestinationsRotateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate-secret NAME",
		Short: "Sign with another secret, and with the old one beside it for a while",
		Long: `Have a destination of type http sign with another secret. Until the grace is over the old one signs beside it, so
that whoever receives can change over in between; afterwards the new one signs alone.

Without --secret one is made and printed, this once: give it to whoever receives.`,
		Example: `  bellhop destinations rotate-secret billing
  bellhop destinations rotate-secret billing --secret @secret.txt --grace 168h`,
		Args: named("destination"),
	}
	secret := c.Flags().String("secret", "", "the new one: whsec_…, @FILE or env:NAME (default one that is made)")
	grace := c.Flags().String("grace", "", "how long the old one signs beside it, 0s to 720h (default 24h)")
	c.RunE = func(c *cobra.Command, args []string) error {
		given, err := e.readText(*secret)
		if err != nil {
			return fmt.Errorf("--secret: %w", err)
		}
		return conn.call(func(api *client.Client) error {
			d, err := api.RotateSecret(c.Context(), args[0], client.Rotation{Secret: given, Grace: *grace})
			if err != nil {
				return err
			}
			return showRotated(e, conn, d)
		})
	}
	return c
}

// showRotated prints the secret that was made, if one was, and until when the old one signs.
func showRotated(e *env, conn *connection, d client.RotatedDestination) error {
	if conn.json {
		return printJSON(e.stdout, d)
	}
	fmt.Fprintf(e.stderr, "destination %s signs with a new secret\n", clean(d.Name))
	if until, ok := d.Settings["secret_until"].(string); ok {
		fmt.Fprintf(e.stderr, "the old one signs beside it until %s\n", clean(until))
	}
	if d.Secret == "" {
		return nil
	}
	fmt.Fprintln(e.stderr, "it is shown only now: give it to whoever receives")
	_, err := fmt.Fprintln(e.stdout, clean(d.Secret))
	return err
}
