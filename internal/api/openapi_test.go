package api

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

func TestOpenAPI(t *testing.T) {
	r := newRig(t)
	a := r.send("GET", "/openapi.json", "")
	doc := a.is(200)
	if doc["openapi"] != "3.1.0" || doc["info"].(map[string]any)["version"] != "1.2.3" ||
		a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %v", doc["openapi"], doc["info"])
	}
	paths := doc["paths"].(map[string]any)
	count := 0
	for _, route := range routes {
		path := strings.NewReplacer("media", "{id}", "src_1", "{id}").Replace(route.path)
		item, _ := paths[Prefix+path].(map[string]any)
		operation, ok := item[strings.ToLower(route.method)].(map[string]any)
		if !ok {
			t.Errorf("no %s %s", route.method, path)
			continue
		}
		if operation["summary"] == "" || operation["operationId"] == "" || operation["tags"] == nil {
			t.Errorf("%s %s lacks a summary, an id or a tag: %v", route.method, path, operation)
		}
		if text, _ := operation["description"].(string); len(text) < 10 || !strings.HasSuffix(text, ".") {
			t.Errorf("%s %s has no description: %q", route.method, path, text)
		}
		responses := operation["responses"].(map[string]any)
		want := []string{"401", "429"}
		if strings.Contains(path, "{id}") {
			want = append(want, "404")
		}
		if route.body != "" {
			want = append(want, "400", "413", "415", "422")
		}
		for _, status := range want {
			answer, _ := responses[status].(map[string]any)
			content, _ := answer["content"].(map[string]any)
			if content["application/problem+json"] == nil || answer["description"] == "" {
				t.Errorf("%s %s: %s is not documented: %v", route.method, path, status, answer)
			}
		}
		success := responses[map[int]string{200: "200", 201: "201", 202: "202", 204: "204"}[route.status]]
		if success == nil {
			t.Errorf("%s %s: %d is not documented", route.method, path, route.status)
		}
		problem, _ := responses["default"].(map[string]any)
		if content, _ := problem["content"].(map[string]any); content["application/problem+json"] == nil {
			t.Errorf("%s %s: problems are not documented: %v", route.method, path, responses)
		}
	}
	for _, item := range paths {
		count += len(item.(map[string]any))
	}
	if want := len(routes) - 1; count != want { // one of them is there by id and by name
		t.Errorf("%d operations, want %d", count, want)
	}
	// Every reference leads somewhere.
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for _, part := range strings.Split(a.body, `"$ref":"#/components/schemas/`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); schemas[name] == nil {
			t.Errorf("no schema %s", name)
		}
	}
	if schemas["Source"] == nil || schemas["NewDestination"] == nil || schemas["Problem"] == nil ||
		schemas["ErrorModel"] != nil {
		t.Error("schemas are not as expected")
	}
	if head := r.send("HEAD", "/openapi.json", ""); head.status != http.StatusOK {
		t.Errorf("HEAD: %d", head.status)
	}
}

// TestDocumentIsComplete: the document names its server, license and contact, describes every tag, types the settings
// of each provider, and has no schema without a use.
func TestDocumentIsComplete(t *testing.T) {
	r := newRig(t)
	a := r.send("GET", "/openapi.json", "")
	doc := a.is(200)
	info := doc["info"].(map[string]any)
	servers := doc["servers"].([]any)
	if info["license"] == nil || info["contact"] == nil ||
		servers[0].(map[string]any)["url"] != "https://hooks.example.com" {
		t.Errorf("%v %v", info, servers)
	}
	described := map[string]bool{}
	for _, tag := range doc["tags"].([]any) {
		described[tag.(map[string]any)["name"].(string)] = tag.(map[string]any)["description"] != ""
	}
	for path, item := range doc["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			for _, tag := range operation.(map[string]any)["tags"].([]any) {
				if !described[tag.(string)] {
					t.Errorf("%s %s: the tag %s is not described", method, path, tag)
				}
			}
		}
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name := range schemas {
		if !strings.Contains(a.body, `"#/components/schemas/`+name+`"`) {
			t.Errorf("nothing refers to the schema %s", name)
		}
	}
	key := schemas["LockSourceSettings"].(map[string]any)["properties"].(map[string]any)["key"].(map[string]any)
	same(t, key["anyOf"], `[{"oneOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}],
		"writeOnly":true},{"$ref":"#/components/schemas/SecretMask"}]`)
	for _, noun := range []string{"NewSource", "NewDestination"} {
		settings := schemas[noun].(map[string]any)["properties"].(map[string]any)["settings"].(map[string]any)
		if settings["anyOf"] == nil || settings["description"] == "" {
			t.Errorf("%s.settings: %v", noun, settings)
		}
	}
}

// TestAnswersAreAsDocumented checks the answer of every route against its schema in the document.
func TestAnswersAreAsDocumented(t *testing.T) {
	r := newRig(t)
	document := r.handler.(*server).huma.OpenAPI()
	for _, route := range routes {
		r.again(t)
		r.fill()
		a := r.do(route.method, concrete(route.path), route.body)
		path := document.Paths[Prefix+strings.NewReplacer("media", "{id}", "src_1", "{id}").Replace(route.path)]
		operation := map[string]*huma.Operation{"GET": path.Get, "POST": path.Post, "PATCH": path.Patch,
			"DELETE": path.Delete}[route.method]
		response := operation.Responses[strconv.Itoa(a.status)]
		if response == nil {
			t.Errorf("%s %s: %d is not documented", route.method, route.path, a.status)
			continue
		}
		content := response.Content["application/json"]
		if content == nil {
			continue
		}
		var found huma.ValidateResult
		registry := document.Components.Schemas
		huma.Validate(registry, content.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer,
			any(a.is(route.status)), &found)
		for _, err := range found.Errors {
			t.Errorf("%s %s: %v", route.method, route.path, err)
		}
	}
}

