package main

import (
	"context"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

func newSourcesUpdateCommand(e *env, conn *connection) *cobra.Command {
	c := &cobra.Command{
		Use:   "update NAME",
		Short: "Change a source",
		Long: `Change a source, by name or id. What is not named stays as it is, secrets included.

To rotate a secret without losing events, set both the new and the old one, and the new one alone some time later.`,
		Example: `  bellhop sources update media --set signing_key='["NEW","OLD"]'
  bellhop sources update media --unset account_id
  bellhop sources update media --disabled`,
		Args: named("source"),
	}
	name := c.Flags().String("name", "", "a new name; its URL changes with it")
	key := c.Flags().String("key", "", "the provider's main secret: text, @FILE or env:NAME")
	set := c.Flags().StringArray("set", nil, setHelp)
	remove := c.Flags().StringArray("unset", nil, "a setting to remove (repeatable)")
	maxBody := c.Flags().Int64("max-body-bytes", 0, "largest body accepted; 0 is the provider's default")
	disabled := c.Flags().Bool("disabled", false, "answer as if it did not exist; --disabled=false ends that")
	c.RunE = func(c *cobra.Command, args []string) error {
		settings, err := e.readSettings(*set)
		if err != nil {
			return err
		}
		unset(settings, *remove)
		if *key != "" {
			info, err := providerOf(c.Context(), conn, args[0])
			if err != nil {
				return err
			}
			if err := e.setKey(info, settings, *key); err != nil {
				return err
			}
		}
		changes := changedFlags(c, map[string]any{"name": *name, "max-body-bytes": *maxBody, "disabled": *disabled})
		if len(settings) > 0 {
			changes["settings"] = settings
		}
		if len(changes) == 0 {
			return wrongUsage("nothing to change")
		}
		return conn.call(func(api *client.Client) error {
			s, err := api.UpdateSource(c.Context(), args[0], changes)
			if err != nil {
				return err
			}
			return showSource(e, conn, s)
		})
	}
	return c
}

// providerOf returns what the provider of a source says of itself.
func providerOf(ctx context.Context, conn *connection, source string) (info provider.Info, err error) {
	err = conn.call(func(api *client.Client) error {
		s, err := api.Source(ctx, source)
		if err != nil {
			return err
		}
		p, err := findProvider(s.Provider)
		if err == nil {
			info = p.Info()
		}
		return err
	})
	return info, err
}
