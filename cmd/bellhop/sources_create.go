package main

import (
	"fmt"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSourcesCreateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "create NAME --provider PROVIDER [--key K] [--set name=value]…",
		Short: "Create a source and print its URL",
		Long: `Create a source and print its URL: that is what the provider is to call.

'bellhop providers' lists the providers, 'bellhop providers PROVIDER' the settings of one.`,
		Example: `  bellhop sources create media --provider ams --key @key.txt --set account_id=GUID
  bellhop sources create repo --provider generic --set scheme=hmac --set header=X-Sig --set secret=env:SECRET
  bellhop sources create pay --provider standardwebhooks --set secret='["whsec_new","whsec_old"]'`,
		Args: named("name for the source"),
	}
	provider := c.Flags().String("provider", "", "the provider that reads its requests")
	key := c.Flags().String("key", "", "the provider's main secret: text, @FILE or env:NAME")
	set := c.Flags().StringArray("set", nil, setHelp)
	maxBody := c.Flags().Int64("max-body-bytes", 0, "largest body accepted; 0 is the provider's default, mostly 1 MiB")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *provider == "" {
			return wrongUsage("missing --provider; 'bellhop providers' lists them")
		}
		p, err := findProvider(*provider)
		if err != nil {
			return err
		}
		settings, err := e.providerSettings(p.Info(), *key, *set)
		if err != nil {
			return err
		}
		return conn.call(func(api *client.Client) error {
			s, err := api.CreateSource(c.Context(), client.NewSource{Name: args[0], Provider: *provider, Settings: settings, MaxBodyBytes: *maxBody})
			if err != nil {
				return err
			}
			if conn.json {
				return printJSON(e.stdout, s)
			}
			fmt.Fprintf(e.stderr, "created source %s (%s); the provider calls\n", clean(s.Name), clean(s.ID))
			fmt.Fprintln(e.stdout, clean(s.URL))
			return nil
		})
	}
	return c
}
