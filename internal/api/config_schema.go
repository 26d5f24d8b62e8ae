package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"sync"
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
}

// fileNouns are the kinds of nouns in a configuration file. A new kind is one more entry.
var fileNouns = []fileNoun{
	{"tenants", "NewTenant", "Customers, whose nouns are kept apart"},
	{"connections", "NewConnection", "Who we are at the APIs of providers"},
	{"sources", "NewSource", "URLs that providers call, with the secrets that prove their requests"},
	{"destinations", "NewDestination", "Where events go: match, credentials, limits and retries"},
	{"subscriptions", "NewSubscription", "Registrations at providers, which ask them to call sources"},
	{"keys", "DeclaredKey", "Keys of the API, each with a scope"},
}

// ConfigSchema returns the JSON Schema of configuration files. Of o it uses Providers, Connectors, Actions,
// HTTPSettings and Settings.
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
	for _, k := range kindsOfNouns {
		fileDialect.typeSettings(s.Options, k, schemas, schemas["New"+k.name], true)
	}
	setProperty(schemas["DeclaredKey"], "key", map[string]any{"type": "string", "writeOnly": true})
	for _, noun := range fileNouns {
		definitions[noun.schema] = schemas[noun.schema]
		properties[noun.member] = map[string]any{"type": []string{"array", "null"}, "description": noun.text,
			"items": map[string]any{"$ref": "#/definitions/" + noun.schema}}
		addDefinitions(definitions, schemas, schemas[noun.schema])
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
			name := ref[strings.LastIndexByte(ref, '/')+1:]
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
