package generic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The schemes.
const (
	schemeHMAC  = "hmac"
	schemeToken = "token"
	schemeBasic = "basic"
	schemeQuery = "query"
	schemeNone  = "none"
)

var schemes = []string{schemeHMAC, schemeToken, schemeBasic, schemeQuery, schemeNone}

// usedBy says which schemes use a setting; any scheme uses those that are not here.
var usedBy = map[string][]string{
	"secret":           {schemeHMAC, schemeToken, schemeBasic, schemeQuery},
	"header":           {schemeHMAC, schemeToken},
	"prefix":           {schemeHMAC, schemeToken},
	"secret_encoding":  {schemeHMAC},
	"hash":             {schemeHMAC},
	"encoding":         {schemeHMAC},
	"separator":        {schemeHMAC},
	"timestamp_header": {schemeHMAC},
	"timestamp_field":  {schemeHMAC},
	"timestamp_format": {schemeHMAC},
	"url":              {schemeHMAC},
	"tolerance":        {schemeHMAC},
	"template":         {schemeHMAC},
	"repeat":           {schemeHMAC},
	"username":         {schemeBasic},
	"parameter":        {schemeQuery},
}

// The sides that a setting can be of.
const (
	source      = "source"
	destination = "destination"
)

// usedAt says on which side a setting is used; those that are not here are used on both.
var usedAt = map[string]string{
	"timestamp_field": source,
	"tolerance":       source,
	"url":             source,
	"repeat":          source,
	"id_field":        source,
	"type_field":      source,
	"type":            source,
	"methods":         source,
	"method":          destination,
}

// settings are those of a source and of a destination; checkFit tells them apart.
type settings struct {
	Preset      string           `json:"preset"`
	Scheme      string           `json:"scheme"`
	Secret      provider.Secrets `json:"secret"`
	VerifyToken provider.Secrets `json:"verify_token"` // of a preset

	SecretEncoding  string  `json:"secret_encoding"`
	Header          string  `json:"header"`
	Prefix          *string `json:"prefix"` // nil is the scheme's own
	Hash            string  `json:"hash"`
	Encoding        string  `json:"encoding"`
	Separator       string  `json:"separator"`
	TimestampHeader string  `json:"timestamp_header"`
	TimestampField  string  `json:"timestamp_field"`
	TimestampFormat string  `json:"timestamp_format"`
	Template        string  `json:"template"`
	URL             string  `json:"url"`
	Tolerance       string  `json:"tolerance"`
	Username        string  `json:"username"`
	Parameter       string  `json:"parameter"`

	IDHeader   string   `json:"id_header"`
	IDField    string   `json:"id_field"`
	Repeat     string   `json:"repeat"`
	TypeHeader string   `json:"type_header"`
	TypeField  string   `json:"type_field"`
	Type       string   `json:"type"`
	Methods    []string `json:"methods"`
	Method     string   `json:"method"`

	sends bool // they are a destination's
}

// read decodes and checks what one side was given, as far as settings contradict one another. What a preset says is
// put in; p is nil where there is none.
func read(raw json.RawMessage, side string) (s settings, p *preset, err error) {
	s.sends = side == destination
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return s, nil, err
	}
	if s.Preset == "" {
		return s, nil, checkFit(s.Scheme, side, raw)
	}
	if p, err = findPreset(s.Preset, side); err != nil {
		return s, nil, err
	}
	return p.fill(s), p, p.checkFit(s, raw)
}

// checkFit refuses settings that the scheme does not use, or that are of the other side, since who sets one expects
// something of it. raw was decoded before, so it is an object.
func checkFit(scheme, side string, raw json.RawMessage) error {
	if !slices.Contains(schemes, scheme) {
		why := "required: " + strings.Join(schemes, ", ")
		if side == source {
			why += "; or name a preset instead"
		}
		return bellhop.Invalid("scheme", why)
	}
	var errs []error
	_ = strictjson.Object(raw, func(name, value []byte) {
		key := string(name)
		by, limited := usedBy[key]
		at, onOneSide := usedAt[key]
		switch {
		case string(value) == "null":
		case key == "verify_token":
			errs = append(errs, bellhop.Invalid(key, "only some presets use it; remove it, or name a preset instead of a scheme"))
		case limited && !slices.Contains(by, scheme):
			errs = append(errs, bellhop.Invalid(key, fmt.Sprintf("scheme %s does not use it; remove it, or use scheme %s", scheme, strings.Join(by, " or "))))
		case onOneSide && at != side:
			errs = append(errs, bellhop.Invalid(key, fmt.Sprintf("a %s does not use it; remove it", side)))
		}
	})
	return bellhop.Join("", errs...)
}

// checkHeader lets through "" and what can be the name of a header.
func checkHeader(path, name string) error {
	switch {
	case name != "" && !bellhop.HeaderName(name):
		return bellhop.Invalid(path, "use the name of a header, such as X-Signature")
	case bellhop.ReservedHeader(name) && !strings.HasPrefix(strings.ToLower(name), "webhook-"): // which others sign by, too
		return bellhop.Invalid(path, "no signature or secret stands in this header; name another, such as X-Signature")
	}
	return nil
}

var knownMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// checkMethods returns the methods that are taken.
func checkMethods(methods []string) ([]string, error) {
	if methods == nil {
		return []string{http.MethodPost, http.MethodPut, http.MethodPatch}, nil
	}
	if len(methods) == 0 {
		return nil, bellhop.Invalid("methods", "name at least one, or leave it out")
	}
	var errs []error
	for i, m := range methods {
		if !slices.Contains(knownMethods, m) {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("methods[%d]", i), "use "+strings.Join(knownMethods, ", ")))
		}
	}
	return methods, bellhop.Join("", errs...)
}
