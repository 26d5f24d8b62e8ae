package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/spf13/cobra"
)

// defaultConfigFile is the configuration file of commands that name none.
const defaultConfigFile = "bellhop.yaml"

func newConfigCommand(e *env) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check, compare, apply and export configuration files",
		Long: `Check, compare, apply and export configuration files.

A configuration file declares tenants, sources, destinations, connections, subscriptions and keys, in
the form in which the API takes them, and the settings of 'bellhop serve'. It is YAML, so JSON too:

  sources:
  - name: shop
    provider: generic
    settings: {scheme: hmac, header: X-Signature, secret: env:SHOP_SECRET}
  destinations:
  - name: billing
    url: https://billing.example.com/hooks
    settings: {secret: env:BILLING_SECRET}
    match: {sources: [shop]}
  - name: archive
    url: https://archive.example.com/in
    settings: {format: envelope}
    retry: {schedule: [5s, 1m, 30m]}

Secrets are references: env:NAME or file:PATH, which are followed where the command runs; so is a url
that is one. The secret of a destination signs what it gets: BILLING_SECRET=whsec_$(openssl rand
-base64 32) makes one. 'bellhop providers NAME' lists the settings of a provider, and 'bellhop config
schema' all names. Once the file is applied, 'bellhop sources' shows the URLs to call.

FILE is bellhop.yaml unless it is given; - is stdin. A noun of the server is the one of the same name.
What the file does not have stays as it is; --prune deletes what an earlier file made, and nothing
else.`,
		Example: `  bellhop config check
  bellhop config diff
  bellhop config apply
  bellhop config export > bellhop.yaml`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			c.Help()
			return wrongUsage("missing verb: check, diff, apply, export, schema or key")
		},
		Args: cobra.ArbitraryArgs,
	}
	c.AddCommand(newConfigCheckCommand(e), newConfigDiffCommand(e), newConfigApplyCommand(e),
		newConfigExportCommand(e), newConfigSchemaCommand(e), newConfigKeyCommand(e))
	return c
}

// oneFile takes at most one argument, the path of a file.
func oneFile(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return wrongUsage("give one file, not %d", len(args))
	}
	return nil
}

// fileOf returns the file that the arguments name.
func fileOf(args []string) string {
	if len(args) == 0 {
		return defaultConfigFile
	}
	return args[0]
}

func newConfigCheckCommand(e *env) *cobra.Command {
	c := help{
		short: "Check a configuration file without a server",
		long: `Check a configuration file without a server: its form, its names and its values, by the rules of
the server. Every fault is printed, with its line, its column and what to write instead. Warnings say
what is accepted but weak. What only a server knows, such as whether a name is taken there, 'bellhop
config diff' shows.

A secret whose reference has no value here is not checked.`,
		example: `  bellhop config check
  bellhop config check --json bellhop.yaml`,
	}.command("check [FILE]", oneFile)
	asJSON := new(bool)
	formatFlags(e, c.Flags(), asJSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		path := fileOf(args)
		file, err := e.loadConfigFile(path)
		if err == nil {
			err = e.checkRules(c.Context(), file, path)
		}
		if err != nil {
			return err
		}
		faults := len(file.faults())
		if *asJSON {
			for _, p := range file.sorted() {
				err := printData(e, shownProblem{file.path, p.Line, p.Column, p.Path, p.Message, p.Warning})
				if err != nil {
					return err
				}
			}
		} else {
			file.print(e.stdout)
		}
		if faults > 0 {
			fmt.Fprintf(e.stderr, "%s has %s\n", clean(file.path), bellhop.Count(faults, "fault"))
			return errReported
		}
		fmt.Fprintf(e.stderr, "%s is good\n", clean(file.path))
		return nil
	}
	return c
}

// A configCall asks a server what a configuration changes, or has it change that.
type configCall func(api *client.Client, ctx context.Context, r client.ConfigRequest) (client.ConfigPlan, error)

// sendConfig sends the nouns of a file to the server, and returns its plan. Faults and warnings are printed on stderr;
// the error is errReported if there are faults.
func (e *env) sendConfig(ctx context.Context, conn *connection, path string, prune bool, call configCall) (
	plan client.ConfigPlan, err error) {
	file, err := e.loadConfigFile(path)
	if err != nil {
		return plan, err
	}
	nouns, err := e.nouns(file, path)
	if err != nil {
		return plan, err
	}
	if nouns == nil {
		file.print(e.stderr)
		return plan, errReported
	}
	nouns.Settings = file.file.Settings()
	err = conn.call(func(api *client.Client) error {
		plan, err = call(api, ctx, client.ConfigRequest{Config: *nouns, Prune: prune})
		return err
	})
	var refused *client.Error
	if errors.As(err, &refused) && len(refused.Errors) > 0 {
		file.place(asInFile(refused.Errors), false)
		err = errReported
	}
	file.place(asInFile(plan.Warnings), true)
	file.print(e.stderr)
	return plan, err
}

