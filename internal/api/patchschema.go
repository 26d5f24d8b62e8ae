package api

import (
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// This file describes merge patches. A patch of a noun has the members of a new one, but none of them is required, at
// any depth, and null removes those that may be left out.

// removable returns the schema of null and of a patch of what member describes. It is for readers: apply checks the
// values once they are merged.
func removable(r huma.Registry, member *huma.Schema) *huma.Schema {
	return &huma.Schema{Extensions: map[string]any{"anyOf": []any{patchOf{r, member}, map[string]any{"type": "null"}}}}
}

// A patchOf is the schema of a patch of what a schema describes. It is written with the document, when all schemas
// have their descriptions.
type patchOf struct {
	registry huma.Registry
	of       *huma.Schema
}

func (p patchOf) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(p.of)
	if err != nil {
		return nil, err
	}
	var s map[string]any
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	s, err = p.loosen(s)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// loosen removes from s what does not hold for a patch. A list is replaced as a whole, so its entries stay as they
// are.
func (p patchOf) loosen(s map[string]any) (map[string]any, error) {
	if ref, ok := s["$ref"].(string); ok {
		text, err := json.Marshal(p.registry.SchemaFromRef(ref))
		if err != nil {
			return nil, err
		}
		s = map[string]any{}
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
	}
	delete(s, "required")
	delete(s, "examples")
	properties, _ := s["properties"].(map[string]any)
	for name, member := range properties {
		loose, err := p.loosen(member.(map[string]any))
		if err != nil {
			return nil, err
		}
		properties[name] = allowNull(loose)
	}
	if more, ok := s["additionalProperties"].(map[string]any); ok {
		s["additionalProperties"] = allowNull(more)
	}
	return s, nil
}

// allowNull returns s so that null is valid too.
func allowNull(s map[string]any) map[string]any {
	switch kind := s["type"].(type) {
	case string:
		if values, ok := s["enum"].([]any); ok {
			s["enum"] = append(values, nil)
		}
		s["type"] = []any{kind, "null"}
	case []any:
		if !slices.Contains(kind, any("null")) {
			s["type"] = append(kind, "null")
		}
	default:
		if len(s) > 0 && (s["oneOf"] != nil || s["anyOf"] != nil) {
			return map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
		}
	}
	return s
}
