// Package generic takes webhooks of systems that have no package of their own: whatever signs with an HMAC in a
// header, or shows a shared secret in a header, by Basic authentication or in the URL. It sends in the same ways.
//
// The settings say what the system does; nothing is guessed from a request. Five schemes:
//
//	hmac   a header holds the HMAC of the body, or of a template with the body, a timestamp and an id in it
//	token  a header holds the secret
//	basic  Authorization: Basic with a user name and the secret
//	query  a parameter of the URL holds the secret
//	none   anyone who knows the URL
//
// The body may be anything. If it is a JSON object, its type and the id by which repeats are known can be taken from it.
//
// A preset is such settings for one system by name, together with the handshake that the system asks for, if it does:
// see the table in presets.go. Each request is one event, even where the system puts several changes into one.
//
// Without the server: [Provider.Open] with the settings, then Receive; the example shows it. A Receipt with a Reply is a
// handshake, to be answered; any other has events.
//
// Sources:
//   - https://www.rfc-editor.org/rfc/rfc2104 (HMAC)
//   - https://www.rfc-editor.org/rfc/rfc6750 (Bearer tokens)
//   - https://www.rfc-editor.org/rfc/rfc7617 (Basic)
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

// Provider receives and sends generic webhooks.
type Provider struct{}

var _ provider.Sender = Provider{}

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	s, preset, err := read(raw, source)
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme(s, env.Now)
	reader, readerErr := newReader(s, preset)
	methods, methodsErr := checkMethods(s.Methods)
	if err := bellhop.Join("", err, readerErr, methodsErr); err != nil {
		return nil, err
	}
	r := &receiver{scheme: scheme, reader: reader, methods: methods, verifyTokens: s.VerifyToken}
	if preset != nil {
		r.preset = *preset
	}
	return r, nil
}

// OpenSender implements [provider.Sender].
func (Provider) OpenSender(env provider.Env, raw json.RawMessage) (provider.Renderer, error) {
	s, _, err := read(raw, destination)
	if err != nil {
		return nil, err
	}
	if s.Scheme != schemeNone {
		if err := s.Secret.CheckOne("secret"); err != nil {
			return nil, err
		}
	}
	scheme, err := newScheme(s, env.Now)
	method, methodErr := provider.OneOf("method", s.Method, http.MethodPost, http.MethodPost, http.MethodPut, http.MethodPatch)
	if err := bellhop.Join("", err, methodErr, checkHeader("id_header", s.IDHeader), checkHeader("type_header", s.TypeHeader)); err != nil {
		return nil, err
	}
	return &renderer{scheme: scheme, method: method, idHeader: s.IDHeader, typeHeader: s.TypeHeader}, nil
}

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