// asInFile returns errors of a configuration with the paths of the file, where the settings of serve stand beside the
// nouns.
func asInFile(errs []client.FieldError) []client.FieldError {
	errs = slices.Clone(errs)
	for i := range errs {
		errs[i].Path = strings.TrimPrefix(errs[i].Path, "settings.")
	}
	return errs
}

const pruneHelp = "delete the nouns that an earlier file made and this one does not have"

func newConfigDiffCommand(e *env) *cobra.Command {
	c := help{
		short: "Show what a configuration file would change on a server",
		long: `Show what a configuration file would change on a server. + is created, ~ is changed, - is deleted.
Secrets are compared and never shown. Nothing is changed. Of settings of serve it shows what the next
start of the server with this file changes; a flag and the environment of the server win over a file.`,
		example: `  bellhop config diff
  bellhop config diff --prune --exit-code`,
	}.command("diff [FILE]", oneFile)
	conn := newConnection(e, c.Flags())
	prune := c.Flags().Bool("prune", false, pruneHelp)
	exitCode := c.Flags().Bool("exit-code", false, "fail if there are differences, for scripts")
	c.RunE = func(c *cobra.Command, args []string) error {
		plan, err := e.sendConfig(c.Context(), conn, fileOf(args), *prune, (*client.Client).PlanConfig)
		if err != nil {
			return err
		}
		if err := e.printPlan(conn, plan, false); err != nil {
			return err
		}
		if *exitCode && len(plan.Changes)+len(plan.Settings) > 0 {
			return errReported
		}
		return nil
	}
	return c
}

func newConfigApplyCommand(e *env) *cobra.Command {
	c := help{
		short: "Make the nouns of a server those of a configuration file",
		long: `Make the nouns of a server those of a configuration file, in one transaction: all of it is stored, or
nothing. Applying a file twice changes nothing the second time.

The text of a key that the server makes is printed once, as 'bellhop keys create' does. Settings of
serve are read when the server starts.`,
		example: `  bellhop config apply
  bellhop config apply --prune production.yaml`,
	}.command("apply [FILE]", oneFile)
	conn := newConnection(e, c.Flags())
	prune := c.Flags().Bool("prune", false, pruneHelp)
	c.RunE = func(c *cobra.Command, args []string) error {
		plan, err := e.sendConfig(c.Context(), conn, fileOf(args), *prune, (*client.Client).ApplyConfig)
		if err != nil {
			return err
		}
		return e.printPlan(conn, plan, true)
	}
	return c
}

// signs mark the changes of a plan.
var signs = map[string]string{"create": "+", "update": "~", "replace": "~", "delete": "-"}

// printPlan prints what changes, or has changed.
func (e *env) printPlan(conn *connection, plan client.ConfigPlan, done bool) error {
	if conn.json {
		return printData(e, plan)
	}
	counts := map[string]int{}
	for _, change := range plan.Changes {
		counts[change.Change]++
		printChange(e.stdout, change)
	}
	e.printSettings(plan.Settings, done)
	if len(plan.Changes) == 0 {
		fmt.Fprintf(e.stderr, "no difference: %s as declared\n", isOrAre(plan.Same))
	} else {
		word := map[bool]string{true: "applied", false: "to apply"}[done]
		fmt.Fprintf(e.stderr, "%s: %d created, %d changed, %d deleted; %s as declared\n", word, counts["create"],
			counts["update"]+counts["replace"], counts["delete"], isOrAre(plan.Same))
	}
	var names []string
	for _, left := range plan.Left {
		if left.Note != "" {
			fmt.Fprintf(e.stderr, "not yet deleted: %s %s (%s)\n", clean(left.Noun), clean(left.Name),
				clean(left.Note))
			continue
		}
		names = append(names, clean(left.Noun+" "+left.Name))
	}
	if len(names) > 0 {
		fmt.Fprintf(e.stderr, "only --prune deletes what an earlier file made: %s\n", strings.Join(names, ", "))
	}
	return nil
}

// printSettings prints the settings of serve that differ, or that were not applied because only a start reads them.
func (e *env) printSettings(changes []client.SettingChange, done bool) {
	if done && len(changes) > 0 {
		var names []string
		for _, s := range changes {
			names = append(names, clean(s.Name))
		}
		fmt.Fprintf(e.stderr, "for the next start of the server, which reads the settings of its file: %s\n",
			strings.Join(names, ", "))
		return
	}
	for _, s := range changes {
		if s.Secret {
			fmt.Fprintf(e.stdout, "~ setting %s: another secret (at the next start)\n", clean(s.Name))
			continue
		}
		fmt.Fprintf(e.stdout, "~ setting %s: %s → %s (at the next start)\n", clean(s.Name), orDefault(s.Before),
			orDefault(s.After))
	}
}

