package generic

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// DefaultType is the type of an event that nothing names.
const DefaultType = "generic.received"

// A reader finds an event's type and the id by which repeats are known.
type reader struct {
	eventType  string // fixed; "" is to be found
	typeHeader string
	typeField  path
	idHeader   string
	idField    path
	repeat     string // what an event without an id is known by
	mustBeJSON bool   // the owner said which members there are
	preset     *preset
}

// The ways to know a repeat that has no id.
const (
	repeatSignature = "signature"
	repeatBody      = "body"
	repeatNone      = "none"
)

func newReader(s settings, p *preset) (*reader, error) {
	r := &reader{eventType: s.Type, typeHeader: s.TypeHeader, typeField: parsePath(s.TypeField), idHeader: s.IDHeader, idField: parsePath(s.IDField),
		mustBeJSON: s.TypeField != "" || s.IDField != "" || p != nil && p.object, preset: p}
	if s.Type == "" && s.TypeHeader == "" && s.TypeField == "" {
		r.typeField = path{"type"}
	}
	var typeErr error
	if s.Type != "" && !provider.Word(s.Type) {
		typeErr = bellhop.Invalid("type", "use 1 to 255 letters, digits, dots, dashes, slashes and underscores")
	}
	repeat, repeatErr := provider.OneOf("repeat", s.Repeat, repeatSignature, repeatSignature, repeatBody, repeatNone)
	r.repeat = repeat
	return r, bellhop.Join("", typeErr, repeatErr, checkOne(s), checkHeader("type_header", s.TypeHeader), checkHeader("id_header", s.IDHeader))
}

// checkOne refuses two answers to one question.
func checkOne(s settings) error {
	switch {
	case s.Type != "" && s.TypeHeader != "", s.Type != "" && s.TypeField != "":
		return bellhop.Invalid("type", "there is type_header or type_field too; keep one of them")
	case s.TypeHeader != "" && s.TypeField != "":
		return bellhop.Invalid("type_header", "there is type_field too; keep one of them")
	case s.IDHeader != "" && s.IDField != "":
		return bellhop.Invalid("id_header", "there is id_field too; keep one of them")
	case s.Repeat != "" && (s.IDHeader != "" || s.IDField != ""):
		return bellhop.Invalid("repeat", "repeats are known by id_header or id_field; remove those, or this")
	}
	return nil
}

// read returns the type and the id of an authentic request; either may be the default or "". It returns
// provider.ErrBody if members are wanted of a body that has none, and signature.ErrMalformed for two ids in headers.
func (r *reader) read(req *provider.Request, p proof) (kind, id string, err error) {
	kind = r.eventType
	if r.typeHeader != "" {
		kind = single(req.Header, r.typeHeader)
	}
	if r.mustBeJSON || len(r.typeField) > 0 {
		values, err := find(req.Body, r.typeField, r.idField)
		switch {
		case err != nil && r.mustBeJSON:
			return "", "", err
		case err == nil && len(r.typeField) > 0:
			kind, _ = strictjson.Text(values[0])
		}
		if err == nil {
			id = textOrNumber(values[1])
		}
	}
	if r.idHeader != "" {
		if id, err = signature.Optional(req.Header, r.idHeader); err != nil {
			return "", "", fmt.Errorf("%s: %w", r.idHeader, err)
		}
	}
	if id == "" {
		id = r.repeatKey(req.Body, p)
	}
	return r.name(kind, req.Header), id, nil
}

// repeatKey returns what an event without an id is known by.
func (r *reader) repeatKey(body []byte, p proof) string {
	switch r.repeat {
	case repeatSignature:
		return p.repeat
	case repeatBody:
		sum := sha256.Sum256(body)
		return hex.EncodeToString(sum[:])
	}
	return ""
}

// name returns kind, or what there is in its place, as a type.
func (r *reader) name(kind string, h http.Header) string {
	if r.preset != nil {
		return r.preset.eventType(kind, h)
	}
	if !provider.Word(kind) {
		return DefaultType
	}
	return kind
}

// single returns the value of a header that is there once, else "".
func single(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}
