package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/spf13/cobra"
)

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
