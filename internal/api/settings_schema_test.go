package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// schemasIn returns the validator of an object whose members have schemas in the OpenAPI document.
func schemasIn(t *testing.T, document map[string]any, members map[string]any) *jsonschema.Resolved {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"$defs": document["components"].(map[string]any)["schemas"],
		"properties": members, "additionalProperties": false})
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

// patchSchema returns the schema of the merge patches of a kind of noun.
func patchSchema(document map[string]any, plural string) map[string]any {
	var v any = document
	for _, name := range []string{"paths", Prefix + "/" + plural + "/{id}", "patch", "requestBody", "content",
		mergePatchType, "schema"} {
		v = v.(map[string]any)[name]
	}
	return v.(map[string]any)
}

// TestSettingsOfAnswers: the settings and the access of each answer, masks included, are as the document says.
func TestSettingsOfAnswers(t *testing.T) {
	r := newRig(t)
	document := r.send("GET", "/openapi.json", "").is(200)
	schemas, answers := map[string]any{}, map[string]any{}
	for _, route := range routes {
		r.again(t)
		r.fill()
		a := r.do(route.method, concrete(route.path), route.body)
		path := Prefix + strings.NewReplacer("media", "{id}", "src_1", "{id}").Replace(route.path)
		item := document["paths"].(map[string]any)[path].(map[string]any)
		responses := item[strings.ToLower(route.method)].(map[string]any)["responses"].(map[string]any)
		answer, _ := responses[strconv.Itoa(a.status)].(map[string]any)
		content, _ := answer["content"].(map[string]any)
		if media, ok := content["application/json"].(map[string]any); ok {
			name := route.method + " " + route.path
			schemas[name], answers[name] = media["schema"], a.is(route.status)
		}
	}
	validator := schemasIn(t, document, schemas)
	for name, answer := range answers {
		if err := validator.Validate(map[string]any{name: answer}); err != nil {
			t.Errorf("%s: %v\n%v", name, err, answer)
		}
	}
	if len(answers) < 30 {
		t.Errorf("%d answers", len(answers))
	}
}

// TestSettingsOfRequests: which settings a noun may have depends on its provider or type.
func TestSettingsOfRequests(t *testing.T) {
	document := newRig(t).send("GET", "/openapi.json", "").is(200)
	schemas := map[string]any{"PATCH sources": patchSchema(document, "sources"),
		"PATCH destinations": patchSchema(document, "destinations")}
	for _, name := range []string{"NewSource", "NewDestination", "NewConnection", "TryRequest"} {
		schemas[name] = map[string]any{"$ref": "#/components/schemas/" + name}
	}
	validator := schemasIn(t, document, schemas)
	for _, c := range []struct {
		schema, noun string
		good         bool
	}{
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":"k"}}`, true},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":{"set":true,"set_at":null}}}`, true},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":{"set":false,"set_at":null}}}`, false},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":7}}`, false},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":["k","l"]}}`, true},
		{"NewSource", `{"name":"a","provider":"lock","settings":{"key":"k","account_id":["k","l"]}}`, false},
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
		{"PATCH sources", `{"settings":{"key":"k"},"disabled":true}`, true},
		{"PATCH sources", `{"settings":{"key":null}}`, true},
		{"PATCH sources", `{"settings":{"account_id":null,"key":{"set":true,"set_at":null}}}`, true},
		{"PATCH sources", `{"settings":{"key":7}}`, false},
		{"PATCH sources", `{"settings":{"keys":"k"}}`, false},
		{"PATCH destinations", `{"settings":{"headers":{"X":null}},"access":{"token":null}}`, true},
		{"PATCH destinations", `{"access":null}`, true},
		{"PATCH destinations", `{"access":{"tokens":null}}`, false},
		{"PATCH destinations", `{"settings":{"headers":{"X":7}}}`, false},
		{"TryRequest", `{"destination":{"settings":{"format":"raw"}},"event":"evt_1"}`, true},
		{"TryRequest", `{"destination":{"settings":{"command":["ls"]}},"event":"evt_1"}`, false},
		{"TryRequest", `{"destination":{"type":"chore","settings":{"command":["ls"]}},"event":"evt_1"}`, true},
		{"TryRequest", `{"destination":"a","changes":{"timeout":"2s","rate":null,"match":{"where":null}}}`, true},
		{"TryRequest", `{"destination":"a","changes":{"settings":{"headers":{"X":null}},"keep_secrets":true}}`, true},
		{"TryRequest", `{"destination":"a","changes":{"timeout":2}}`, false},
		{"TryRequest", `{"destination":"a","changes":{"nothing":1}}`, false},
		{"TryRequest", `{"destination":"a","changes":{"access":{"tokens":null}}}`, false},
	} {
		var noun any
		if err := json.Unmarshal([]byte(c.noun), &noun); err != nil {
			t.Fatal(err)
		}
		if err := validator.Validate(map[string]any{c.schema: noun}); (err == nil) != c.good {
			t.Errorf("%s: %s: %v", c.schema, c.noun, err)
		}
	}
}