// orDefault returns the value of a setting on one line.
func orDefault(v any) string {
	if v == nil {
		return "default"
	}
	return valueText(v)
}

// isOrAre says how many nouns are.
func isOrAre(n int) string {
	if n == 1 {
		return "1 noun is"
	}
	return fmt.Sprintf("%d nouns are", n)
}

// printChange prints one change of a plan.
func printChange(w io.Writer, change client.ConfigChange) {
	fmt.Fprintf(w, "%s %s %s", signs[change.Change], clean(change.Noun), clean(change.Name))
	if change.Note != "" {
		fmt.Fprintf(w, " (%s)", clean(change.Note))
	}
	fmt.Fprintln(w)
	for _, m := range change.Members {
		if m.Secret {
			fmt.Fprintf(w, "    %s: another secret\n", clean(m.Path))
			continue
		}
		fmt.Fprintf(w, "    %s: %s → %s\n", clean(m.Path), valueText(m.Before), valueText(m.After))
	}
	if change.Key != "" {
		fmt.Fprintf(w, "    key: %s\n", clean(change.Key))
	}
}

// valueText returns a value of a plan on one line.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "not set"
	case string:
		if v == "" {
			return "not set"
		}
		return clean(v)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return clean(string(raw))
}

func newConfigSchemaCommand(e *env) *cobra.Command {
	c := help{
		short: "Print the JSON Schema of configuration files",
		long: `Print the JSON Schema of configuration files, by which editors complete and check them. A file
names it in its first line, by a path or a URL:

  # yaml-language-server: $schema=bellhop.schema.json

An export names the schema of the latest release. A server has its own at /config.schema.json.`,
		example: "  bellhop config schema > bellhop.schema.json",
	}.command("schema", noArguments)
	c.RunE = func(*cobra.Command, []string) error {
		schema, err := app.ConfigSchema(fileOptions())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s\n", schema)
		return err
	}
	return c
}

func newConfigKeyCommand(e *env) *cobra.Command {
	c := help{
		short: "Make the text of a key for a configuration file",
		long: `Make the text of a key and print it. No server knows it: put it where the member key of a key in
the file refers to, such as key: file:ci.key.`,
		example: "  bellhop config key > ci.key",
	}.command("key", noArguments)
	c.RunE = func(*cobra.Command, []string) error {
		text, err := bellhop.NewKeyText(bellhop.NewID(bellhop.PrefixKey, rand.Reader), rand.Reader)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.stdout, text)
		return err
	}
	return c
}

// schemaURL is where the schema of the latest release is.
const schemaURL = "https://raw.githubusercontent.com/bellhop-gateway/bellhop/main/docs/bellhop.schema.json"

func newConfigExportCommand(e *env) *cobra.Command {
	c := help{
		short: "Print the nouns and the settings of a server as a configuration file",
		long: `Print the nouns of a server, and the settings with which it was started, as a configuration file,
without values that are the default. The server shows no secret, so each is a reference: a variable of
the environment, or with --secrets file a file in the folder secrets. While a reference has no value,
the stored secret stays. The texts of keys, which nobody knows any more, are left out.`,
		example: `  bellhop config export > bellhop.yaml
  bellhop config export --secrets file > bellhop.yaml`,
	}.command("export", noArguments)
	conn := newConnection(e, c.Flags())
	secrets := new(string)
	enumFlag(c, secrets, "secrets", manifest.FromEnv, []string{manifest.FromEnv, manifest.FromFile},
		"what the references to secrets name")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			cfg, err := api.ExportConfig(c.Context())
			if err != nil {
				return err
			}
			references := manifest.Refer(&cfg, *secrets)
			if conn.json {
				return printData(e, manifest.FileOf(cfg))
			}
			return printConfig(e, cfg, references)
		})
	}
	return c
}

// printConfig prints a configuration with references as YAML, with the line by which editors find the schema. Settings
// come first.
func printConfig(e *env, cfg client.Config, references []string) error {
	var text string
	settings := cfg.Settings
	cfg.Settings = nil
	for _, part := range []any{settings, cfg} {
		raw, err := json.Marshal(part)
		if err != nil {
			return err
		}
		if string(raw) == "{}" || string(raw) == "null" {
			continue
		}
		var body bytes.Buffer
		if err := printYAML(&body, part); err != nil {
			return err
		}
		text += strings.TrimLeft(strings.TrimPrefix(body.String(), "---"), "\n")
	}
	fmt.Fprintf(e.stdout, "# yaml-language-server: $schema=%s\n%s", schemaURL, text)
	if len(references) > 0 {
		fmt.Fprintf(e.stderr, "%s: give each reference its value before you apply the file to another server\n",
			bellhop.Count(len(references), "secret"))
	}
	return nil
}
