package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/danielgtaylor/huma/v2"
)

const mergePatchType = "application/merge-patch+json"

// A Patch is a JSON merge patch (RFC 7396) of a noun with the members of New. Numbers keep their digits.
type Patch[New any] map[string]any

// UnmarshalJSON reads an object.
func (p *Patch[New]) UnmarshalJSON(b []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(p))
}

// Schema describes p: the members of New, none of them required, and null in place of those that may be left out.
func (Patch[New]) Schema(r huma.Registry) *huma.Schema {
	whole := schemaOf(r, reflect.TypeFor[New]())
	members := map[string]*huma.Schema{}
	for name, member := range whole.Properties {
		members[name] = member
		if !slices.Contains(whole.Required, name) {
			members[name] = removable(r, member)
		}
	}
	return &huma.Schema{
		Type: huma.TypeObject,
		Description: "A JSON merge patch: a named member is set, null removes a member, the other members " +
			"stay.",
		Properties:           members,
		AdditionalProperties: false,
	}
}

// schemaOf returns the schema of t, and not a reference to it.
func schemaOf(r huma.Registry, t reflect.Type) *huma.Schema {
	return r.SchemaFromRef(r.Schema(t, true, "").Ref)
}

// asShown returns the schema of a member that a patch may have as the answer has it. Huma writes into a schema, so no
// two servers have the same one.
func asShown() *huma.Schema {
	return &huma.Schema{Description: "As the answer has it: it cannot be changed",
		Extensions: map[string]any{"readOnly": true}}
}

type patchInput[New any] struct {
	ID string `path:"id" doc:"Its id or name" example:"media"`
	Precondition
	Body Patch[New] `contentType:"application/merge-patch+json"`
}

// handlePatch adds a PATCH. Its content type is a merge patch or plain JSON. A whole answer can be sent back, so the
// patch may have the other members of the answer.
func handlePatch[New, O any](s *server, o op, handler func(context.Context, *patchInput[New]) (*O, error)) {
	operation := o.huma()
	registry := s.huma.OpenAPI().Components.Schemas
	schema := Patch[New]{}.Schema(registry)
	shown, _ := reflect.TypeFor[O]().FieldByName("Body")
	for name := range schemaOf(registry, shown.Type).Properties {
		if schema.Properties[name] == nil {
			schema.Properties[name] = asShown()
		}
	}
	operation.RequestBody = &huma.RequestBody{
		Content: map[string]*huma.MediaType{"application/json": {Schema: schema}, mergePatchType: {Schema: schema}},
	}
	register(s, operation, handler)
}

// readOnly removes the named members from p, which cannot be set. A member with the value of shown is accepted,
// so that a whole answer can be sent back; another value is an error.
func (p Patch[New]) readOnly(shown any, names ...string) error {
	current, err := members(shown)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if value, ok := p[name]; ok && !reflect.DeepEqual(value, current[name]) {
			errs = append(errs, bellhop.Invalid(name, "cannot be changed"))
		}
		delete(p, name)
	}
	return bellhop.Join("", errs...)
}

// apply merges p into current, and checks the result as the body of a POST is checked.
func (p Patch[New]) apply(s *server, current New) (New, error) {
	var merged New
	registry := s.huma.OpenAPI().Components.Schemas
	err := bellhop.Join("", unknownNulls(registry, schemaOf(registry, reflect.TypeFor[New]()), p, "")...)
	if err != nil {
		return merged, err
	}
	document, err := members(current)
	if err != nil {
		return merged, err
	}
	raw, err := json.Marshal(catalog.MergePatch(document, map[string]any(p)))
	if err != nil {
		return merged, fmt.Errorf("write a merged document: %w", err)
	}
	return readAs[New](s, raw)
}

// unknownNulls returns an error for each member of patch that is null and that an object of the schema cannot have.
// Merging would remove it, and a misspelt name would go unnoticed.
func unknownNulls(r huma.Registry, schema *huma.Schema, patch map[string]any, path string) (errs []error) {
	if schema.Ref != "" {
		schema = r.SchemaFromRef(schema.Ref)
	}
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		member := schema.Properties[name]
		inner, isObject := patch[name].(map[string]any)
		switch {
		case member == nil && patch[name] == nil && schema.AdditionalProperties == false:
			errs = append(errs, bellhop.Invalid(path+name, "unknown here; see "+documentPath))
		case member != nil && isObject:
			errs = append(errs, unknownNulls(r, member, inner, path+name+".")...)
		}
	}
	return errs
}

// readAs decodes raw as the body of a POST is decoded. Its errors are CodeInvalid with paths within raw.
func readAs[T any](s *server, raw []byte) (v T, err error) {
	var plain any
	if err := decode(raw, &plain); err != nil {
		return v, fmt.Errorf("read a document: %w", err)
	}
	registry := s.huma.OpenAPI().Components.Schemas
	schema := registry.Schema(reflect.TypeFor[T](), true, "")
	var found huma.ValidateResult
	path := huma.NewPathBuffer([]byte("body"), len("body"))
	huma.Validate(registry, schema, path, huma.ModeWriteToServer, plain, &found)
	if len(found.Errors) > 0 {
		return v, &bellhop.Error{Code: bellhop.CodeInvalid, Fields: plainFields(found.Errors)}
	}
	err = decode(raw, &v)
	if err != nil {
		wrong := []error{&huma.ErrorDetail{Location: "body", Message: err.Error()}}
		return v, &bellhop.Error{Code: bellhop.CodeInvalid, Fields: plainFields(wrong)}
	}
	return v, nil
}

// members returns the JSON object that v is written as. Numbers keep their digits.
func members(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write %T: %w", v, err)
	}
	var p Patch[any]
	if err := p.UnmarshalJSON(raw); err != nil {
		return nil, fmt.Errorf("read %T: %w", v, err)
	}
	return p, nil
}
