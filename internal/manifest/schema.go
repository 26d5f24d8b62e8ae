package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Schema is a JSON Schema (draft 7) of values in a file. It has the keywords that [LoadSchema] knows, and no others.
type Schema struct {
	Ref                  string             `json:"$ref"`
	Defs                 map[string]*Schema `json:"definitions"`
	Type                 types              `json:"type"`
	Properties           map[string]*Schema `json:"properties"`
	AdditionalProperties *schemaOrBool      `json:"additionalProperties"`
	Required             []string           `json:"required"`
	Enum                 []any              `json:"enum"`
	Const                any                `json:"const"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	MinLength            *int               `json:"minLength"`
	MaxLength            *int               `json:"maxLength"`
	MaxItems             *int               `json:"maxItems"`
	Items                *Schema            `json:"items"`
	Pattern              *pattern           `json:"pattern"`
	OneOf                []*Schema          `json:"oneOf"`
	AnyOf                []*Schema          `json:"anyOf"` // of a text
	AllOf                []*Schema          `json:"allOf"`
	If                   *Schema            `json:"if"`
	Then                 *Schema            `json:"then"`

	// WriteOnly marks a secret: its value is never shown.
	WriteOnly bool `json:"writeOnly"`

	// The following say nothing about values.
	Dialect     string `json:"$schema"`
	ID          string `json:"$id"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Format      string `json:"format"` // checked by the server, with better messages
	Examples    []any  `json:"examples"`
	Default     any    `json:"default"`

	meant *Schema // the schema that Ref names
}

// A pattern is a regular expression that a text matches.
type pattern struct{ *regexp.Regexp }

// UnmarshalJSON reads a regular expression.
func (p *pattern) UnmarshalJSON(b []byte) error {
	var text string
	err := json.Unmarshal(b, &text)
	if err == nil {
		p.Regexp, err = regexp.Compile(text)
	}
	return err
}

// types are the types of values that a schema allows; none is all.
type types []string

// UnmarshalJSON reads a text or a list of texts.
func (t *types) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = types{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

func (t types) has(name string) bool { return slices.Contains(t, name) }

// A schemaOrBool is the value of additionalProperties: a schema, or whether there may be others.
type schemaOrBool struct {
	schema *Schema // nil unless it is a schema
	no     bool
}

// UnmarshalJSON reads a schema, true or false.
func (s *schemaOrBool) UnmarshalJSON(b []byte) error {
	var flag bool
	if json.Unmarshal(b, &flag) == nil {
		s.no = !flag
		return nil
	}
	s.schema = &Schema{}
	return decode(b, s.schema)
}

// decode decodes a schema, and refuses keywords that this package does not know: a check would miss what they demand.
func decode(b []byte, s *Schema) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	return decoder.Decode(s)
}

// LoadSchema reads the JSON of a schema.
func LoadSchema(document []byte) (*Schema, error) {
	s := &Schema{}
	err := decode(document, s)
	if err == nil {
		err = s.link(s.Defs)
	}
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return s, nil
}

// link finds the schemas that s and those within it name.
func (s *Schema) link(defs map[string]*Schema) error {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		s.meant = defs[strings.TrimPrefix(s.Ref, "#/definitions/")]
		if s.meant == nil {
			return errors.New("there is no " + s.Ref)
		}
	}
	inner := slices.Concat(s.OneOf, s.AnyOf, s.AllOf, []*Schema{s.Items, s.If, s.Then})
	if s.AdditionalProperties != nil {
		inner = append(inner, s.AdditionalProperties.schema)
	}
	for _, named := range []map[string]*Schema{s.Properties, s.Defs} {
		for _, each := range named {
			inner = append(inner, each)
		}
	}
	for _, each := range inner {
		if err := each.link(defs); err != nil {
			return err
		}
	}
	return nil
}

// resolve returns the schema that s is, or that it refers to.
func (s *Schema) resolve() *Schema {
	for s.meant != nil {
		s = s.meant
	}
	return s
}
