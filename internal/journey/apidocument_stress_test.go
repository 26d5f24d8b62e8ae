//go:build stress && linux

package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/jsonschema-go/jsonschema"
)

// This file reads the OpenAPI document of a server, and says what it allows, for TestStressAPIFuzz.

// A schema is one schema of the document, as it is written there.
type schema = map[string]any

// An apiDocument is an OpenAPI document.
type apiDocument struct {
	operations []*apiOperation // sorted by path and method
	schemas    map[string]schema
	validator  *jsonschema.Resolved // of an object with one member for each schema, by which that is judged
}

// An apiOperation is one operation of the document.
type apiOperation struct {
	id, method, path string
	scope            string // that a key needs
	parameters       []apiParameter
	bodyTypes        []string // content types of its body; none if it takes none
	body             schema
	required         bool // the body is
	answers          map[string]apiAnswerForm
}

// An apiParameter is one parameter of an operation.
type apiParameter struct {
	name, in string // in is path, query or header
	required bool
	schema   schema
}

// An apiAnswerForm is a declared answer. Its content types are keys; the values name schemas, "" for bytes.
type apiAnswerForm map[string]string

// readDocument reads an OpenAPI document.
func readDocument(text []byte) (*apiDocument, error) {
	var raw struct {
		Paths map[string]map[string]struct {
			OperationID string
			Security    []map[string][]string
			Parameters  []struct {
				Name, In string
				Required bool
				Schema   schema
			}
			RequestBody *struct {
				Required bool
				Content  map[string]struct{ Schema schema }
			}
			Responses map[string]struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	d := &apiDocument{schemas: raw.Components.Schemas}
	for _, path := range slices.Sorted(maps.Keys(raw.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(raw.Paths[path])) {
			from := raw.Paths[path][method]
			o := &apiOperation{id: from.OperationID, method: strings.ToUpper(method), path: path,
				answers: map[string]apiAnswerForm{}}
			if len(from.Security) != 1 || len(from.Security[0]["key"]) != 1 {
				return nil, fmt.Errorf("%s does not say which scope it needs", o.id)
			}
			o.scope = from.Security[0]["key"][0]
			for _, p := range from.Parameters {
				o.parameters = append(o.parameters, apiParameter{p.Name, p.In, p.Required, p.Schema})
			}
			if from.RequestBody != nil {
				o.required = from.RequestBody.Required
				o.bodyTypes = slices.Sorted(maps.Keys(from.RequestBody.Content))
				o.body = from.RequestBody.Content[o.bodyTypes[0]].Schema
				d.schemas[o.id+"-body"] = o.body
			}
			for status, answer := range from.Responses {
				form := apiAnswerForm{}
				for media, content := range answer.Content {
					form[media] = d.nameOf(content.Schema, o.id+"-"+status)
				}
				o.answers[status] = form
			}
			d.operations = append(d.operations, o)
		}
	}
	return d, d.compile()
}

// nameOf returns the name of a schema, which is name unless the schema refers to one. Bytes have none.
func (d *apiDocument) nameOf(s schema, name string) string {
	if ref, ok := s["$ref"].(string); ok {
		return ref[strings.LastIndexByte(ref, '/')+1:]
	}
	if s["format"] == "binary" {
		return ""
	}
	d.schemas[name] = s
	return name
}

// compile makes the validator.
func (d *apiDocument) compile() error {
	text, err := json.Marshal(schema{"type": "object", "properties": d.schemas})
	if err != nil {
		return err
	}
	var whole jsonschema.Schema
	err = json.Unmarshal(bytes.ReplaceAll(text, []byte("#/components/schemas/"), []byte("#/properties/")), &whole)
	if err == nil {
		d.validator, err = whole.Resolve(nil)
	}
	return err
}

// check returns an error unless value, which was decoded from JSON, is valid by the schema of that name.
func (d *apiDocument) check(name string, value any) error {
	return d.validator.Validate(map[string]any{name: value})
}

// resolve follows the reference of a schema.
func (d *apiDocument) resolve(s schema) schema {
	for s["$ref"] != nil {
		ref, _ := s["$ref"].(string)
		s = d.schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
	}
	return s
}

// operation returns the operation of a method and a path; nil if there is none.
func (d *apiDocument) operation(method, path string) *apiOperation {
	i := slices.IndexFunc(d.operations, func(o *apiOperation) bool { return o.method == method && o.path == path })
	if i < 0 {
		return nil
	}
	return d.operations[i]
}

// noun returns what the operation is about: the first part of its path below the prefix, such as sources.
func (o *apiOperation) noun() string {
	noun, _, _ := strings.Cut(strings.TrimPrefix(o.path, "/api/v1/"), "/")
	return noun
}

// parameter returns the parameter of that name; nil if there is none.
func (o *apiOperation) parameter(name string) *apiParameter {
	i := slices.IndexFunc(o.parameters, func(p apiParameter) bool { return strings.EqualFold(p.name, name) })
	if i < 0 {
		return nil
	}
	return &o.parameters[i]
}

// members returns the properties of a schema, also of those that it is a choice of.
func (d *apiDocument) members(s schema) map[string]schema {
	all := map[string]schema{}
	s = d.resolve(s)
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		all[name], _ = p.(map[string]any)
	}
	for _, choice := range choices(s) {
		maps.Copy(all, d.members(choice))
	}
	return all
}

// choices returns the schemas that s is a choice of.
func choices(s schema) (list []schema) {
	for _, word := range []string{"oneOf", "anyOf"} {
		forms, _ := s[word].([]any)
		for _, f := range forms {
			if form, ok := f.(map[string]any); ok {
				list = append(list, form)
			}
		}
	}
	return list
}

// ruling is what the document says of a request.
type ruling int

const (
	unknown ruling = iota // the document does not say
	valid
	invalid
)

// judged returns what the document says of the parameters and the body of r.
func (d *apiDocument) judged(r *apiRequest) (v ruling, why string) {
	if r.broken {
		return invalid, r.changed
	}
	if r.changed != "" && r.want != nil || r.method != r.op.method {
		return unknown, ""
	}
	v = valid
	for _, part := range r.query {
		name, text, _ := strings.Cut(part, "=")
		text, err := url.QueryUnescape(text)
		p := r.op.parameter(name)
		if err != nil || p == nil {
			return unknown, ""
		}
		switch fine, sure := p.accepts(text); {
		case !sure:
			v = unknown
		case !fine:
			return invalid, "the parameter " + name
		}
	}
	for _, p := range r.op.parameters {
		if p.in != "header" || r.header.Values(p.name) == nil {
			continue
		}
		if fine, sure := p.accepts(r.header.Get(p.name)); sure && !fine {
			return invalid, "the header " + p.name
		}
	}
	switch {
	case r.op.body == nil:
		return v, ""
	case r.body == nil && r.op.required:
		return invalid, "it has no body"
	case r.body == nil:
		return v, ""
	case !utf8.Valid(r.body) || !json.Valid(r.body):
		return invalid, "the body is not JSON"
	}
	var value any
	if json.Unmarshal(r.body, &value) != nil || bytes.Contains(r.body, []byte(`\ud800`)) {
		return unknown, "" // a number that is too large here, or half a character
	}
	err := d.check(r.op.id+"-body", value)
	if err != nil { // docs/API.md: a member that is null is left out
		d.leaveOut(r.op.body, value)
		err = d.check(r.op.id+"-body", value)
	}
	if err != nil {
		return invalid, err.Error()
	}
	return v, ""
}

// leaveOut removes members of value that are null and that s does not require.
func (d *apiDocument) leaveOut(s schema, value any) {
	s = d.resolve(s)
	for _, choice := range choices(s) {
		d.leaveOut(choice, value)
	}
	switch value := value.(type) {
	case []any:
		items, _ := s["items"].(map[string]any)
		for _, x := range value {
			d.leaveOut(items, x)
		}
	case map[string]any:
		required, _ := s["required"].([]any)
		for name, of := range d.members(s) {
			if v, ok := value[name]; ok && v == nil && !slices.Contains(required, any(name)) {
				delete(value, name)
			}
			d.leaveOut(of, value[name])
		}
	}
}

// accepts reports whether text is a value of the parameter; sure is false if the document does not say.
func (p *apiParameter) accepts(text string) (fine, sure bool) {
	switch p.schema["type"] {
	case "integer":
		n, err := strconv.ParseInt(text, 10, 64)
		least, hasLeast := p.schema["minimum"].(float64)
		most, hasMost := p.schema["maximum"].(float64)
		return err == nil && (!hasLeast || float64(n) >= least) && (!hasMost || float64(n) <= most), text != ""
	case "boolean":
		_, err := strconv.ParseBool(text)
		plain := text == "true" || text == "false"
		return plain, text != "" && (plain || err != nil) // 1 and t are taken, too
	case "string":
		values, listed := p.schema["enum"].([]any)
		most, bounded := p.schema["maxLength"].(float64)
		if listed && !slices.Contains(values, any(text)) || bounded && utf8.RuneCountInString(text) > int(most) {
			return false, text != ""
		}
		return true, p.schema["format"] == nil && utf8.ValidString(text)
	}
	return true, false
}
