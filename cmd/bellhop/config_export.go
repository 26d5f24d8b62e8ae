package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/spf13/cobra"
)

// schemaURL is where the schema of the latest release is.
const schemaURL = "https://raw.githubusercontent.com/bellhop-gateway/bellhop/main/docs/bellhop.schema.json"

// The kinds of references that an export writes.
const (
	secretsFromEnv  = "env"
	secretsFromFile = "file"
)

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
	enumFlag(c, secrets, "secrets", secretsFromEnv, []string{secretsFromEnv, secretsFromFile},
		"what the references to secrets name")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return conn.call(func(api *client.Client) error {
			cfg, err := api.ExportConfig(c.Context())
			if err != nil {
				return err
			}
			x := &exporter{kind: *secrets, taken: map[string]bool{}}
			x.refer(&cfg)
			if conn.json {
				return x.printJSON(e, cfg)
			}
			return x.print(e, cfg)
		})
	}
	return c
}

// An exporter puts references in place of the secrets of a configuration.
type exporter struct {
	kind       string
	taken      map[string]bool
	references []string // in the order of the file
}

// refer puts a reference in place of each secret.
func (x *exporter) refer(cfg *client.Config) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Settings)) {
		if mask, ok := cfg.Settings[name].(map[string]any); ok && mask["set"] == true {
			cfg.Settings[name] = x.reference("serve", name)
		}
	}
	for i := range cfg.Connections {
		n := &cfg.Connections[i]
		n.Settings = x.object(n.Settings, "connection", n.Name)
	}
	for i := range cfg.Sources {
		n := &cfg.Sources[i]
		n.Settings = x.object(n.Settings, "source", n.Name)
	}
	for i := range cfg.Destinations {
		n := &cfg.Destinations[i]
		if strings.Contains(n.URL, manifest.KeptURL) {
			n.URL = x.reference("destination", n.Name, "url")
		}
		n.Settings = x.object(n.Settings, "destination", n.Name)
		if len(n.Access) > 0 {
			n.Access = x.object(n.Access, "destination", n.Name, "access")
		}
	}
	for i := range cfg.Subscriptions {
		n := &cfg.Subscriptions[i]
		n.Settings = x.object(n.Settings, "subscription", n.Name)
	}
}

// object returns settings with a reference in place of each mask.
func (x *exporter) object(settings map[string]any, at ...string) map[string]any {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		settings[name] = x.value(settings[name], append(slices.Clip(at), name)...)
	}
	return settings
}

// value returns a value with references, and with texts that are no references marked as such.
func (x *exporter) value(v any, at ...string) any {
	switch v := v.(type) {
	case string:
		return manifest.Escape(v)
	case []any:
		for i := range v {
			v[i] = x.value(v[i], append(slices.Clip(at), fmt.Sprint(i+1))...)
		}
	case map[string]any:
		if v["set"] == true {
			return x.reference(at...)
		}
		return x.object(v, at...)
	}
	return v
}

// reference returns a reference to the secret of a noun, which no other secret has.
func (x *exporter) reference(at ...string) string {
	name := strings.Join(at, ".")
	if x.kind == secretsFromEnv {
		name = strings.ToUpper(strings.Map(func(r rune) rune {
			if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return r
			}
			return '_'
		}, name))
	}
	unique := name
	for n := 2; x.taken[unique]; n++ {
		unique = fmt.Sprintf("%s_%d", name, n)
	}
	x.taken[unique] = true
	reference := "env:" + unique
	if x.kind == secretsFromFile {
		reference = "file:secrets/" + unique
	}
	x.references = append(x.references, reference)
	return reference
}

// print prints the configuration as YAML, with the line by which editors find the schema. Settings come first.
func (x *exporter) print(e *env, cfg client.Config) error {
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
	if len(x.references) > 0 {
		fmt.Fprintf(e.stderr, "%s: give each reference its value before you apply the file to another server\n",
			bellhop.Count(len(x.references), "secret"))
	}
	return nil
}

// printJSON prints the configuration as JSON, in the form of a file.
func (x *exporter) printJSON(e *env, cfg client.Config) error {
	file := map[string]any{}
	maps.Copy(file, cfg.Settings)
	cfg.Settings = nil
	var nouns map[string]json.RawMessage
	raw, err := json.Marshal(cfg)
	if err == nil {
		err = json.Unmarshal(raw, &nouns)
	}
	if err != nil {
		return err
	}
	for name, list := range nouns {
		file[name] = list
	}
	return printData(e, file)
}
