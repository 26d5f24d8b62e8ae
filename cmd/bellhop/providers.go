package main

import (
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newProvidersCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "providers [PROVIDER]",
		Short: "List the providers, or show the settings of one",
		Long: `List the providers that this program knows, or show the settings of one.

Any of them can be the provider of a source. One that sends can also be the type of a destination, and is known to
'bellhop send'.`,
		Example: `  bellhop providers
  bellhop providers ams`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return printTable(e.stdout, all.Providers(), providerColumns)
			}
			p, err := findProvider(args[0])
			if err != nil {
				return err
			}
			return showProvider(e, p.Info())
		},
	}
}

var providerColumns = []column[provider.Provider]{
	{"NAME", func(p provider.Provider) string { return p.Info().Name }},
	{"TITLE", func(p provider.Provider) string { return p.Info().Title }},
	{"SENDS", func(p provider.Provider) string {
		if _, ok := p.(provider.Sender); ok {
			return "yes"
		}
		return "no"
	}},
	{"KEY", func(p provider.Provider) string { return p.Info().Key }},
}

var settingColumns = []column[provider.Setting]{
	{"SETTING", func(s provider.Setting) string { return s.Name }},
	{"KIND", func(s provider.Setting) string {
		kind := "optional"
		if s.Required {
			kind = "required"
		}
		if s.Secret {
			kind += ", secret"
		}
		return kind
	}},
	{"WHAT IT IS", func(s provider.Setting) string { return s.Doc }},
	{"EXAMPLE", func(s provider.Setting) string { return s.Example }},
}

// showProvider prints what info says.
func showProvider(e *env, info provider.Info) error {
	fmt.Fprintf(e.stdout, "%s: %s\n%s\n%s\n", info.Name, info.Title, info.Summary, strings.Join(info.Links, "\n"))
	if len(info.Settings) > 0 {
		fmt.Fprintln(e.stdout, "\nof a source")
		if err := printTable(e.stdout, info.Settings, settingColumns); err != nil {
			return err
		}
	}
	if len(info.SendSettings) > 0 {
		fmt.Fprintln(e.stdout, "\nof a destination, and for bellhop send")
		return printTable(e.stdout, info.SendSettings, settingColumns)
	}
	return nil
}

// findProvider returns the provider of this name.
func findProvider(name string) (provider.Provider, error) {
	var names []string
	for _, p := range all.Providers() {
		if p.Info().Name == name {
			return p, nil
		}
		names = append(names, p.Info().Name)
	}
	return nil, wrongUsage("no provider '%s'; there are %s", name, strings.Join(names, ", "))
}
