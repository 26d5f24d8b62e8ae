package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes the JSON Schema of configuration files, of the schemas of the OpenAPI document and of what providers
// say of their settings. It is of draft 7, which editors know best.

// SchemaPath is the path of the schema of configuration files, which needs no credential.
const SchemaPath = "/config.schema.json"

const schemaPattern = "GET " + SchemaPath

// SchemaURL is where the schema of the latest release is, for the first line of a configuration file.
const SchemaURL = "https://raw.githubusercontent.com/bellhop-gateway/bellhop/main/docs/bellhop.schema.json"

// A fileNoun is one kind of noun in a configuration file.
type fileNoun struct {
	member string // "sources"
	schema string // of the OpenAPI document
	text   string
	refine func(o Options, noun map[string]any) // completes the schema of one
}

// fileNouns are the kinds of nouns in a configuration file. A new kind is one more entry.
var fileNouns = []fileNoun{
	{"tenants", "NewTenant", "Customers, whose nouns are kept apart", func(Options, map[string]any) {}},
	{"connections", "NewConnection", "Who we are at the APIs of providers", refineConnection},
	{"sources", "NewSource", "URLs that providers call, with the secrets that prove their requests", refineSource},
	{"destinations", "NewDestination", "Where events go: match, credentials, limits and retries", refineDestination},
	{"subscriptions", "NewSubscription", "Registrations at providers, which ask them to call sources",
		refineSubscription},
	{"keys", "DeclaredKey", "Keys of the API, each with a scope", refineKey},
}

// ConfigSchema returns the JSON Schema of configuration files. Of o it uses Providers, Connectors, Actions and
// Settings.
func ConfigSchema(o Options) ([]byte, error) { return build(o).configSchema() }

// configSchema returns the schema of the operations added so far.
func (s *server) configSchema() ([]byte, error) {
	document, err := json.Marshal(s.huma.OpenAPI().Components.Schemas) // alone, because the rest takes as long again
	if err != nil {
		return nil, err
	}
	var schemas map[string]map[string]any
	text := strings.ReplaceAll(string(document), `"#/components/schemas/`, `"#/definitions/`)
	if err := json.Unmarshal([]byte(text), &schemas); err != nil {
		return nil, err
	}
	definitions, properties := map[string]any{}, map[string]any{}
	maps.Copy(properties, s.Settings)
	for _, noun := range fileNouns {
		schema := schemas[noun.schema]
		refine := maps.Clone(schema)
		refine["properties"] = maps.Clone(schema["properties"].(map[string]any))
		noun.refine(s.Options, refine)
		definitions[noun.schema] = refine
		properties[noun.member] = map[string]any{"type": []string{"array", "null"}, "description": noun.text,
			"items": map[string]any{"$ref": "#/definitions/" + noun.schema}}
		addDefinitions(definitions, schemas, refine)
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "$id": SchemaURL, "title": "bellhop.yaml",
		"description": "The nouns of a Bellhop server and the settings of bellhop serve. A text in settings or " +
			"access, a url and a key may be a reference: env:NAME or file:PATH",
		"type": "object", "additionalProperties": false, "properties": properties, "definitions": definitions,
	}, "", "  ")
}

// addDefinitions adds the schemas to which v refers, and those to which they refer.
func addDefinitions(definitions map[string]any, schemas map[string]map[string]any, v any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			name := strings.TrimPrefix(ref, "#/definitions/")
			if _, known := definitions[name]; !known {
				definitions[name] = schemas[name]
				addDefinitions(definitions, schemas, schemas[name])
			}
		}
		for _, each := range v {
			addDefinitions(definitions, schemas, each)
		}
	case []any:
		for _, each := range v {
			addDefinitions(definitions, schemas, each)
		}
	}
}

// serveSchema serves the schema. It is written when somebody asks for it.
func (s *server) serveSchema() {
	written := sync.OnceValues(s.configSchema)
	s.mux.HandleFunc(schemaPattern, func(w http.ResponseWriter, r *http.Request) {
		schema, err := written()
		if err != nil {
			writeProblem(w, s.problem(r.Context(), "config-schema", err))
			return
		}
		w.Header().Set("Content-Type", "application/schema+json")
		w.Write(schema)
	})
}

// setProperty puts a schema in place of that of a member, whose description stays.
func setProperty(noun map[string]any, member string, schema map[string]any) {
	properties := noun["properties"].(map[string]any)
	before, _ := properties[member].(map[string]any)
	if text, ok := before["description"]; ok {
		schema["description"] = text
	}
	properties[member] = schema
}

// oneOfNames is the schema of a text that is one of names.
func oneOfNames(names []string) map[string]any {
	return map[string]any{"type": "string", "enum": names}
}

// A choice is what the settings of a noun are if a member has a value.
type choice struct {
	value    string
	standard bool // the value that the member has if it is left out
	settings map[string]any
}

// choose makes the settings of a noun those of the value that a member has.
func choose(noun map[string]any, member string, choices []choice) {
	setProperty(noun, "settings", map[string]any{"type": "object"})
	var all []any
	for _, c := range choices {
		condition := map[string]any{"properties": map[string]any{member: map[string]any{"const": c.value}}}
		if !c.standard {
			condition["required"] = []string{member}
		}
		then := map[string]any{"properties": map[string]any{"settings": c.settings}}
		if c.settings["required"] != nil {
			then["required"] = []string{"settings"}
		}
		all = append(all, map[string]any{"if": condition, "then": then})
	}
	noun["allOf"] = all
}

