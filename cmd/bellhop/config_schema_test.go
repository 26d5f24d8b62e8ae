package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/app"
	"github.com/bellhop-gateway/bellhop/internal/manifest"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/goccy/go-yaml"
	"github.com/google/jsonschema-go/jsonschema"
)

const schemaFile = "../../docs/bellhop.schema.json"

// schemaOfFiles returns the schema of configuration files.
func schemaOfFiles(t testing.TB) []byte {
	t.Helper()
	document, err := app.ConfigSchema(fileOptions())
	if err != nil {
		t.Fatal(err)
	}
	return append(document, '\n')
}

// TestPublishedSchema: the schema in docs is the one by which files are checked.
func TestPublishedSchema(t *testing.T) {
	t.Parallel()
	document := schemaOfFiles(t)
	if *update {
		if err := os.WriteFile(schemaFile, document, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	published, err := os.ReadFile(schemaFile)
	if err != nil || string(published) != string(document) {
		t.Errorf("%s is not what bellhop config schema prints (%v); go test ./cmd/bellhop -run "+
			"TestPublishedSchema -update",
			schemaFile, err)
	}
}

// judges say what two programs think of a file: this one, and a validator of JSON Schema that knows only the schema.
type judges struct {
	schema    *manifest.Schema
	validator *jsonschema.Resolved
}

func newJudges(t testing.TB) judges {
	t.Helper()
	document := schemaOfFiles(t)
	schema, err := manifest.LoadSchema(document)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(document, &s); err != nil {
		t.Fatal(err)
	}
	s.Schema = "" // the library does not know draft 7 by name; the schema has no keyword that differs
	validator, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return judges{schema, validator}
}

// judge returns the problems that the parser finds, and the error of the validator.
func (j judges) judge(t testing.TB, file string) ([]manifest.Problem, error) {
	t.Helper()
	read, problems := manifest.Read([]byte(file), j.schema)
	if read == nil {
		t.Fatalf("%s\n%v", file, problems)
	}
	var v any
	if err := yaml.Unmarshal([]byte(file), &v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(raw) == "null" {
		raw = []byte("{}")
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		t.Fatal(err)
	}
	return problems, j.validator.Validate(plain)
}

// yamlBlocks are the blocks of YAML in a page.
var yamlBlocks = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestGoodFiles: the examples, each file on the page, and files of each provider and action with the examples of their
// settings are accepted by the parser and by the schema.
func TestGoodFiles(t *testing.T) {
	t.Parallel()
	j := newJudges(t)
	page, err := os.ReadFile("../../docs/CONFIG.md")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"", "sources:\nretain:\n",
		"destinations:\n- {name: a, url: 'https://a.example', settings: {format: template, template: data.text}}\n",
		"destinations:\n- name: a\n  url: https://a.example\n  retry: {schedule: default}\n  expires_at: " +
			"2099-01-01T00:00:00Z\n  access: {token: env:T, scopes: [a]}\n  rate: {per_second: 0.5}\n  " +
			"breaker: {failures: 0}\n",
		"destinations:\n- {name: a, type: listen}\n- {name: b, type: listen, settings: {}, " +
			"timeout: 1h, order: source}\n",
		"retain: 0\nallow: localhost\nproxies: [http://p.example:3128]\nallow-private: true\nlisten: " +
			"8080\nmax-attempts: 100\n",
		"tenants:\n- name: acme\n- {name: b, limits: {destinations: 3, events: {per_second: 2}}}\n",
		"keys:\n- {name: ci, scope: read, key: env:K, expires_at: 2099-01-01T00:00:00Z}\n",
	}
	examples, err := filepath.Glob("../../examples/*/bellhop.yaml")
	if err != nil || len(examples) < 3 {
		t.Errorf("examples: %q, %v", examples, err)
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(text))
	}
	for _, block := range yamlBlocks.FindAllStringSubmatch(string(page), -1) {
		files = append(files, block[1])
	}
	for _, p := range all.Providers() {
		info := p.Info()
		files = append(files, exampleOf("sources", "provider", info.Name, info.Settings))
		if info.SendSettings != nil {
			files = append(files, exampleOf("destinations", "type", info.Name, info.SendSettings))
		}
	}
	for _, k := range all.Connectors() {
		files = append(files, exampleOf("connections", "provider", k.ConnectorInfo().Name, k.ConnectorInfo().Settings))
	}
	for _, file := range files {
		problems, err := j.judge(t, file)
		if len(manifest.Faults(problems)) > 0 || err != nil {
			t.Errorf("%s\nthe parser: %v\nthe schema: %v", file, problems, err)
		}
	}
}

// exampleOf returns a file with one noun, whose settings have the examples that the provider gives.
func exampleOf(list, member, value string, settings []provider.Setting) string {
	given := map[string]any{}
	for _, s := range settings {
		var v any = s.Example
		switch {
		case s.Example == "" && !s.Required:
			continue
		case s.Kind != provider.KindText && s.Kind != provider.KindDuration:
			if json.Unmarshal([]byte(s.Example), &v) != nil {
				continue // such as a number with words around it
			}
		}
		given[s.Name] = v
	}
	raw, _ := json.Marshal(map[string]any{list: []any{map[string]any{"name": "a", member: value, "settings": given}}})
	return string(raw)
}

// TestRefusedFiles: what the schema can say, both refuse. remedy is what the parser says, with the place.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	j := newJudges(t)
	const shop = "sources:\n- name: shop\n  provider: github\n  settings:\n    secret: env:S\n"
	for _, c := range []struct{ file, place, remedy string }{
		{"liste: 1\n", "liste", "did you mean listen?"},
		{"sources:\n  shop: {provider: github}\n", "sources", "begin each entry with a dash"},
		{"sources:\n- shop\n", "sources[0]", "use an object of names and values, not a text"},
		{"sources:\n- provider: github\n  settings: {secret: env:S}\n", "sources[0].name", "required"},
		{"sources:\n- name: shop\n", "sources[0].provider", "required"},
		{"sources:\n- name: 7\n  provider: github\n  settings: {secret: env:S}\n", "sources[0].name",
			"in quotation marks"},
		{strings.Replace(shop, "github", "githbu", 1), "sources[0].provider", "did you mean github?"},
		{strings.Replace(shop, "secret:", "secrets:", 1), "sources[0].settings.secrets", "did you mean secret?"},
		{strings.Replace(shop, "env:S", "7", 1), "sources[0].settings.secret", "in quotation marks"},
		{shop + "  max_body_bytes: 1MB\n", "sources[0].max_body_bytes", "use a whole number"},
		{shop + "  max_body_bytes: -1\n", "sources[0].max_body_bytes", "use a number of at least 0"},
		{shop + "  disabled: 'yes'\n", "sources[0].disabled", "use true or false"},
		{shop + "  url: https://x.example\n", "sources[0].url", "unknown here"},
		{"destinations:\n- name: a\n  type: slak\n", "destinations[0].type", "did you mean slack?"},
		{"destinations:\n- name: a\n  type: liste\n", "destinations[0].type", "did you mean listen?"},
		{"destinations:\n- name: a\n  type: listen\n  settings: {port: 3000}\n", "destinations[0].settings.port",
			"unknown here"},
		{"destinations:\n- name: a\n  settings: {format: standart}\n", "destinations[0].settings.format",
			"did you mean standard?"},
		{"destinations:\n- name: a\n  order: subjects\n", "destinations[0].order", "did you mean subject?"},
		{"destinations:\n- name: a\n  timeout: 5\n", "destinations[0].timeout", "in quotation marks"},
		{"destinations:\n- name: a\n  concurrency: 5000\n", "destinations[0].concurrency", "at most 1024"},
		{"destinations:\n- name: a\n  match: shop\n", "destinations[0].match", "use an object of names and values"},
		{"destinations:\n- name: a\n  match: {source: [shop]}\n", "destinations[0].match.source",
			"did you mean sources?"},
		{"destinations:\n- name: a\n  rate: 5\n", "destinations[0].rate", "use an object of names and values"},
		{"destinations:\n- name: a\n  access: {tokens: a}\n", "destinations[0].access.tokens", "did you mean token?"},
		{"destinations:\n- name: a\n  retry: {schedule: {a: b}}\n", "destinations[0].retry.schedule",
			"use a text, or a list"},
		{"destinations:\n- name: a\n  type: exec\n  settings: {command: ls}\n", "destinations[0].settings.command",
			"use a list"},
		{"connections:\n- name: a\n  provider: grap\n", "connections[0].provider", "did you mean graph?"},
		{"subscriptions:\n- name: a\n  source: s\n  connection: c\n", "subscriptions[0].resource", "required"},
		{"keys:\n- name: ci\n  scope: publisher\n", "keys[0].scope", "did you mean publish?"},
		{"tenants:\n- {name: a, limit: {}}\n", "tenants[0].limit", "did you mean limits?"},
		{"keys:\n- name: ci\n", "keys[0].scope", "required"},
		{"retain: [1]\n", "retain", "use a text, or a whole number, not a list"},
		{"allow-private: 'true'\n", "allow-private", "without quotation marks"},
		{"max-attempts: many\n", "max-attempts", "use a whole number"},
	} {
		problems, err := j.judge(t, c.file)
		if err == nil {
			t.Errorf("%s\nthe schema accepts it", c.file)
		}
		found := false
		for _, p := range problems {
			found = found || p.Path == c.place && strings.Contains(p.Message, c.remedy) && !p.Warning
		}
		if !found {
			t.Errorf("%s\nthe parser: %v, want %s: %s", c.file, problems, c.place, c.remedy)
		}
	}
}
