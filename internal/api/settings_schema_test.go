package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemaIn returns the validator of a schema in the OpenAPI document.
func schemaIn(t *testing.T, document map[string]any, schema any) *jsonschema.Resolved {
	t.Helper()
	root := map[string]any{"$defs": document["components"].(map[string]any)["schemas"], "allOf": []any{schema}}
	raw, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	text := strings.ReplaceAll(string(raw), `"#/components/schemas/`, `"#/$defs/`)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

// TestSettingsOfAnswers: the settings and the access of each answer, masks included, are as the document says.
func TestSettingsOfAnswers(t *testing.T) {
	document := newRig(t).send("GET", "/openapi.json", "").is(200)
	for _, route := range routes {
		r := newRig(t)
		r.fill()
		a := r.do(route.method, concrete(route.path), route.body)
		path := Prefix + strings.NewReplacer("media", "{id}", "src_1", "{id}").Replace(route.path)
		item := document["paths"].(map[string]any)[path].(map[string]any)
		responses := item[strings.ToLower(route.method)].(map[string]any)["responses"].(map[string]any)
		answer, _ := responses[strconv.Itoa(a.status)].(map[string]any)
		content, _ := answer["content"].(map[string]any)
		media, ok := content["application/json"].(map[string]any)
		if !ok {
			continue
		}
		if err := schemaIn(t, document, media["schema"]).Validate(any(a.is(route.status))); err != nil {
			t.Errorf("%s %s: %v\n%s", route.method, route.path, err, a.body)
		}
	}
}

// TestSettingsOfRequests: which settings a noun may have depends on its provider or type.
func TestSettingsOfRequests(t *testing.T) {
	document := newRig(t).send("GET", "/openapi.json", "").is(200)
	for _, c := range []struct {
		schema, noun string
		good         bool
	}{
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":"k"}}`, true},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":{"set":true,"set_at":null}}}`, true},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":{"set":false,"set_at":null}}}`, false},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":7}}`, false},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":["k","l"]}}`, false},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":"k","command":["ls"]}}`, false},
		{"NewSource", `{"name":"a","provider":"lock","settings":{}}`, false},
		{"NewSource", `{"name":"a","provider":"lock"}`, false},
		{"NewSource", `{"name":"a","provider":"lok","settings":{}}`, false},
		{"NewDestination", `{"name":"a","settings":{"format":"raw","secret":["k","l"],"headers":{"X":"y"}}}`, true},
		{"NewDestination", `{"name":"a","settings":{"command":["ls"]}}`, false},
		{"NewDestination", `{"name":"a","type":"http","settings":{"headers":{"X":7}}}`, false},
		{"NewDestination", `{"name":"a","access":{"token":"t","scopes":["s"]}}`, true},
		{"NewDestination", `{"name":"a","access":{"tokens":"t"}}`, false},
		{"NewDestination", `{"name":"a","access":null}`, true},
		{"NewDestination", `{"name":"a","type":"chore","settings":{"command":["ls"],"env":{"A":"b"}}}`, true},
		{"NewDestination", `{"name":"a","type":"chore","settings":{"format":"raw"}}`, false},
		{"NewDestination", `{"name":"a","type":"chore","access":{"token":"t"}}`, false},
		{"NewConnection", `{"name":"a","provider":"crm","settings":{"no_such_setting":1}}`, false},
	} {
		var noun any
		if err := json.Unmarshal([]byte(c.noun), &noun); err != nil {
			t.Fatal(err)
		}
		schema := schemaIn(t, document, map[string]any{"$ref": "#/components/schemas/" + c.schema})
		if err := schema.Validate(noun); (err == nil) != c.good {
			t.Errorf("%s: %s: %v", c.schema, c.noun, err)
		}
	}
}
