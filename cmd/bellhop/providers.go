package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

func newProvidersCommand(e *env) *cobra.Command {
	var markdown, asJSON bool
	c := &cobra.Command{
		Use:   "providers [PROVIDER]",
		Short: "List the providers, or show how to use one",
		Long: `List the providers, or show one: how to set it up, its settings and its commands.

Every provider can be the provider of a source. A provider that sends can also be the type of a
destination. There can be connections at the APIs of some, and of any API with OAuth 2 (oauth2).`,
		Example: `  bellhop providers
  bellhop providers ams`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return oneArgument("provider")(c, args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			list := all.Providers()
			if len(args) > 0 {
				p, err := findProvider(args[0])
				k, notKind := findConnector(args[0])
				if err != nil && notKind == nil && !markdown && !asJSON {
					return showConnector(e, k)
				}
				if err != nil {
					return err
				}
				list = []provider.Provider{p}
			}
			switch {
			case markdown && asJSON:
				return wrongUsage("give --markdown or --json, not both")
			case markdown && len(args) == 0:
				return wrongUsage("missing provider: --markdown prints the page of one")
			case markdown:
				return writePage(e.stdout, list[0])
			case asJSON:
				return printProviders(e, list)
			case len(args) == 0:
				return printTable(e, list, providerColumns)
			}
			return showProvider(e, list[0])
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "with PROVIDER: print its reference page in Markdown")
	formatFlags(e, c.Flags(), &asJSON)
	return c
}

// printProviders prints each provider as the API shows it.
func printProviders(e *env, list []provider.Provider) error {
	for _, p := range list {
		info := p.Info()
		shown := client.Provider{
			Name: info.Name, Title: info.Title, Summary: info.Summary, Links: info.Links,
			Settings: settingsOf(info.Settings), Setup: append([]string{}, provider.GuideOf(p).Setup...),
			Sends: info.SendSettings != nil, SendSettings: settingsOf(info.SendSettings),
			SubscriptionSettings: []client.Setting{}, ChangeTypes: []string{}, Samples: samplesOf(p),
			Paste: []client.Paste{},
		}
		for _, text := range provider.GuideOf(p).Paste {
			shown.Paste = append(shown.Paste, client.Paste(text))
		}
		if s, ok := p.(provider.Subscriber); ok {
			about := s.SubscribeInfo()
			shown.Subscribes, shown.SubscriptionSettings = true, settingsOf(about.Settings)
			shown.Resource, shown.ChangeTypes = about.Resource, append([]string{}, about.ChangeTypes...)
			shown.Connector = cmp.Or(about.Connector, info.Name)
		}
		err := printData(e, shown)
		if err != nil {
			return err
		}
	}
	return nil
}

// settingsOf returns settings in their JSON form.
func settingsOf(settings []provider.Setting) []client.Setting {
	list := make([]client.Setting, len(settings))
	for i, s := range settings {
		list[i] = client.Setting{Name: s.Name, Title: s.Title, Doc: s.Doc, Example: s.Example, Kind: s.Kind.String(),
			Secret: s.Secret, Required: s.Required, Choices: append([]string{}, s.Choices...), Many: s.Many,
			Make: string(s.Make)}
	}
	return list
}

var providerColumns = []column[provider.Provider]{
	{title: "NAME", cell: func(p provider.Provider) string { return p.Info().Name }},
	{title: "TITLE", cell: func(p provider.Provider) string { return p.Info().Title }},
	{title: "SENDS", cell: func(p provider.Provider) string {
		if _, ok := p.(provider.Sender); ok {
			return "yes"
		}
		return "no"
	}},
	{title: "KEY", cell: func(p provider.Provider) string { return p.Info().Key }},
}

// findProvider returns the provider with this name.
func findProvider(name string) (provider.Provider, error) {
	var names []string
	for _, p := range all.Providers() {
		if p.Info().Name == name {
			return p, nil
		}
		names = append(names, p.Info().Name)
	}
	return nil, wrongUsage("no provider '%s'; there are %s%s", name, strings.Join(names, ", "),
		didYouMean(name, "", names))
}

// providerEnv returns the Env for a provider that a command uses. Its clock stands at the time at, or runs if
// at is zero.
func (e *env) providerEnv(at time.Time) provider.Env {
	now := time.Now
	if !at.IsZero() {
		now = func() time.Time { return at }
	}
	logger := slog.New(slog.NewTextHandler(e.stderr, nil))
	return provider.Env{Now: now, Rand: rand.Reader, Client: egress.NewLocal(), Logger: logger}
}

// providerSettings returns the settings that --key and --set give a provider.
func (e *env) providerSettings(info provider.Info, key string, set []string) (map[string]any, error) {
	settings, err := e.readSettings(set)
	if err != nil {
		return nil, err
	}
	return settings, e.setKey(info, settings, key)
}

// setKey sets the provider's main secret to the value of --key, unless that is empty.
func (e *env) setKey(info provider.Info, settings map[string]any, key string) (err error) {
	if key == "" {
		return nil
	}
	if info.Key == "" {
		return wrongUsage("%s has no single key; use --set", info.Name)
	}
	if _, twice := settings[info.Key]; twice {
		return wrongUsage("--key and --set %s set the same secret; give one of them", info.Key)
	}
	value, err := e.readValue(key)
	isList := slices.ContainsFunc(info.Settings, func(s provider.Setting) bool {
		return s.Name == info.Key && s.Kind == provider.KindList
	})
	if text, ok := value.(string); ok && isList {
		value = []string{text}
	}
	settings[info.Key] = value
	return err
}

// rawSettings returns providerSettings as JSON.
func (e *env) rawSettings(info provider.Info, key string, set []string) (json.RawMessage, error) {
	settings, err := e.providerSettings(info, key, set)
	if err != nil {
		return nil, err
	}
	return json.Marshal(settings)
}

// wrongSettings makes a provider's complaint about its settings a usageError in the words of the flags that gave them:
// --set, and keyFlag for the main secret. keyFlag is empty if that flag was not given.
func wrongSettings(info provider.Info, keyFlag string, err error) error {
	var refused *bellhop.Error
	if !errors.As(err, &refused) || refused.Code != bellhop.CodeInvalid {
		return err
	}
	if len(refused.Fields) == 0 {
		return wrongUsage("%w; see 'bellhop providers %s'", err, info.Name)
	}
	var texts []string
	for _, f := range refused.Fields {
		flag := strings.TrimSpace("--set " + f.Path)
		if keyFlag != "" && f.Path == info.Key {
			flag = keyFlag
		}
		texts = append(texts, flag+": "+apiWords.Replace(f.Message))
	}
	return wrongUsage("%s; see 'bellhop providers %s'", strings.Join(texts, "; "), info.Name)
}

// givenFlag returns the name of a flag if it has a value, and otherwise "".
func givenFlag(flag, value string) string {
	if value == "" {
		return ""
	}
	return flag
}

// Two more verbs list what can be created: the types of destinations, and the systems at whose API there can be
// connections.

func newDestinationTypesCommand(e *env, conn *connection) *cobra.Command {
	return typesVerb(e, conn, help{
		short: "List the types that a destination can have",
		long: `List the types that a destination can have at this server: http, pull, the providers that send, and
the actions. --json shows their settings too.`,
		example: "  bellhop destinations types",
	}, "types", []column[client.DestinationType]{
		{title: "NAME", cell: func(t client.DestinationType) string { return t.Name }},
		{title: "TITLE", cell: func(t client.DestinationType) string { return t.Title }},
		{title: "KIND", cell: kindOfType},
		{title: "SUMMARY", cell: func(t client.DestinationType) string { return t.Summary }, wide: true},
	}, (*client.Client).DestinationTypes)
}

// kindOfType says where the events of a destination of that type go.
func kindOfType(t client.DestinationType) string {
	switch {
	case t.Action:
		return "work here"
	case t.NeedsURL:
		return "to a URL"
	}
	return "fetched"
}

func newConnectionTypesCommand(e *env, conn *connection) *cobra.Command {
	return typesVerb(e, conn, help{
		short: "List the systems at whose API there can be connections",
		long: `List the systems at whose API there can be connections at this server. --json shows the settings of
such a connection too, and the steps to take at the system.`,
		example: "  bellhop connections types",
	}, "systems", []column[client.Connector]{
		{title: "NAME", cell: func(k client.Connector) string { return k.Name }},
		{title: "TITLE", cell: func(k client.Connector) string { return k.Title }},
		{title: "SUMMARY", cell: func(k client.Connector) string { return k.Summary }, wide: true},
	}, (*client.Client).Connectors)
}

// typesVerb returns the verb that lists what list returns, all of it at once.
func typesVerb[T any](e *env, conn *connection, h help, nouns string, columns []column[T],
	list func(api *client.Client, ctx context.Context) ([]T, error)) *cobra.Command {
	c := h.command("types", noArguments)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			all, err := list(api, c.Context())
			if err != nil {
				return err
			}
			return showList(e, conn, client.List[T]{Data: all}, nouns, columns)
		})
	}
	return c
}
