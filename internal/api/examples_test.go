package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// TestExamples: the body of each request and of each answer in JSON has an example, which its schema accepts.
func TestExamples(t *testing.T) {
	r := newRig(t)
	document := r.handler.(*server).huma.OpenAPI()
	registry := document.Components.Schemas
	checked := 0
	check := func(where string, content map[string]*huma.MediaType, mode huma.ValidateMode) {
		for kind, media := range content {
			if !strings.HasSuffix(kind, "json") {
				continue
			}
			schema, example := media.Schema, media.Example
			if schema.Ref != "" {
				schema = registry.SchemaFromRef(schema.Ref)
			}
			if example == nil && len(schema.Examples) > 0 {
				example = schema.Examples[0]
			}
			if example == nil {
				t.Errorf("%s (%s) has no example: add one to examples.go", where, media.Schema.Ref)
				continue
			}
			text, err := json.Marshal(example)
			if err != nil {
				t.Fatal(where, err)
			}
			var plain any
			if err := json.Unmarshal(text, &plain); err != nil {
				t.Fatal(where, err)
			}
			var found huma.ValidateResult
			huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), mode, plain, &found)
			for _, err := range found.Errors {
				t.Errorf("%s: %v in %s", where, err, text)
			}
			checked++
		}
	}
	for path, item := range document.Paths {
		for method, o := range map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PATCH": item.Patch,
			"DELETE": item.Delete} {
			if o == nil {
				continue
			}
			if o.RequestBody != nil {
				check(method+" "+path, o.RequestBody.Content, huma.ModeWriteToServer)
			}
			for status, answer := range o.Responses {
				check(method+" "+path+": "+status, answer.Content, huma.ModeReadFromServer)
			}
		}
	}
	if checked < 100 {
		t.Errorf("%d bodies", checked)
	}
}

// TestExamplesAreUsed: each example is that of a schema in the document.
func TestExamplesAreUsed(t *testing.T) {
	a := newRig(t).send("GET", "/openapi.json", "")
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Examples []json.RawMessage `json:"examples"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(a.body), &document); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, example := range examples() {
		name := huma.DefaultSchemaNamer(reflect.TypeOf(example), "")
		if slices.Contains(names, name) {
			t.Errorf("there are two examples of %s", name)
		}
		names = append(names, name)
		if len(document.Components.Schemas[name].Examples) != 1 {
			t.Errorf("the document does not show the example of %s", name)
		}
	}
}
