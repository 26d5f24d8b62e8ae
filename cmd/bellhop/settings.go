package main

import (
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

func newSettingsCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "settings",
		Short: "Show how a server was started: its settings, and where each came from",
		Long: `Show how a server was started: the program, its addresses, and the settings of 'bellhop serve' with
where each has its value from: a flag, a variable of the environment, or a line of the configuration
file. Without --all, settings that have their default are left out.

Of a secret there is a reference to it, or that it is set. Where the server goes by another value than
the one it was given, such as an address that the system chose, that is in brackets. It needs an API
key of the scope admin, for all tenants.`,
		Example: `  bellhop settings
  bellhop settings --all
  bellhop settings --json`,
		Args: noArguments,
	}
	conn := newConnection(e, c.Flags())
	all := c.Flags().Bool("all", false, "also the settings that have their default")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			info, err := api.Settings(c.Context())
			if err != nil {
				return err
			}
			if conn.json {
				return printData(e, info)
			}
			return printServerInfo(e, info, *all)
		})
	}
	return c
}

// printServerInfo prints what a server is, and then its settings: all of them, or those that are not the default.
func printServerInfo(e *env, info client.ServerInfo, all bool) error {
	err := printFields(e, []field{{"version", info.Version}, {"commit", info.Commit}, {"go", info.Go},
		{"started at", moment(info.StartedAt.Time)}, {"url", info.URL}, {"api url", info.APIURL},
		{"public url", info.PublicURL}, {"metrics url", info.MetricsURL}, {"ui url", info.UIURL}, {"data", info.Data},
		{"admin key in", info.AdminKey},
		{"up for", e.clock().Sub(info.StartedAt.Time).Truncate(time.Second).String()}})
	if err != nil {
		return err
	}
	var shown []client.ServerSetting
	for _, s := range info.Settings {
		if all || s.Changed || s.Origin != "default" {
			shown = append(shown, s)
		}
	}
	if len(shown) == 0 {
		fmt.Fprintln(e.stderr, "every setting has its default; --all shows them")
		return nil
	}
	fmt.Fprintln(e.stdout)
	return printTable(e, shown, serverSettingColumns)
}

var serverSettingColumns = []column[client.ServerSetting]{
	{title: "SETTING", cell: func(s client.ServerSetting) string { return s.Name }},
	{title: "VALUE", cell: serverSettingText},
	{title: "FROM", cell: func(s client.ServerSetting) string {
		if s.Place == "" {
			return s.Origin
		}
		return s.Place
	}},
}

// serverSettingText returns the value of a setting, with the one in use where that is another.
func serverSettingText(s client.ServerSetting) string {
	text := "not set"
	switch {
	case s.Secret && s.Set && s.Value == nil:
		text = "set"
	case s.Set:
		text = valueText(s.Value)
	}
	if s.InUse != nil {
		text += " (" + valueText(s.InUse) + ")"
	}
	return text
}