// settingsOf are the settings of a noun of one provider.
type settingsOf struct {
	provider string
	settings []provider.Setting
}

// chooseProvider makes the provider of a noun one of all, and its settings those of it. what is the noun in words.
func chooseProvider(noun map[string]any, what string, all []settingsOf) {
	var names []string
	var choices []choice
	for _, of := range all {
		names = append(names, of.provider)
		choices = append(choices, choice{value: of.provider, settings: fileSettings(of.settings, false,
			"Settings of a "+what+" "+of.provider)})
	}
	setProperty(noun, "provider", oneOfNames(names))
	choose(noun, "provider", choices)
}

func refineSource(o Options, noun map[string]any) {
	var all []settingsOf
	for _, p := range o.Providers {
		all = append(all, settingsOf{p.Info().Name, p.Info().Settings})
	}
	chooseProvider(noun, "source of provider", all)
}

func refineConnection(o Options, noun map[string]any) {
	var all []settingsOf
	for _, k := range o.Connectors {
		all = append(all, settingsOf{k.ConnectorInfo().Name, k.ConnectorInfo().Settings})
	}
	chooseProvider(noun, "connection of provider", all)
}

func refineSubscription(o Options, noun map[string]any) {
	var all []settingsOf
	for _, p := range o.Providers {
		if s, ok := p.(provider.Subscriber); ok {
			all = append(all, settingsOf{p.Info().Name, s.SubscribeInfo().Settings})
		}
	}
	chooseProvider(noun, "subscription at provider", all)
}

func refineDestination(o Options, noun map[string]any) {
	names := []string{bellhop.TypeHTTP, bellhop.TypePull}
	choices := []choice{{value: bellhop.TypeHTTP, standard: true, settings: httpSettings(bellhop.TypeHTTP)},
		{value: bellhop.TypePull, settings: httpSettings(bellhop.TypePull)}}
	for _, p := range o.Providers {
		info := p.Info()
		if info.SendSettings == nil {
			continue
		}
		names = append(names, info.Name)
		choices = append(choices, choice{value: info.Name, settings: fileSettings(info.SendSettings, false,
			"Settings of a destination of type "+info.Name)})
	}
	for _, a := range o.Actions {
		info := a.Info()
		names = append(names, info.Name)
		choices = append(choices, choice{value: info.Name, settings: fileSettings(info.SendSettings, true,
			"Settings of the action "+info.Name)})
	}
	setProperty(noun, "type", oneOfNames(names))
	choose(noun, "type", choices)
	members := map[string]any{}
	for _, m := range catalog.AccessSettings() {
		member := map[string]any{"type": "string", "description": m.Doc}
		if m.Secret {
			member["writeOnly"] = true
		}
		if m.Name == "scopes" {
			member = map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "description": m.Doc}
		}
		members[m.Name] = member
	}
	setProperty(noun, "access", map[string]any{"type": []string{"object", "null"}, "additionalProperties": false,
		"properties": members})
}

func refineKey(_ Options, noun map[string]any) {
	setProperty(noun, "key", map[string]any{"type": "string", "writeOnly": true})
}

// secretText is the schema of a secret.
func secretText() map[string]any { return map[string]any{"type": "string", "writeOnly": true} }

// httpSettings are the settings of a destination of type http or pull.
func httpSettings(typeName string) map[string]any {
	text := map[string]any{"type": "string"}
	texts := map[string]any{"type": "object", "additionalProperties": text}
	return map[string]any{"type": "object", "description": "Settings of a destination of type " + typeName,
		"additionalProperties": false, "properties": map[string]any{
			"format": map[string]any{"type": "string", "enum": []string{"raw", "standard", "envelope", "thin",
				"template"},
				"description": "The form of the body and of the signature. Default: standard"},
			"secret": map[string]any{"type": []string{"string", "array"}, "items": text, "writeOnly": true,
				"description": "What signs deliveries: whsec_ and Base64. Two while the secret is being replaced"},
			"secret_until": map[string]any{"type": "string", "format": "date-time",
				"description": "Until when the second secret signs too"},
			"headers": map[string]any{"type": "object", "additionalProperties": secretText(),
				"description": "Further headers of each request"},
			"template": map[string]any{"description": "The request, with format template: expressions over the event",
				"oneOf": []any{text, map[string]any{"type": "object", "additionalProperties": false,
					"properties": map[string]any{"body": text, "headers": texts, "content_type": text}}}},
		}}
}

// fileSettings returns the schema of settings in a file. Of an action, each member of a secret object is a secret.
func fileSettings(settings []provider.Setting, action bool, description string) map[string]any {
	schema := settingsSchema(settings, description)
	properties := schema["properties"].(map[string]any)
	for _, s := range settings {
		p := properties[s.Name].(map[string]any)
		text := s.Kind == provider.KindText || s.Kind == provider.KindDuration
		if text && s.Example != "" && !strings.Contains(s.Example, "…") {
			p["examples"] = []any{s.Example}
		}
		if action && s.Secret && s.Kind == provider.KindObject {
			delete(p, "writeOnly")
			p["additionalProperties"] = secretText()
		}
	}
	return schema
}
