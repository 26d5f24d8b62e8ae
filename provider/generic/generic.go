// Package generic receives webhooks of systems that have no package of their own, and sends them in the same ways.
// Such a system signs with an HMAC in a header, or sends a shared secret in a header, by Basic authentication or in
// the URL.
//
// The settings describe the system; nothing is guessed from a request. There are five schemes:
//
//	hmac   a header holds the HMAC of the body, or of a template with the body, a timestamp and an id
//	token  a header holds the secret
//	basic  Authorization: Basic with a user name and the secret
//	query  a parameter of the URL holds the secret
//	none   requests are not authenticated
//
// The body may be of any format. If it is a JSON object, the event's type and the id that identifies repeats can be
// taken from it.
//
// A preset holds the settings for one well-known system, and the system's handshake, if it has one: see the table
// in preset.go. Each request is one event, even if the system puts several changes into it.
//
// Without the server: call [Provider.Open] with the settings, then Receive, as the example does. A Receipt with a
// Reply is a handshake, to be answered with that Reply; any other Receipt has events.
//
// Sources:
//   - https://www.rfc-editor.org/rfc/rfc2104 (HMAC)
//   - https://www.rfc-editor.org/rfc/rfc6750 (Bearer tokens)
//   - https://www.rfc-editor.org/rfc/rfc7617 (Basic)
package generic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
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
	} else {
		r.warnings = s.warnings()
	}
	return r, nil
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

// settingSchemes lists the schemes of a setting. A setting that is not listed is for all schemes.
var settingSchemes = map[string][]string{
	"secret":           {schemeHMAC, schemeToken, schemeBasic, schemeQuery},
	"header":           {schemeHMAC, schemeToken},
	"prefix":           {schemeHMAC, schemeToken},
	"secret_encoding":  {schemeHMAC},
	"hash":             {schemeHMAC},
	"encoding":         {schemeHMAC},
	"separator":        {schemeHMAC},
	"header_form":      {schemeHMAC},
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

// The sides of a setting.
const (
	source      = "source"
	destination = "destination"
)

// settingSide is the side of a setting. A setting that is not listed is for both sides.
var settingSide = map[string]string{
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

// QueryProof implements [provider.QueryProver].
func (Provider) QueryProof(raw json.RawMessage) (parameter, setting string) {
	s, _, err := read(raw, source)
	if err != nil || s.Scheme != schemeQuery {
		return "", ""
	}
	return cmp.Or(s.Parameter, defaultParameter), "secret"
}

// settings are the settings of a source or of a destination; checkFit refuses those of the other side.
type settings struct {
	Preset      string           `json:"preset"`
	Scheme      string           `json:"scheme"`
	Secret      provider.Secrets `json:"secret"`
	VerifyToken provider.Secrets `json:"verify_token"` // only with some presets

	SecretEncoding  string  `json:"secret_encoding"`
	Header          string  `json:"header"`
	Prefix          *string `json:"prefix"` // nil is the scheme's default
	Hash            string  `json:"hash"`
	Encoding        string  `json:"encoding"`
	Separator       string  `json:"separator"`
	HeaderForm      string  `json:"header_form"`
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

	sends bool // the settings are those of a destination
}

// read decodes the settings of one side and checks that they fit together. With a preset, s includes the preset's
// settings; otherwise p is nil.
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

// checkFit refuses settings that the scheme or the side does not use, because whoever sets one expects an effect.
// raw is an object, since it was decoded before.
func checkFit(scheme, side string, raw json.RawMessage) error {
	if !slices.Contains(schemes, scheme) {
		why := "required: one of " + strings.Join(schemes, ", ")
		if scheme != "" {
			why = provider.NoChoice(scheme, schemes...)
		}
		if side == source {
			why += "; or set preset instead"
		}
		return bellhop.Invalid("scheme", why)
	}
	var errs []error
	_ = strictjson.Object(raw, func(name, value []byte) {
		key := string(name)
		by, limited := settingSchemes[key]
		at, oneSided := settingSide[key]
		switch {
		case string(value) == "null":
		case key == "verify_token":
			errs = append(errs, bellhop.Invalid(key, "only some presets use it; remove it, or set preset instead "+
				"of scheme"))
		case limited && !slices.Contains(by, scheme):
			why := fmt.Sprintf("scheme %s does not use it; remove it, or use scheme %s", scheme,
				strings.Join(by, " or "))
			errs = append(errs, bellhop.Invalid(key, why))
		case oneSided && at != side:
			errs = append(errs, bellhop.Invalid(key, fmt.Sprintf("a %s does not use it; remove it", side)))
		}
	})
	return bellhop.Join("", errs...)
}

// checkHeader accepts "" and the name of a header.
func checkHeader(path, name string) error {
	switch {
	case name != "" && !bellhop.HeaderName(name):
		return bellhop.Invalid(path, "use the name of a header, such as X-Signature")
	case bellhop.ReservedHeader(name) && !strings.HasPrefix(strings.ToLower(name), "webhook-"):
		// Headers that begin with webhook- are reserved, but other systems sign with them.
		return bellhop.Invalid(path, "this header is reserved; use another, such as X-Signature")
	}
	return nil
}

var knownMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodHead, http.MethodOptions}

// warnings returns the weaknesses of settings without a preset. A preset leaves no choice.
func (s settings) warnings() []string {
	switch {
	case s.Scheme == schemeNone:
		return []string{"scheme none accepts events from anybody who knows the URL"}
	case s.Scheme == schemeHMAC && s.Hash == string(signature.SHA1):
		return []string{"hash sha1 is weaker than sha256; use sha256 if the system can sign with it"}
	case s.Scheme == schemeQuery:
		return []string{"scheme query sends the secret in the URL, which proxies log, and proves nothing about the " +
			"body; use hmac if the system can sign"}
	case s.Scheme == schemeToken || s.Scheme == schemeBasic:
		return []string{"scheme " + s.Scheme +
			" sends the secret with each request and proves nothing about the body; use " +
			"hmac if the system can sign"}
	}
	return nil
}

// checkMethods returns the accepted methods. HEAD is one of the defaults, because systems were seen to probe a URL by
// it before they register the URL, and its answer tells a stranger nothing.
func checkMethods(methods []string) ([]string, error) {
	if methods == nil {
		return []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodHead}, nil
	}
	if len(methods) == 0 {
		return nil, bellhop.Invalid("methods", "name at least one, or remove the setting")
	}
	var errs []error
	for i, m := range methods {
		if !slices.Contains(knownMethods, m) {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("methods[%d]", i),
				"use "+strings.Join(knownMethods, ", ")))
		}
	}
	return methods, bellhop.Join("", errs...)
}