// TestDocumentKeepsItsBounds checks that the bounds in tags are those of package bellhop.
func TestDocumentKeepsItsBounds(t *testing.T) {
	r := newRig(t)
	doc := r.send("GET", "/openapi.json", "").is(200)
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	property := func(schema, name string) map[string]any {
		return schemas[schema].(map[string]any)["properties"].(map[string]any)[name].(map[string]any)
	}
	for _, c := range []struct {
		schema, name, bound string
		want                float64
	}{
		{"NewSource", "max_body_bytes", "maximum", bellhop.MaxMaxBodyBytes},
		{"NewDestination", "concurrency", "maximum", bellhop.MaxConcurrency},
		{"NewEvent", "type", "maxLength", bellhop.MaxTypeLength},
		{"NewReplay", "rate", "maximum", bellhop.MaxRepairRate},
		{"NewEvent", "subject", "maxLength", bellhop.MaxSubjectLength},
	} {
		if got := property(c.schema, c.name)[c.bound]; got != c.want {
			t.Errorf("%s.%s: %s is %v, want %v", c.schema, c.name, c.bound, got, c.want)
		}
	}
	list := doc["paths"].(map[string]any)["/api/v1/sources"].(map[string]any)["get"].(map[string]any)
	for _, p := range list["parameters"].([]any) {
		if p := p.(map[string]any); p["name"] == "limit" {
			schema := p["schema"].(map[string]any)
			if schema["maximum"] != float64(bellhop.MaxPage) || schema["default"] != float64(bellhop.DefaultPage) {
				t.Errorf("limit: %v", schema)
			}
		}
	}
}

// TestPatchSchemas: the document says of a merge patch that null removes what may be left out, that no member is
// required at any depth, and which members of the answer it may have.
func TestPatchSchemas(t *testing.T) {
	doc := newRig(t).send("GET", "/openapi.json", "").is(200)
	at := func(v any, path ...string) any {
		for _, name := range path {
			object, _ := v.(map[string]any)
			v = object[name]
		}
		return v
	}
	content := at(doc, "paths", "/api/v1/destinations/{id}", "patch", "requestBody", "content")
	schema := at(doc, "components", "schemas", "DestinationPatch")
	for _, ref := range []any{at(content, "application/merge-patch+json", "schema", "$ref"),
		at(content, "application/json", "schema", "$ref"),
		at(doc, "components", "schemas", "TryRequest", "properties", "changes", "$ref")} {
		if ref != "#/components/schemas/DestinationPatch" {
			t.Errorf("refers to %v", ref)
		}
	}
	if at(schema, "additionalProperties") != false || at(schema, "required") != nil ||
		at(schema, "properties", "state", "readOnly") != true {
		t.Errorf("%v", schema)
	}
	for _, member := range []string{"rate", "match", "expires_at", "order"} {
		forms, _ := at(schema, "properties", member, "anyOf").([]any)
		if len(forms) != 2 || at(forms[1], "type") != "null" || at(forms[0], "required") != nil {
			t.Errorf("%s: %v", member, forms)
		}
	}
	where, _ := at(schema, "properties", "match", "anyOf").([]any)
	if kinds, _ := at(where[0], "properties", "where", "type").([]any); len(kinds) != 2 || kinds[1] != "null" {
		t.Errorf("match.where: %v", where)
	}
	if at(schema, "properties", "name", "type") != "string" {
		t.Error("the name cannot be removed")
	}
	rate, _ := at(doc, "components", "schemas", "NewDestination", "properties", "rate", "required").([]any)
	sample, _ := at(doc, "components", "schemas", "PreviewRequest", "properties", "event", "oneOf").([]any)
	if len(rate) != 1 || len(sample) != 2 || at(sample[1], "required") == nil ||
		at(sample[1], "additionalProperties") != false {
		t.Errorf("%v %v", rate, sample)
	}
}

// TestDeclaredNotFound: an operation whose query or body names a noun says that the noun may not be there, and answers
// so.
func TestDeclaredNotFound(t *testing.T) {
	r := newRig(t)
	paths := r.send("GET", "/openapi.json", "").is(200)["paths"].(map[string]any)
	for _, c := range []struct{ method, path, query, body string }{
		{"get", "/subscriptions", "?connection=none", ""},
		{"post", "/destinations/match", "", `{"destination":"none"}`},
		{"post", "/destinations/preview", "", `{"destination":"none","event":"none"}`},
	} {
		operation := paths[Prefix+c.path].(map[string]any)[c.method].(map[string]any)
		if operation["responses"].(map[string]any)["404"] == nil {
			t.Errorf("%s does not declare 404", c.path)
		}
		r.do(strings.ToUpper(c.method), Prefix+c.path+c.query, c.body).refused(404, bellhop.CodeNotFound)
	}
}

// TestServersShareNothing: several servers of one process are made at the same time; the race detector sees what they
// share.
func TestServersShareNothing(t *testing.T) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { newRig(t) })
	}
	all.Wait()
}
