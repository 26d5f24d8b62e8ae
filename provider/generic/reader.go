package generic

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// DefaultType is the type of an event that nothing names.
const DefaultType = "generic.received"

// A reader finds an event's type and the id by which repeats are known.
type reader struct {
	eventType   string // fixed; "" is to be found
	typeHeader  string
	typeField   string
	idHeader    string
	idField     string
	bySignature bool // what has no id is known by its signature
	mustBeJSON  bool // the owner said which members there are
}

func newReader(s settings) (*reader, error) {
	r := &reader{eventType: s.Type, typeHeader: s.TypeHeader, typeField: s.TypeField, idHeader: s.IDHeader, idField: s.IDField,
		mustBeJSON: s.TypeField != "" || s.IDField != ""}
	if s.Type == "" && s.TypeHeader == "" && s.TypeField == "" {
		r.typeField = "type"
	}
	var typeErr error
	if s.Type != "" && !provider.Word(s.Type) {
		typeErr = bellhop.Invalid("type", "use 1 to 255 letters, digits, dots, dashes, slashes and underscores")
	}
	repeat, repeatErr := oneOf("repeat", s.Repeat, "signature", "signature", "none")
	r.bySignature = repeat == "signature"
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

// read returns the type and the id of an authentic request; either may be DefaultType or "". It returns
// provider.ErrBody if members are wanted of a body that has none, and signature.ErrMalformed for two ids in headers.
func (r *reader) read(req *provider.Request) (kind, id string, err error) {
	kind = r.eventType
	if r.typeHeader != "" {
		if values := req.Header.Values(r.typeHeader); len(values) == 1 {
			kind = values[0]
		}
	}
	if r.typeField != "" || r.idField != "" {
		fromBody, fromField, err := r.members(req.Body)
		if err != nil && r.mustBeJSON {
			return "", "", err
		}
		id = fromField
		if r.typeField != "" {
			kind = fromBody
		}
	}
	if r.idHeader != "" {
		if id, err = optional(req.Header, r.idHeader); err != nil {
			return "", "", fmt.Errorf("%s: %w", r.idHeader, err)
		}
	}
	if !provider.Word(kind) {
		kind = DefaultType
	}
	return kind, id, nil
}

// members returns the type and the id among the members of body.
func (r *reader) members(body []byte) (kind, id string, err error) {
	var kindValue, idValue []byte
	err = provider.Object(body, func(name, value []byte) {
		if r.typeField != "" && string(name) == r.typeField {
			kindValue = value
		}
		if r.idField != "" && string(name) == r.idField {
			idValue = value
		}
	})
	if err != nil {
		return "", "", err
	}
	kind, _ = provider.Text(kindValue)
	return kind, textOrNumber(idValue), nil
}

// textOrNumber returns a JSON text, a JSON number as it is written, and "" for anything else.
func textOrNumber(value []byte) string {
	if text, ok := provider.Text(value); ok {
		return text
	}
	if len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		return string(value)
	}
	return ""
}

// optional returns the value of a header that may be absent and must not be there twice.
func optional(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) > 1 {
		return "", signature.ErrMalformed
	}
	return strings.Join(values, ""), nil
}
