package main

import (
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newProvidersCommand(e *env) *cobra.Command {
	var markdown bool
	c := &cobra.Command{
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
			if markdown {
				return writePage(e.stdout, p)
			}
			return showProvider(e, p)
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "with PROVIDER: print its reference page")
	return c
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
		kind := s.Kind.String()
		if s.Required {
			kind += ", required"
		}
		if s.Secret {
			kind += ", secret"
		}
		return kind
	}},
	{"WHAT IT IS", func(s provider.Setting) string { return s.Doc }},
	{"EXAMPLE", func(s provider.Setting) string { return s.Example }},
}

// showProvider prints what a provider says of itself.
func showProvider(e *env, p provider.Provider) error {
	info, guide := p.Info(), provider.GuideOf(p)
	fmt.Fprintf(e.stdout, "%s: %s\n%s\n%s\n", info.Name, info.Title, info.Summary, strings.Join(info.Links, "\n"))
	of := map[bool]string{false: "of a source", true: "of a source, and for bellhop send"}
	calls := provider.EmulationOf(p).OfSource
	if err := showSettings(e, of[calls], info.Settings, guide.Setup, sourceCommand(p)); err != nil {
		return err
	}
	if guide.ByHand != "" {
		fmt.Fprintf(e.stdout, "\nby hand\n%s\n", guide.ByHand)
	}
	if info.SendSettings != nil {
		of := map[bool]string{false: "of a destination, and for bellhop send", true: "of a destination"}
		if err := showSettings(e, of[calls], info.SendSettings, guide.SendSetup, destinationCommand(p), sendCommand(p)); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "where a destination says nothing, %s\n", strings.ReplaceAll(strings.Join(manners(p), "; "), "`", ""))
	}
	for _, t := range guide.Tables {
		if err := showTable(e, t); err != nil {
			return err
		}
	}
	if len(guide.Notes) > 0 {
		fmt.Fprintln(e.stdout, "\nworth knowing")
	}
	for _, note := range guide.Notes {
		fmt.Fprintln(e.stdout, "-", note)
	}
	return nil
}

// showTable prints a table of the reference page.
func showTable(e *env, t provider.Table) error {
	columns := make([]column[[]string], len(t.Head))
	for i, title := range t.Head {
		columns[i] = column[[]string]{strings.ToUpper(title), func(row []string) string { return strings.ReplaceAll(row[i], "`", "") }}
	}
	fmt.Fprintf(e.stdout, "\n%s\n%s\n", strings.ToLower(t.Title), t.Text)
	return printTable(e.stdout, t.Rows, columns)
}

// showSettings prints the settings of one side, after the steps and commands to take there.
func showSettings(e *env, title string, settings []provider.Setting, steps []string, commands ...string) error {
	fmt.Fprintln(e.stdout, "\n"+title)
	for i, step := range steps {
		fmt.Fprintf(e.stdout, "%d. %s\n", i+1, step)
	}
	for _, command := range commands {
		fmt.Fprintln(e.stdout, " ", command)
	}
	if len(settings) == 0 {
		fmt.Fprintln(e.stdout, "no settings")
		return nil
	}
	return printTable(e.stdout, settings, settingColumns)
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
