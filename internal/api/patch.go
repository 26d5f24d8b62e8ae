package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

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

// Schema describes p: the members of New, none of them required. apply checks other members.
func (Patch[New]) Schema(r huma.Registry) *huma.Schema {
	whole := r.SchemaFromRef(r.Schema(reflect.TypeFor[New](), true, "").Ref)
	return &huma.Schema{
		Type: huma.TypeObject,
		Description: "A JSON merge patch: a named member is set, null removes a member, " +
			"the other members stay.",
		Properties:           whole.Properties,
		AdditionalProperties: true,
	}
}

type patchInput[New any] struct {
	ID string `path:"id" doc:"Its id or name" example:"media"`
	Precondition
	Body Patch[New] `contentType:"application/merge-patch+json"`
}

// handlePatch adds a PATCH. Its content type is a merge patch or plain JSON.
func handlePatch[New, O any](s *server, o op, handler func(context.Context, *patchInput[New]) (*O, error)) {
	operation := o.huma()
	schema := Patch[New]{}.Schema(s.huma.OpenAPI().Components.Schemas)
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

// readAs decodes raw as the body of a POST is decoded. Its errors are CodeInvalid with paths within raw.
func readAs[T any](s *server, raw []byte) (v T, err error) {
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
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
	err = json.Unmarshal(raw, &v)
	return v, err
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
